"""A scenario as a whole: results beside published figures, the daily loss and its inputs, the levers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from hinode.errors import BadInput, join_names
from hinode.money.capacity.queueing import Array
from hinode.money.economics.demand import Course, Values, expect, modes, simulate, weekly_users
from hinode.money.economics.levers import Outcome, outcomes
from hinode.money.economics.scenario import PublishedLoss, Scenario
from hinode.money.economics.shortfalls import Need, needs, within
from hinode.money.economics.uncertainty import SAMPLES, Spread, sample, spreads

LEVER_SAMPLES = 512
DAY_OUTPUT = "spend_until_YYYY_MM_DD"
LATER_DAYS = 30
"""What came later is the largest value of so many last days."""


@dataclass(frozen=True)
class Check:
    """A result beside a published figure.

    Attributes:
        low: the result for the usual inputs; `high` is another one if what is known leaves it open.
        p5: what 5 % of the samples of the inputs do not exceed, and `p95` what 95 % do not.
        within: whether all of the result is within the tolerance, or below what it must be below; None if a
            part of it is.
    """

    output: str
    low: float
    high: float
    p5: float
    p95: float
    published: float
    at_most: bool
    within: bool | None
    source: str

    @property
    def differences(self) -> tuple[float, float]:
        """Of both ends from the published figure, as shares of it."""
        return self.low / self.published - 1.0, self.high / self.published - 1.0


@dataclass(frozen=True)
class Month:
    """A month: mean users and clips of a day, and USD in all."""

    month: str
    users: float
    clips: float
    cost: float
    spend: float


@dataclass(frozen=True)
class Study:
    """What a scenario comes to.

    Attributes:
        needs: what the checks that are not met would take.
        loss: mean loss of a day, USD.
        peak_loss: of the day with the highest loss.
        by_chance: mean loss of a day in one course that is drawn by chance.
        levers: by `levers.outcomes`.
    """

    title: str
    days: int
    checks: Sequence[Check]
    needs: Sequence[Need]
    months: Sequence[Month]
    loss: Spread
    peak_loss: Spread
    by_chance: float
    published_losses: Sequence[PublishedLoss]
    levers: Sequence[Outcome]

    def as_json(self) -> dict[str, Any]:
        """The study in plain JSON values."""
        return {
            "object": "economics.study",
            "title": self.title,
            "days": self.days,
            "checks": [{**vars(check), "differences": list(check.differences)} for check in self.checks],
            "needs": [asdict(need) for need in self.needs],
            "months": [vars(month) for month in self.months],
            "loss": asdict(self.loss),
            "peak_loss": asdict(self.peak_loss),
            "by_chance": self.by_chance,
            "published_losses": [dict(loss) for loss in self.published_losses],
            "levers": [outcome.as_json() for outcome in self.levers],
        }


def study(scenario: Scenario, *, seed: int = 0, samples: int = SAMPLES) -> Study:
    """Study a scenario.

    Raises:
        BadInput: a published figure is of an output that there is not.
    """

    def losses(drawn: Values) -> Array:
        loss = expect(scenario, drawn).loss
        return np.stack([loss.mean(axis=1), loss.max(axis=1)], axis=1)

    checks = list(_checks(scenario, samples, seed))
    mean, worst = spreads(scenario, losses, samples=samples, seed=seed)
    return Study(
        title=scenario.title,
        days=len(scenario.days),
        checks=checks,
        needs=list(_needs(scenario, checks)),
        months=_months(scenario, expect(scenario, modes(scenario))),
        loss=mean,
        peak_loss=worst,
        by_chance=float(simulate(scenario, seed).loss.mean()),
        published_losses=scenario.losses,
        levers=list(outcomes(scenario, sample(scenario, samples=min(samples, LEVER_SAMPLES), seed=seed))),
    )


def outputs(scenario: Scenario, values: Values) -> dict[str, tuple[Array, Array]]:
    """Results by name, each as its lowest and highest value, [samples].

    They are `daily_users_peak`, `daily_users_later`, the same of `weekly_users`, `spend_total`,
    `spend_YYYY_MM` of each month, and `spend_until_YYYY_MM_DD` from the first day to the end of each one.
    """
    course = expect(scenario, values)
    faithful, chance = weekly_users(scenario, values)
    total = course.spend.sum(axis=1)
    results = {"spend_total": (total, total)}
    for name, low, high in (("daily_users", course.users, course.users), ("weekly_users", faithful, chance)):
        results[f"{name}_peak"] = low.max(axis=1), high.max(axis=1)
        later = slice(-LATER_DAYS, None)
        results[f"{name}_later"] = low[:, later].max(axis=1), high[:, later].max(axis=1)
    for month in _names(scenario):
        amount = course.spend[:, scenario.month(month)].sum(axis=1)
        results[f"spend_{month.replace('-', '_')}"] = amount, amount
    for day, amount in zip(scenario.days, np.cumsum(course.spend, axis=1).T, strict=True):
        results[f"spend_until_{day:%Y_%m_%d}"] = amount, amount
    return results


def _checks(scenario: Scenario, samples: int, seed: int) -> Iterator[Check]:
    at_modes = outputs(scenario, modes(scenario))
    drawn = outputs(scenario, sample(scenario, samples=samples, seed=seed))
    for figure in scenario.published:
        if figure.output not in at_modes:
            choices = (*(name for name in at_modes if not name.startswith("spend_until_")), DAY_OUTPUT)
            remedy = f"choose {join_names(choices, 'or')}"
            raise BadInput(f"there is no output {figure.output}", remedy, field="published.output")
        low, high = (float(end[0]) for end in at_modes[figure.output])
        p5 = float(np.quantile(drawn[figure.output][0], 0.05))
        p95 = float(np.quantile(drawn[figure.output][1], 0.95))
        ends = [bool(end[0]) for end in within(figure, at_modes[figure.output])]
        verdict = ends[0] if ends[0] == ends[1] else None
        published = figure.value or figure.at_most or 0.0
        source = f"{figure.source}, {figure.date}"
        yield Check(figure.output, low, high, p5, p95, published, figure.value is None, verdict, source)


def _needs(scenario: Scenario, checks: Sequence[Check]) -> Iterator[Need]:
    for figure, check in zip(scenario.published, checks, strict=True):
        if not check.within:
            yield from needs(scenario, figure, partial(_output, scenario, figure.output))


def _output(scenario: Scenario, name: str, values: Values) -> tuple[Array, Array]:
    return outputs(scenario, values)[name]


def _names(scenario: Scenario) -> list[str]:
    return list(dict.fromkeys(day.isoformat()[:7] for day in scenario.days))


def _months(scenario: Scenario, course: Course) -> list[Month]:
    clips_made = course.paid_clips + course.free_clips

    def mean(series: Array, days: Array) -> float:
        return float(np.mean(series[0][days]))

    def total(series: Array, days: Array) -> float:
        return float(series[0][days].sum())

    rows = []
    for name in _names(scenario):
        days = scenario.month(name)
        users, clips = mean(course.users, days), mean(clips_made, days)
        rows.append(Month(name, users, clips, total(course.cost, days), total(course.spend, days)))
    return rows
