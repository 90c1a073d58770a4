"""Seconds of a run from its work: a pure function of runs that were measured.

Sampling takes `constant + passes * (per_token * N + per_pair * N²)` seconds, where N is the number of
tokens; every other stage takes a constant, and so much for each pixel that is drawn or that is in the file.
No coefficient is below 0. They are fitted to the shares by which the seconds are missed, with small weights
for runs far off the others: a machine that was busy with something else says nothing about the next run.
Where the runs leave a coefficient open, because all had one size, those of the prior decide. The shares by
which whole runs are missed give the quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from hinode.engines.protocol import Cost

Values = npt.NDArray[np.float64]

MIN_RUNS = 3
"""With fewer runs the time is the prior's, scaled to them."""
TERMS = ("constant", "per_token", "per_pair", "per_pixel", "per_file_pixel")
STAGE_TERMS = {"sample": (0, 1, 2), "upscale": (0, 4), "encode": (0, 4), "store": (0, 4)}
"""The terms that count for a stage; for others the constant and the pixels that are drawn."""
DEFAULT_TERMS = (0, 3)
ROUNDS = 6
PULL = 0.05
"""Weight of the prior's coefficients beside one run."""
UNCERTAINTY = 0.5
"""The p90 is at least this share above the p50 for one run, and less by the square root for more."""
UNMEASURED = 2.0
"""p90 over p50 without any run."""


@dataclass(frozen=True)
class Span:
    """Seconds that a half, and nine of ten, do not exceed."""

    p50: float
    p90: float

    def rounded(self) -> Span:
        """Both to the hundredth of a second."""
        return Span(round(self.p50, 2), round(self.p90, 2))


@dataclass(frozen=True)
class Work:
    """What a run has to do: the cost of its drawing, and the pixels of all frames of the file."""

    cost: Cost
    file_pixels: int


@dataclass(frozen=True)
class Run:
    """A finished run: its work, and the seconds of each stage."""

    work: Work
    stage_seconds: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(self.stage_seconds.values())


@dataclass(frozen=True)
class Prediction:
    """What a run will take.

    Attributes:
        stages: seconds of each stage; their sum is the p50.
        measured: whether it rests on at least `MIN_RUNS` runs of the same kind.
    """

    stages: Mapping[str, float]
    eta: Span
    measured: bool


@dataclass(frozen=True)
class Predictor:
    """Coefficients of each stage in the order of `TERMS`, and quantiles of the true seconds over theirs."""

    stages: Mapping[str, Sequence[float]]
    ratios: Span = field(default=Span(1.0, UNMEASURED))
    measured: bool = False

    def predict(self, work: Work) -> Prediction:
        """The seconds of a run with this work."""
        row = terms(work)
        stages = {
            name: float(row @ np.asarray(values)) * self.ratios.p50 for name, values in self.stages.items()
        }
        total = sum(stages.values())
        eta = Span(total, total * self.ratios.p90 / self.ratios.p50)
        return Prediction({name: value for name, value in stages.items() if value > 0}, eta, self.measured)


def terms(work: Work) -> Values:
    """What each coefficient is multiplied with."""
    cost, tokens = work.cost, float(work.cost.tokens)
    each = cost.passes * tokens
    return np.array([1.0, each, each * tokens, float(cost.pixels), float(work.file_pixels)])


def fit(runs: Sequence[Run], related: Sequence[Run], prior: Mapping[str, Sequence[float]]) -> Predictor:
    """Fit runs of one kind.

    Args:
        runs: of one model, engine, hardware and profile.
        related: runs of other profiles there; their speed scales the prior if there are no `runs`.
        prior: coefficients by stage for hardware of some kind.
    """
    shares = _ratios(runs or related, prior) if prior and (runs or related) else np.ones(0)
    scale = float(np.median(shares)) if len(shares) else 1.0
    scaled = {name: [scale * value for value in values] for name, values in prior.items()}
    if len(runs) < MIN_RUNS:
        return Predictor(scaled, Span(1.0, 1 + (UNMEASURED - 1) / np.sqrt(1 + len(shares))))
    rows = np.array([terms(run.work) for run in runs])
    total = float(np.median([run.seconds for run in runs]))
    stages = {
        name: _fit_stage(
            rows,
            np.array([run.stage_seconds.get(name, 0.0) for run in runs]),
            np.asarray(scaled.get(name, (0.0,) * len(TERMS))),
            list(STAGE_TERMS.get(name, DEFAULT_TERMS)),
            smallest=max(1e-6, 0.01 * total),
        )
        for name in dict.fromkeys([*prior, *(name for run in runs for name in run.stage_seconds)])
    }
    p50, p90 = (float(value) for value in np.quantile(_ratios(runs, stages), (0.5, 0.9)))
    return Predictor(stages, Span(p50, max(p90, p50 * (1 + UNCERTAINTY / np.sqrt(len(runs))))), measured=True)


def _ratios(runs: Sequence[Run], stages: Mapping[str, Sequence[float]]) -> Values:
    """The seconds of each run over what the coefficients say."""
    rows = np.array([terms(run.work) for run in runs])
    predictions = rows @ np.sum([np.asarray(values) for values in stages.values()], axis=0)
    ratios: Values = np.array([run.seconds for run in runs]) / np.maximum(predictions, 1e-9)
    return ratios


def _fit_stage(rows: Values, seconds: Values, prior: Values, used: list[int], smallest: float) -> list[float]:
    """Coefficients of one stage; `used` are the terms that count, `smallest` is a time that is no matter."""
    weights = 1 / np.maximum(seconds, smallest)
    # In units in which each term of a typical run is 1, so that the prior pulls all of them alike.
    units = np.maximum(np.median(rows[:, used], axis=0), 1.0)
    level = np.median(seconds) + smallest
    scaled, target = rows[:, used] / units, prior[used] * units
    trust = np.ones(len(seconds))
    solution = target
    for _ in range(ROUNDS):
        factors = weights * np.sqrt(trust)
        gram = (scaled * factors[:, None]).T @ (scaled * factors[:, None])
        pull = np.eye(len(used)) * PULL / level**2
        solution = _non_negative(
            gram + pull, (scaled * factors[:, None]).T @ (seconds * factors) + pull @ target
        )
        misses = np.abs(scaled @ solution - seconds) * weights
        spread = 1.5 * 1.4826 * max(float(np.median(misses)), 1e-3)
        trust = np.minimum(1.0, spread / np.maximum(misses, 1e-12)) ** 2
        weights = 1 / np.maximum(scaled @ solution, smallest)
    result = np.zeros(len(TERMS))
    result[used] = solution / units
    return [float(value) for value in result]


def _non_negative(gram: Values, moments: Values) -> Values:
    """The x >= 0 with the least x'Gx / 2 - m'x: the best of all choices of terms that are not 0."""
    best, minimum = np.zeros(len(moments)), 0.0
    whole: Values = np.linalg.solve(gram, moments).astype(np.float64)
    if (whole >= 0).all():
        return whole
    for choice in product((False, True), repeat=len(moments)):
        mask = np.array(choice)
        if not mask.any():
            continue
        part = np.linalg.solve(gram[np.ix_(mask, mask)], moments[mask])
        value = -float(part @ moments[mask]) / 2
        if (part >= 0).all() and value < minimum:
            best, minimum = np.zeros(len(moments)), value
            best[mask] = part
    return best
