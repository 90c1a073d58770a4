"""Transactions that meet in the middle: only PostgreSQL lets two of them write at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from hinode.jobs import transitions
from hinode.jobs.batches.batch import end_jobs
from hinode.jobs.job import Lease
from hinode.jobs.scheduling import queue
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import attempts, events
from tests.jobs.service import START, add_projects, draft

SECONDS = 60.0
RUNNING = sa.text("SELECT count(*) FROM jobs WHERE status = 'running'")


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    database = Database(postgres_url)
    add_projects(database)
    yield Store(database, lambda: START)
    database.close()


class Concurrent:
    """A call in a thread of its own."""

    def __init__(self, store: Store, call: Callable[[], Any]) -> None:
        self.store = store
        self.call = call
        self.answer: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.answer = self.call()
        except BaseException as error:
            self.error = error

    def start(self) -> None:
        """Start it, and return once it waits for a lock, or has ended without."""
        self.thread.start()
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        until = time.monotonic() + SECONDS
        while self.thread.is_alive() and time.monotonic() < until:
            with self.store.database.read() as connection:
                if connection.scalar(waiting):
                    return

    def result(self) -> Any:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        if self.error:
            raise self.error
        return self.answer


def claim_new(store: Store, host: str, **values: Any) -> Lease:
    store.submit([draft(**values)])
    lease = store.claim(store.register_worker(host, 1), host=host)
    assert lease is not None
    return lease


@pytest.mark.parametrize("change", ["claimed", "cancelled"])
def test_a_job_is_not_given_up_while_something_else_happens_to_it(store: Store, change: str) -> None:
    other = store.register_worker("other", 1)
    lease = claim_new(store, "here")
    store.fail(lease, "engine", "it broke", final=False)
    store.end_worker(other)
    job = store.job("proj_1", lease.job.id)
    assert job is not None
    giving_up = Concurrent(store, store.give_up)
    with store.database.write() as connection:
        if change == "claimed":
            assert transitions.claim(connection, job.id, other, "other", START, START + 15)
        else:
            transitions.cancel(connection, job, START)
        giving_up.start()
    assert giving_up.result() == 0
    after = store.job("proj_1", job.id)
    assert after is not None
    with store.database.read() as connection:
        emitted = connection.execute(sa.select(events)).all()
        outcomes = list(connection.scalars(sa.select(attempts.c.outcome).order_by(attempts.c.epoch)))
    if change == "claimed":
        assert (after.status, after.worker_id) == (Status.RUNNING, other)
        assert (emitted, outcomes) == ([], ["failed", None])
    else:
        assert (after.status, after.error_code) == (Status.CANCELLED, "cancelled")
        assert (len(emitted), outcomes) == (1, ["failed"])


def test_a_job_is_only_ended_as_it_was_read(store: Store) -> None:
    lease = claim_new(store, "here")
    running = store.job("proj_1", lease.job.id)
    assert running is not None
    store.finish(lease, {}, {}, 1.0)
    with pytest.raises(RuntimeError, match="not running"), store.database.write() as connection:
        transitions.cancel(connection, running, START)
    with store.database.read() as connection:
        assert list(connection.scalars(sa.select(events.c.type))) == ["video.completed"]


@pytest.mark.parametrize("end", ["finished", "failed", "lost"])
def test_a_retry_and_the_end_of_the_job_do_not_lock_each_other_out(
    store: Store, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    lease = claim_new(store, "here", request_hash="h")
    retry = Concurrent(store, lambda: store.submit([draft(request_hash="h")], retry_count=1))
    settle = transitions._settle

    def meeting(*args: Any, **more: Any) -> float:
        retry.start()
        return settle(*args, **more)

    monkeypatch.setattr(transitions, "_settle", meeting)
    if end == "finished":
        store.finish(lease, {}, {}, 1.0)
    elif end == "failed":
        store.fail(lease, "engine", "it broke", final=True)
    else:
        assert store.lost(lease.worker_id) == 1
    answer = retry.result()
    assert (answer.replayed, [job.id for job in answer.jobs]) == (True, [lease.job.id])


def test_finishing_and_claiming_does_not_wait_for_a_batch_that_is_closed(store: Store) -> None:
    """The batch locks its waiting jobs and then its running ones, a worker the other way round."""
    lease = claim_new(store, "here", batch_id="batch_1")
    store.submit([draft(batch_id="batch_1")])
    with store.database.write() as connection:
        waiting = sa.text("SELECT id FROM jobs WHERE status = 'queued' FOR UPDATE")
        assert len(connection.execute(waiting).all()) == 1
        finishing = Concurrent(store, lambda: store.finish(lease, {}, {}, 1.0, claim_next=True))
        finishing.start()
        assert finishing.result() is None, "the next job is locked, so it is not claimed now"
        assert end_jobs(connection, "batch_1", Status.CANCELLED, START) == 1
    job = store.job("proj_1", lease.job.id)
    assert job is not None
    assert job.status is Status.COMPLETED


def test_a_worker_does_not_wait_for_the_claims_of_others_if_nothing_waits(store: Store) -> None:
    worker = store.register_worker("here", 1)
    idle = Concurrent(store, lambda: store.claim(worker, host="here"))
    with store.database.write() as connection:
        queue._CLAIM_LOCK.run(connection)
        idle.start()
        assert not idle.thread.is_alive()
    assert idle.result() is None


def test_two_workers_that_claim_at_once_keep_to_the_cap(store: Store) -> None:
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE projects SET most_running = 2")
    store.submit([draft() for _ in range(40)])
    counts: list[int] = []

    def work(host: str) -> None:
        lease = store.claim(store.register_worker(host, 1), host=host)
        for _ in range(10):
            with store.database.read() as connection:
                counts.append(int(connection.execute(RUNNING).scalar_one()))
            lease = store.finish(lease, {}, {}, 1.0, claim_next=True) if lease else None
            lease = lease or store.claim(store.register_worker(host, 1), host=host)

    threads = [threading.Thread(target=work, args=(f"host-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert max(counts) <= 2
