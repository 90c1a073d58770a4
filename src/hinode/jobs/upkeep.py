"""What the service does by itself: jobs of lost workers, jobs that no worker can run, and files over time.

Each function works in a transaction of its caller at the time `now`, in seconds since 1970.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import live_workers, transitions
from hinode.jobs.rows import read_job
from hinode.jobs.schedule import Policy
from hinode.jobs.states import Outcome, Status
from hinode.records.tables import artifacts, attempts, characters, idempotency, jobs, uploads

INPUT_SECONDS = 86_400.0  # for which the inputs of a job without a video are kept
KEY_SECONDS = 30 * 86_400.0  # for which idempotency keys are remembered

_REFERENCES = (
    sa.select(artifacts.c.digest.label("digest")),
    sa.select(jobs.c.checkpoint).where(jobs.c.checkpoint.is_not(None)),
    sa.select(uploads.c.digest).where(uploads.c.deleted_at.is_(None)),
    sa.select(characters.c.digest).where(characters.c.deleted_at.is_(None)),
)


def digests(connection: Connection) -> set[str]:
    """Every file that something refers to."""
    return set(connection.scalars(sa.union(*_REFERENCES)))


def checkpoints(connection: Connection) -> set[str]:
    """The saved states that jobs continue from; each names further files, see `files.checkpoints`."""
    return set(connection.scalars(sa.select(jobs.c.checkpoint).where(jobs.c.checkpoint.is_not(None))))


def is_referenced(connection: Connection, digest: str) -> bool:
    """Whether something refers to a file."""
    queries = (query.where(query.selected_columns[0] == digest).limit(1) for query in _REFERENCES)
    return any(connection.scalar(query) is not None for query in queries)


def expire(connection: Connection, now: float, limit: int) -> list[str]:
    """Forget the files of at most `limit` jobs whose time is over, which are returned, and old keys."""
    without_video = sa.and_(jobs.c.expires_at.is_(None), jobs.c.completed_at <= now - INPUT_SECONDS)
    over = list(
        connection.scalars(
            sa.select(artifacts.c.job_id)
            .distinct()
            .join(jobs, jobs.c.id == artifacts.c.job_id)
            .where(sa.or_(jobs.c.expires_at <= now, without_video))
            .limit(limit)
        )
    )
    if over:
        connection.execute(artifacts.delete().where(artifacts.c.job_id.in_(over)))
    connection.execute(idempotency.delete().where(idempotency.c.created_at < now - KEY_SECONDS))
    return over


def take_back(connection: Connection, condition: sa.ColumnElement[bool], now: float, policy: Policy) -> int:
    """Take the running jobs that meet a condition from their workers; returns how many there were."""
    running = (jobs.c.status == Status.RUNNING.value, condition)
    owners = connection.scalars(sa.select(jobs.c.project_id).distinct().where(*running))
    locked = [transitions.lock_account(connection, owner).project_id for owner in sorted(owners)]
    rows = connection.execute(
        sa.select(jobs)
        .where(*running, jobs.c.project_id.in_(locked))
        .order_by(jobs.c.id)
        .with_for_update(skip_locked=True)
    ).mappings()
    lost = [read_job(row) for row in rows]
    for job in lost:
        transitions.lose(connection, job, now, policy)
    return len(lost)


def fail_exhausted(connection: Connection, now: float) -> int:
    """Fail the jobs that have failed on every live worker that can run them; returns how many there were.

    When a job failed, there may have been another worker to try it, which has ended since.
    """
    failed = sa.select(attempts.c.job_id).where(attempts.c.outcome == Outcome.FAILED.value)
    # Locked, so that what is read below is still so when the jobs are ended.
    rows = connection.execute(
        sa.select(jobs)
        .where(jobs.c.status == Status.QUEUED.value, jobs.c.id.in_(failed))
        .order_by(jobs.c.id)
        .with_for_update()
    ).mappings()
    waiting = [read_job(row) for row in rows]
    tried = live_workers.attempts_of(connection, [job.id for job in waiting])
    live, count = live_workers.live(connection, now), 0
    for job in waiting:
        errors = tried[job.id].failed
        hosts = live_workers.capable_hosts(live, job.engine, tried[job.id])
        # Without any worker for it, as during an upgrade, the job waits.
        if hosts and hosts <= errors.keys():
            code, _, message = list(errors.values())[-1].partition(": ")
            transitions.end(connection, job, Status.FAILED, now, code, message)
            count += 1
    return count
