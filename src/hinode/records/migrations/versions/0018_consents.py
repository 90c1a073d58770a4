"""consents: receipts and uses of consents, confirmations of rights, and the log of decisions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("character_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("access", sa.String(length=16), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.Column("revoked_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["character_id"], ["characters.id"], name=op.f("fk_consents_character_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_consents_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_character_id"), "consents", ["character_id"], unique=False)
    op.create_index(op.f("ix_consents_digest"), "consents", ["digest"], unique=False)
    op.create_index(op.f("ix_consents_owner"), "consents", ["owner"], unique=False)
    op.create_table(
        "consent_receipts",
        sa.Column("consent_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("signed_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name=op.f("fk_consent_receipts_consent_id")),
        sa.PrimaryKeyConstraint("consent_id", "version", name=op.f("pk_consent_receipts")),
    )
    op.create_table(
        "consent_uses",
        sa.Column("consent_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name=op.f("fk_consent_uses_consent_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_consent_uses_job_id")),
        sa.PrimaryKeyConstraint("consent_id", "job_id", name=op.f("pk_consent_uses")),
    )
    op.create_index(op.f("ix_consent_uses_job_id"), "consent_uses", ["job_id"], unique=False)
    op.create_table(
        "attestations",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("statement", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_attestations_project_id")),
        sa.PrimaryKeyConstraint("project_id", "statement", name=op.f("pk_attestations")),
    )
    op.create_table(
        "upload_reviews",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_upload_reviews_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_reviews")),
    )
    op.create_index("ix_upload_reviews_digest", "upload_reviews", ["digest"], unique=False)
    op.create_index(
        "uq_upload_reviews_project_id_digest", "upload_reviews", ["project_id", "digest"], unique=True
    )
    op.create_table(
        "rights_events",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_events")),
    )
    op.create_index(op.f("ix_rights_events_subject"), "rights_events", ["subject"], unique=False)
    op.add_column(
        "characters", sa.Column("person", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
