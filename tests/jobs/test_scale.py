"""The pure parts of benchmarks/scale: cells, waits by formula beside the scheduler's, and no clip is lost."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.scale.assumptions import Assumptions, Tenants, Work, rows
from benchmarks.scale.cells import place, ranking, split, zipf
from benchmarks.scale.database import Fit, State, fit, rates
from benchmarks.scale.day import arrivals, assign_tenants, simulate_day
from benchmarks.scale.exact import draw, simulate, steady
from benchmarks.scale.loss import enlarge, simulate_loss
from benchmarks.scale.queueing import class_waits, fluid, mean_wait
from benchmarks.scale.spot import prices
from hinode.money.capacity.queueing import erlang_c

BOUND = 0.05
SMALL = Assumptions(tenants=Tenants(count=2000))


@pytest.mark.parametrize("lost", [0, 7])
def test_the_loss_of_a_cell_moves_its_tenants_and_no_others(lost: int) -> None:
    shards = split(zipf(5000, 1.0), 0.1 / 12)
    order = ranking(len(shards.shares), 12)
    homes = place(shards.shares, order, BOUND)
    after = place(shards.shares, order, BOUND, lost=frozenset({lost}), pins=homes)
    moves = after != homes
    assert moves.any()
    assert (homes[moves] == lost).all()
    assert not (after == lost).any()
    for cells, mean in ((homes, 1 / 12), (after, 1 / 11)):
        assert np.bincount(cells, shards.shares, minlength=12).max() <= (1 + BOUND) * mean + 1e-12


def test_without_a_bound_each_shard_lives_in_the_first_cell_of_its_ranking() -> None:
    shares = zipf(3000, 1.0)
    order = ranking(3000, 10)
    homes = place(shares, order, np.inf)
    assert (homes == order[:, 0]).all()
    assert np.bincount(homes).min() > 200  # of 300 on average


def test_shards_are_small_enough_and_their_sum_is_the_tenant() -> None:
    shares = zipf(1000, 1.0)
    shards = split(shares, 0.01)
    assert shards.shares.max() <= 0.01
    assert np.bincount(shards.tenants, shards.shares) == pytest.approx(shares)


def test_the_formula_of_one_server_is_that_of_pollaczek_and_khinchine() -> None:
    load = np.array([0.2, 0.5, 0.8])
    assert erlang_c(1, load) == pytest.approx(load)
    assert mean_wait(1, load, 0.1, 0.5) == pytest.approx(load * 0.1 * 1.5 / (2 * (1 - load)))
    assert erlang_c(2, np.array([0.5])) == pytest.approx(1 / 3)


def test_the_load_weighted_wait_of_the_classes_is_the_wait_without_them() -> None:
    waits = class_waits(np.array(10.0), np.array(0.9), (0.2, 0.5, 0.3))
    assert np.dot((0.2, 0.5, 0.3), waits) == pytest.approx(10.0)
    assert waits[0] < waits[1] < waits[2]


def test_the_scheduler_waits_as_long_as_the_formula_says_within_a_third() -> None:
    result = steady(20, 0.85, 60, Work(), 1)
    assert result["simulated"] == pytest.approx(result["formula"], rel=1 / 3)


def test_every_clip_that_came_is_done_or_waits() -> None:
    work, regions = SMALL.work, assign_tenants(SMALL, 1)
    for region in regions:
        day = simulate_day(region, work, 1)
        assert day["clips"] == pytest.approx(day["done"] + day["left"])
    assert sum(simulate_day(region, work, 1)["clips"] for region in regions) == pytest.approx(
        work.clips, rel=0.05
    )
    flow = fluid(np.array([[5.0], [0.0], [9.0]]), np.full((3, 1), 3.0))
    assert flow.done.sum() + flow.left[-1] == pytest.approx(14.0)
    assert flow.left[:, 0] == pytest.approx([2.0, 0.0, 6.0])
    # Arrivals are the offered work on average.
    offered = np.full((24, 3), 50.0)
    assert arrivals(offered, work, 1).sum() == pytest.approx(offered.sum() * 3600, rel=0.02)


def test_every_clip_of_the_exact_cell_is_run_once() -> None:
    jobs = draw(np.full((2, 5), 4.0), Work(), 3)
    end = simulate(jobs, 20)
    assert sum(job.seconds for job in jobs) <= 20 * end
    assert all(job.extra > -1e-6 for job in jobs)


def test_moving_the_tenants_of_a_lost_cell_helps_if_there_is_room() -> None:
    (region,) = enlarge(assign_tenants(SMALL, 1)[1:2], 1.5)
    wait, move, both = simulate_loss(region, SMALL, 1)
    assert move.late < wait.late / 10
    assert wait.moves == 0 < move.moves == both.moves
    assert move.pending > wait.pending > 0  # clips still come until the loss is noticed


def test_spot_is_cheaper_unless_waves_are_frequent() -> None:
    regions = assign_tenants(SMALL, 1)
    favourable, adverse = prices(regions, SMALL, 0), prices(regions, SMALL, 2)
    totals = [row.total for row in favourable]
    assert totals == sorted(totals, reverse=True)
    assert favourable[0].total == adverse[0].total
    assert all(good.total < bad.total for good, bad in zip(favourable[1:], adverse[1:], strict=True))
    assert [row.late for row in adverse] == sorted(row.late for row in adverse)


def test_the_fit_finds_the_plane_and_the_rates_are_those_of_busy_gpus() -> None:
    true = Fit(1e-3, 2e-6, 3e-5)
    states = [State(100, 0), State(100, 100), State(800, 0), State(800, 300)]
    assert fit({state: true.at(state) for state in states}) == pytest.approx(true)
    work, service = SMALL.work, SMALL.service
    by_kind = rates(1000, 1.0, work, service)
    assert by_kind["idle_claim"] == 0.0
    assert by_kind["submit"] == by_kind["turn"] == pytest.approx(1000 / work.mean_seconds)
    beats = 1000 * (1 / service.renewal + 1 / service.step)
    assert by_kind["early_heartbeat"] + by_kind["late_heartbeat"] == pytest.approx(beats)


def test_every_assumption_has_a_unit_and_a_source() -> None:
    named = {row.name for row in rows(SMALL)}
    groups = dataclasses.fields(SMALL)
    assert len(named) == sum(len(dataclasses.fields(getattr(SMALL, group.name))) for group in groups)
    assert all(row.unit and row.source for row in rows(SMALL))
