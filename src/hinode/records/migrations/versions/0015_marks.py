"""marks: what signed files can be recognised by, and the keys that the servers of a database share"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "marks",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("watermark_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("timestamp_due", sa.Float(precision=53), nullable=True),
        sa.Column("timestamp", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_marks")),
    )
    for name in ("label", "job_id", "watermark_id", "timestamp_due"):
        op.create_index(op.f(f"ix_marks_{name}"), "marks", [name])
    op.create_table(
        "authorities",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("keyring", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_authorities")),
    )
