"""When jobs will start and end: the schedule played ahead with the seconds that `money` predicts.

It is a forecast: jobs that come meanwhile, models that have to be loaded and preemption are left out.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft, Job
from hinode.jobs.rows import read_job, read_request
from hinode.jobs.scheduling.live_workers import LIVE_SECONDS, Engines, serves
from hinode.jobs.scheduling.schedule import POLICY, Lane, Tenant, attained, choose, lane_key
from hinode.jobs.states import Priority, Status
from hinode.money.fresh import Fresh
from hinode.money.quoting.predict import Span
from hinode.money.quoting.quotes import Quote, Quotes
from hinode.records.database import Database
from hinode.records.rows import count_rows
from hinode.records.tables import attempts, jobs, projects, workers
from hinode.request import Request
from hinode.routing.router import Expectation

MAX_JOBS = 500
"""Waiting jobs that are played ahead; those beyond count as the average of them."""
UNKNOWN_SECONDS = 30.0
"""Of a job whose time cannot be predicted."""
PLAYED_SECONDS = 1.0
"""For so long the schedule is not played again for the jobs of a list."""
WORDS = ("prompt", "negative_prompt", "seed", "plan")
"""Fields of a request that change no time."""
AT_ONCE = Span(0.0, 0.0)
NEW = "new"
"""Id of the job that a quote is for."""


@dataclass(frozen=True)
class Slot:
    """A worker: when it is free, in seconds from now, and what it can run."""

    free: Span = AT_ONCE
    engines: Engines = None
    project_id: str | None = None  # of the job that it runs now
    projects: frozenset[str] | None = None  # those whose jobs it may have; None for all


@dataclass(frozen=True)
class Running:
    """A job in progress: predicted seconds that are left of it, and those of the whole."""

    left: float
    whole: float


@dataclass(frozen=True)
class Backlog:
    """Predicted work: seconds that wait, by model ("engine/model"), and the running jobs by worker."""

    waiting: Mapping[str, float]
    running: Mapping[str, Running]


@dataclass(frozen=True)
class Waiting:
    """A waiting job, and the seconds that it will take."""

    id: str
    lane: Lane
    seconds: Span


class Forecast:
    """Predicts the jobs of a database. Safe to use from several threads."""

    def __init__(
        self, database: Database, objects: Objects, quotes: Quotes, clock: Callable[[], float]
    ) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.objects = objects
        self.quotes = quotes
        self.clock = clock
        self._starts: Fresh[None, dict[str, Span]] = Fresh(clock, PLAYED_SECONDS)

    def remaining(self, job: Job, now: float) -> float | None:
        """Seconds until a running or waiting job is finished; None for any other, or if nobody knows.

        `now` is in seconds since 1970.
        """
        if job.status is Status.RUNNING:
            return self._left(job, now, job.started_at if job.epoch == 1 else None)
        if job.status is not Status.QUEUED:
            return None
        start = self._starts.get(None, lambda: self.starts(now)).get(job.id)
        return None if start is None else start.p50 + self._seconds(job.request).p50

    def _left(self, job: Job, now: float, began_at: float | None) -> float | None:
        """Seconds that are left of a running job; `began_at` is when its present attempt began, if that is
        known."""
        ran_for = 0.0 if began_at is None else now - began_at + job.compute_seconds
        try:
            return self.quotes.remaining(self._request(job.request), job.stage, job.progress, ran_for)
        except HinodeError:
            return None

    def starts(self, now: float) -> dict[str, Span]:
        """Seconds until each waiting job starts, by its id; a job that no worker can run is left out, and so
        are those behind the first `MAX_JOBS`."""
        return self._play(now, ())[0]

    def backlog(self) -> Backlog:
        """The work that more workers could do now; jobs behind the cap of their project are left out.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        now = self.clock()
        with self.database.read() as connection:
            state = _State.read(connection, now, ())
        running = {}
        for worker_id, (job, began_at) in state.running.items():
            left, whole = self._left(job, now, began_at), self._seconds(job.request).p50
            running[worker_id] = Running(UNKNOWN_SECONDS if left is None else left, whole)
        waiting: dict[str, float] = {}
        starting = Counter({name: tenant.running for name, tenant in state.tenants.items()})
        for entry in self._timed(state):
            lane = entry.lane
            maximum = state.tenants[lane.project_id].max_running
            if maximum is None or starting[lane.project_id] < maximum:
                starting[lane.project_id] += 1
                waiting[lane.model] = waiting.get(lane.model, 0.0) + entry.seconds.p50
        scale = 1 + state.more / len(state.waiting) if state.waiting else 1.0
        return Backlog({model: seconds * scale for model, seconds in waiting.items()}, running)

    def wait(self, project_id: str, priority: Priority, request: Request) -> tuple[Span, int]:
        """Seconds until a job would start that is submitted now, and how many of a project run at once.

        Raises:
            HinodeError: as for `Quotes.predict`.
        """
        now = self.clock()
        lane = Lane.of(lane_key(project_id, priority, request.engine, request.model or ""), now, 0.0)
        newcomer = Waiting(NEW, lane, self.quotes.predict(self._with_paths(request)).eta)
        starts, slots, tenants = self._play(now, (newcomer,))
        slot_count = sum(_can(slot, lane) for slot in slots)
        maximum = tenants[project_id].max_running if project_id in tenants else None
        return starts.get(NEW, AT_ONCE), max(1, slot_count if maximum is None else min(maximum, slot_count))

    def expect(self, project_id: str, priority: Priority, request: Request) -> Expectation:
        """What a job that is submitted now has to expect.

        Raises:
            HinodeError: as for `Quotes.predict`.
        """
        now = self.clock()
        lane = Lane.of(lane_key(project_id, priority, request.engine, request.model or ""), now, 0.0)
        eta = self.quotes.predict(self._with_paths(request)).eta
        starts, _, _ = self._play(now, (Waiting(NEW, lane, eta),))
        live = NEW in starts
        return Expectation(starts[NEW].p50 if live else 0.0, eta.p50, live=live)

    def unfinished(self, engine: str, model: str) -> int:
        """The number of waiting and running jobs of a model, of all projects."""
        states = jobs.c.status.in_((Status.QUEUED.value, Status.RUNNING.value))
        with self.database.read() as connection:
            return count_rows(connection, states, jobs.c.engine == engine, jobs.c.model == model)

    def quote(self, drafts: Sequence[Draft]) -> Quote:
        """The times of jobs of one request, which are not submitted.

        Raises:
            HinodeError: as for `Quotes.predict`.
        """
        draft = drafts[0]
        wait, slots = self.wait(draft.project_id, draft.priority, draft.request)
        return self.quotes.quote(
            self._with_paths(draft.request),
            model=draft.requested_model,
            n=len(drafts),
            slots=slots,
            queue_wait=wait,
        )

    def _play(
        self, now: float, newcomers: Sequence[Waiting]
    ) -> tuple[dict[str, Span], list[Slot], dict[str, Tenant]]:
        with self.database.read() as connection:
            state = _State.read(connection, now, {job.lane.project_id for job in newcomers})
        waiting = self._timed(state)
        slots = self._slots(state, now)
        starts = play([*waiting, *newcomers], slots, state.tenants, now)
        if state.more:
            mean = sum(job.seconds.p50 for job in waiting) / len(waiting) * state.more / len(slots)
            for job in newcomers:
                if job.id in starts:
                    starts[job.id] = Span(starts[job.id].p50 + mean, starts[job.id].p90 + 2 * mean)
        return starts, slots, state.tenants

    def _timed(self, state: _State) -> list[Waiting]:
        """The waiting jobs with their seconds."""
        spans: dict[str, Span] = {}  # most jobs of a long queue are alike
        waiting = []
        for job_id, lane, values in state.waiting:
            shape = repr([pair for pair in values.items() if pair[0] not in WORDS])
            if shape not in spans:
                spans[shape] = self._seconds(values)
            waiting.append(Waiting(job_id, lane, spans[shape]))
        return waiting

    def _slots(self, state: _State, now: float) -> list[Slot]:
        """The live workers and what they run; one that is idle if there is none, for it will be started."""
        slots = []
        for worker_id, engines, owners in state.workers:
            job, began_at = state.running.get(worker_id, (None, None))
            if job is None:
                slots.append(Slot(engines=engines, projects=owners))
                continue
            left = self._left(job, now, began_at)
            left = UNKNOWN_SECONDS if left is None else left
            slots.append(Slot(Span(left, 1.5 * left), engines, job.project_id, owners))
        return slots or [Slot()]

    def _seconds(self, values: Mapping[str, Any]) -> Span:
        try:
            return self.quotes.predict(self._request(values)).eta
        except HinodeError:
            return Span(UNKNOWN_SECONDS, 2 * UNKNOWN_SECONDS)

    def _request(self, values: Mapping[str, Any]) -> Request:
        return self._with_paths(read_request(values))

    def _path(self, digest: str) -> Path:
        try:
            return self.objects.fetch(digest)
        except FileNotFoundError:
            return self.objects.path(digest)  # whoever opens it says that it is not there

    def _with_paths(self, request: Request) -> Request:
        return dataclasses.replace(
            request,
            references=tuple(
                dataclasses.replace(reference, path=str(self._path(reference.digest)))
                for reference in request.references
            ),
        )


