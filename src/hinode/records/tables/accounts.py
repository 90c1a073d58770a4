"""Organisations, projects, their keys, members and sessions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from hinode.records.tables.schema import metadata, partial_index

organisations = Table(
    "organisations",
    metadata,
    Column("id", String(64), primary_key=True),  # org_…
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(64), primary_key=True),  # proj_…
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    # Share of the workers when there are more jobs than they can run; 2 gets twice as much as 1.
    Column("weight", Float(53), nullable=False, server_default="1"),
    Column("most_running", Integer, key="max_running"),  # jobs at once; null: no cap
    Column("most_queued", Integer, key="max_queued"),  # jobs waiting or running; null: no cap
    Column("daily_seconds", Float(53)),  # seconds of video accepted in any 24 hours; null: no quota
    # Compute in seconds that the project had had at `attained_at`; it fades (jobs.scheduling.schedule).
    Column("attained", Float(53), nullable=False, server_default="0"),
    Column("attained_at", Float(53), nullable=False, server_default="0"),
    # "never" or "week": how long the files of jobs of a signed-in person are kept.
    Column("expiry", String(16), nullable=False, server_default="never"),
    Column("storage_limit_bytes", BigInteger),  # of its files, without the trash; null: no limit
    Column("paused_at", Float(53)),  # since when its waiting jobs are not started; null: they are
    Column("feed_enabled", Boolean, nullable=False, server_default=text("false")),
    Column("local_only", Boolean, nullable=False, server_default=text("false")),  # no jobs for providers
    Column("billing", Boolean, nullable=False, server_default=text("false")),  # clips are paid from credit
    Column("deleted_at", Float(53)),  # since when it is being deleted, or is; its id stays
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),  # key_…
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("hint", String(32), nullable=False),  # the first and last characters, to recognise it by
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the key, which is not stored
    Column("scopes", String(200), nullable=False),  # words separated by spaces
    Column("requests_per_minute", Integer),
    Column("created_at", Float(53), nullable=False),
    Column("last_used_at", Float(53)),
    Column("revoked_at", Float(53)),
    Column("rate_tokens", Float(53)),  # of the token bucket, at `rate_at`
    Column("rate_at", Float(53)),
)

instances = Table(
    "instances",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("id", String(16), nullable=False),  # tells the cookies of servers on one host apart
    Column("url", Text),  # where a server on this database was announced last
)

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),  # user_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("email", String(254), nullable=False),  # in lower case
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),  # jobs.tenants.tenant.Role
    Column("password", String(200)),  # argon2 hash; null: the invitation was not accepted yet
    Column("created_at", Float(53), nullable=False),
    Column("deleted_at", Float(53)),
    Index("ix_users_project_id_id", "project_id", "id"),
    partial_index("uq_users_email", "email", "project_id", where="deleted_at IS NULL", unique=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),  # session_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), index=True),  # null: by a one-time link, as the owner
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the cookie's token
    Column("agent", String(200), nullable=False),  # what the browser calls itself
    Column("created_at", Float(53), nullable=False),
    Column("last_used_at", Float(53)),
    Column("expires_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Index("ix_sessions_project_id_id", "project_id", "id"),
)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("id", String(64), primary_key=True),  # token_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), index=True),  # null: signs in as the owner
    Column("purpose", String(16), nullable=False),  # jobs.tenants.tokens.Purpose
    Column("digest", String(64), nullable=False, unique=True),
    Column("expires_at", Float(53), nullable=False, index=True),
    Column("used_at", Float(53)),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", String(64), primary_key=True),  # attempt_…
    Column("subject", String(64), nullable=False),  # digest of an account, or of a client's address
    Column("at", Float(53), nullable=False),
    Index("ix_sign_in_attempts_subject", "subject", "at"),
)
