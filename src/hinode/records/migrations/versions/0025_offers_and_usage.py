"""offers and usage: the terms of a quote, the price of a job, and what jobs and projects have used"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quotes", sa.Column("digest", sa.String(64)))
    op.add_column("quotes", sa.Column("price", sa.BigInteger()))
    op.add_column("jobs", sa.Column("price", sa.BigInteger()))
    op.add_column("jobs", sa.Column("charged", sa.BigInteger()))
    op.create_table(
        "usage",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(280), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("began_at", sa.Float(53), nullable=False),
        sa.Column("ended_at", sa.Float(53), nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("hardware", sa.String(200)),
        sa.Column("gpu_seconds", sa.Float(53)),
        sa.Column("cpu_seconds", sa.Float(53)),
        sa.Column("work_seconds", sa.Float(53)),
        sa.Column("energy_wh", sa.Float(53)),
        sa.Column("energy_method", sa.String(12), nullable=False, server_default="none"),
        sa.Column("stored_bytes", sa.BigInteger()),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("charged", sa.BigInteger()),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_usage"),
    )
    op.create_index("ix_usage_ended_at", "usage", ["ended_at", "job_id"])
    op.create_index("ix_usage_model", "usage", ["model", "ended_at"])
    sums = ["energy_method", "gpu_seconds", "cpu_seconds", "energy_wh", "stored_bytes"]
    op.create_index("ix_usage_totals", "usage", sums)
    op.create_table(
        "usage_days",
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "day", "kind", name="pk_usage_days"),
    )
