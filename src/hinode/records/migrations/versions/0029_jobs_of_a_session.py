"""jobs of a session: an index, by which the videos of a person are found"""

from __future__ import annotations

from hinode.records.upgrades import create_index_concurrently

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently("ix_jobs_key_id", "jobs", ["key_id"], where="key_id IS NOT NULL")
