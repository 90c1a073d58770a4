"""Money: the ledger's accounts and the transfers between them, budgets, and usage.

Amounts are whole micro-units of a currency: one dollar is 1,000,000. Triggers apply each transfer to the two
accounts and refuse one that is wrong; rows of transfers never change (`0020_ledger.py`).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from hinode.records.tables.schema import metadata, partial_index

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", String(96), primary_key=True),
    Column("kind", String(16), nullable=False),  # money.ledger.accounts.Kind
    # Of a lot. No foreign key: the books outlive a project that is deleted.
    Column("project_id", String(64)),
    Column("currency", String(3), nullable=False),
    # Credits less debits, and what holds have set aside of them. Only accounts with a `minimum` have both:
    # every transaction would wait for the row of an account that all clips pay into.
    Column("balance", BigInteger, nullable=False, server_default="0"),
    Column("pending", BigInteger, nullable=False, server_default="0"),
    Column("minimum", BigInteger),  # of balance - pending; null: no bound, and no running balance
    Column("priority", BigInteger, nullable=False, server_default="0"),  # lots with a lower one burn first
    Column("expires_at", Float(53)),  # from then on nothing more is taken from the lot; null: never
    Column("created_at", Float(53), nullable=False),
    CheckConstraint("pending >= 0", name="ck_ledger_accounts_pending"),
    CheckConstraint("minimum IS NULL OR balance - pending >= minimum", name="ck_ledger_accounts_minimum"),
    partial_index(
        "ix_ledger_accounts_lots", "project_id", "currency", "priority", "expires_at", where="kind = 'lot'"
    ),
)

ledger_transfers = Table(
    "ledger_transfers",
    metadata,
    Column("id", String(160), primary_key=True),  # chosen by the caller, so that a retry posts nothing
    Column("chain", String(128), nullable=False),  # transfers that stand or fall together
    Column("kind", String(10), nullable=False),  # money.ledger.transfers.Kind
    Column("debit_id", ForeignKey("ledger_accounts.id"), nullable=False),
    Column("credit_id", ForeignKey("ledger_accounts.id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("hold_id", ForeignKey("ledger_transfers.id")),  # that a capture, void or expiry resolves
    Column("original_id", ForeignKey("ledger_transfers.id")),  # that a reversal takes back
    Column("project_id", String(64)),
    Column("job_id", String(64)),
    Column("note", Text),
    Column("at", Float(53), nullable=False),
    CheckConstraint("debit_id <> credit_id", name="ck_ledger_transfers_accounts"),
    CheckConstraint(
        "amount > 0 OR (amount = 0 AND kind IN ('void', 'expiry'))", name="ck_ledger_transfers_amount"
    ),
    CheckConstraint("amount < 1000000000000000", name="ck_ledger_transfers_maximum"),
    CheckConstraint(
        "kind IN ('post', 'hold', 'capture', 'void', 'expiry', 'reversal')", name="ck_ledger_transfers_kind"
    ),
    CheckConstraint(
        "(hold_id IS NOT NULL) = (kind IN ('capture', 'void', 'expiry'))", name="ck_ledger_transfers_hold"
    ),
    CheckConstraint("(original_id IS NOT NULL) = (kind = 'reversal')", name="ck_ledger_transfers_original"),
    Index("ix_ledger_transfers_chain", "chain"),
    Index("ix_ledger_transfers_debit_id", "debit_id", "at"),
    Index("ix_ledger_transfers_credit_id", "credit_id", "at"),
    partial_index("uq_ledger_transfers_hold_id", "hold_id", where="hold_id IS NOT NULL", unique=True),
    partial_index("ix_ledger_transfers_original_id", "original_id", where="original_id IS NOT NULL"),
    partial_index("ix_ledger_transfers_job_id", "job_id", where="job_id IS NOT NULL"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", String(64), primary_key=True),  # budget_…
    Column("scope", String(16), nullable=False),  # money.budgets.Scope
    Column("subject", String(160), nullable=False),  # an id, or engine/model; "" for the installation
    Column("period", String(8), nullable=False),  # money.budgets.Period
    Column("soft", BigInteger),  # beyond it an event is sent
    Column("hard", BigInteger),  # beyond it nothing is admitted
    Column("created_at", Float(53), nullable=False),
    UniqueConstraint("scope", "subject", "period", name="uq_budgets_scope_subject_period"),
)

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("budget_id", ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True),
    Column("begins_at", Float(53), primary_key=True),
    Column("amount", BigInteger, nullable=False),  # spent, and set aside for jobs that are not finished
)

budget_charges = Table(
    "budget_charges",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("budget_id", ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("begins_at", Float(53), nullable=False),  # of the window that was charged
    Column("amount", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    # What a job that ended has used. No foreign keys: an account of a month outlives its clips.
    Column("job_id", String(64), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("model", String(280), nullable=False),  # engine/model
    Column("operation", String(32), nullable=False),
    Column("status", String(16), nullable=False),  # jobs.states.Status
    Column("began_at", Float(53), nullable=False),
    Column("ended_at", Float(53), nullable=False),
    Column("seconds", Float(53), nullable=False),  # of video that were delivered
    Column("hardware", String(200)),  # money.quoting.hardware
    # Null is unknown, and never the same as 0.
    Column("gpu_seconds", Float(53)),
    Column("cpu_seconds", Float(53)),
    Column("work_seconds", Float(53)),
    Column("energy_wh", Float(53)),
    Column("energy_method", String(12), nullable=False, server_default="none"),  # money.meters.usage.Method
    Column("stored_bytes", BigInteger),
    Column("stages", JSON, nullable=False),  # of money.meters.usage.Usage
    Column("charged", BigInteger),  # null: the project does not pay for its clips
    Column("currency", String(3), nullable=False),
    Index("ix_usage_ended_at", "ended_at", "job_id"),
    Index("ix_usage_model", "model", "ended_at"),
    # Covers the sums of metrics, so that they read no row.
    Index("ix_usage_totals", "energy_method", "gpu_seconds", "cpu_seconds", "energy_wh", "stored_bytes"),
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # of UTC
    Column("kind", String(32), primary_key=True),  # money.meters.days.Kind
    Column("quantity", BigInteger, nullable=False),
)
