"""The queue as one project sees it: what runs and waits, why it waits, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import quote
from hinode.jobs.job import Job, NotWaiting
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling import live_workers
from hinode.jobs.states import Status
from hinode.jobs.tenants.tenant import lock_project
from hinode.records import hints
from hinode.records.database import Database
from hinode.records.rows import count_rows, first_row, only_row
from hinode.records.tables import jobs, projects, workers

MAX_PASSED = 1000
"""So many others may one move pass."""
LOCKED = 500
"""Rows that one statement locks."""
TICK = 1e-6  # seconds between two jobs that were queued in one moment and whose order counts


# Written out: SQLite uses a partial index only where it sees the value.
_QUEUED: sa.ColumnElement[str] = sa.literal_column(f"'{Status.QUEUED}'")
_RUNNING: sa.ColumnElement[str] = sa.literal_column(f"'{Status.RUNNING}'")


class Reason(StrEnum):
    """Why a job waits."""

    PAUSED = "paused"
    RETRY = "it failed and is tried again later"
    NO_WORKER = "no worker can run it"
    MAXIMUM = "the project has its maximum running"
    OTHERS = "others are before it"
    OTHER_MODEL = "another model is in memory"
    WORKER = "waiting for a worker"


@dataclass(frozen=True)
class Waiting:
    """A job that waits; position 1 is the project's next."""

    job: Job
    position: int
    reason: Reason


@dataclass(frozen=True)
class WorkerView:
    """A live worker.

    Attributes:
        engines: names of those that it can run, or None for all.
        resident: models in its memory, "engine/model".
        busy: whether it works on a job, of whichever project.
        job_id: that job, if it is of the project that asks.
        draining: it takes no new jobs.
        seen_at: when it was last heard of, in seconds since 1970.
    """

    id: str
    host: str
    engines: tuple[str, ...] | None
    resident: tuple[str, ...]
    busy: bool
    job_id: str | None
    draining: bool
    seen_at: float

    def can_run(self, engine: str) -> bool:
        """Whether it can run an engine."""
        return self.engines is None or engine in self.engines


@dataclass(frozen=True)
class QueueView:
    """The queue of a project.

    Attributes:
        paused: its waiting jobs are not started.
        running: its running jobs, those that were started first in front.
        waiting: its first waiting jobs, in the order in which they start.
        workers: every live worker that may have its jobs.
        waiting_count: number of all its waiting jobs.
    """

    paused: bool
    running: Sequence[Job]
    waiting: Sequence[Waiting]
    workers: Sequence[WorkerView]
    waiting_count: int


