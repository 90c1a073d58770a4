"""The autoscaler as a pure function: what it decides from values, and what it never does."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.jobs.capacity.load import growth, offered_load
from hinode.jobs.capacity.scaling import (
    GLIDE_SECONDS,
    HOUR,
    History,
    Limits,
    Observation,
    Plan,
    Worker,
    plan,
)

LIMITS = Limits(minimum=0, maximum=50, wait_target=120.0, cold_start=60.0)


def fleet(busy: int = 0, idle: int = 0, starting: int = 0) -> list[Worker]:
    return [
        Worker(f"w{number}", number < busy + idle, number < busy, float(number))
        for number in range(busy + idle + starting)
    ]


def run(history: History, minutes: float, *, limits: Limits = LIMITS, **values: object) -> Plan:
    """The last decision after the same observation for so many minutes, one in ten seconds."""
    start = history.last[0] + 10.0 if history.last else 0.0
    decision = None
    for step in range(max(1, int(minutes * 6))):
        seen = Observation(
            start + 10.0 * step, **{"waiting": 0.0, "left": 0.0, "job_seconds": 60.0, **values}
        )  # type: ignore[arg-type]
        decision = plan(history, seen, limits)
        history = decision.history
    assert decision is not None
    return decision


def test_nothing_to_do_needs_no_worker() -> None:
    decision = run(History(), 30, workers=fleet(idle=2))
    assert (decision.target, decision.start) == (0, 0)
    assert decision.drain == ("w0", "w1")


def test_a_first_job_starts_a_worker_at_once() -> None:
    decision = run(History(), 0, waiting=30.0, job_seconds=0.0)
    assert (decision.target, decision.start) == (1, 1)


def test_a_steady_load_gets_its_workers_and_some_to_spare() -> None:
    decision = run(History(), 40, left=240.0, workers=fleet(busy=8))
    assert decision.load == pytest.approx(8.0)
    assert 9 <= decision.target <= 10
    assert run(History(), 40, left=240.0, workers=fleet(busy=8, starting=2)).start == 0


def test_a_backlog_starts_more_the_longer_it_is() -> None:
    targets = [run(History(), 1, waiting=waiting, workers=fleet(busy=2)).target for waiting in (0, 1e3, 4e3)]
    assert targets == sorted(set(targets))


def test_workers_that_are_started_count() -> None:
    seen = {"waiting": 2000.0, "job_seconds": 60.0}
    first = run(History(), 0, **seen)
    assert first.start > 1
    assert run(first.history, 0, **seen, workers=fleet(starting=first.start)).start == 0


def test_only_idle_workers_end_and_not_before_a_cold_start_has_passed() -> None:
    before = run(History(), 40, left=240.0, workers=fleet(busy=8, idle=1)).history
    calm = {"workers": fleet(busy=1, idle=8), "left": 30.0}
    assert run(before, 0.5, **calm).drain == ()
    later = run(before, 10, **calm)
    assert 0 < len(later.drain) <= 8
    assert "w0" not in later.drain


def test_a_model_that_is_waited_for_stays_in_memory() -> None:
    workers = [
        Worker("old", True, False, 0.0, frozenset({"native/book"})),
        Worker("new", True, False, 9.0, frozenset({"diffusers/wan"})),
    ]
    limits = dataclasses.replace(LIMITS, maximum=1)
    decision = run(History(), 10, waiting=30.0, workers=workers, queued_models={"native/book"}, limits=limits)
    assert decision.drain == ("new",)


def test_a_lump_is_backlog_and_no_rate() -> None:
    assert offered_load([8.0] * 20 + [400.0] + [8.0] * 5, 60.0) == pytest.approx(8.0)
    assert offered_load([8.0] * 20 + [400.0], 60.0) == pytest.approx(8.0)


def test_a_step_up_or_down_is_seen_in_minutes() -> None:
    assert offered_load([6.0] * 28 + [60.0] * 2, 60.0) == pytest.approx(60.0)
    assert offered_load([60.0] * 25 + [6.0] * 5, 60.0) == pytest.approx(6.0)
    assert offered_load([6.0] * 28 + [8.0] * 2, 60.0) == pytest.approx(6.0, abs=0.2)  # by chance


def test_a_load_that_grows_by_more_than_chance_is_taken_to_grow_on_for_a_cold_start() -> None:
    climb = [6.0] * 20 + [6.0, 18.0, 30.0, 42.0]
    soon, late = growth(climb, 60.0, 60.0), growth(climb, 60.0, 300.0)
    assert 0 < soon < late < 12.0 * 6  # the trend of 12 workers a minute fades
    assert growth([6.0] * 24, 60.0, 300.0) == 0.0
    assert growth([6.0, 7.0] * 12 + [8.0, 8.0], 60.0, 300.0) == 0.0  # by chance
    assert growth(climb[::-1], 60.0, 300.0) == 0.0
    assert growth([6.0] * 20 + [400.0], 60.0, 300.0) == 0.0  # a lump


def test_the_limits_are_kept() -> None:
    rush = {"waiting": 1e6}
    assert run(History(), 0, **rush).target == 50
    assert run(History(), 0, **rush).reason == "maximum"
    limits = dataclasses.replace(LIMITS, minimum=3)
    assert run(History(), 0, limits=limits).target == 3


def test_a_cap_in_worker_hours_shrinks_the_fleet_until_nothing_is_left() -> None:
    limits = dataclasses.replace(LIMITS, max_worker_hours=10.0)
    for left, target in ((GLIDE_SECONDS * 4.5, 4), (GLIDE_SECONDS / 2, 0), (-5.0, 0)):
        decision = run(History(), 0, waiting=1e6, paid_seconds=10 * HOUR - left, limits=limits)
        assert (decision.target, decision.reason) == (target, "cap in worker-hours")


def test_a_cap_in_money_needs_a_price_and_goes_before_the_minimum() -> None:
    limits = dataclasses.replace(LIMITS, minimum=2, max_cost=30.0, hourly_price=3.0)
    decision = run(History(), 0, paid_seconds=10 * HOUR, limits=limits, workers=fleet(idle=2))
    assert (decision.target, decision.reason) == (0, "cap in money")
    assert len(decision.drain) == 2
    with pytest.raises(ValueError, match="price"):
        run(History(), 0, limits=dataclasses.replace(limits, hourly_price=None))
    free = dataclasses.replace(limits, hourly_price=0.0)
    assert run(History(), 0, paid_seconds=1e9, limits=free).target == 2


numbers = st.integers(0, 6)
seconds = st.floats(0, 1e5)


@given(
    st.lists(st.tuples(st.floats(0.1, 600), seconds, seconds, numbers, numbers, numbers), max_size=30),
    st.integers(0, 5),
    st.integers(0, 20),
    st.none() | st.floats(0, 100),
)
def test_whatever_is_seen_the_decision_is_sound(
    steps: list[tuple[float, float, float, int, int, int]], minimum: int, more: int, hours: float | None
) -> None:
    limits = Limits(minimum, minimum + more, max_worker_hours=hours)
    history, now = History(), 0.0
    for gap, waiting, left, busy, idle, starting in steps:
        now += gap
        workers = fleet(busy, idle, starting)
        seen = Observation(now, waiting, left, 60.0 if busy else 0.0, workers, paid_seconds=now)
        decision = plan(history, seen, limits)
        history = decision.history
        assert 0 <= decision.target <= limits.maximum
        assert hours is not None or decision.target >= minimum
        assert decision.start == max(0, decision.target - len(workers))
        assert not (decision.start and decision.drain)
        assert len(decision.drain) <= max(0, len(workers) - decision.target)
        ended = set(decision.drain)
        assert all(worker.ready and not worker.busy for worker in workers if worker.id in ended)
        assert plan(history, seen, limits) == plan(history, seen, limits)
