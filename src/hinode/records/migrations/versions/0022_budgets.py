"""budgets: how much may be spent in a day, a month or in all, by a scope, and what was charged to them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(160), nullable=False),
        sa.Column("period", sa.String(8), nullable=False),
        sa.Column("soft", sa.BigInteger()),
        sa.Column("hard", sa.BigInteger()),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.UniqueConstraint("scope", "subject", "period", name="uq_budgets_scope_subject_period"),
    )
    op.create_table(
        "budget_windows",
        sa.Column("budget_id", sa.String(64), nullable=False),
        sa.Column("begins_at", sa.Float(53), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budgets.id"], name="fk_budget_windows_budget_id_budgets", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("budget_id", "begins_at", name="pk_budget_windows"),
    )
    op.create_table(
        "budget_charges",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("budget_id", sa.String(64), nullable=False),
        sa.Column("begins_at", sa.Float(53), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budgets.id"], name="fk_budget_charges_budget_id_budgets", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "budget_id", name="pk_budget_charges"),
    )
    op.create_index("ix_budget_charges_budget_id", "budget_charges", ["budget_id"])
