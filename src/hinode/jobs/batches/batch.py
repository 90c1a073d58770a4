"""A batch as it is in the database, and the steps of which transactions on it are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs import transitions
from hinode.jobs.batches.lines import is_text
from hinode.jobs.rows import read_job
from hinode.jobs.states import Status
from hinode.records.rows import first_row, from_row
from hinode.records.tables import batch_lines, batches, jobs

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY_LENGTH = 64
MAX_METADATA_VALUE_LENGTH = 512
ENDED_AT_ONCE = 250  # jobs in one transaction, so that others get to the database
REFUSED = "refused"


@dataclass(frozen=True)
class Batch:
    """A row of `records.tables.batches` with its counts; times are seconds since 1970.

    Attributes:
        completed: lines that became a finished video.
        failed: lines that never will.
    """

    id: str
    project_id: str
    key_id: str | None
    input_file_id: str
    endpoint: str
    completion_window: str
    status: str
    metadata: Mapping[str, str] | None
    errors: Sequence[Mapping[str, Any]] | None
    lines: int
    admitted: int
    output_file_id: str | None
    error_file_id: str | None
    output_seconds: float | None
    created_at: float
    in_progress_at: float | None
    finalizing_at: float | None
    completed_at: float | None
    failed_at: float | None
    expired_at: float | None
    cancelling_at: float | None
    cancelled_at: float | None
    expires_at: float | None
    completed: int = 0
    failed: int = 0

    @classmethod
    def of(cls, row: sa.RowMapping, counts: Mapping[str, int]) -> Batch:
        """The batch in a row of the table, with what `counts_of` says of it."""
        unread = row["lines"] - row["admitted"] if row["status"] in ("expired", "cancelled") else 0
        lost = (REFUSED, Status.FAILED.value, Status.CANCELLED.value, Status.EXPIRED.value)
        return from_row(
            cls,
            row,
            completed=counts.get(Status.COMPLETED.value, 0),
            failed=sum(counts.get(name, 0) for name in lost) + unread,
        )


class ConcurrentUpdate(Exception):
    """The batch is not as it was read any more; the transaction is rolled back."""


def transition(connection: Connection, batch: Batch, **values: Any) -> None:
    """Change a batch that is still as it was read, in the caller's transaction.

    Raises:
        ConcurrentUpdate: it is not.
    """
    row = batches.c
    same = (row.id == batch.id, row.status == batch.status, row.admitted == batch.admitted)
    if not connection.execute(batches.update().where(*same).values(**values)).rowcount:
        raise ConcurrentUpdate(batch.id)


def fetch(connection: Connection, project_id: str, batch_id: str) -> Batch | None:
    """A batch of a project with its counts, or None if there is none."""
    query = sa.select(batches).where(batches.c.id == batch_id, batches.c.project_id == project_id)
    row = first_row(connection, query)
    return Batch.of(row, counts_of(connection, [batch_id])[batch_id]) if row else None


def counts_of(connection: Connection, batch_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many jobs each batch has in each status, and under `REFUSED` how many lines became no job."""
    counts: dict[str, dict[str, int]] = {batch_id: {} for batch_id in batch_ids}
    by_status = (
        sa.select(jobs.c.batch_id, jobs.c.status, sa.func.count())
        .where(jobs.c.batch_id.in_(batch_ids))
        .group_by(jobs.c.batch_id, jobs.c.status)
    )
    refused = (
        sa.select(batch_lines.c.batch_id, sa.literal(REFUSED), sa.func.count())
        .where(batch_lines.c.batch_id.in_(batch_ids), batch_lines.c.job_id.is_(None))
        .group_by(batch_lines.c.batch_id)
    )
    for query in (by_status, refused):
        for batch_id, status, count in connection.execute(query):
            counts[batch_id][status] = count
    return counts


def end_jobs(connection: Connection, batch_id: str, status: Status, now: float) -> int:
    """End the waiting jobs of a batch as CANCELLED or EXPIRED, and ask the workers of the others to stop.

    Returns: how many were ended, at most `ENDED_AT_ONCE`; if any, there may be more of them.
    """
    code, message = {
        Status.CANCELLED: ("cancelled", "the batch was cancelled"),
        Status.EXPIRED: ("batch_expired", "the batch's window closed before this video was begun"),
    }[status]
    rows = connection.execute(
        sa.select(jobs)
        .where(jobs.c.batch_id == batch_id, jobs.c.status == Status.QUEUED.value)
        .order_by(jobs.c.id)
        .limit(ENDED_AT_ONCE)
        .with_for_update()
    ).mappings()
    waiting = list(map(read_job, rows))
    for job in waiting:
        transitions.end(connection, job, status, now, code, message)
    running = (jobs.c.batch_id == batch_id, jobs.c.status == Status.RUNNING.value)
    connection.execute(
        jobs.update().where(*running, jobs.c.cancel_requested_at.is_(None)).values(cancel_requested_at=now)
    )
    return len(waiting)


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Check the pairs that come with a batch.

    Raises:
        BadInput: there are too many, or one is too long or no text.
    """
    pairs = (metadata or {}).items()
    if len(pairs) > MAX_METADATA_PAIRS or not all(
        len(key) <= MAX_METADATA_KEY_LENGTH
        and len(value) <= MAX_METADATA_VALUE_LENGTH
        and is_text(key + value)
        for key, value in pairs
    ):
        raise BadInput(
            "the metadata cannot be stored",
            f"give at most {MAX_METADATA_PAIRS} pairs, keys of {MAX_METADATA_KEY_LENGTH} and values of "
            f"{MAX_METADATA_VALUE_LENGTH} characters",
            field="metadata",
        )
