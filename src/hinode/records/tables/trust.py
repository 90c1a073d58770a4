"""What signed files can be recognised by, and the keys that the servers of a database share."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, LargeBinary, String, Table, Text

from hinode.records.tables.schema import metadata

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
)

authorities = Table(
    "authorities",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("keyring", Text, nullable=False),  # trust.provenance.keyring: private keys are encrypted
)
