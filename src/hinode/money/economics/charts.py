"""Charts of a scenario as one SVG: users, the daily loss with its interval, and the result under levers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np

from hinode.media.chart import Axis, Line, lines, stack
from hinode.money.capacity.queueing import Array
from hinode.money.economics.days import Day
from hinode.money.economics.demand import expect, modes, weekly_users
from hinode.money.economics.levers import LEVERS, rules
from hinode.money.economics.scenario import Scenario
from hinode.money.economics.uncertainty import sample

SAMPLES = 512
SHOWN: dict[str, tuple[str, ...]] = {
    "distilled": ("distilled",),
    "+ draft first": ("distilled", "draft_first"),
    "+ loss limit": ("distilled", "draft_first", "loss_limit"),
    "all": tuple(LEVERS),
}
"""Levers of the third chart. Without any, the loss would leave no room for the others."""


def chart(scenario: Scenario, *, seed: int = 0) -> str:
    """The charts, one above the other."""
    return stack([_users(scenario), _losses(scenario, seed), _results(scenario)])


def books_chart(days: Sequence[Day]) -> str:
    """Cost and revenue since the start of a period, by day."""
    entries = days if len(days) > 1 else [*days, *days]  # a line has two ends
    totals = [np.cumsum([getattr(day, name) for day in entries]) for name in ("cost", "revenue")]
    last = len(entries) - 1
    step = max(1, len(entries) // 6)
    marks = [*map(float, range(0, last + 1 - step, step)), float(last)]
    across = Axis("", marks, lambda place: f"{date.fromisoformat(entries[int(place)].date):%d %b}")
    curves = [Line(name, _points(total)) for name, total in zip(("cost", "revenue"), totals, strict=True)]
    return lines(curves, across, Axis("of clips since the start, USD", _ticks(totals), _short))


def _users(scenario: Scenario) -> str:
    values = modes(scenario)
    faithful, chance = weekly_users(scenario, values)
    curves = [
        Line("daily", _points(expect(scenario, values).users[0])),
        Line("weekly", _points(faithful[0])),
        Line("weekly", _points(chance[0]), dashed=True),
    ]
    ticks = _ticks([faithful, chance])
    published = [figure.value for figure in scenario.published if figure.output == "daily_users_peak"]
    up = Axis("users; weekly: the same people return, or (dashed) others do", ticks, _short)
    return lines(curves, _time(scenario), up, limit=published[0] if published else None)


def _losses(scenario: Scenario, seed: int) -> str:
    drawn = expect(scenario, sample(scenario, samples=SAMPLES, seed=seed)).loss
    low, high = np.quantile(drawn, (0.05, 0.95), axis=0)
    curves = [
        Line("usual inputs", _points(expect(scenario, modes(scenario)).loss[0])),
        Line("5 and 95 %", _points(low), dashed=True),
        Line("5 and 95 %", _points(high), dashed=True),
    ]
    published = min((loss.usd_per_day for loss in scenario.losses), default=None)
    highest = max(float(high.max()), published or 0.0)
    up = Axis("loss of a day, USD", _ticks([np.array([min(0.0, float(low.min())), highest])]), _short)
    return lines(curves, _time(scenario), up, limit=published)


def _results(scenario: Scenario) -> str:
    values = modes(scenario)
    curves = []
    for name, levers in SHOWN.items():
        total = -np.cumsum(expect(scenario, values, rules(scenario, levers)).loss[0])
        curves.append(Line(name, _points(total)))
    ends = np.array([height for curve in curves for _, height in curve.points])
    up = Axis("result with levers since the start, USD", _ticks([ends]), _short)
    return lines(curves, _time(scenario), up, limit=0.0)


def _points(values: Array) -> list[tuple[float, float]]:
    return [(float(day), float(value)) for day, value in enumerate(values)]


def _time(scenario: Scenario) -> Axis:
    days = scenario.days
    months = [place for place, day in enumerate(days) if day.day == 1 and 10 < place < len(days) - 10]
    last = len(days) - 1

    def text(place: float) -> str:
        return "" if place == last else f"{days[int(place)]:%d %b}"  # it would not fit in at the edge

    return Axis("", [0.0, *map(float, months), float(last)], text)


def _ticks(series: Sequence[Array]) -> list[float]:
    """Round values around some series, at least two; 0 is one of them."""
    low = min(0.0, *(float(values.min()) for values in series))
    high = max(0.0, *(float(values.max()) for values in series))
    rough = max(high - low, 1e-9) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * place for place in range(first, max(last, first + 1) + 1)]


def _short(value: float) -> str:
    """200k, 1.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
