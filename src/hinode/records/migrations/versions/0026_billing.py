"""billing: payments and their events, promo codes, recipients and numbers of invoices"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_payments()
    _create_promo_codes()
    _create_invoices()


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(255)),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("pack_id", sa.String(64), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("credit", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("days", sa.Integer()),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("credited_at", sa.Float(53)),
        sa.Column("refunded", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.CheckConstraint("price > 0 AND credit >= price", name="ck_payments_credit"),
        sa.CheckConstraint("refunded >= 0 AND refunded <= price", name="ck_payments_refunded"),
    )
    op.create_index("uq_payments_reference", "payments", ["provider", "reference"], unique=True)
    op.create_index("ix_payments_project_id", "payments", ["project_id", "id"])
    op.create_table(
        "payment_events",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("payment_id", sa.String(64)),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_payment_events_payment_id_payments"
        ),
        sa.PrimaryKeyConstraint("id", "provider", name="pk_payment_events"),
    )
    op.create_index("ix_payment_events_payment_id", "payment_events", ["payment_id"])


def _create_promo_codes() -> None:
    op.create_table(
        "promo_codes",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("days", sa.Integer()),
        sa.Column("max_uses", sa.Integer()),
        sa.Column("uses", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("expires_at", sa.Float(53)),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_promo_codes"),
        sa.CheckConstraint("amount > 0", name="ck_promo_codes_amount"),
        sa.CheckConstraint("max_uses IS NULL OR uses <= max_uses", name="ck_promo_codes_uses"),
    )
    op.create_table(
        "promo_redemptions",
        sa.Column("code_id", sa.String(32), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(
            ["code_id"], ["promo_codes.id"], name="fk_promo_redemptions_code_id_promo_codes"
        ),
        sa.PrimaryKeyConstraint("code_id", "project_id", name="pk_promo_redemptions"),
    )


def _create_invoices() -> None:
    op.create_table(
        "recipients",
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("tax_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("tax_rate", sa.String(16)),
        sa.Column("tax_note", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_recipients_project_id_projects"),
        sa.PrimaryKeyConstraint("project_id", name="pk_recipients"),
    )
    op.create_table(
        "invoice_series",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invoice_series"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("begins_at", sa.Float(53), nullable=False),
        sa.Column("ends_at", sa.Float(53), nullable=False),
        sa.Column("issued_at", sa.Float(53), nullable=False),
        sa.Column("corrects", sa.String(32)),
        sa.Column("parties", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["corrects"], ["invoices.id"], name="fk_invoices_corrects_invoices"),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.CheckConstraint("(corrects IS NOT NULL) = (kind = 'credit_note')", name="ck_invoices_corrects"),
    )
    op.create_index("ix_invoices_project_id", "invoices", ["project_id", "id"])
    op.create_index("ix_invoices_corrects", "invoices", ["corrects"])
    op.create_table(
        "invoice_lines",
        sa.Column("transfer_id", sa.String(160), nullable=False),
        sa.Column("invoice_id", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["ledger_transfers.id"], name="fk_invoice_lines_transfer_id_ledger_transfers"
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_invoice_lines_invoice_id_invoices"),
        sa.PrimaryKeyConstraint("transfer_id", name="pk_invoice_lines"),
    )
    op.create_index("ix_invoice_lines_invoice_id", "invoice_lines", ["invoice_id"])
