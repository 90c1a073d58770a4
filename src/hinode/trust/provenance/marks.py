"""The marks of signed files in the database, by which a file is recognised later."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import marks
from hinode.request import MediaFile

if TYPE_CHECKING:
    from hinode.trust.provenance.signing import Mark

LABEL = re.compile(r"urn:c2pa:[0-9a-f-]{36}")
DIGEST = re.compile(r"[0-9a-f]{64}")


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
        timestamp_failures: requests to the time authority that brought no token.
        media_digest: SHA-256 of the packed pictures and sound of an MP4, or None.
        operation: how the file was made, such as "generate", or None if that is not known.
    """

    digest: str
    label: str
    job_id: str | None
    watermark_id: str | None
    created_at: float
    timestamp_due: float | None = None
    timestamp: bytes | None = None
    timestamp_failures: int = 0
    media_digest: str | None = None
    operation: str | None = None

    @classmethod
    def of(cls, mark: Mark, operation: str, now: float) -> RecordedMark:
        """The row of a file that this process signed at `now` for no job."""
        due = now if mark.awaits_timestamp else None
        return cls(
            mark.digest,
            mark.label,
            None,
            mark.watermark_id,
            now,
            due,
            media_digest=mark.media_digest,
            operation=operation,
        )


def facts_of(marks: Mapping[str, Mark]) -> dict[str, Any]:
    """What the provenance of a job says about the marks of its files, by role, in JSON values."""
    return {
        "manifests": {role: mark.label for role, mark in marks.items()},
        "media_digests": {role: mark.media_digest for role, mark in marks.items() if mark.media_digest},
        "awaiting_timestamp": [role for role, mark in marks.items() if mark.awaits_timestamp],
    }


def record(connection: Connection, mark: RecordedMark) -> None:
    """Enter a mark in the caller's transaction, unless it is there."""
    values = {field.name: getattr(mark, field.name) for field in dataclasses.fields(mark)}
    connection.execute(insert_into(connection, marks).values(**values).on_conflict_do_nothing())


def record_job(
    connection: Connection,
    job_id: str,
    files: Mapping[str, MediaFile],
    provenance: Mapping[str, Any],
    operation: str | None,
    now: float,
) -> None:
    """Enter the marks of the files of a finished job.

    Args:
        files: by role.
        provenance: has what `facts_of` gives, and its "watermark_id" is that of the watermark.
            A worker on another machine may have sent it, so what makes no sense is left out.
        operation: how they were made, or None.
    """
    labels, media = provenance.get("manifests"), provenance.get("media_digests")
    media = media if isinstance(media, Mapping) else {}
    awaiting = provenance.get("awaiting_timestamp")
    awaiting = awaiting if isinstance(awaiting, list) else []
    watermark_id = provenance.get("watermark_id")
    watermark_id = watermark_id if isinstance(watermark_id, str) and len(watermark_id) <= 64 else None
    for role, label in labels.items() if isinstance(labels, Mapping) else ():
        if role in files and isinstance(label, str) and LABEL.fullmatch(label):
            digest = media.get(role)
            mark = RecordedMark(
                files[role].digest,
                label,
                job_id,
                watermark_id,
                now,
                now if role in awaiting else None,
                media_digest=digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else None,
                operation=operation,
            )
            record(connection, mark)


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


def find_by_media(connection: Connection, media_digest: str) -> list[RecordedMark]:
    """The marks of the files whose packed pictures and sound have a digest."""
    return _all(connection, sa.select(marks).where(marks.c.media_digest == media_digest))


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


def set_timestamp(connection: Connection, digest: str, token: bytes) -> None:
    """Enter the timestamp of a file."""
    _update(connection, digest, timestamp_due=None, timestamp=token)


def postpone_timestamp(connection: Connection, digest: str, due: float | None, failures: int) -> None:
    """Enter when to ask for the timestamp of a file again, None for never, and how often that failed."""
    _update(connection, digest, timestamp_due=due, timestamp_failures=failures)


@dataclass(frozen=True)
class TimestampCounts:
    """Files that were signed without a timestamp: those that wait for one, those that have got one since, and
    those for which the time authority is not asked any more."""

    waiting: int
    received: int
    given_up: int


def count_timestamps(connection: Connection) -> TimestampCounts:
    """How many files wait for a timestamp, got one later, or never did."""
    waits, has = marks.c.timestamp_due.is_not(None), marks.c.timestamp.is_not(None)
    given_up = sa.and_(~waits, ~has, marks.c.timestamp_failures > 0)
    counts = [sa.func.count().filter(condition) for condition in (waits, has, given_up)]
    row = connection.execute(sa.select(*counts).select_from(marks)).one()
    return TimestampCounts(row[0], row[1], row[2])


def _update(connection: Connection, digest: str, **values: object) -> None:
    connection.execute(marks.update().where(marks.c.digest == digest).values(**values))


def _all(connection: Connection, query: sa.Select[Any]) -> list[RecordedMark]:
    return [from_row(RecordedMark, row) for row in connection.execute(query).mappings()]
