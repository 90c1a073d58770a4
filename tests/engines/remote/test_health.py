"""The burn rates of the servers, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.engines.remote.engine import CHECK_SECONDS
from hinode.engines.remote.health import LONG, SHORT, Health, HealthFile, State
from hinode.engines.remote.upstreams import read
from hinode.errors import NotAccepted
from tests.engines.remote.fleet import REQUEST, Clock, Fleet, steps
from tests.engines.remote.stubs import Answer

COOL = 30.0


def after(outcomes: list[bool], seconds: float = 15.0) -> tuple[Health, float]:
    """The health after outcomes that are `seconds` apart, and the time of the last."""
    health, now = Health(), 0.0
    for good in outcomes:
        now += seconds
        health = health.after(good, now)
    return health, now


@pytest.mark.parametrize(
    ("before", "pattern", "checks"), [(0, (False,), 10), (130, (False,), 13), (130, (True, False), 26)]
)
def test_a_server_is_drained_after_so_many_checks(
    before: int, pattern: tuple[bool, ...], checks: int
) -> None:
    outcomes = [True] * before + list(pattern * checks)[:checks]
    assert after(outcomes[:-1])[0].drained_at is None
    assert after(outcomes)[0].drained_at is not None


def test_a_bad_moment_long_ago_and_a_few_outcomes_drain_nothing() -> None:
    health, now = after([False] * 9)
    assert health.state(now, COOL) is State.READY
    health, now = after([True] * 100 + [False] * 5 + [True] * 25)
    assert health.burn(now, SHORT) == 0
    assert health.state(now, COOL) is State.READY


@given(st.lists(st.booleans(), max_size=200), st.floats(0.1, 120))
def test_burn_rates_are_between_none_and_all(outcomes: list[bool], seconds: float) -> None:
    health, now = after(outcomes, seconds)
    for window in (SHORT, LONG):
        assert 0 <= health.burn(now, window) <= 20
    if all(outcomes):
        assert health.state(now, COOL) is State.READY
    assert health.burn(now + LONG + 60, LONG) == 0


def test_one_job_at_a_time_tries_a_drained_server_until_one_succeeds(tmp_path: Path) -> None:
    clock = Clock()
    mine, other = (HealthFile(tmp_path, "a", clock) for _ in range(2))
    for _ in range(10):
        mine.record(False)
    assert not other.allow(COOL)
    clock.pause(COOL)
    assert [other.allow(COOL), mine.allow(COOL)] == [True, False]
    other.record(False, job=True)
    clock.pause(COOL)
    assert mine.allow(COOL)
    mine.record(True, job=True)
    assert [other.allow(COOL), mine.allow(COOL)] == [True, True]


def test_good_probes_end_a_drain(tmp_path: Path) -> None:
    clock = Clock()
    health = HealthFile(tmp_path, "a", clock)
    for _ in range(10):
        health.record(False)
    for _ in range(40):
        clock.pause(15)
        health.record(True)
    assert health.read().state(clock(), COOL) is State.READY


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    health = HealthFile(tmp_path / "file" / "folder", "a", Clock())
    for _ in range(10):
        health.record(False)
    assert not health.allow(COOL)


def test_probes_drain_a_server_before_a_job_meets_it(fleet: Fleet) -> None:
    first, second = fleet.add("sglang"), fleet.add("sglang")
    fleet.add("sglang", key_env="NOT_SET")
    first.overrides["health"].extend([Answer(503)] * 12)
    engine = fleet.engine()
    for _ in range(12):
        fleet.clock.pause(CHECK_SECONDS)
        engine.probe()
    run = fleet.start()
    steps(run)
    assert run.clip().provenance.provider == "s2"
    assert first.creations() == []
    assert len(second.creations()) == 1
    assert engine.pool.health("s3").read() == Health()  # its key is missing here
    with pytest.raises(NotAccepted, match="gets no jobs after failures"):
        steps(fleet.start(model="wan@s1"))


def test_processes_of_a_home_share_their_checks(fleet: Fleet) -> None:
    server = fleet.add("sglang")
    server.overrides["health"].append(Answer(503))
    one, other = fleet.engine(), fleet.engine()
    (upstream,) = read(one.settings.home).servers
    assert [engine.check(upstream).good for engine in (one, other, one)] == [False] * 3
    assert one.pool.health("s1").read().buckets != {}
    fleet.clock.pause(CHECK_SECONDS)
    assert other.check(upstream).good
    assert one.check(upstream) == other.check(upstream)
    assert sum(map(sum, one.pool.health("s1").read().buckets.values())) == 2
    moved = upstream.model_copy(update={"url": "http://127.0.0.1:1"})
    assert not one.check(moved).good  # the check was one of another address


def test_a_job_for_a_trial_ends_the_drain_when_its_clip_is_there(fleet: Fleet) -> None:
    fleet.add("sglang")
    engine = fleet.engine()
    health = engine.pool.health("s1")
    for _ in range(10):
        health.record(False)
    fleet.clock.pause(COOL)
    run = engine.start(REQUEST)
    assert next(progress for progress in run if progress.done).save  # the server has the job
    assert health.read().state(fleet.clock(), COOL) is State.DRAINED
    steps(run)
    assert health.read().state(fleet.clock(), COOL) is State.READY
