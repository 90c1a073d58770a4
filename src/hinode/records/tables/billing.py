"""Billing: payments, promo codes, and invoices. Amounts are whole micro-units of a currency."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from hinode.records.tables.schema import metadata

payments = Table(
    "payments",
    metadata,
    Column("id", String(64), primary_key=True),  # pay_…; that of its credit in the ledger, too
    Column("provider", String(16), nullable=False),
    Column("reference", String(255)),  # the provider's id; null until a webhook names it
    Column("project_id", String(64), nullable=False),
    Column("pack_id", String(64), nullable=False),
    # As the pack was when the payment began.
    Column("price", BigInteger, nullable=False),
    Column("credit", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("days", Integer),
    Column("created_at", Float(53), nullable=False),
    Column("credited_at", Float(53)),  # null: not paid yet
    Column("refunded", BigInteger, nullable=False, server_default="0"),  # of the price
    CheckConstraint("price > 0 AND credit >= price", name="ck_payments_credit"),
    CheckConstraint("refunded >= 0 AND refunded <= price", name="ck_payments_refunded"),
    Index("uq_payments_reference", "provider", "reference", unique=True),
    Index("ix_payments_project_id", "project_id", "id"),
)

payment_events = Table(
    "payment_events",
    metadata,
    Column("id", String(255), primary_key=True),  # of the provider; the row is written with what it caused
    Column("provider", String(16), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("payment_id", ForeignKey("payments.id"), index=True),
    Column("at", Float(53), nullable=False),
)

promo_codes = Table(
    "promo_codes",
    metadata,
    Column("id", String(32), primary_key=True),  # the code itself
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("days", Integer),  # for which its credit can be spent; null: for ever
    Column("max_uses", Integer),  # null: no limit
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("expires_at", Float(53)),
    Column("created_at", Float(53), nullable=False),
    CheckConstraint("amount > 0", name="ck_promo_codes_amount"),
    CheckConstraint("max_uses IS NULL OR uses <= max_uses", name="ck_promo_codes_uses"),
)

promo_redemptions = Table(
    "promo_redemptions",
    metadata,
    Column("code_id", ForeignKey("promo_codes.id"), primary_key=True),
    # No foreign key: a code stays used after its project is deleted.
    Column("project_id", String(64), primary_key=True),
    Column("at", Float(53), nullable=False),
)

recipients = Table(
    "recipients",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("address", Text, nullable=False),
    Column("tax_id", String(64), nullable=False, server_default=""),
    Column("tax_rate", String(16)),  # percent as decimal text, where it differs from the usual one
    Column("tax_note", Text, nullable=False, server_default=""),  # why it differs
)

invoice_series = Table(
    "invoice_series",
    metadata,
    Column("id", String(16), primary_key=True),  # such as "R2026"
    Column("last", BigInteger, nullable=False),  # raised in the transaction that writes the invoice
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", String(32), primary_key=True),  # the number: series and position
    Column("kind", String(16), nullable=False),  # money.invoices.invoice.Kind
    Column("project_id", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("gross", BigInteger, nullable=False),
    Column("begins_at", Float(53), nullable=False),  # of the period
    Column("ends_at", Float(53), nullable=False),
    Column("issued_at", Float(53), nullable=False),
    Column("corrects", ForeignKey("invoices.id"), index=True),  # of a credit note
    Column("parties", JSON, nullable=False),  # seller, recipient and tax as they were
    Column("digest", String(64), nullable=False),  # SHA-256 of the invoice as it was issued
    CheckConstraint("(corrects IS NOT NULL) = (kind = 'credit_note')", name="ck_invoices_corrects"),
    Index("ix_invoices_project_id", "project_id", "id"),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    # The key: no payment is invoiced twice.
    Column("transfer_id", ForeignKey("ledger_transfers.id"), primary_key=True),
    Column("invoice_id", ForeignKey("invoices.id"), nullable=False, index=True),
)
