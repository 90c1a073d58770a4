"""Changes in the order of commits: none is passed over, however transactions overlap."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from hinode.jobs import changes
from hinode.jobs.changes import ChangeReader, Watched
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import jobs, uploads
from tests.jobs.service import PROJECTS, Clock, add_projects, draft

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
def reader(store: Store) -> ChangeReader:
    return ChangeReader(store.database, store.clock)


def submit(store: Store, project: str = "proj_1") -> str:
    return store.submit([draft(project)]).jobs[0].id


def names(found: changes.Changes) -> list[str]:
    assert found.jobs is not None
    return [change.job.id for change in found.jobs]


def test_each_change_is_read_once(store: Store, reader: ChangeReader) -> None:
    submit(store)
    moment, found = reader.read({"proj_1": None})
    assert found["proj_1"].jobs == ()  # what was before is no change
    first, second, other = submit(store), submit(store), submit(store, "proj_2")
    moment, found = reader.read(dict.fromkeys(PROJECTS, moment))
    assert names(found["proj_1"]) == [first, second]
    assert names(found["proj_2"]) == [other]
    worker = store.register_worker("here", 1)
    lease = store.claim(worker, host="here")
    assert lease is not None
    beat = {"stage": "sample", "progress": 40, "preview": 1, "slice_seconds": 15.0, "ran_for": 0.0}
    store.heartbeat(lease, **beat)  # type: ignore[arg-type]
    moment, found = reader.read({"proj_1": moment})
    assert len(names(found["proj_1"])) == 1
    store.heartbeat(lease, **beat)  # type: ignore[arg-type]
    moment, found = reader.read({"proj_1": moment})
    assert names(found["proj_1"]) == []  # a lease was renewed, which nobody sees
    store.cancel("proj_1", second)
    store.delete("proj_1", second)
    moment, found = reader.read({"proj_1": moment})
    assert [(change.job.id, change.deleted) for change in found["proj_1"].jobs or ()] == [(second, True)]
    assert reader.read({"proj_1": moment})[1]["proj_1"].jobs == ()


def test_a_transaction_that_commits_late_is_not_passed_over(store: Store, reader: ChangeReader) -> None:
    slow, quick = submit(store), submit(store)
    moment, _ = reader.read({"proj_1": None})
    begun, go_on = threading.Event(), threading.Event()

    def change(job_id: str, progress: int) -> None:
        with store.database.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(progress=progress))
            if job_id == slow:
                begun.set()
                assert go_on.wait(20)

    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(change, slow, 1)
        assert begun.wait(20)
        told: list[str] = []
        known: set[tuple[str, int]] = set()

        def look() -> None:
            nonlocal moment
            moment, found = reader.read({"proj_1": moment}, known)
            told.extend(names(found["proj_1"]))
            known.update((entry.job.id, entry.number) for entry in found["proj_1"].jobs or ())

        if not store.database.sqlite:  # which has one writer at a time
            for progress in (1, 2):
                change(quick, progress)
                look()
            assert told == [quick, quick]
        look()
        assert slow not in told
        go_on.set()
        held.result(20)
    look()
    assert told[-1] == slow
    count = len(told)
    look()
    assert len(told) == count  # nothing twice


def test_threads_that_write_at_once(store: Store, reader: ChangeReader) -> None:
    moment, _ = reader.read({"proj_1": None})
    told: set[str] = set()
    known: set[tuple[str, int]] = set()
    with ThreadPoolExecutor(4) as threads:
        made = [threads.submit(submit, store) for _ in range(40)]
        while not all(future.done() for future in made):
            moment, found = reader.read({"proj_1": moment}, known)
            told |= set(names(found["proj_1"]))
            known |= {(entry.job.id, entry.number) for entry in found["proj_1"].jobs or ()}
    moment, found = reader.read({"proj_1": moment}, known)
    assert told | set(names(found["proj_1"])) == {future.result() for future in made}


def test_too_much_is_said_of_the_project_that_has_it(
    store: Store, reader: ChangeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_CHANGED", 2)
    moment, _ = reader.read({"proj_1": None})
    other = submit(store, "proj_2")
    for _ in range(3):
        submit(store)
    _, found = reader.read(dict.fromkeys(PROJECTS, moment))
    assert found["proj_1"].jobs is None
    assert names(found["proj_2"]) == [other]
    assert reader.read({"proj_1": 10**17})[1]["proj_1"].jobs is None  # of another database


def test_watched_tables(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched("library.changed", uploads.c.project_id, uploads.c.expires_at)
    monkeypatch.setattr(changes, "WATCHED", (*changes.WATCHED, watched))
    reader = ChangeReader(store.database, clock)

    def versions() -> dict[str, int]:
        return dict(reader.read({"proj_1": None})[1]["proj_1"].versions)

    before = versions()
    assert set(before) == {"queue.changed", "library.changed", "storyboard.changed"}
    file = {"id": "file-1", "project_id": "proj_1", "purpose": "vision", "filename": "a", "digest": "0" * 64}
    with store.database.write() as connection:
        connection.execute(
            uploads.insert(), {**file, "media_type": "image/png", "bytes": 1, "created_at": 1.0}
        )
    made = versions()
    with store.database.write() as connection:
        connection.execute(sa.update(uploads).values(expires_at=1_800_000_000.001))
    assert len({before["library.changed"], made["library.changed"], versions()["library.changed"]}) == 3
    assert versions()["queue.changed"] == before["queue.changed"]
    store.register_worker("here", 1)
    assert versions()["queue.changed"] != before["queue.changed"]
