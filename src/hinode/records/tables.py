"""Every table. Times are seconds since 1970 as floats, from a clock that the caller passes in.

A table changes only together with a migration under `migrations/versions`; a test compares the two. Some
columns have another name in the database than in Python (`key`): the database keeps the first one.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial_index(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


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
    # Compute in seconds that the project had had at `attained_at`; it fades (jobs.schedule).
    Column("attained", Float(53), nullable=False, server_default="0"),
    Column("attained_at", Float(53), nullable=False, server_default="0"),
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
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),  # video_…; sorts by time of creation
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("key_id", String(64)),
    Column("request", JSON, nullable=False),  # jobs.rows.stored_request
    Column("operation", String(32), nullable=False),
    Column("engine", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("asked_model", String(200), nullable=False, key="requested_model"),  # as written: "sora-2"
    Column("seconds", Float(53), nullable=False),  # length of the clip
    Column("priority", Integer, nullable=False),  # jobs.states.Priority
    # "priority:project:model": jobs of one lane start in the order of `queued_at`.
    Column("lane", String(300), nullable=False),
    Column("status", String(16), nullable=False),  # jobs.states.Status
    Column("stage", String(32)),
    Column("progress", Integer, nullable=False, server_default="0"),  # 0..100, never falls
    Column("preview", Integer, nullable=False, server_default="0"),  # how many previews there were so far
    Column("created_at", Float(53), nullable=False),
    Column("queued_at", Float(53), nullable=False),
    Column("not_before", Float(53), nullable=False, server_default="0"),
    Column("started_at", Float(53)),
    Column("completed_at", Float(53)),
    Column("expires_at", Float(53)),  # when its files go
    Column("deleted_at", Float(53)),
    Column("cancel_requested_at", Float(53)),
    # When the worker was told to save the run and give the job back in favour of another.
    Column("give_way_at", Float(53), key="preempted_at"),
    # The fencing token: it grows with every claim, and a write that carries an older one does nothing.
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("worker_id", String(64)),
    Column("lease_until", Float(53)),
    Column("checkpoint", String(64)),  # digest of the saved state of the run
    Column("checkpoint_step", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),  # in a row without progress
    Column("compute_seconds", Float(53), nullable=False, server_default="0"),
    Column("making", JSON, key="provenance"),  # seed, native size, stage seconds, what was understood
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("source_id", String(64)),  # the video that this one was made from
    Column("batch_id", String(64)),
    Column("request_hash", String(64)),
    Column("retry_count", Integer, nullable=False, server_default="0"),
    Index("ix_jobs_project_id_id", "project_id", "id"),
    _partial_index("ix_jobs_lane", "lane", "queued_at", "id", where="status = 'queued'"),
    _partial_index("ix_jobs_running", "lease_until", where="status = 'running'"),
    _partial_index("ix_jobs_checkpoint", "checkpoint", where="checkpoint IS NOT NULL"),
    _partial_index("ix_jobs_expires_at", "expires_at", where="expires_at IS NOT NULL"),
    Index("ix_jobs_batch_id", "batch_id"),
    Index("ix_jobs_request_hash", "request_hash"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("worker_id", String(64), nullable=False),
    Column("host", String(200), nullable=False),  # a worker fails a job only once: see jobs.states
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Column("outcome", String(16)),  # jobs.states.Outcome; null while it runs
    Column("error", Text),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("role", String(32), primary_key=True),  # video, thumbnail, spritesheet; input_reference, source, …
    Column("digest", String(64), nullable=False, index=True),  # SHA-256: its name in the store
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),  # file-…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("filename", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("deleted_at", Float(53)),
    Index("ix_uploads_project_id_id", "project_id", "id"),
)

characters = Table(
    "characters",
    metadata,
    Column("id", String(64), primary_key=True),  # char_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("deleted_at", Float(53)),
    Index("ix_characters_project_id_id", "project_id", "id"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(64), primary_key=True),  # batch_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("key_id", String(64)),
    Column("input_file_id", String(64), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("completion_window", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("metadata", JSON),
    Column("errors", JSON),
    Column("lines", Integer, nullable=False, server_default="0"),  # of the input file, once it was read
    Column("admitted", Integer, nullable=False, server_default="0"),  # lines that were turned into jobs
    Column("output_file_id", String(64)),
    Column("error_file_id", String(64)),
    Column("output_seconds", Float(53)),  # how long those two are kept; null: the default
    Column("created_at", Float(53), nullable=False),
    Column("in_progress_at", Float(53)),
    Column("finalizing_at", Float(53)),
    Column("completed_at", Float(53)),
    Column("failed_at", Float(53)),
    Column("expired_at", Float(53)),
    Column("cancelling_at", Float(53)),
    Column("cancelled_at", Float(53)),
    Column("expires_at", Float(53)),
    Column("request_hash", String(64)),
    Column("retry_count", Integer, nullable=False, server_default="0"),
    Index("ix_batches_project_id_id", "project_id", "id"),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", ForeignKey("batches.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("custom_id", Text, nullable=False),
    Column("job_id", String(64), index=True),
    Column("error", JSON),  # why it became no job: {"status_code", "error"}
)

events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),  # evt_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("type", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    # What happened, in one word: "video_…:completed". It can happen only once.
    Column("once", String(100), nullable=False, unique=True),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),  # whe_…
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", JSON, nullable=False),
    Column("secret", Text, nullable=False),  # whsec_…; needed in the clear to sign with
    Column("old_secret", Text),
    Column("old_secret_until", Float(53)),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("disabled_at", Float(53)),  # it answered 410 Gone; an update makes it live again
    Column("deleted_at", Float(53)),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("event_id", ForeignKey("events.id"), nullable=False),
    Column("endpoint_id", ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("status", String(16), nullable=False),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Float(53), nullable=False),
    Column("next_at", Float(53), nullable=False),  # earliest time of the next attempt
    Column("epoch", Integer, nullable=False, server_default="0"),  # fencing token, as for jobs
    Column("lease_until", Float(53)),
    Column("delivered_at", Float(53)),
    _partial_index("ix_deliveries_pending", "next_at", where="status = 'pending'"),
    Index("ix_deliveries_endpoint_id", "endpoint_id", "id"),
    Index("ix_deliveries_event_id", "event_id"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("at", Float(53), nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("route", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("made", JSON, nullable=False, key="result_ids"),  # ids of the jobs, or of the batch
    Column("created_at", Float(53), nullable=False, index=True),
)

rejections = Table(
    "rejections",
    metadata,
    # Of a first try that was rejected: API key, address and length of the body (jobs.idempotency).
    Column("fingerprint", String(64), primary_key=True),
    Column("began_at", Float(53), nullable=False, index=True),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),  # worker_…; a new one with every start of the process
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("engines", JSON),  # names of those that it can run; null: every one
    Column("started_at", Float(53), nullable=False),
    Column("seen_at", Float(53), nullable=False, key="last_seen_at"),
    Column("stopped_at", Float(53)),
    Column("resident", JSON, nullable=False),  # models in its memory, "engine/model"
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Index("ix_workers_seen_at", "last_seen_at"),
)
