"""Availability, error budgets and burn rates, as functions of tallies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.jobs.status.budget import (
    HOUR,
    MINUTE,
    WINDOWS,
    Bucket,
    Tally,
    alerts,
    burn_rate,
    burn_rates,
    error_budget,
    sum_since,
)

NOW = 1_800_000_000.0
tallies = st.builds(Tally, st.floats(0, 1e7), st.floats(0, 1e7))
targets = st.floats(0, 0.9999)


def minutes(bad: range, count: int = 360) -> list[Bucket]:
    """The last `count` minutes, and the hours of three days; those minutes that are in `bad` were bad."""
    buckets = [
        Bucket(NOW - (back + 1) * MINUTE, MINUTE, Tally(0, 60) if back in bad else Tally(60, 0))
        for back in range(count)
    ]
    lost = 60.0 * len(bad)
    hours = [
        Bucket(NOW - (back + 1) * HOUR, HOUR, Tally(HOUR - lost, lost) if back == 0 else Tally(HOUR, 0))
        for back in range(72)
    ]
    return buckets + hours


@given(tallies, tallies)
def test_availability_is_a_share_and_does_not_depend_on_the_order(first: Tally, second: Tally) -> None:
    total = first + second
    assert total == second + first
    assert total.availability is None or 0.0 <= total.availability <= 1.0


def test_what_was_not_measured_has_no_availability_and_costs_no_budget() -> None:
    assert Tally().availability is None
    assert error_budget(Tally(), 0.999).left == 1.0
    assert set(burn_rates([], 0.999, NOW).values()) == {0.0}


@given(tallies, targets, st.floats(60, 1e7))
def test_a_budget_is_spent_by_bad_seconds_alone(tally: Tally, target: float, seconds: float) -> None:
    budget = error_budget(tally, target, seconds)
    assert budget.spent == tally.bad
    assert budget.left <= 1.0
    more = error_budget(tally + Tally(0, 60), target, seconds)
    assert more.left < budget.left


@given(targets, st.floats(60, 1e7))
def test_a_burn_rate_of_one_spends_the_whole_budget(target: float, seconds: float) -> None:
    tally = Tally(seconds * target, seconds * (1 - target))
    assert burn_rate(tally, target, seconds) == pytest.approx(1.0)
    assert error_budget(tally, target, seconds).left == pytest.approx(0.0, abs=1e-6)


def test_an_outage_of_five_minutes_pages_while_it_lasts_and_is_a_ticket_afterwards() -> None:
    severities = [rule.severity for rule in alerts(burn_rates(minutes(range(5)), 0.999, NOW))]
    assert severities == ["page", "page", "ticket"]
    severities = [rule.severity for rule in alerts(burn_rates(minutes(range(40, 45)), 0.999, NOW))]
    assert severities == ["ticket"]


def test_a_single_bad_probe_pages_nobody() -> None:
    buckets = [Bucket(NOW - 60, MINUTE, Tally(45, 15)), Bucket(NOW - 3600, HOUR, Tally(45, 15))]
    rates = burn_rates(buckets, 0.99, NOW)
    assert rates["5m"] == pytest.approx(15 / 3)
    assert alerts(rates) == []


@given(st.lists(st.integers(0, 359), max_size=30))
def test_a_longer_window_has_every_bad_second_of_a_shorter_one(bad: list[int]) -> None:
    buckets = [Bucket(NOW - (back + 1) * 60, MINUTE, Tally(0, 60)) for back in set(bad)]
    sums = [sum_since(buckets, NOW - seconds).bad for seconds in sorted(WINDOWS.values())]
    assert sums == sorted(sums)
