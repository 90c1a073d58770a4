"""status: what probes of the service measured, incidents, and the notes of operators"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "status_probers",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("interval", sa.Float(precision=53), nullable=False),
        sa.Column("reported_at", sa.Float(precision=53), nullable=True),
        sa.Column("lease_until", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_status_probers_project_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_status_probers")),
    )
    op.create_table(
        "status_components",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(precision=53), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("successes", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_status_components")),
    )
    op.create_table(
        "status_buckets",
        sa.Column("component", sa.String(length=100), nullable=False),
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Float(precision=53), nullable=False),
        sa.Column("good", sa.Float(precision=53), nullable=False),
        sa.Column("bad", sa.Float(precision=53), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("component", "resolution", "start", name=op.f("pk_status_buckets")),
    )
    op.create_table(
        "status_incidents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("component", sa.String(length=100), nullable=False),
        sa.Column("impact", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Float(precision=53), nullable=False),
        sa.Column("escalated_at", sa.Float(precision=53), nullable=True),
        sa.Column("closed_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_incidents")),
    )
    op.create_index("ix_status_incidents_component", "status_incidents", ["component", "opened_at"])
    op.create_table(
        "status_notes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["status_incidents.id"], name=op.f("fk_status_notes_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_notes")),
    )
    op.create_index(op.f("ix_status_notes_incident_id"), "status_notes", ["incident_id"])
