"""The queue of a project: order, pause, and why a job waits."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hinode.jobs.job import NotWaiting
from hinode.jobs.scheduling import project_queue
from hinode.jobs.scheduling.project_queue import ProjectQueue, Reason
from hinode.jobs.states import Outcome, Priority
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import jobs, projects
from tests.jobs.service import Clock, add_projects, draft

pytestmark = pytest.mark.both_databases


class TickingClock(Clock):
    """Ids of one moment would be in no order."""

    def __call__(self) -> float:
        self.now += 0.002
        return self.now


@pytest.fixture
def clock() -> Clock:
    return TickingClock()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    add_projects(database)
    return Store(database, clock)


@pytest.fixture
def queue(store: Store) -> ProjectQueue:
    return ProjectQueue(store.database, store.clock)


def order(queue: ProjectQueue) -> list[str]:
    return [entry.job.id for entry in queue.view("proj_1", 100).waiting]


def claimed(store: Store) -> list[str]:
    """The jobs in the order in which a worker gets them."""
    worker, result = store.register_worker("here", 1), []
    while lease := store.claim(worker, host="here"):
        result.append(lease.job.id)
        store.fail(lease, "engine", "no", final=True)
    return result


def test_moves(store: Store, queue: ProjectQueue, clock: Clock) -> None:
    several = store.submit([draft(), draft(), draft()]).jobs  # of one moment
    clock.now += 1
    a, b, c, d = *(job.id for job in several), store.submit([draft()]).jobs[0].id
    times = [entry.job.queued_at for entry in queue.view("proj_1", 100).waiting]
    assert order(queue) == [a, b, c, d]
    for moved, before, expected in (
        (d, a, [d, a, b, c]),
        (a, None, [d, b, c, a]),
        (c, b, [d, c, b, a]),
        (c, c, [d, c, b, a]),
        (d, b, [c, d, b, a]),
    ):
        assert queue.move("proj_1", moved, before) is not None
        assert order(queue) == expected
    after = [entry.job.queued_at for entry in queue.view("proj_1", 100).waiting]
    assert after == pytest.approx(times, abs=1e-4)  # no earlier ones than the project had
    assert claimed(store) == [c, d, b, a]


def test_moves_that_are_refused(store: Store, queue: ProjectQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, batch, other = (
        store.submit([draft(project, priority=priority)]).jobs[0].id
        for project, priority in (
            ("proj_1", Priority.INTERACTIVE),
            ("proj_1", Priority.INTERACTIVE),
            ("proj_1", Priority.BATCH),
            ("proj_2", Priority.INTERACTIVE),
        )
    )
    assert queue.move("proj_1", other, None) is None
    for before in (batch, other, "video_0"):
        with pytest.raises(NotWaiting, match="no waiting video of the same class"):
            queue.move("proj_1", first, before)
    monkeypatch.setattr(project_queue, "MAX_PASSED", 0)
    with pytest.raises(NotWaiting, match="would pass 1 others"):
        queue.move("proj_1", second, first)
    store.cancel("proj_1", second)
    with pytest.raises(NotWaiting, match="does not wait any more"):
        queue.move("proj_1", second, first)


def test_a_pause_keeps_back_what_waits_and_nothing_else(store: Store, queue: ProjectQueue) -> None:
    running = store.submit([draft()]).jobs[0].id
    worker = store.register_worker("here", 1)
    lease = store.claim(worker, host="here")
    waiting = store.submit([draft()]).jobs[0].id
    other = store.submit([draft("proj_2")]).jobs[0].id
    queue.pause("proj_1")
    queue.pause("proj_1")
    view = queue.view("proj_1", 100)
    assert view.paused
    assert [job.id for job in view.running] == [running]
    assert [(entry.job.id, entry.reason) for entry in view.waiting] == [(waiting, Reason.PAUSED)]
    assert not queue.view("proj_2", 100).paused
    assert claimed(store) == [other]
    assert lease is not None
    store.heartbeat(lease, stage="sample", progress=1, preview=0, slice_seconds=15, ran_for=9)
    queue.resume("proj_1")
    assert claimed(store) == [waiting]


def test_why_a_job_waits(store: Store, queue: ProjectQueue, clock: Clock) -> None:
    def reasons() -> list[Reason]:
        return [entry.reason for entry in queue.view("proj_1", 100).waiting]

    first, _ = (job.id for job in store.submit([draft(), draft()]).jobs)
    assert reasons() == [Reason.NO_WORKER] * 2
    store.register_worker("blind", 1, ["native"])
    assert reasons() == [Reason.NO_WORKER] * 2
    worker = store.register_worker("here", 2, ["testcard"])
    assert reasons() == [Reason.WORKER, Reason.OTHERS]
    store.touch_worker(worker, ["testcard/another"])
    assert reasons() == [Reason.OTHER_MODEL, Reason.OTHERS]
    store.touch_worker(worker, ["testcard/testcard"])
    assert reasons() == [Reason.WORKER, Reason.OTHERS]
    lease = store.claim(worker, host="here")
    assert lease is not None
    with store.database.write() as connection:
        connection.execute(sa.update(projects).values(max_running=1))
    view = queue.view("proj_1", 100)
    assert reasons() == [Reason.MAXIMUM]
    assert [(view.id, view.busy, view.job_id) for view in view.workers if view.busy] == [
        (worker, True, first)
    ]
    assert [view.job_id for view in queue.view("proj_2", 100).workers] == [None, None]
    store.give_back(lease, Outcome.UNSUPPORTED)  # "here" cannot read it
    assert reasons() == [Reason.NO_WORKER, Reason.WORKER]
    with store.database.write() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == first).values(not_before=clock() + 5))
    assert reasons() == [Reason.RETRY, Reason.WORKER]
    assert queue.view("proj_1", 1).waiting_count == 2
    assert len(queue.view("proj_1", 1).waiting) == 1
