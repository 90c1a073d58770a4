"""Hints of changes between processes, by a real PostgreSQL."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from benchmarks.postgres import PostgreSQL
from hinode.jobs.store import Store
from hinode.records import hints
from hinode.records.database import Database
from hinode.records.hints import HintListener
from tests.jobs.service import add_projects, draft

SECONDS = 60.0
"""Until a test gives up."""


@contextmanager
def listening(database: Database) -> Iterator[tuple[HintListener, queue.Queue[str]]]:
    """A listener that has proven itself, and what it receives."""
    received: queue.Queue[str] = queue.Queue()
    listener = database.listener(received.put)
    assert listener is not None
    listener.start()
    try:
        assert listener.wait_until_proven(SECONDS)
        yield listener, received
    finally:
        listener.stop()


def test_a_hint_follows_a_commit_and_never_a_claim(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database, closing(Database(postgres_url)) as other:
        add_projects(database)
        store = Store(other)
        with listening(database) as (_, received):
            store.submit([draft()])
            assert received.get(timeout=SECONDS) == "proj_1"
            with pytest.raises(RuntimeError), other.write() as connection:
                hints.note(connection, "rolled back")
                raise RuntimeError
            lease = store.claim(store.register_worker("here", 1), host="here")
            assert lease is not None
            store.heartbeat(lease, stage="sample", progress=40, preview=1, slice_seconds=15.0, ran_for=0.0)
            store.submit([draft("proj_2")])
            assert received.get(timeout=SECONDS) == "proj_2"
            store.finish(lease, {}, {}, 60.0)
            assert received.get(timeout=SECONDS) == "proj_1"


def test_a_listener_whose_connection_ends_listens_again(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database:
        add_projects(database)
        with listening(database) as (listener, received):
            listener._proven.clear()
            with database.write() as connection:
                ended = connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                    )
                )
                assert list(ended.scalars()) == [True]
            assert listener.wait_until_proven(SECONDS)
            Store(database).submit([draft()])
            assert received.get(timeout=SECONDS) == "proj_1"


def test_a_listener_to_which_nothing_is_delivered_knows_it(
    postgres: PostgreSQL, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "PROOF_SECONDS", 0.1)
    with closing(Database(postgres_url)) as database, closing(Database(postgres.create())) as other:
        listener = HintListener(database.engine, other._hints, print, attempts=1)
        listener.start()
        listener._thread.join(SECONDS)
        assert not listener.is_proven
        listener.stop()


def test_sqlite_has_none(sqlite_template: object) -> None:
    with closing(Database(f"sqlite:///{sqlite_template}")) as database:
        assert database.listener(print) is None
