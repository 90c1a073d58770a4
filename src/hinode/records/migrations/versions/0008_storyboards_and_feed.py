"""storyboards and feed: documents with versions, what characters are, and published videos"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects", sa.Column("feed_enabled", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    for name in ("description", "notes"):
        op.add_column("characters", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    _storyboards()
    _feed()


def _storyboards() -> None:
    op.create_table(
        "storyboards",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.Column("deleted_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_storyboards_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storyboards")),
    )
    op.create_index("ix_storyboards_project_id_id", "storyboards", ["project_id", "id"])
    op.create_table(
        "storyboard_versions",
        sa.Column("storyboard_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["storyboard_id"], ["storyboards.id"], name=op.f("fk_storyboard_versions_storyboard_id")
        ),
        sa.PrimaryKeyConstraint("storyboard_id", "number", name=op.f("pk_storyboard_versions")),
    )
    op.create_table(
        "storyboard_takes",
        sa.Column("storyboard_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["storyboard_id"], ["storyboards.id"], name=op.f("fk_storyboard_takes_storyboard_id")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_storyboard_takes_job_id")),
        sa.PrimaryKeyConstraint("storyboard_id", "job_id", name=op.f("pk_storyboard_takes")),
    )
    op.create_index(op.f("ix_storyboard_takes_job_id"), "storyboard_takes", ["job_id"])


def _feed() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("video_id", sa.String(length=64), nullable=False),
        sa.Column("caption", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("credits", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("deleted_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_posts_project_id")),
        sa.ForeignKeyConstraint(["video_id"], ["jobs.id"], name=op.f("fk_posts_video_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
    )
    op.create_index("ix_posts_project_id_id", "posts", ["project_id", "id"])
    op.create_index(op.f("ix_posts_video_id"), "posts", ["video_id"])
    for table, more in (("likes", ()), ("reports", (sa.Column("reason", sa.Text(), nullable=False),))):
        op.create_table(
            table,
            sa.Column("post_id", sa.String(length=64), nullable=False),
            sa.Column("person", sa.String(length=64), nullable=False),
            *more,
            sa.Column("created_at", sa.Float(precision=53), nullable=False),
            sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f(f"fk_{table}_post_id")),
            sa.PrimaryKeyConstraint("post_id", "person", name=op.f(f"pk_{table}")),
        )