def play(
    waiting: Sequence[Waiting], slots: Sequence[Slot], tenants: Mapping[str, Tenant], now: float
) -> dict[str, Span]:
    """Seconds until each waiting job starts, if they all take as long as predicted.

    Args:
        waiting: in the order of their queueing.
        slots: at least one.
        tenants: by project, those of all jobs, with what they run now.
        now: seconds since 1970.
    """
    lanes: dict[str, deque[Waiting]] = {}
    for job in waiting:
        lanes.setdefault(job.lane.key, deque()).append(job)
    accounts = dict(tenants)
    # When each slot is free, the sum of squares by which the jobs on it may be late, and whose job it runs.
    free = [(slot.free.p50, number, (slot.free.p90 - slot.free.p50) ** 2, slot.project_id, slot.free.p50)
            for number, slot in enumerate(slots)]  # fmt: skip
    heapq.heapify(free)
    starts: dict[str, Span] = {}
    while free and lanes:
        at, number, late, project, spent = heapq.heappop(free)
        if project is not None:
            tenant = accounts[project]
            compute = attained(tenant, now + at, POLICY) + spent
            accounts[project] = tenant._replace(
                attained=compute, attained_at=now + at, running=max(0, tenant.running - 1)
            )
        heads = {queue[0].lane: key for key, queue in lanes.items() if _can(slots[number], queue[0].lane)}
        lane = choose(list(heads), accounts, now=now + at, policy=POLICY)
        if lane is None:
            # Its projects are at their cap until another slot is free, or it can run none of the jobs.
            if heads and any(project is not None for _, _, _, project, _ in free):
                heapq.heappush(free, (math.nextafter(free[0][0], math.inf), number, late, None, 0.0))
            continue
        queue = lanes[heads[lane]]
        job = queue.popleft()
        if not queue:
            del lanes[heads[lane]]
        starts[job.id] = Span(at, at + math.sqrt(late))
        owner = accounts[lane.project_id]
        accounts[lane.project_id] = owner._replace(running=owner.running + 1)
        seconds = job.seconds
        spread = late + (seconds.p90 - seconds.p50) ** 2
        heapq.heappush(free, (at + seconds.p50, number, spread, lane.project_id, seconds.p50))
    return starts


