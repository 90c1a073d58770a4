"""Consents of people, notices of takedown, and what was withheld because of them."""

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
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from hinode.records.tables.schema import metadata, partial_index

consents = Table(
    "consents",
    metadata,
    Column("id", String(64), primary_key=True),  # consent_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),  # of the character
    Column("character_id", ForeignKey("characters.id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False, index=True),  # of the file of the character
    Column("owner", String(64), nullable=False, index=True),  # rights.people.Person.id
    Column("person", Text, nullable=False),  # name of who consents
    Column("scope", Text, nullable=False),  # in words, for people to read
    Column("uses", JSON, nullable=False),  # rights.consents.Use
    Column("access", String(16), nullable=False),  # rights.consents.Access
    Column("people", JSON, nullable=False),  # ids and addresses, for the access "named"
    Column("version", Integer, nullable=False),  # from 1; each has a receipt
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53), nullable=False),
    Column("revoked_at", Float(53)),
)

consent_receipts = Table(
    "consent_receipts",
    metadata,
    Column("consent_id", ForeignKey("consents.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),  # the JSON that was signed, letter by letter
    Column("signature", String(128), nullable=False),  # Ed25519, hexadecimal
    Column("public_key", String(64), nullable=False),  # hexadecimal
    Column("signed_at", Float(53), nullable=False),
)

consent_uses = Table(
    "consent_uses",
    metadata,
    # Jobs with the character, and jobs that were made from their videos.
    Column("consent_id", ForeignKey("consents.id"), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), primary_key=True, index=True),
)

attestations = Table(
    "attestations",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("statement", Integer, primary_key=True, autoincrement=False),  # version of the text
    Column("person", String(64), nullable=False),
    Column("at", Float(53), nullable=False),
)

upload_reviews = Table(
    "upload_reviews",
    metadata,
    Column("id", String(64), primary_key=True),  # review_…
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("accepted", Boolean),  # null while it waits
    Column("decided_by", String(64)),
    Column("decided_at", Float(53)),
    Index("uq_upload_reviews_project_id_digest", "project_id", "digest", unique=True),
    Index("ix_upload_reviews_digest", "digest"),
)

rights_events = Table(
    "rights_events",
    metadata,
    Column("id", String(64), primary_key=True),  # right_…
    Column("kind", String(64), nullable=False),  # such as "consent.revoked"
    Column("subject", String(64), nullable=False, index=True),  # id of what was decided about
    Column("actor", String(64), nullable=False),  # rights.people.Person.id, "operator" or "clock"
    Column("data", JSON, nullable=False),
    Column("at", Float(53), nullable=False),
)

takedowns = Table(
    "takedowns",
    metadata,
    Column("id", String(64), primary_key=True),  # takedown_…
    Column("kind", String(16), nullable=False),  # rights.notices.Kind
    Column("status", String(16), nullable=False, index=True),  # rights.notices.Status
    Column("locator", Text, nullable=False),  # as it was written
    Column("entries", JSON, nullable=False),  # ids in it of videos and files of this server
    Column("name", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("token", String(64), nullable=False),  # digest of the secret to ask for its status with
    Column("address", String(64), nullable=False),  # digest of where it came from
    Column("created_at", Float(53), nullable=False),
    Column("due_at", Float(53), nullable=False),  # the end of the 48 hours
    Column("reminders", Integer, nullable=False, server_default="0"),
    Column("decided_at", Float(53)),
    Column("decided_by", String(64)),
    Column("reason", Text, nullable=False, server_default=""),
    Column("appeal_ends_at", Float(53)),
    Column("counter_project_id", String(64)),
    Column("counter_statement", Text),
    Column("counter_signature", Text),
    Column("counter_at", Float(53)),
    Column("closed_at", Float(53)),
    Index("ix_takedowns_address_created_at", "address", "created_at"),
    partial_index("ix_takedowns_due_at", "due_at", where="status = 'open'"),
)

takedown_matches = Table(
    "takedown_matches",
    metadata,
    Column("takedown_id", ForeignKey("takedowns.id"), primary_key=True),
    Column("entry_id", String(64), primary_key=True),  # video_…, file-…, char_…
    Column("match", String(16), nullable=False),  # named, identical, near
    Column("similarity", Float(53), nullable=False),  # share of frames that match, 0 to 1
)

withheld = Table(
    "withheld",
    metadata,
    Column("entry_id", String(64), primary_key=True),  # video_…, file-…, char_…
    Column("cause_id", String(64), primary_key=True, index=True),  # takedown_… or consent_…
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    Column("at", Float(53), nullable=False),
)

withheld_entries = Table(
    "withheld_entries",
    metadata,
    Column("entry_id", String(64), primary_key=True),
    Column("state", JSON, nullable=False),  # what a restoration puts back
)

withheld_files = Table(
    "withheld_files",
    metadata,
    # Rows of `artifacts` of withheld videos: nothing that serves files reads this table.
    Column("entry_id", String(64), primary_key=True),
    Column("role", String(32), primary_key=True),
    Column("digest", String(64), nullable=False, index=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("digest", String(64), primary_key=True),  # of a file in the store
    Column("hashes", LargeBinary, nullable=False),  # rights.fingerprint; empty: nothing in it can be matched
    Column("created_at", Float(53), nullable=False),
)

staydowns = Table(
    "staydowns",
    metadata,
    Column("takedown_id", ForeignKey("takedowns.id"), primary_key=True),
    Column("digest", String(64), primary_key=True, index=True),
    Column("hashes", LargeBinary, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("lifted", Boolean, nullable=False, server_default=text("false")),
)