class ProjectQueue:
    """The queues of the projects. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`database` is up to date, and `clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock

    def view(self, project_id: str, limit: int) -> QueueView:
        """The queue of a project, with `limit` of its waiting jobs at most."""
        now = self.clock()
        with self.database.read() as connection:
            project = first_row(connection, sa.select(projects).where(projects.c.id == project_id))
            assert project is not None, "a request has a project"
            own = jobs.c.project_id == project_id
            query = sa.select(jobs).where(jobs.c.status == _RUNNING).order_by(jobs.c.started_at, jobs.c.id)
            # Not a bare column: SQLite would read every job of the project, by the index that has them.
            query = query.where(jobs.c.project_id.concat("") == project_id)
            running = [read_job(row) for row in connection.execute(query).mappings()]
            waits = (own, jobs.c.status == _QUEUED)
            order = (jobs.c.priority, jobs.c.queued_at, jobs.c.id)
            query = sa.select(jobs).where(*waits).order_by(*order).limit(limit)
            waiting = [read_job(row) for row in connection.execute(query).mappings()]
            live = _workers(connection, project_id, now)
            tried = live_workers.attempts_of(connection, [job.id for job in waiting])
            count = count_rows(connection, *waits)
        full = project["max_running"] is not None and len(running) >= project["max_running"]
        paused = project["paused_at"] is not None
        entries: list[Waiting] = []
        earlier = False  # whether a job before this one could start
        for position, job in enumerate(waiting, start=1):
            hosts = tried[job.id].failed.keys() | tried[job.id].unsupported
            candidates = [
                worker for worker in live if worker.can_run(job.engine) and worker.host not in hosts
            ]
            reason = Reason.PAUSED if paused else _reason(job, candidates, now, full=full, earlier=earlier)
            entries.append(Waiting(job, position, reason))
            earlier = earlier or reason not in (Reason.RETRY, Reason.NO_WORKER)
        return QueueView(paused, running, entries, live, count)

    def pause(self, project_id: str) -> None:
        """Start none of the waiting jobs of a project; those that run go on."""
        self._set_paused(project_id, sa.func.coalesce(projects.c.paused_at, self.clock()))

    def resume(self, project_id: str) -> None:
        """Start the waiting jobs of a project again."""
        self._set_paused(project_id, sa.null())

    def _set_paused(self, project_id: str, value: sa.ColumnElement[Any]) -> None:
        with self.database.write() as connection:
            update = projects.update().where(projects.c.id == project_id)
            connection.execute(update.values(paused_at=value))
            hints.note(connection, project_id)

    def move(self, project_id: str, job_id: str, before_id: str | None) -> Job | None:
        """Let a waiting job start before another of its project and class, or after all of them.

        The jobs exchange their times of queueing and nobody gets an earlier one than the project had: so
        moving jobs takes nothing from other projects.

        Returns: the job afterwards, or None if there is none.

        Raises:
            NotWaiting: one of the two does not wait, they are of different classes, or too many lie between.
        """
        with self.database.write() as connection:
            lock_project(connection, project_id)
            own = (jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None))
            row = first_row(connection, sa.select(jobs).where(jobs.c.id == job_id, *own))
            if row is None:
                return None
            job = read_job(row)
            waiting = connection.execute(
                sa.select(jobs.c.id, jobs.c.queued_at)
                .where(*own, jobs.c.status == _QUEUED, jobs.c.priority == int(job.priority.queue))
                .order_by(jobs.c.queued_at, jobs.c.id)
            ).all()
            names = [row.id for row in waiting]
            if job_id not in names:
                raise NotWaiting(f"video {quote(job_id)} does not wait any more", "look at the queue again")
            if before_id is not None and before_id not in names:
                message = f"no waiting video of the same class has the id {quote(before_id, 80)}"
                raise NotWaiting(message, "look at the queue again")
            if before_id != job_id:
                self._rearrange(connection, [tuple(row) for row in waiting], job_id, before_id)
                hints.note(connection, project_id)
            return read_job(only_row(connection, sa.select(jobs).where(jobs.c.id == job_id)))

    def _rearrange(
        self, connection: Connection, waiting: list[tuple[str, float]], job_id: str, before_id: str | None
    ) -> None:
        names, times = [name for name, _ in waiting], dict(waiting)
        place = names.index(job_id)
        names.remove(job_id)
        target = len(names) if before_id is None else names.index(before_id)
        if abs(target - place) > MAX_PASSED:
            message = f"the video would pass {abs(target - place):,} others"
            raise NotWaiting(message, f"move it past {MAX_PASSED:,} at most, several times if need be")
        names.insert(target, job_id)
        first, end = min(place, target), max(place, target)
        last = waiting[first - 1][1] if first else float("-inf")
        moved = []
        for index in range(first, len(names)):
            queued_at = waiting[index][1]
            if index > end and queued_at > last:
                break
            # Several takes of one request have one time, and then their ids would decide.
            last = queued_at if queued_at > last else last + TICK
            if times[names[index]] != last:
                moved.append({"which": names[index], "at": last})
        if not moved:
            return
        ids = sorted(str(entry["which"]) for entry in moved)
        for start in range(0, len(ids), LOCKED):
            some = jobs.c.id.in_(ids[start : start + LOCKED])
            connection.execute(sa.select(jobs.c.id).where(some).order_by(jobs.c.id).with_for_update())
        waits = jobs.c.status == _QUEUED  # a worker may have claimed it meanwhile
        update = jobs.update().where(jobs.c.id == sa.bindparam("which"), waits)
        connection.execute(update.values(queued_at=sa.bindparam("at")), moved)


def _workers(connection: Connection, project_id: str, now: float) -> list[WorkerView]:
    """The live workers that may have jobs of a project, and what they work on."""
    query = sa.select(jobs.c.worker_id, jobs.c.id, jobs.c.project_id, jobs.c.engine, jobs.c.model)
    current = {row.worker_id: row for row in connection.execute(query.where(jobs.c.status == _RUNNING))}
    views = []
    for row in connection.execute(
        sa.select(workers).where(*live_workers.is_live(now)).order_by(workers.c.host, workers.c.id)
    ).mappings():
        if not live_workers.serves(row["projects"], project_id):
            continue
        job = current.get(row["id"])
        # A worker enters what is in its memory when it is idle.
        resident = row["resident"] if job is None else [f"{job.engine}/{job.model}"]
        own = job is not None and job.project_id == project_id
        engines = None if row["engines"] is None else tuple(row["engines"])
        views.append(
            WorkerView(
                id=row["id"],
                host=row["host"],
                engines=engines,
                resident=tuple(resident),
                busy=job is not None,
                job_id=job.id if job is not None and own else None,
                draining=row["draining"],
                seen_at=row["last_seen_at"],
            )
        )
    return views


def _reason(job: Job, candidates: Sequence[WorkerView], now: float, *, full: bool, earlier: bool) -> Reason:
    """Why a job waits that the workers `candidates` could run."""
    if job.not_before > now:
        return Reason.RETRY
    if not candidates:
        return Reason.NO_WORKER
    if full:
        return Reason.MAXIMUM
    if earlier:
        return Reason.OTHERS
    model = f"{job.engine}/{job.model}"
    if all(worker.resident and model not in worker.resident for worker in candidates):
        return Reason.OTHER_MODEL
    return Reason.WORKER
