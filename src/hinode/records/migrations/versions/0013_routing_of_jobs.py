"""routing of jobs: the routes of a job of a pool, and projects whose jobs stay with own workers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("routing", sa.JSON(), nullable=True))
    op.add_column(
        "projects", sa.Column("local_only", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
