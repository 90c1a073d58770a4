"""marks: digests of packed pictures and sound, operations, and failed requests for timestamps"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("marks", sa.Column("timestamp_failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("marks", sa.Column("media_digest", sa.String(64), nullable=True))
    op.add_column("marks", sa.Column("operation", sa.String(32), nullable=True))
    # No row is in it yet, so that it is built quickly.
    condition = sa.text("media_digest IS NOT NULL")
    op.create_index(
        "ix_marks_media_digest",
        "marks",
        ["media_digest"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
