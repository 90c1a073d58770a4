"""Workers of a class in the table of workers, and one driver at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hinode.jobs.capacity import leader
from hinode.jobs.capacity.entered import host_name, live_workers, paid_seconds
from hinode.jobs.store import Store
from hinode.jobs.tenants.sessions import Sessions
from hinode.records.database import Database, DatabaseError
from hinode.settings import Settings
from tests.jobs.service import DAY, START, Clock

PATIENCE = 60.0

pytestmark = pytest.mark.both_databases


def test_seconds_are_counted_for_a_class_and_a_day(database: Database) -> None:
    clock = Clock()
    store = Store(database, clock)
    first = store.register_worker(host_name("gpu", "a/1"), 1)
    store.register_worker(host_name("gpu_", "a/2"), 2)  # another class, though _ is a wildcard of SQL
    clock.now += 100
    store.end_worker(first)
    second = store.register_worker(host_name("gpu", "a/3"), 3)
    clock.now += 50
    store.touch_worker(second, ["native/book"])
    assert paid_seconds(database, "gpu", clock()) == pytest.approx(150)
    clock.now += 30  # it has not been seen since
    assert paid_seconds(database, "gpu", clock()) == pytest.approx(150)
    assert live_workers(database, "gpu", clock()) == {"gpu@a/3": (second, ("native/book",))}
    assert paid_seconds(database, "gpu", START + DAY + 60) == pytest.approx(90)
    assert paid_seconds(database, "gpu", START + 3 * DAY) == 0
    assert live_workers(database, "gpu", START + DAY) == {}


def test_one_driver_leads_and_the_next_one_waits_for_it(database: Database, tmp_path: Path) -> None:
    settings, stop = Settings(tmp_path), threading.Event()
    with pytest.raises(DatabaseError, match="no server was started"):
        leader.instance(database)
    Sessions(database, Clock()).announce("http://localhost:8000")
    order: list[str] = []

    def follow() -> None:
        other = Database(database.url.render_as_string(hide_password=False))
        with leader.lead(settings, other, stop) as leads:
            assert leads
            order.append("second")
        other.close()

    thread = threading.Thread(target=follow)
    with leader.lead(settings, database, stop) as leads:
        assert leads
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        order.append("first")
    thread.join(PATIENCE)
    assert order == ["first", "second"]
    stop.set()


def test_who_is_told_to_stop_leads_no_more(database: Database, tmp_path: Path) -> None:
    settings, stop = Settings(tmp_path), threading.Event()
    Sessions(database, Clock()).announce("http://localhost:8000")
    other = Database(database.url.render_as_string(hide_password=False))
    with leader.lead(settings, database, threading.Event()):
        stop.set()
        with leader.lead(settings, other, stop) as leads:
            assert not leads
    other.close()
