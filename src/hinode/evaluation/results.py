"""What is printed for a bar: figures with their intervals, beside what they have to be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hinode.evaluation.evaluate import Score

RESAMPLED = 2000
"""Resamples of a bootstrap interval."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        bar: name of the bar.
        what: what was measured, in words.
        figure: the figure.
        low: lower end of its interval.
        high: upper end.
        interval: what kind of interval that is: "Wilson 95 %", "bootstrap 95 %", "5 to 95 % of cases".
        n: cases behind it.
        unit: "%" for shares, else "dB", "x", "px", "MB".
        want: what it has to be, such as ">= 95 %", or "" for figures that only give others their meaning.
        holds: whether it is, or None if nothing is wanted.
    """

    bar: str
    what: str
    figure: float
    low: float
    high: float
    interval: str
    n: int
    unit: str
    want: str = ""
    holds: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded to six places."""
        values = dataclasses.asdict(self)
        return {
            name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()
        }


def share(bar: str, what: str, hits: Sequence[bool], least: float | None = None) -> Row:
    """How many cases out of all, wanted to be `least` or more."""
    score = Score(sum(hits), len(hits)).as_json()
    figure = float(score["accuracy"])
    return Row(
        bar,
        what,
        figure,
        float(score["low"]),
        float(score["high"]),
        "Wilson 95 %",
        len(hits),
        "%",
        "" if least is None else f">= {least:.0%}".replace("%", " %"),
        None if least is None else bool(hits) and sum(hits) >= least * len(hits),
    )


def spread(bar: str, what: str, values: Sequence[float], unit: str) -> Row:
    """The middle case, and where nine cases of ten lie."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95)).tolist() if values else (0.0, 0.0, 0.0)
    return Row(bar, what, middle, low, high, "5 to 95 % of cases", len(values), unit)


def mean(
    bar: str,
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Row:
    """The mean with its bootstrap interval (percentiles, Efron 1979), wanted to be in a range."""
    bound = least if least is not None else most
    want = "" if bound is None else f"{'>=' if least is not None else '<='} {_said(bound, unit)}"
    if not values:
        holds = None if bound is None else False
        return Row(bar, what, 0.0, 0.0, 0.0, "bootstrap 95 %", 0, unit, want, holds)
    numbers, rng = np.asarray(values, float), np.random.default_rng(0)
    # One resample after the other: a thousand cases would need a matrix of two million numbers.
    means = [rng.choice(numbers, len(numbers)).mean() for _ in range(RESAMPLED)]
    low, high = np.quantile(means, (0.025, 0.975)).tolist()
    figure = float(numbers.mean())
    holds = None if bound is None else figure >= bound if least is not None else figure <= bound
    return Row(bar, what, figure, low, high, "bootstrap 95 %", len(values), unit, want, holds)


def lowest(bar: str, what: str, values: Sequence[float], unit: str, least: float) -> Row:
    """The worst case, wanted to be `least` or more; the interval is where nine cases of ten lie."""
    row = spread(bar, what, values, unit)
    figure = min(values, default=0.0)
    return dataclasses.replace(
        row, figure=figure, want=f">= {_said(least, unit)}", holds=bool(values) and figure >= least
    )


def _said(value: float, unit: str) -> str:
    return f"{value * 100:g} %" if unit == "%" else f"{value:g} {unit}"


def table(rows: Sequence[Row]) -> str:
    """All rows as text, one below the other."""
    lines = [("bar", "what", "figure", "interval", "cases", "wanted", "")]
    for row in rows:
        scale = 100 if row.unit == "%" else 1
        digits = 1 if row.unit in ("%", "dB", "MB") else 3
        low, figure, high = (f"{value * scale:.{digits}f}" for value in (row.low, row.figure, row.high))
        verdict = "" if row.holds is None else "holds" if row.holds else "misses"
        lines.append(
            (row.bar, row.what, f"{figure} {row.unit}", f"{low} to {high}", str(row.n), row.want, verdict)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
