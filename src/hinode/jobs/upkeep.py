"""What goes with time: files that nobody may ask for any more, and jobs that nobody is left to try."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import live_workers, transitions
from hinode.jobs.job import Job
from hinode.jobs.states import Outcome, Status
from hinode.records.tables import artifacts, attempts, characters, idempotency, jobs, uploads

INPUT_SECONDS = 86_400.0  # for which the inputs of a job that made no video are kept
KEY_SECONDS = 30 * 86_400.0  # for which idempotency keys are remembered


def expire(connection: Connection, now: float, most: int) -> list[str]:
    """Forget the files of jobs whose time is over, and old idempotency keys.

    Args:
        connection: in a writing transaction.
        now: seconds since 1970.
        most: at most so many jobs.

    Returns: the jobs.
    """
    made_none = sa.and_(jobs.c.expires_at.is_(None), jobs.c.completed_at <= now - INPUT_SECONDS)
    over = list(
        connection.scalars(
            sa.select(artifacts.c.job_id)
            .distinct()
            .join(jobs, jobs.c.id == artifacts.c.job_id)
            .where(sa.or_(jobs.c.expires_at <= now, made_none))
            .limit(most)
        )
    )
    if over:
        connection.execute(artifacts.delete().where(artifacts.c.job_id.in_(over)))
    connection.execute(idempotency.delete().where(idempotency.c.created_at < now - KEY_SECONDS))
    return over


def digests(connection: Connection) -> set[str]:
    """Every file that something still refers to."""
    wanted = sa.union(
        sa.select(artifacts.c.digest),
        sa.select(jobs.c.checkpoint).where(jobs.c.checkpoint.is_not(None)),
        sa.select(uploads.c.digest).where(uploads.c.deleted_at.is_(None)),
        sa.select(characters.c.digest).where(characters.c.deleted_at.is_(None)),
    )
    return set(connection.scalars(wanted))


def checkpoints(connection: Connection) -> set[str]:
    """The saved states that jobs continue from; each names further files, see `files.checkpoints`."""
    return set(connection.scalars(sa.select(jobs.c.checkpoint).where(jobs.c.checkpoint.is_not(None))))


def give_up(connection: Connection, now: float) -> int:
    """Fail the jobs that have failed on every worker that could run them; see `Store.give_up`.

    When a job fails, another worker may be there to try it, and be gone before it does.

    Args:
        connection: in a writing transaction.
        now: seconds since 1970.
    """
    tried = sa.select(attempts.c.job_id).where(attempts.c.outcome == Outcome.FAILED.value)
    # Locked, so that what is read below is still so when they are ended.
    rows = connection.execute(
        sa.select(jobs)
        .where(jobs.c.status == Status.QUEUED.value, jobs.c.id.in_(tried))
        .order_by(jobs.c.id)
        .with_for_update()
    ).mappings()
    waiting = [Job.of(row) for row in rows]
    failures = connection.execute(
        sa.select(attempts.c.job_id, attempts.c.host, attempts.c.error)
        .where(attempts.c.job_id.in_([job.id for job in waiting]), attempts.c.outcome == Outcome.FAILED.value)
        .order_by(attempts.c.job_id, attempts.c.epoch)
    )
    failed: dict[str, set[str]] = {}
    last: dict[str, str] = {}
    for job_id, host, error in failures:
        failed.setdefault(job_id, set()).add(host)
        last[job_id] = error
    there, count = live_workers.live(connection, now), 0
    for job in waiting:
        workers = live_workers.capable_workers(there, job.engine)
        # With no worker for it at all, as during an upgrade, it waits.
        if workers and workers <= failed[job.id]:
            code, _, message = last[job.id].partition(": ")
            transitions.end(connection, job, Status.FAILED, now, code, message)
            count += 1
    return count
