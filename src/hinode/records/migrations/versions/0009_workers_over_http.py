"""workers over HTTP: their tokens, what they may work on, and the files that they have sent"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker_tokens",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("engines", sa.JSON(), nullable=True),
        sa.Column("projects", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("revoked_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_worker_tokens_digest")),
    )
    op.create_table(
        "worker_objects",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_worker_objects_job_id")),
        sa.PrimaryKeyConstraint("job_id", "digest", name=op.f("pk_worker_objects")),
    )
    op.add_column("workers", sa.Column("token_id", sa.String(length=64), nullable=True))
    op.add_column("workers", sa.Column("projects", sa.JSON(), nullable=True))
