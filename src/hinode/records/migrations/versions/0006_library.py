"""library: titles, tags, collections, trash, parents of videos, archives, and the storage limit"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IN_LIBRARY = sa.text("status = 'completed' AND deleted_at IS NULL AND trashed_at IS NULL")
TRASHED = sa.text("trashed_at IS NOT NULL")
FAVOURITE = sa.text("favourite")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("trashed_at", sa.Float(precision=53), nullable=True))
    columns = ["project_id", "id", "expires_at", "status", "deleted_at", "trashed_at"]
    op.create_index("ix_jobs_kept", "jobs", columns, sqlite_where=IN_LIBRARY, postgresql_where=IN_LIBRARY)
    op.create_index("ix_jobs_project_id_seconds", "jobs", ["project_id", "seconds", "id"])
    op.create_index(
        "ix_jobs_trashed_at", "jobs", ["trashed_at"], sqlite_where=TRASHED, postgresql_where=TRASHED
    )
    op.create_table(
        "parents",
        _job(),
        sa.Column("parent_id", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_parents_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "parent_id", name=op.f("pk_parents")),
    )
    op.create_index(op.f("ix_parents_parent_id"), "parents", ["parent_id"])
    op.create_table(
        "library",
        _job(),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False, server_default=""),
        sa.Column("favourite", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("published", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("words", sa.Text(), nullable=False, server_default=""),
        *_changes(),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_library_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_library")),
    )
    op.create_index(
        "ix_library_favourite",
        "library",
        ["project_id", "job_id"],
        sqlite_where=FAVOURITE,
        postgresql_where=FAVOURITE,
    )
    op.create_index(op.f("ix_library_project_id_changed_at"), "library", ["project_id", "changed_at"])
    op.create_table(
        "library_tags",
        _job(),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("tag", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_library_tags_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "key", name=op.f("pk_library_tags")),
    )
    op.create_index("ix_library_tags_project_id_key", "library_tags", ["project_id", "key", "job_id"])
    _create_collections()
    op.create_table(
        "archives",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("job_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_archives_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archives")),
    )
    op.create_index(op.f("ix_archives_created_at"), "archives", ["created_at"])


def _create_collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("deleted_at", sa.Float(precision=53), nullable=True),
        *_changes(),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_collections_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
    )
    op.create_index("ix_collections_project_id_id", "collections", ["project_id", "id"])
    op.create_index("ix_collections_project_id_changed_at", "collections", ["project_id", "changed_at"])
    op.create_table(
        "collection_items",
        sa.Column("collection_id", sa.String(length=64), nullable=False),
        _job(),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_collection_items_collection_id_collections")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_collection_items_job_id_jobs")),
        sa.PrimaryKeyConstraint("collection_id", "job_id", name=op.f("pk_collection_items")),
    )
    op.create_index(op.f("ix_collection_items_job_id"), "collection_items", ["job_id"])


def _job() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(length=64), nullable=False)


def _changes() -> tuple[sa.Column[int], sa.Column[float]]:
    revision = sa.Column("revision", sa.Integer(), nullable=False, server_default="1")
    return revision, sa.Column("changed_at", sa.Float(precision=53), nullable=False)