def _can(slot: Slot, lane: Lane) -> bool:
    return serves(slot.projects, lane.project_id) and (slot.engines is None or lane.engine in slot.engines)


@dataclass(frozen=True)
class _State:
    """The queue as it stands in the database.

    Attributes:
        waiting: id, lane and stored request of waiting jobs in the order of their queueing.
        more: waiting jobs beside them.
        running: by worker, its job and when the attempt began.
        workers: id, engines and projects of the live workers.
    """

    waiting: list[tuple[str, Lane, Mapping[str, Any]]]
    more: int
    running: dict[str, tuple[Job, float]]
    workers: list[tuple[str, Engines, frozenset[str] | None]]
    tenants: dict[str, Tenant]

    @classmethod
    def read(cls, connection: Connection, now: float, project_ids: Collection[str]) -> _State:
        """Read it, with the accounts of these projects and of those that have jobs in it."""
        paused = sa.select(projects.c.id).where(projects.c.paused_at.is_not(None))
        queued = sa.and_(jobs.c.status == Status.QUEUED.value, jobs.c.project_id.not_in(paused))
        columns = jobs.c.id, jobs.c.lane, jobs.c.queued_at, jobs.c.compute_seconds, jobs.c.request
        query = sa.select(*columns).where(queued).order_by(jobs.c.queued_at, jobs.c.id).limit(MAX_JOBS)
        waiting = [
            (row.id, Lane.of(row.lane, row.queued_at, row.compute_seconds), row.request)
            for row in connection.execute(query)
        ]
        more = count_rows(connection, queued) - MAX_JOBS if len(waiting) == MAX_JOBS else 0
        begun = sa.and_(attempts.c.job_id == jobs.c.id, attempts.c.epoch == jobs.c.epoch)
        query = sa.select(jobs, attempts.c.started_at.label("began_at")).join(attempts, begun)
        rows = connection.execute(query.where(jobs.c.status == Status.RUNNING.value)).mappings()
        running = {row["worker_id"]: (read_job(row), row["began_at"]) for row in rows}
        alive = sa.select(workers.c.id, workers.c.engines, workers.c.projects).where(
            workers.c.stopped_at.is_(None),
            workers.c.draining.is_(False),
            workers.c.last_seen_at > now - LIVE_SECONDS,
        )
        live = [
            (row.id, *(None if names is None else frozenset(names) for names in (row.engines, row.projects)))
            for row in connection.execute(alive)
        ]
        busy = Counter(job.project_id for job, _ in running.values())
        owners = {*project_ids, *busy, *(lane.project_id for _, lane, _ in waiting)}
        tenants = {
            row.id: Tenant(row.id, row.attained, row.attained_at, row.weight, busy[row.id], row.max_running)
            for row in connection.execute(sa.select(projects).where(projects.c.id.in_(owners)))
        }
        return cls(waiting, more, running, live, tenants)
