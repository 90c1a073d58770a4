"""Results of a suite: rows of figures with intervals, some beside a target."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 2000
"""Resamples of a bootstrap interval."""


@dataclass(frozen=True)
class Score:
    """`right` of `n`, with the Wilson score interval at 95 % (Wilson 1927)."""

    right: int
    n: int

    def as_json(self) -> dict[str, float | int]:
        """{"accuracy", "low", "high", "n"}; all zero when nothing was judged."""
        if not self.n:
            return {"accuracy": 0.0, "low": 0.0, "high": 0.0, "n": 0}
        z, p, n = 1.959964, self.right / self.n, self.n
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
        return {"accuracy": round(p, 4), "low": round(low, 4), "high": round(high, 4), "n": n}


@dataclass(frozen=True)
class Row:
    """One line of a table of results."""

    metric: str
    what: str  # what was measured, in words
    figure: float
    low: float  # lower end of the interval
    high: float
    interval: str  # its kind: "Wilson 95 %", "bootstrap 95 %", "5 to 95 % of cases"
    n: int  # cases
    unit: str  # "%" for shares, else "dB", "x", "px", "MB", ...
    target: str = ""  # such as ">= 95 %", or "" for figures that only give others their meaning
    reached: bool | None = None  # the target; None without one

    def aim(self, relation: str, bound: float, reached: bool) -> Row:
        """The row with a target; `relation`: ">=" or "<=" the bound."""
        text = f"{bound * 100:g} %" if self.unit == "%" else f"{bound:g} {self.unit}"
        return dataclasses.replace(self, target=f"{relation} {text}", reached=self.n > 0 and reached)

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded to six places."""
        values = {name: round(v, 6) if isinstance(v, float) else v for name, v in vars(self).items()}
        return {KEYS.get(name, name): value for name, value in values.items()}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Row:
        """The inverse of `as_json`."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: record[KEYS.get(name, name)] for name in names})


KEYS = {"metric": "bar", "target": "want", "reached": "holds"}
"""Keys of committed results, where they differ from the names of the fields."""


def share(metric: str, what: str, hits: Sequence[bool], minimum: float | None = None) -> Row:
    """Share of the cases that are hits; `minimum`: its target."""
    score = Score(sum(hits), len(hits)).as_json()
    figure, low, high = (float(score[name]) for name in ("accuracy", "low", "high"))
    row = Row(metric, what, figure, low, high, "Wilson 95 %", len(hits), "%")
    return row if minimum is None else row.aim(">=", minimum, sum(hits) >= minimum * len(hits))


def spread(metric: str, what: str, values: Sequence[float], unit: str) -> Row:
    """The median case, and the range of nine cases in ten."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95)).tolist() if values else (0.0, 0.0, 0.0)
    return Row(metric, what, middle, low, high, "5 to 95 % of cases", len(values), unit)


def lowest(metric: str, what: str, values: Sequence[float], unit: str, minimum: float) -> Row:
    """The worst case, whose target is `minimum`, and the range of nine cases in ten."""
    figure = min(values, default=0.0)
    row = dataclasses.replace(spread(metric, what, values, unit), figure=figure)
    return row.aim(">=", minimum, figure >= minimum)


def mean(
    metric: str,
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Row:
    """The mean with its bootstrap interval (percentiles, Efron 1979); `minimum` or `maximum`: its target."""
    figure, low, high = 0.0, 0.0, 0.0
    if values:
        numbers, rng = np.asarray(values, float), np.random.default_rng(0)
        # One resample after the other: a thousand cases would need a matrix of two million numbers.
        means = [rng.choice(numbers, len(numbers)).mean() for _ in range(RESAMPLES)]
        low, high = np.quantile(means, (0.025, 0.975)).tolist()
        figure = float(numbers.mean())
    row = Row(metric, what, figure, low, high, "bootstrap 95 %", len(values), unit)
    if minimum is not None:
        row = row.aim(">=", minimum, figure >= minimum)
    if maximum is not None:
        row = row.aim("<=", maximum, figure <= maximum)
    return row


def ratio(
    metric: str,
    what: str,
    values: Sequence[float],
    others: Sequence[float],
    target: tuple[float, float] | None,
) -> Row:
    """The mean of values over that of others, pair by pair, with its bootstrap interval over the pairs.
    `target`: smallest and largest ratio that is good enough."""
    pairs, rng = np.stack((np.asarray(values, float), np.asarray(others, float)), 1), np.random.default_rng(0)
    means = [rng.choice(pairs, len(pairs)).mean(0) for _ in range(RESAMPLES)]
    low, high = np.quantile([first / max(second, 1e-12) for first, second in means], (0.025, 0.975)).tolist()
    figure = float(pairs[:, 0].mean() / max(pairs[:, 1].mean(), 1e-12))
    row = Row(metric, what, figure, low, high, "bootstrap 95 %", len(pairs), "x")
    if target is None:
        return row
    minimum, maximum = target
    text = f"{minimum:g} to {maximum:g} x"
    if minimum == 0 or math.isinf(maximum):
        text = f"<= {maximum:g} x" if minimum == 0 else f">= {minimum:g} x"
    return dataclasses.replace(row, target=text, reached=minimum <= figure <= maximum)


def table(rows: Sequence[Row]) -> str:
    """All rows as text, one below the other."""
    lines = [("metric", "what", "figure", "interval", "cases", "target", "")]
    for row in rows:
        scale = 100 if row.unit == "%" else 1
        digits = 1 if row.unit in ("%", "dB", "MB") else 3
        low, figure, high = (f"{value * scale:.{digits}f}" for value in (row.low, row.figure, row.high))
        figures = f"{figure} {row.unit}", f"{low} to {high}", str(row.n)
        verdict = {None: "", True: "reached", False: "missed"}[row.reached]
        lines.append((row.metric, row.what, *figures, row.target, verdict))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
