"""What a check that a scenario misses would take: the value that each input, alone, would need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hinode.money.capacity.queueing import Array
from hinode.money.economics.demand import RETENTION_DAYS, Values, modes
from hinode.money.economics.scenario import TOLERANCE, Published, Scenario

LARGEST_FACTOR = 100.0
STEPS = 400
"""So many factors are tried between 1 and the largest one, and as many below 1."""

Outputs = Callable[[Values], tuple[Array, Array]]
"""Both ends of a result by inputs, each [samples]."""


@dataclass(frozen=True)
class Need:
    """What an input would have to be for a result to come within the tolerance, the rest as usual.

    Attributes:
        output: of the check that is missed.
        value: of the input in the scenario.
        target: the nearest value that does; None if none does, up to 100 times more or less, with shares of
            people that are at most 1 and do not rise from day to day.
        in_range: whether it is in the range of the input.
    """

    output: str
    input: str
    value: float
    target: float | None
    in_range: bool


def within(published: Published, ends: tuple[Array, Array]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each end of a result is within the tolerance, or below what it must be below, [samples]."""
    low, high = ends
    if published.value is None:
        limit = published.at_most or 0.0
        return low <= limit, high <= limit
    width = TOLERANCE * published.value
    return np.abs(low - published.value) <= width, np.abs(high - published.value) <= width


def needs(scenario: Scenario, published: Published, outputs: Outputs) -> Iterator[Need]:
    """What a published figure that is missed would take of each input that it depends on."""
    base = modes(scenario)
    for name, quantity in scenario.inputs:
        if quantity.value == 0:
            continue
        values = quantity.value * _factors()
        values = values[values <= _largest(scenario, name)]
        values = values[values >= _smallest(scenario, name)]
        low, high = outputs({**base, name: values})
        if np.ptp(low) == 0 and np.ptp(high) == 0:
            continue
        fits = np.flatnonzero(np.logical_and(*within(published, (low, high))))
        if not len(fits):
            yield Need(published.output, name, quantity.value, None, False)
            continue
        target = float(values[fits[0]])
        start, end = quantity.range
        yield Need(published.output, name, quantity.value, target, start <= target <= end)


def _factors() -> Array:
    """Factors, the nearest to 1 first."""
    rising = np.geomspace(1.0, LARGEST_FACTOR, STEPS)
    return np.stack([rising, 1.0 / rising], axis=1).ravel()


def _largest(scenario: Scenario, name: str) -> float:
    """The largest value that makes sense: a share is at most 1, and people who stay are not more later."""
    earlier = {f"retention_day_{day}": place for place, day in enumerate(RETENTION_DAYS)}
    if place := earlier.get(name, 0):
        return scenario.quantities[f"retention_day_{RETENTION_DAYS[place - 1]}"].value
    return 1.0 if name in ("paying_share", *earlier) else np.inf


def _smallest(scenario: Scenario, name: str) -> float:
    for before, after in pairwise(RETENTION_DAYS):
        if name == f"retention_day_{before}":
            return scenario.quantities[f"retention_day_{after}"].value
    return 0.0
