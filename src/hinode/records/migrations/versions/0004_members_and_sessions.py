"""members and sessions: people who sign in, their one-time tokens, and the settings of a project"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(length=64)
TIME = sa.Float(precision=53)


def upgrade() -> None:
    op.add_column("projects", sa.Column("expiry", sa.String(16), nullable=False, server_default="never"))
    op.add_column("projects", sa.Column("storage_limit_bytes", sa.BigInteger()))
    op.create_table(
        "instances",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("url", sa.Text()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_instances")),
    )
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        _project("users"),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.String(200)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("ix_users_project_id_id", "users", ["project_id", "id"])
    live = sa.text("deleted_at IS NULL")
    op.create_index(
        "uq_users_email",
        "users",
        ["email", "project_id"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "sessions",
        sa.Column("id", ID, nullable=False),
        _project("sessions"),
        _user("sessions"),
        sa.Column("digest", ID, nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_sessions_digest")),
    )
    op.create_index("ix_sessions_project_id_id", "sessions", ["project_id", "id"])
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_table(
        "one_time_tokens",
        sa.Column("id", ID, nullable=False),
        _project("one_time_tokens"),
        _user("one_time_tokens"),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("digest", ID, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_one_time_tokens_digest")),
    )
    for column in ("user_id", "expires_at"):
        op.create_index(op.f(f"ix_one_time_tokens_{column}"), "one_time_tokens", [column])
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", ID, nullable=False),
        sa.Column("subject", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index("ix_sign_in_attempts_subject", "sign_in_attempts", ["subject", "at"])


def _project(table: str) -> sa.Column[str]:
    key = sa.ForeignKey("projects.id", name=op.f(f"fk_{table}_project_id"))
    return sa.Column("project_id", sa.String(64), key, nullable=False)


def _user(table: str) -> sa.Column[str]:
    return sa.Column("user_id", sa.String(64), sa.ForeignKey("users.id", name=op.f(f"fk_{table}_user_id")))
