"""Waits by formula against the queue clip by clip, and the cheapest fleet against every fleet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hinode.errors import BadInput
from hinode.money.capacity.fleet import Fleet, Hardware, Load, Target, forecast, mix_wait
from hinode.money.capacity.plan import cheapest, sizes
from hinode.money.capacity.queueing import erlang_c, waits
from hinode.money.capacity.simulation import Simulated, simulate

SECONDS = 90.0
BAR = 0.2
UNCERTAIN = 3.0
"""Standard errors of the simulation that a formula may be beyond the bar."""


def difference(servers: int, load: float, variation: float, *, clips: int, seed: int = 1) -> float:
    """By how much more than the error of the simulation the formula misses its mean, as a share."""
    arrivals = load * servers / SECONDS
    run = simulate([1.0] * servers, arrivals, SECONDS, variation, clips=clips, seed=seed)
    miss = abs(waits(servers, arrivals, SECONDS, variation).mean - run.mean)
    return max(0.0, miss - UNCERTAIN * run.error()) / run.mean


GRID = [
    (servers, load, variation)
    for servers in (1, 2, 4, 8, 16, 64)
    for load in (0.6, 0.8, 0.9)
    for variation in (0.0, 0.25, 1.0)
    # Below a hundredth of a clip, chance decides the mean of a simulation, and nobody feels the wait.
    if waits(servers, load * servers / SECONDS, SECONDS, variation).mean >= 0.01 * SECONDS
]


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "load", "variation"), GRID)
def test_the_mean_wait_is_within_a_fifth_of_the_simulated_one(
    servers: int, load: float, variation: float
) -> None:
    assert difference(servers, load, variation, clips=60_000) <= BAR


@hypothesis_settings(max_examples=8)
@given(
    servers=st.integers(1, 12),
    load=st.floats(0.5, 0.85),
    variation=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_any_small_fleet_waits_about_as_long_as_the_formula_says(
    servers: int, load: float, variation: float, seed: int
) -> None:
    if waits(servers, load * servers / SECONDS, SECONDS, variation).mean >= 0.01 * SECONDS:
        assert difference(servers, load, variation, clips=20_000, seed=seed) <= BAR


def test_known_queues() -> None:
    queue = waits(1, 0.8 / SECONDS, SECONDS, 1.0)
    assert queue.mean == pytest.approx(0.8 / 0.2 * SECONDS)
    assert queue.p95 == pytest.approx(SECONDS / 0.2 * math.log(0.8 / 0.05))
    assert waits(1, 0.8 / SECONDS, SECONDS, 0.0).mean == pytest.approx(queue.mean / 2)  # M/D/1, exactly
    assert waits(3, 0.0, SECONDS).p95 == 0.0
    assert waits(3, 3 / SECONDS, SECONDS).mean == math.inf
    for servers, load in ((4, 0.7), (400, 0.95), (9000, 0.999)):
        chance = waits(servers, load * servers / SECONDS, SECONDS).chance
        assert chance == pytest.approx(float(erlang_c(servers, np.array(load))), rel=1e-6)


@pytest.mark.parametrize(("counts", "pace", "load"), [((4, 4), 2.0, 0.8), ((2, 10), 0.25, 0.8)])
def test_a_mix_waits_like_machines_of_one_speed(counts: tuple[int, int], pace: float, load: float) -> None:
    classes = [Hardware("a", SECONDS, 1.0), Hardware("b", SECONDS / pace, 1.0)]
    arrivals = load * sum(count / kind.seconds for kind, count in zip(classes, counts, strict=True))
    speeds = [1.0] * counts[0] + [pace] * counts[1]
    run = simulate(speeds, arrivals, SECONDS, 0.25, clips=60_000, seed=2)
    mean = mix_wait(classes, counts, Load(3600 * arrivals, 0.25)).mean
    assert mean == pytest.approx(run.mean, rel=BAR)


def test_quantiles_lie_near_the_simulated_ones() -> None:
    run: Simulated = simulate([1.0] * 8, 0.9 * 8 / SECONDS, SECONDS, 1.0, clips=100_000, seed=3)
    wait = waits(8, 0.9 * 8 / SECONDS, SECONDS, 1.0)
    assert wait.p50 == pytest.approx(run.quantile(0.5), rel=BAR)
    assert wait.p95 == pytest.approx(run.quantile(0.95), rel=BAR)
    assert run.utilisation == pytest.approx(0.9, rel=0.02)


hardware = st.builds(
    Hardware,
    st.just(""),
    st.floats(20, 200),
    st.floats(0.3, 5),
    st.integers(1, 6),
    st.sampled_from((0.0, 0.0, 0.2)),
)


@given(
    classes=st.lists(hardware, min_size=1, max_size=3),
    per_hour=st.floats(5, 300),
    variation=st.sampled_from((0.0, 0.5, 1.0, 2.0)),
    wait=st.floats(2, 200),
    share=st.sampled_from((0.4, 1.0)),
)
def test_no_fleet_is_cheaper(
    classes: list[Hardware], per_hour: float, variation: float, wait: float, share: float
) -> None:
    load, target = Load(per_hour, variation), Target(wait)
    fleet = cheapest(classes, load, target, max_spot_share=share)
    prices = [
        sum(count * (kind.usd_per_hour or 0.0) for kind, count in zip(classes, counts, strict=True))
        for counts in itertools.product(*(range(kind.maximum + 1) for kind in classes))
        if target.met(mix_wait(classes, counts, load)) and spot_share(classes, counts) <= share
    ]
    assert (fleet is None) == (not prices)
    if fleet is not None:
        assert fleet.usd_per_hour == pytest.approx(min(prices))


def spot_share(classes: Sequence[Hardware], counts: Sequence[int]) -> float:
    return sum(n for kind, n in zip(classes, counts, strict=True) if kind.spot) / max(1, sum(counts))


def test_large_fleets_of_one_class_are_the_smallest_that_are_enough() -> None:
    kind, load, target = Hardware("h100", 90.0, 3.0), Load(100_000.0, 0.5), Target(60.0)
    fleet = cheapest([kind], load, target)
    assert fleet is not None
    assert target.met(forecast([kind], [fleet.machines], load).wait)
    assert not target.met(forecast([kind], [fleet.machines - 1], load).wait)
    table: list[Fleet] = list(sizes(kind, load, target))
    assert [row.wait.p95 for row in table] == sorted((row.wait.p95 for row in table), reverse=True)
    assert fleet.machines in [row.machines for row in table]


def test_a_plan_counts_on_the_spot_machines_that_are_there() -> None:
    steady, spot = Hardware("a", 90.0, 1.0), Hardware("a", 90.0, 1.0, interruptions=2.0)
    load = Load(400.0)
    assert mix_wait([spot], [14], load).mean > mix_wait([steady], [14], load).mean
    assert mix_wait([spot], [0], load).mean == math.inf


def test_a_price_may_be_missing_only_where_nothing_is_compared() -> None:
    load, target = Load(100.0), Target(60.0)
    fleet = cheapest([Hardware("machine", 90.0)], load, target)
    assert fleet is not None
    assert fleet.usd_per_hour is None
    with pytest.raises(BadInput, match="has no price"):
        cheapest([Hardware("a", 90.0), Hardware("b", 30.0, 2.0)], load, target)
    assert cheapest([Hardware("a", 90.0, 1.0, maximum=2)], load, target) is None
