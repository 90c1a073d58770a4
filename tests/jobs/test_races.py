"""Transactions that meet in the middle: only PostgreSQL lets two of them write at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.postgres import PostgreSQL
from hinode.jobs import transitions
from hinode.jobs.admit import Draft
from hinode.jobs.job import Lease
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import attempts, events, organisations, projects
from hinode.request import Request

START = 1_800_000_000.0
SECONDS = 60.0


@pytest.fixture
def store(postgres: PostgreSQL, postgres_template: str) -> Iterator[Store]:
    url = postgres.create(postgres_template)
    database = Database(url)
    with database.write() as connection:
        connection.execute(organisations.insert(), {"id": "org_1", "name": "o", "created_at": START})
        connection.execute(
            projects.insert(), {"id": "proj_1", "organisation_id": "org_1", "name": "p", "created_at": START}
        )
    yield Store(database, lambda: START)
    database.close()
    postgres.drop(url)


class Other:
    """Does something in a thread of its own."""

    def __init__(self, store: Store, do: Callable[[], Any]) -> None:
        self.store = store
        self.do = do
        self.answer: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.answer = self.do()
        except BaseException as error:
            self.error = error

    def begin(self) -> None:
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

    def end(self) -> Any:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        if self.error:
            raise self.error
        return self.answer


def draft(**values: Any) -> Draft:
    request = Request("a red kite", engine="testcard", model="testcard", seconds=4.0)
    return Draft("proj_1", "key_1", request, "sora-2", **values)


def begun(store: Store, host: str, **values: Any) -> Lease:
    store.submit([draft(**values)])
    lease = store.claim(store.enrol(host, 1), host=host)
    assert lease is not None
    return lease


@pytest.mark.parametrize("how", ["claimed", "cancelled"])
def test_a_job_is_not_given_up_while_something_else_happens_to_it(store: Store, how: str) -> None:
    other = store.enrol("other", 1)
    lease = begun(store, "here")
    store.fail(lease, "engine", "it broke", final=False)
    store.stopped(other)
    job = store.job("proj_1", lease.job.id)
    assert job is not None
    giving_up = Other(store, store.give_up)
    with store.database.write() as connection:
        if how == "claimed":
            assert transitions.claim(connection, job.id, other, "other", START, START + 15)
        else:
            transitions.cancel(connection, job, START)
        giving_up.begin()
    assert giving_up.end() == 0
    after = store.job("proj_1", job.id)
    assert after is not None
    with store.database.read() as connection:
        told = connection.execute(sa.select(events)).all()
        outcomes = list(connection.scalars(sa.select(attempts.c.outcome).order_by(attempts.c.epoch)))
    if how == "claimed":
        assert (after.status, after.worker_id) == (Status.RUNNING, other)
        assert (told, outcomes) == ([], ["failed", None])
    else:
        assert (after.status, after.error_code) == (Status.CANCELLED, "cancelled")
        assert (len(told), outcomes) == (1, ["failed"])


def test_a_job_is_only_ended_as_it_was_read(store: Store) -> None:
    lease = begun(store, "here")
    running = store.job("proj_1", lease.job.id)
    assert running is not None
    store.finish(lease, [], {}, 1.0)
    with pytest.raises(RuntimeError, match="not running"), store.database.write() as connection:
        transitions.cancel(connection, running, START)
    with store.database.read() as connection:
        assert list(connection.scalars(sa.select(events.c.type))) == ["video.completed"]


@pytest.mark.parametrize("how", ["finished", "failed", "lost"])
def test_a_retry_and_the_end_of_the_job_do_not_lock_each_other_out(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    lease = begun(store, "here", request_hash="h")
    retry = Other(store, lambda: store.submit([draft(request_hash="h")], retry_count=1))
    settle = transitions._account

    def meeting(*args: Any, **more: Any) -> float:
        retry.begin()
        return settle(*args, **more)

    monkeypatch.setattr(transitions, "_account", meeting)
    if how == "finished":
        store.finish(lease, [], {}, 1.0)
    elif how == "failed":
        store.fail(lease, "engine", "it broke", final=True)
    else:
        assert store.lost(lease.worker_id) == 1
    answer = retry.end()
    assert (answer.replayed, [job.id for job in answer.jobs]) == (True, [lease.job.id])
