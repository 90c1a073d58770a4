"""Jobs, the files and parents of each, who works on them, and how long they take."""

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
    String,
    Table,
    Text,
    false,
    text,
)

from hinode.records.tables.schema import metadata, partial_index

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),  # video_…; sorts by time of creation
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("key_id", String(64)),  # of an API key or a session
    Column("request", JSON, nullable=False),  # jobs.rows.stored_request
    Column("operation", String(32), nullable=False),
    Column("engine", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("asked_model", String(200), nullable=False, key="requested_model"),  # as written: "sora-2"
    Column("seconds", Float(53), nullable=False),  # length of the clip
    Column("priority", Integer, nullable=False),  # jobs.states.Priority, of the class that it waits in
    Column("rush", Boolean, nullable=False, server_default=false()),  # its priority is RUSH
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
    Column("trashed_at", Float(53)),  # it is deleted a day later
    Column("routing", JSON(none_as_null=True)),  # of a job of a pool: hinode.routing.record
    Column("trace", String(55)),  # W3C traceparent of the request, if traces were on: hinode.tracing
    # Micro-units, of a project that pays for its clips: agreed at admission, and taken at the end.
    Column("price", BigInteger),
    Column("charged", BigInteger),
    Index("ix_jobs_project_id_id", "project_id", "id"),
    # Covers the number of videos in a library, so that counting reads no row.
    partial_index(
        "ix_jobs_kept",
        "project_id",
        "id",
        "expires_at",
        "status",
        "deleted_at",
        "trashed_at",
        where="status = 'completed' AND deleted_at IS NULL AND trashed_at IS NULL",
    ),
    Index("ix_jobs_project_id_seconds", "project_id", "seconds", "id"),
    partial_index("ix_jobs_trashed_at", "trashed_at", where="trashed_at IS NOT NULL"),
    # Set by a trigger whenever something changes that people see: jobs.changes.
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Index("ix_jobs_changed", "changed", "project_id", "id"),
    partial_index("ix_jobs_waiting", "project_id", "queued_at", "id", where="status = 'queued'"),
    partial_index("ix_jobs_lane", "lane", "queued_at", "id", where="status = 'queued'"),
    partial_index("ix_jobs_running", "lease_until", where="status = 'running'"),
    partial_index("ix_jobs_checkpoint", "checkpoint", where="checkpoint IS NOT NULL"),
    partial_index("ix_jobs_expires_at", "expires_at", where="expires_at IS NOT NULL"),
    Index("ix_jobs_batch_id", "batch_id"),
    partial_index("ix_jobs_key_id", "key_id", where="key_id IS NOT NULL"),
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

parents = Table(
    "parents",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("parent_id", String(64), primary_key=True, index=True),  # a video that it was made from
    Column("operation", String(32), nullable=False),  # by which: that of the job, or "finish"
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
    # Of a first try that was rejected: API key, address and length of the body (jobs.admission.idempotency).
    Column("fingerprint", String(64), primary_key=True),
    Column("began_at", Float(53), nullable=False, index=True),
)

runs = Table(
    "runs",
    metadata,
    # How long finished clips took. A run says how fast a machine is and nothing about whose clip it was.
    Column("id", Integer, primary_key=True),
    Column("engine", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("hardware", String(200), nullable=False),  # money.quoting.hardware
    Column("profile", String(64), nullable=False),  # "" for a model without profiles
    Column("tokens", BigInteger, nullable=False),  # these four: engines.protocol.Cost
    Column("steps", Integer, nullable=False),
    Column("passes", Integer, nullable=False),
    Column("pixels", BigInteger, nullable=False),
    Column("file_pixels", BigInteger, nullable=False),  # of all frames of the file
    Column("stage_seconds", JSON, nullable=False),
    Column("recorded_at", Float(53), nullable=False),
    Index("ix_runs_model", "engine", "model", "hardware", "profile", "id"),
)

quotes = Table(
    "quotes",
    metadata,
    Column("id", String(64), primary_key=True),  # quote_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("request_hash", String(64), nullable=False),  # as that of the jobs of the same request
    Column("quote", JSON, nullable=False),  # money.quoting.quotes.Quote
    Column("created_at", Float(53), nullable=False),
    Column("valid_until", Float(53), nullable=False, index=True),
    Column("digest", String(64)),  # of the resolved request: money.quoting.offers.digest_of
    Column("price", BigInteger),  # micro-units, of all its videos; null: there is none
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
    Column("token_id", String(64)),  # of a worker over HTTP, from worker_tokens; null: on the database itself
    Column("projects", JSON),  # ids of those whose jobs it may have; null: of every one
    Index("ix_workers_seen_at", "last_seen_at"),
)

worker_tokens = Table(
    "worker_tokens",
    metadata,
    Column("id", String(64), primary_key=True),  # wtoken_…
    Column("name", Text, nullable=False),
    Column("hint", String(32), nullable=False),  # the first and last characters, to recognise it by
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token, which is not stored
    Column("engines", JSON),  # names of those that its workers may run; null: every one
    Column("projects", JSON),  # ids of those whose jobs they may have; null: every one
    Column("created_at", Float(53), nullable=False),
    Column("revoked_at", Float(53)),
)

worker_objects = Table(
    "worker_objects",
    metadata,
    # Files that a worker over HTTP has sent for a job. It can name no other as a file of the job's.
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)
