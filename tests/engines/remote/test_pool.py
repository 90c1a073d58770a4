"""Breakers, places and order: who is asked."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from pathlib import Path

import pytest

from hinode.engines.remote.breaker import Breaker
from hinode.engines.remote.dialects import DIALECTS
from hinode.engines.remote.pool import HEALTH_SECONDS, Pool
from hinode.engines.remote.slots import Semaphore
from hinode.engines.remote.upstreams import Upstream
from tests.engines.remote.fleet import Clock, Fleet, steps
from tests.engines.remote.stubs import Answer


def server(name: str, **changes: object) -> Upstream:
    return Upstream(name, DIALECTS["sglang"], "http://127.0.0.1:9", {"wan": "wan"}, **changes)  # type: ignore[arg-type]


def test_a_breaker_opens_lets_one_through_and_closes() -> None:
    clock = Clock()
    breaker = Breaker(3, 30.0, clock)
    for _ in range(2):
        breaker.failed()
    assert breaker.let_through()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.let_through()
        breaker.failed()
    assert breaker.is_open
    assert not breaker.let_through()
    assert breaker.ready_at == clock() + 30
    clock.pause(29.9)
    assert not breaker.let_through()
    clock.pause(0.1)
    assert breaker.let_through()  # the probe
    assert not breaker.let_through()
    clock.pause(30)
    assert breaker.let_through()  # nothing was heard of the probe
    breaker.failed()
    assert not breaker.let_through()
    clock.pause(30)
    assert breaker.let_through()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.let_through()
    assert breaker.failures == 0


def test_an_open_breaker_is_not_asked_and_half_open_asked_once(fleet: Fleet) -> None:
    first = fleet.add("sglang", most_failures=2, cool_seconds=60)
    fleet.add("sglang")
    first.instead["health"].extend([Answer(500)] * 3)
    engine = fleet.engine()

    def one() -> str:
        from tests.engines.remote.fleet import REQUEST

        run = engine.start(REQUEST)
        steps(run)
        return run.clip().provenance.read_as.split()[2]

    assert [one(), one()] == ["s2", "s2"]
    asked = len(first.asked)
    assert asked == 2
    assert one() == "s2"
    assert len(first.asked) == asked  # open: not even asked how it is
    fleet.clock.pause(60)
    assert one() == "s2"
    assert len(first.asked) == asked + 1  # half open: one probe, which failed
    fleet.clock.pause(60)
    assert one() == "s1"
    assert one() == "s1"


def test_servers_of_one_priority_share_by_weight(tmp_path: Path) -> None:
    pool = Pool(tmp_path, clock=Clock(), chance=random.Random(7).random)
    servers = [server("a", weight=3.0), server("b"), server("last", priority=5, weight=100.0)]
    firsts = Counter(pool.order(servers)[0].name for _ in range(4000))
    assert set(firsts) == {"a", "b"}
    assert firsts["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert {pool.order(servers)[-1].name for _ in range(50)} == {"last"}


def test_a_server_described_anew_starts_with_a_clean_slate(tmp_path: Path) -> None:
    pool = Pool(tmp_path, clock=Clock(), chance=random.random)
    for _ in range(3):
        pool.failed(server("a"))
    assert pool.breaker(server("a")).is_open
    assert not pool.breaker(server("a", most_failures=4)).is_open


def test_health_is_asked_after_a_while(tmp_path: Path) -> None:
    clock = Clock()
    pool = Pool(tmp_path, clock=clock, chance=random.random)
    assert pool.unsure(server("a"))
    pool.heard(server("a"))
    assert not pool.unsure(server("a"))
    clock.pause(HEALTH_SECONDS)
    assert pool.unsure(server("a"))


def test_places_are_counted_and_given_back(tmp_path: Path) -> None:
    slots = Semaphore(tmp_path / "locks", "a", 2)
    one, two = slots.take(), slots.take()
    assert one is not None
    assert two is not None
    assert slots.take() is None
    assert Semaphore(tmp_path / "locks", "a", 2).take() is None  # as another process sees it
    one.release()
    one.release()
    three = slots.take()
    assert three is not None
    assert slots.take() is None
    two.release()
    three.release()


def hold(folder: str, taken: object, over: object) -> None:
    slot = Semaphore(Path(folder), "a", 1).take()
    assert slot is not None
    taken.set()  # type: ignore[attr-defined]
    over.wait(60)  # type: ignore[attr-defined]


def test_a_killed_process_gives_its_place_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken, over = context.Event(), context.Event()
    process = context.Process(target=hold, args=(str(tmp_path), taken, over))
    process.start()
    try:
        assert taken.wait(60)
        slots = Semaphore(tmp_path, "a", 1)
        assert slots.take() is None
        process.kill()
        process.join()
        slot = slots.take()
        assert slot is not None
        slot.release()
    finally:
        process.kill()
        process.join()
        process.close()


def test_a_home_that_cannot_be_written_to_counts_for_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    slots = Semaphore(tmp_path / "file", "a", 1)
    slot = slots.take()
    assert slot is not None
    assert slots.take() is None
    slot.release()


def test_a_full_server_is_waited_for(fleet: Fleet) -> None:
    stub = fleet.add("sglang")
    stub.looks = [("in_progress", 10)]
    engine = fleet.engine()
    from tests.engines.remote.fleet import REQUEST

    first, second = engine.start(REQUEST), engine.start(REQUEST)
    holding = iter(first)
    while next(holding).done == 0:
        pass
    waiting = iter(second)
    for _ in range(5):
        assert next(waiting).done == 0
    assert len(stub.made()) == 1
    stub.looks = [("completed", 100)]
    list(holding)
    list(waiting)
    assert len(stub.made()) == 2
