"""partial indexes of jobs: by checkpoint, and by expiry only where there is one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_expires_at", "jobs")
    for column in ("checkpoint", "expires_at"):
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_jobs_{column}", "jobs", [column], sqlite_where=condition, postgresql_where=condition
        )
