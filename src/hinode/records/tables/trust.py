"""Decisions and policies of screening, the audit log, what signed files are known by, and shared keys."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from hinode.records.tables.schema import metadata, partial_index

screening_decisions = Table(
    "screening_decisions",
    metadata,
    Column("id", String(64), primary_key=True),  # decision_…
    Column("project_id", String(64), nullable=False),  # without a key: decisions outlive a project
    Column("key_id", String(64)),
    Column("job_id", String(64), index=True),  # of an allowed request, or of a job whose clip was blocked
    Column("digest", String(64), nullable=False),  # SHA-256 of the texts
    Column("text", Text),  # null if it was allowed, for its job has it; and in the gravest category
    Column("action", String(16), nullable=False),  # allow, review or block
    Column("category", String(64)),  # of the strictest finding
    Column("findings", JSON, nullable=False),
    Column("policy", String(64), nullable=False),  # version of the policy
    Column("created_at", Float(53), nullable=False),
    Column("outcome", String(16)),  # of the review: approved or refused
    Column("reviewer", Text),
    Column("note", Text),
    Column("reviewed_at", Float(53)),
    Index("ix_screening_decisions_digest", "project_id", "digest"),
    Index("ix_screening_decisions_action", "action", "id"),
)

screening_appeals = Table(
    "screening_appeals",
    metadata,
    Column("decision_id", String(64), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("note", Text, nullable=False),  # of whoever was refused
    Column("person", String(64), nullable=False),
    Column("created_at", Float(53), nullable=False),
)

screening_frames = Table(
    "screening_frames",
    metadata,
    # Frames of a clip that was blocked, on one picture; the row is deleted when a reviewer has decided.
    Column("decision_id", String(64), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("media_type", String(100), nullable=False),
)

policies = Table(
    "policies",
    metadata,
    # The policies of screening that an operator has put in force; the one with the highest number holds.
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1
    Column("version", String(64), nullable=False, index=True),  # digest of the rules when it was entered
    Column("text", Text, nullable=False),  # of policy.yaml; "" for the one that Hinode ships
    Column("actor", String(200), nullable=False),  # id of who did it, or "policy.yaml"
    Column("created_at", Float(53), nullable=False),
)

operator_texts = Table(
    "operator_texts",
    metadata,
    # Texts that an operator has put in force, such as the price book; of each the highest number holds.
    Column("name", String(32), primary_key=True),  # stem of its file
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1
    Column("version", String(64), nullable=False),
    Column("text", Text, nullable=False),  # "" for no file
    Column("actor", String(200), nullable=False),  # id of who did it, or the name of the file
    Column("created_at", Float(53), nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    # Rows are never changed or deleted; triggers see to that.
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("at", BigInteger, nullable=False),  # microseconds since 1970: an integer is hashed in one form
    Column("kind", String(64), nullable=False),  # such as "key.created"
    Column("actor", String(200), nullable=False),  # who did it: a key, a session, "operator", "system"
    Column("subject", String(200), nullable=False),  # what it was done to: an id
    Column("payload_digest", String(64), nullable=False),  # SHA-256 of salt and payload
    Column("previous", String(64), nullable=False),  # hash of the entry before
    Column("hash", String(64), nullable=False),
)

audit_payloads = Table(
    "audit_payloads",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # of the entry
    Column("salt", LargeBinary, nullable=False),  # else a short payload could be guessed
    Column("payload", Text, nullable=False),  # canonical JSON; the row is deleted when the law asks for it
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("count", BigInteger, nullable=False),  # entries
    Column("hash", String(64), nullable=False),  # of the last one
)

marks = Table(
    "marks",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the signed file
    Column("label", String(100), nullable=False, index=True),  # of its manifest: urn:c2pa:…
    Column("job_id", String(64), index=True),  # no foreign key: a mark outlives its job
    Column("watermark_id", String(64), index=True),  # what its watermark carries; null without one
    Column("created_at", Float(53), nullable=False),
    # When to ask the time authority for a timestamp of the file; null if it has one, or if there is none.
    Column("timestamp_due", Float(53), index=True),
    Column("timestamp", LargeBinary),  # RFC 3161 token over `digest`, in DER
    Column("timestamp_failures", Integer, nullable=False, server_default="0"),  # requests without a token
    Column("media_digest", String(64)),  # SHA-256 of the packed pictures and sound of an MP4; null for others
    Column("operation", String(32)),  # how the file was made, such as generate; null if that is not known
    partial_index("ix_marks_media_digest", "media_digest", where="media_digest IS NOT NULL"),
)

authorities = Table(
    "authorities",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("keyring", Text, nullable=False),  # trust.provenance.keyring: private keys are encrypted
)
