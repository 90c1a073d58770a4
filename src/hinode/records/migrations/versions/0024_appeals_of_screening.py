"""appeals against decisions of screening, and frames of blocked clips for reviewers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "screening_appeals",
        sa.Column("decision_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_screening_appeals")),
    )
    op.create_table(
        "screening_frames",
        sa.Column("decision_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_screening_frames")),
    )
    op.create_index(op.f("ix_screening_frames_digest"), "screening_frames", ["digest"], unique=False)
