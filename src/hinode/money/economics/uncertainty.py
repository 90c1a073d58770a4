"""The interval of a result whose inputs are not known, and the share of each input in it.

Inputs are drawn from triangles over their ranges. The shares are Sobol's: `first` is the share of the
variance that an input has alone, `total` that with all its interactions (Saltelli et al. 2010, Variance based
sensitivity analysis of model output).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hinode.money.capacity.queueing import Array
from hinode.money.economics.demand import Values, modes
from hinode.money.economics.scenario import Inputs, Levers, Quantity, Scenario

SAMPLES = 2048


@dataclass(frozen=True)
class Share:
    """The share of an input in the variance of a result."""

    name: str
    first: float
    total: float


@dataclass(frozen=True)
class Spread:
    """A result over the ranges of the inputs: what 5, 50 and 95 % of the samples do not exceed, its value for
    the usual inputs, and the inputs with the largest shares first."""

    at_modes: float
    p5: float
    p50: float
    p95: float
    shares: tuple[Share, ...]


def spreads(
    scenario: Scenario, results: Callable[[Values], Array], *, samples: int = SAMPLES, seed: int = 0
) -> list[Spread]:
    """Sample results; one spread for each.

    Args:
        results: of inputs by name, each [samples], the values [samples, results].
    """
    names = _open(scenario.inputs)
    first, second = _points(len(names), samples, seed, 0), _points(len(names), samples, seed, 1)
    base, other = results(_values(scenario, names, first)), results(_values(scenario, names, second))
    both = np.concatenate([base, other])
    variance = np.maximum(both.var(axis=0), 1e-300)
    shares: list[list[Share]] = [[] for _ in range(both.shape[1])]
    for column, name in enumerate(names):
        mixed = first.copy()
        mixed[:, column] = second[:, column]
        changed = results(_values(scenario, names, mixed))
        alone = np.mean((other - both.mean(axis=0)) * (changed - base), axis=0) / variance
        total = np.mean((base - changed) ** 2, axis=0) / (2.0 * variance)
        for place, entries in enumerate(shares):
            # The estimate of a share near 0 may fall below it.
            entries.append(Share(name, max(0.0, float(alone[place])), float(total[place])))
    at_modes = results(modes(scenario))[0]
    quantiles = np.quantile(both, (0.05, 0.5, 0.95), axis=0).T
    return [
        Spread(
            at_modes=float(at_modes[place]),
            p5=float(quantiles[place, 0]),
            p50=float(quantiles[place, 1]),
            p95=float(quantiles[place, 2]),
            shares=tuple(sorted(entries, key=lambda share: (-share.total, share.name))),
        )
        for place, entries in enumerate(shares)
    ]


def sample(scenario: Scenario, *, samples: int = SAMPLES, seed: int = 0) -> Values:
    """Inputs, and what the levers do, from their ranges, by name, each [samples]."""
    names = [*_open(scenario.inputs), *_open(scenario.levers)]
    return _values(scenario, names, _points(len(names), samples, seed, 0))


def _open(quantities: Inputs | Levers) -> list[str]:
    """Those that have a range."""
    return [name for name, entry in quantities if entry.range[0] < entry.range[1]]


def _points(columns: int, samples: int, seed: int, part: int) -> Array:
    """Points in the unit cube, one in each of `samples` layers of every column."""
    dice = np.random.default_rng((seed, part))
    layers = np.stack([dice.permutation(samples) for _ in range(columns)], axis=1)
    return np.asarray((layers + dice.random((samples, columns))) / samples, np.float64)


def _values(scenario: Scenario, names: Sequence[str], points: Array) -> Values:
    """The quantities, those with these names from their ranges."""
    values = {name: np.full(len(points), entry.value) for name, entry in scenario.quantities.items()}
    for column, name in enumerate(names):
        values[name] = _triangle(points[:, column], scenario.quantities[name])
    return values


def _triangle(shares: Array, quantity: Quantity) -> Array:
    """The values that such shares of a triangle over the range, highest at the usual value, are below."""
    low, high = quantity.range
    width, peak = high - low, quantity.value
    below = low + np.sqrt(shares * width * (peak - low))
    above = high - np.sqrt((1.0 - shares) * width * (high - peak))
    return np.asarray(np.where(shares <= (peak - low) / width, below, above), np.float64)
