"""What the service does by itself: jobs of lost workers, jobs that no worker can run, and files over time."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import moves, transitions
from hinode.jobs.job import Counts, Job
from hinode.jobs.library import trash
from hinode.jobs.library.archives import ARCHIVE_SECONDS
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling import live_workers, queue
from hinode.jobs.states import FINAL, Outcome, Status
from hinode.records.database import Database
from hinode.records.tables import (
    archives,
    artifacts,
    attempts,
    characters,
    idempotency,
    jobs,
    screening_frames,
    upload_reviews,
    uploads,
    withheld_files,
    worker_objects,
    workers,
)

INPUT_SECONDS = 86_400.0  # for which the inputs of a job without a video are kept
STILL = "thumbnail"
"""Role of the file of a video that outlives the others."""
KEY_SECONDS = 30 * 86_400.0  # for which idempotency keys are remembered

_CHECKPOINTS = sa.select(jobs.c.checkpoint).where(jobs.c.checkpoint.is_not(None))
_REFERENCES = (
    sa.select(artifacts.c.digest.label("digest")),
    _CHECKPOINTS,
    sa.select(uploads.c.digest).where(uploads.c.deleted_at.is_(None)),
    sa.select(characters.c.digest).where(characters.c.deleted_at.is_(None)),
    sa.select(withheld_files.c.digest),
    sa.select(upload_reviews.c.digest).where(upload_reviews.c.accepted.is_(None)),
    sa.select(screening_frames.c.digest),
)


class Upkeep:
    """Transactions that no client or worker asks for."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        lease_seconds: float = 15.0,
    ) -> None:
        """
        Args:
            database: open.
            clock: seconds since 1970.
            lease_seconds: a worker that is silent for so long loses its job.
        """
        self.database = database
        self.clock = clock
        self.lease_seconds = lease_seconds

    def lost(self, worker_id: str) -> int:
        """Take back the jobs of a worker whose process is known to be dead; returns how many there were."""
        now = self.clock()
        with self.database.write() as connection:
            connection.execute(workers.update().where(workers.c.id == worker_id).values(stopped_at=now))
            return take_back(connection, jobs.c.worker_id == worker_id, now)

    def reap(self, *, over_http: bool = True) -> int:
        """Take back the jobs whose lease has expired; returns how many there were.

        Without `over_http`, those of workers over HTTP stay: without a server they could not renew it.
        """
        now = self.clock()
        expired: sa.ColumnElement[bool] = jobs.c.lease_until < now
        if not over_http:
            distant = sa.select(workers.c.id).where(workers.c.token_id.is_not(None))
            expired &= jobs.c.worker_id.not_in(distant)
        with self.database.read() as connection:  # nearly always there is nothing to write
            running = sa.select(jobs.c.id).where(jobs.c.status == Status.RUNNING.value, expired)
            if connection.scalar(running.limit(1)) is None:
                return 0
        with self.database.write() as connection:
            return take_back(connection, expired, now)

    def give_up(self) -> int:
        """Fail the jobs that have failed on every live worker that can run them, and take those of local-only
        projects from providers; returns how many there were.

        When a job failed, there may have been another worker to try it, which has ended since.
        """
        now = self.clock()
        failed = sa.select(attempts.c.job_id).where(attempts.c.outcome == Outcome.FAILED.value)
        with self.database.write() as connection:
            count = moves.withdraw(connection, now)
            # Locked, so that what is read below is still so when the jobs are ended.
            rows = connection.execute(
                sa.select(jobs)
                .where(jobs.c.status == Status.QUEUED.value, jobs.c.id.in_(failed))
                .order_by(jobs.c.id)
                .with_for_update()
            ).mappings()
            waiting = [read_job(row) for row in rows]
            tried = live_workers.attempts_of(connection, [job.id for job in waiting])
            owners = {job.project_id for job in waiting}
            live = {owner: live_workers.live(connection, now, owner) for owner in owners}
            for job in waiting:
                errors = tried[job.id].failed
                hosts = live_workers.capable_hosts(live[job.project_id], job.engine, tried[job.id])
                # Without any worker for it, as during an upgrade, the job waits.
                if hosts and hosts <= errors.keys():
                    code, _, message = list(errors.values())[-1].partition(": ")
                    transitions.end(connection, job, Status.FAILED, now, code, message)
                    count += 1
        return count

    def expire(self, limit: int = 500) -> list[str]:
        """Forget the files of at most `limit` jobs whose time is over, which are returned, and old keys.

        The thumbnail of an expired video stays, so that it can still be seen what others were made from.
        Videos that have been in the trash for a day are deleted, and are returned too.
        """
        now = self.clock()
        without_video = sa.and_(
            jobs.c.expires_at.is_(None),
            jobs.c.status != Status.COMPLETED.value,
            jobs.c.completed_at <= now - INPUT_SECONDS,
        )
        query = sa.select(artifacts.c.job_id).distinct().join(jobs, jobs.c.id == artifacts.c.job_id)
        query = query.where(artifacts.c.role != STILL, sa.or_(jobs.c.expires_at <= now, without_video))
        with self.database.write() as connection:
            over = list(connection.scalars(query.limit(limit)))
            if over:
                files = artifacts.c.job_id.in_(over), artifacts.c.role != STILL
                connection.execute(artifacts.delete().where(*files))
            over += trash.empty(connection, now, limit)
            connection.execute(archives.delete().where(archives.c.created_at < now - ARCHIVE_SECONDS))
            connection.execute(idempotency.delete().where(idempotency.c.created_at < now - KEY_SECONDS))
            # Row by row: there are few of these and many ended jobs.
            ended = sa.exists().where(jobs.c.id == worker_objects.c.job_id, jobs.c.status.in_(FINAL))
            connection.execute(worker_objects.delete().where(ended))
        return over

    def digests(self) -> set[str]:
        """Every file that something refers to."""
        with self.database.read() as connection:
            return set(connection.scalars(sa.union(*_REFERENCES)))

    def has_files(self) -> bool:
        """Whether something refers to any file."""
        with self.database.read() as connection:
            return any(connection.scalar(query.limit(1)) is not None for query in _REFERENCES)

    def is_referenced(self, digest: str) -> bool:
        """Whether something refers to a file."""
        queries = (query.where(query.selected_columns[0] == digest).limit(1) for query in _REFERENCES)
        with self.database.read() as connection:
            return any(connection.scalar(query) is not None for query in queries)

    def checkpoints(self) -> set[str]:
        """The saved states that jobs continue from; the files that they name are not among `digests`."""
        with self.database.read() as connection:
            return set(connection.scalars(_CHECKPOINTS))

    def counts(self) -> Counts:
        """Numbers of jobs, workers and deliveries, for metrics."""
        with self.database.read() as connection:
            return queue.counts(connection, self.clock() - live_workers.LIVE_SECONDS)


def take_back(
    connection: Connection,
    condition: sa.ColumnElement[bool],
    now: float,
    take: Callable[[Connection, Job, float], None] = transitions.lose,
) -> int:
    """Take the running jobs that meet a condition from their workers, by default as from workers that went
    down; returns how many there were."""
    running = (jobs.c.status == Status.RUNNING.value, condition)
    owners = connection.scalars(sa.select(jobs.c.project_id).distinct().where(*running))
    locked = [transitions.lock_account(connection, owner).project_id for owner in sorted(owners)]
    rows = connection.execute(
        sa.select(jobs)
        .where(*running, jobs.c.project_id.in_(locked))
        .order_by(jobs.c.id)
        .with_for_update(skip_locked=True)
    ).mappings()
    lost = list(map(read_job, rows))
    for job in lost:
        take(connection, job, now)
    return len(lost)
