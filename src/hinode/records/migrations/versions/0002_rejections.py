"""rejections: tries of clients that were rejected, for all processes that answer"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rejections",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("began_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_rejections")),
    )
    op.create_index(op.f("ix_rejections_began_at"), "rejections", ["began_at"])
