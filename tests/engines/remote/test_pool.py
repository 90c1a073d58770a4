"""Breakers, places and order of the servers."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hinode.engines.remote.health import HealthFile
from hinode.engines.remote.pool import HEALTH_SECONDS, Breaker, Pool, Semaphore
from hinode.engines.remote.upstreams import Upstream
from tests.engines.remote.fleet import REQUEST, Clock, Fleet, steps
from tests.engines.remote.stubs import Answer


def server(name: str, **changes: object) -> Upstream:
    models = {"wan": "wan"}
    return Upstream(name=name, dialect="sglang", url="http://127.0.0.1:9", models=models, **changes)  # type: ignore[arg-type]


def test_a_breaker_opens_allows_one_probe_and_closes(tmp_path: Path) -> None:
    clock = Clock()
    breaker = Breaker(server("a"), clock, HealthFile(tmp_path, "a", clock))
    for _ in range(2):
        breaker.record_failure()
    assert breaker.allow()
    breaker.record_success()
    for _ in range(3):
        assert breaker.allow()
        breaker.record_failure()
    assert not breaker.allow()
    assert breaker.ready_at == clock() + 30
    clock.pause(29.9)
    assert not breaker.allow()
    clock.pause(0.1)
    assert breaker.allow()  # the probe
    assert not breaker.allow()
    clock.pause(30)
    assert breaker.allow()  # the probe never reported a result
    breaker.record_failure()
    assert not breaker.allow()
    clock.pause(30)
    assert breaker.allow()
    breaker.record_success()
    for _ in range(2):
        assert breaker.allow()
        breaker.record_failure()
    assert breaker.allow()


def test_an_open_breaker_sends_nothing_and_a_half_open_one_sends_once(fleet: Fleet) -> None:
    first = fleet.add("sglang", most_failures=2, cool_seconds=60)
    fleet.add("sglang")
    first.overrides["health"].extend([Answer(500)] * 3)
    engine = fleet.engine()

    def maker() -> str:
        run = engine.start(REQUEST)
        steps(run)
        return run.clip().provenance.read_as.split()[2]

    assert [maker(), maker()] == ["s2", "s2"]
    assert len(first.received) == 2
    assert maker() == "s2"
    assert len(first.received) == 2  # open: not even a health check
    fleet.clock.pause(60)
    assert maker() == "s2"
    assert len(first.received) == 3  # half open: one probe, which failed
    fleet.clock.pause(60)
    assert maker() == "s1"
    assert maker() == "s1"


def test_servers_of_one_priority_share_by_weight(tmp_path: Path) -> None:
    pool = Pool(tmp_path, clock=Clock(), wall=time.time, chance=random.Random(7).random)
    servers = [server("a", weight=3.0), server("b"), server("last", priority=5, weight=100.0)]
    firsts = Counter(pool.order(servers)[0].name for _ in range(4000))
    assert set(firsts) == {"a", "b"}
    assert firsts["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert {pool.order(servers)[-1].name for _ in range(50)} == {"last"}


def test_a_server_with_a_new_description_has_a_new_breaker(tmp_path: Path) -> None:
    clock = Clock()
    pool = Pool(tmp_path, clock=clock, wall=time.time, chance=random.random)
    for _ in range(3):
        pool.breaker(server("a")).record_failure()
    assert pool.breaker(server("a")).ready_at > clock()
    assert pool.breaker(server("a", most_failures=4)).ready_at == clock()


def test_an_open_breaker_lets_one_of_many_threads_through(tmp_path: Path) -> None:
    now = 1000.0

    def clock() -> float:
        time.sleep(0.001)  # other threads run between the look at the clock and its consequence
        return now

    pool = Pool(tmp_path, clock=clock, wall=time.time, chance=random.random)
    breaker = pool.breaker(server("a"))
    for _ in range(3):
        breaker.record_failure()
    now += 30
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: breaker.allow(), range(8))) == 1


def test_a_health_check_is_due_after_a_while(tmp_path: Path) -> None:
    clock = Clock()
    breaker = Breaker(server("a"), clock, HealthFile(tmp_path, "a", clock))
    assert breaker.needs_health_check()
    breaker.record_success()
    assert not breaker.needs_health_check()
    clock.pause(HEALTH_SECONDS)
    assert breaker.needs_health_check()
    breaker.record_success()
    breaker.record_failure()
    assert breaker.needs_health_check()


def test_places_are_counted_and_freed(tmp_path: Path) -> None:
    semaphore = Semaphore(tmp_path / "locks", "a", 2)
    first, second = semaphore.acquire(), semaphore.acquire()
    assert first is not None
    assert second is not None
    assert semaphore.acquire() is None
    assert Semaphore(tmp_path / "locks", "a", 2).acquire() is None  # as another process sees it
    first.close()
    first.close()
    third = semaphore.acquire()
    assert third is not None
    assert semaphore.acquire() is None
    second.close()
    third.close()


def test_the_place_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hinode.engines.remote.pool import Semaphore\n"
        "permit = Semaphore(Path(sys.argv[1]), 'a', 1).acquire(); print(permit is not None, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "True\n"
            semaphore = Semaphore(tmp_path, "a", 1)
            assert semaphore.acquire() is None
        finally:
            process.kill()
    permit = semaphore.acquire()
    assert permit is not None
    permit.close()


def test_without_lock_files_a_process_counts_for_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    semaphore = Semaphore(tmp_path / "file", "a", 1)
    permit = semaphore.acquire()
    assert permit is not None
    assert semaphore.acquire() is None
    permit.close()


def test_a_request_waits_for_a_full_server(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.statuses = [("in_progress", 10)]
    engine = fleet.engine()
    first, second = iter(engine.start(REQUEST)), iter(engine.start(REQUEST))
    while next(first).done == 0:
        pass
    for _ in range(5):
        assert next(second).done == 0
    assert len(stub.creations()) == 1
    stub.statuses = [("completed", 100)]
    list(first)
    list(second)
    assert len(stub.creations()) == 2
