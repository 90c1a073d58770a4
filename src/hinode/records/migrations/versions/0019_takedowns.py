"""takedowns: notices, matches, what is withheld, fingerprints, and what stays down"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "takedowns",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.Column("reminders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("decided_at", sa.Float(precision=53), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("appeal_ends_at", sa.Float(precision=53), nullable=True),
        sa.Column("counter_project_id", sa.String(length=64), nullable=True),
        sa.Column("counter_statement", sa.Text(), nullable=True),
        sa.Column("counter_signature", sa.Text(), nullable=True),
        sa.Column("counter_at", sa.Float(precision=53), nullable=True),
        sa.Column("closed_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takedowns")),
    )
    op.create_index("ix_takedowns_address_created_at", "takedowns", ["address", "created_at"], unique=False)
    op.create_index(
        "ix_takedowns_due_at",
        "takedowns",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(op.f("ix_takedowns_status"), "takedowns", ["status"], unique=False)
    op.create_table(
        "takedown_matches",
        sa.Column("takedown_id", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("match", sa.String(length=16), nullable=False),
        sa.Column("similarity", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["takedown_id"], ["takedowns.id"], name=op.f("fk_takedown_matches_takedown_id")
        ),
        sa.PrimaryKeyConstraint("takedown_id", "entry_id", name=op.f("pk_takedown_matches")),
    )
    op.create_table(
        "withheld",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("cause_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_withheld_project_id")),
        sa.PrimaryKeyConstraint("entry_id", "cause_id", name=op.f("pk_withheld")),
    )
    op.create_index(op.f("ix_withheld_cause_id"), "withheld", ["cause_id"], unique=False)
    op.create_index(op.f("ix_withheld_project_id"), "withheld", ["project_id"], unique=False)
    op.create_table(
        "withheld_entries",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_withheld_entries")),
    )
    op.create_table(
        "withheld_files",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "role", name=op.f("pk_withheld_files")),
    )
    op.create_index(op.f("ix_withheld_files_digest"), "withheld_files", ["digest"], unique=False)
    op.create_table(
        "fingerprints",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_fingerprints")),
    )
    op.create_table(
        "staydowns",
        sa.Column("takedown_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("lifted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["takedown_id"], ["takedowns.id"], name=op.f("fk_staydowns_takedown_id")),
        sa.PrimaryKeyConstraint("takedown_id", "digest", name=op.f("pk_staydowns")),
    )
    op.create_index(op.f("ix_staydowns_digest"), "staydowns", ["digest"], unique=False)
    op.add_column("projects", sa.Column("deleted_at", sa.Float(53), nullable=True))
