"""The marks of signed files in the database, by which a file is recognised later."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import marks
from hinode.request import MediaFile

LABEL = re.compile(r"urn:c2pa:[0-9a-f-]{36}")


@dataclass(frozen=True)
class RecordedMark:
    """A row of `records.tables.marks`.

    Attributes:
        digest: SHA-256 of the signed file, in hexadecimal digits.
        label: of its manifest.
        job_id: of the job that it belongs to, or None for a file of the command.
        watermark_id: what its watermark carries, or None.
        created_at: seconds since 1970.
        timestamp_due: when the time authority is asked for a timestamp, or None.
        timestamp: RFC 3161 token over the digest, in DER, or None.
    """

    digest: str
    label: str
    job_id: str | None
    watermark_id: str | None
    created_at: float
    timestamp_due: float | None = None
    timestamp: bytes | None = None


def record(connection: Connection, mark: RecordedMark) -> None:
    """Enter a mark in the caller's transaction, unless it is there."""
    values = {field.name: getattr(mark, field.name) for field in dataclasses.fields(mark)}
    connection.execute(insert_into(connection, marks).values(**values).on_conflict_do_nothing())


def record_job(
    connection: Connection,
    job_id: str,
    files: Mapping[str, MediaFile],
    provenance: Mapping[str, Any],
    now: float,
) -> None:
    """Enter the marks of the files of a finished job.

    Args:
        files: by role.
        provenance: its "manifests" are the labels by role, and its "watermark_id" is that of the watermark.
            A worker on another machine may have sent it, so what makes no sense is left out.
    """
    labels = provenance.get("manifests")
    watermark_id = provenance.get("watermark_id")
    watermark_id = watermark_id if isinstance(watermark_id, str) and len(watermark_id) <= 64 else None
    for role, label in labels.items() if isinstance(labels, Mapping) else ():
        if role in files and isinstance(label, str) and LABEL.fullmatch(label):
            record(connection, RecordedMark(files[role].digest, label, job_id, watermark_id, now))


def find(connection: Connection, digest: str) -> RecordedMark | None:
    """The mark of the file with a digest, or None for a file that was not signed here."""
    row = first_row(connection, sa.select(marks).where(marks.c.digest == digest))
    return from_row(RecordedMark, row) if row else None


def find_by_label(connection: Connection, label: str) -> list[RecordedMark]:
    """The marks of the files with a manifest; one, as a label is never used twice."""
    return _all(connection, sa.select(marks).where(marks.c.label == label))


def find_by_watermark(connection: Connection, watermark_id: str) -> list[RecordedMark]:
    """The marks of the files whose watermark carries an id: a clip and its conversions."""
    return _all(connection, sa.select(marks).where(marks.c.watermark_id == watermark_id))


def watermark_ids(connection: Connection, limit: int) -> list[str]:
    """What the watermarks of files carry, the latest first."""
    known = marks.c.watermark_id.is_not(None)
    latest = sa.func.max(marks.c.created_at).desc()
    query = sa.select(marks.c.watermark_id).where(known).group_by(marks.c.watermark_id).order_by(latest)
    return [str(value) for value in connection.scalars(query.limit(limit))]


def due(connection: Connection, now: float, limit: int) -> list[RecordedMark]:
    """The marks that wait for a timestamp at `now`, the longest first."""
    waiting = sa.select(marks).where(marks.c.timestamp_due <= now)
    return _all(connection, waiting.order_by(marks.c.timestamp_due).limit(limit))


def set_timestamp(connection: Connection, digest: str, due: float | None, token: bytes | None) -> None:
    """Enter the timestamp of a file, or when to ask for it again."""
    values = {"timestamp_due": due, "timestamp": token}
    connection.execute(marks.update().where(marks.c.digest == digest).values(**values))


def _all(connection: Connection, query: sa.Select[Any]) -> list[RecordedMark]:
    return [from_row(RecordedMark, row) for row in connection.execute(query).mappings()]
