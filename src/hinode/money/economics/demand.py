"""The simulator: cohorts of users by the day on which they come, their clips, costs and purchases.

`expect` gives the expected values, for many sets of inputs at once. `simulate` goes day by day on a virtual
clock and draws every cohort by chance. Both follow the same rules:

- A user is there on the day of its download, and later with the share that is kept. Between the days that are
  known the share is a power of the day, and it goes on so after the last of them.
- On a day on which it is there it asks for `clips_per_user` clips.
- A share of the users pays. On each day that it is there such a user buys packs; a pack holds clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinode.money.capacity.queueing import Array
from hinode.money.economics.scenario import Scenario

RETENTION_DAYS = (1, 7, 30)
FIRST_MONTH = 30
WEEK = 7

Values = Mapping[str, Array]
"""Inputs by name, each [samples], or [1] for the same in every sample."""


@dataclass(frozen=True)
class Rules:
    """The levers that are pulled.

    Attributes:
        distilled: the engine is cheaper by its speedup.
        draft_first: every clip is a draft first, and only some are then made in full.
        prepaid: there are no free clips.
        loss_limit: free clips end for the day when they have cost so much, in USD; None for no limit.
    """

    distilled: bool = False
    draft_first: bool = False
    prepaid: bool = False
    loss_limit: float | None = None


@dataclass(frozen=True)
class Course:
    """What happens, by day: each [samples, days]. Amounts are in USD.

    Attributes:
        users: who are there.
        demand: clips that they ask for.
        paid_clips: clips of packs that are made.
        free_clips: other clips that are made.
        cost: of both.
        spend: what is paid for packs.
    """

    users: Array
    demand: Array
    paid_clips: Array
    free_clips: Array
    cost: Array
    spend: Array

    @property
    def loss(self) -> Array:
        """Cost less spend."""
        return self.cost - self.spend


def modes(scenario: Scenario) -> dict[str, Array]:
    """The usual values of the inputs and levers, as one sample."""
    return {name: np.array([quantity.value]) for name, quantity in scenario.quantities.items()}


def retention(values: Values, days: int) -> Array:
    """The share of users who are there so many days after their download, [samples, days]."""
    ages = np.log(np.maximum(np.arange(days, dtype=np.float64), 1.0))
    known = np.log(np.array(RETENTION_DAYS, np.float64))
    anchors = np.broadcast_arrays(*(values[f"retention_day_{day}"] for day in RETENTION_DAYS))
    shares: Array = np.log(np.stack(anchors, axis=-1))
    slopes = np.diff(shares, axis=-1) / np.diff(known)
    early = shares[:, :1] + slopes[:, :1] * ages
    late = shares[:, 1:2] + slopes[:, 1:2] * (ages - known[1])
    curve: Array = np.exp(np.where(ages < known[1], early, late))
    curve[:, 0] = 1.0
    return np.minimum(curve, 1.0)


def clip_cost(values: Values, rules: Rules) -> Array:
    """What a clip costs under the rules, in USD, [samples]."""
    usd = values["usd_per_clip"]
    if rules.distilled:
        usd = usd / values["engine_speedup"]
    if rules.draft_first:
        usd = usd * (values["draft_cost"] + values["finals"])
    return usd


def expect(scenario: Scenario, values: Values, rules: Rules | None = None) -> Course:
    """The expected course, for every sample of the inputs."""
    rules = rules or Rules()
    curve = retention(values, len(scenario.days))
    users = values["downloads_factor"][:, None] * (curve @ _arrivals(scenario.installs))
    packs = users * packs_per_user_day(values, curve)[:, None] * scenario.selling
    return _course(values, rules, users, values["clips_per_user"][:, None] * users, packs)


def simulate(scenario: Scenario, seed: int, rules: Rules | None = None) -> Course:
    """One course by chance, day by day, with the usual inputs; one sample."""
    rules = rules or Rules()
    dice = np.random.default_rng(seed)
    values = modes(scenario)
    curve = retention(values, len(scenario.days))
    rate = float(packs_per_user_day(values, curve)[0])
    cohorts: list[int] = []
    users, demand, packs = (np.zeros((1, len(scenario.days))) for _ in range(3))
    for day, expected in enumerate(scenario.installs * values["downloads_factor"]):
        cohorts.append(int(dice.poisson(expected)))
        ages = np.arange(day, -1, -1)
        present = int(dice.binomial(np.array(cohorts), curve[0][ages]).sum())
        users[0, day] = present
        demand[0, day] = dice.poisson(float(values["clips_per_user"][0]) * present)
        packs[0, day] = dice.poisson(rate * present * scenario.selling[day])
    return _course(values, rules, users, demand, packs)


def packs_per_user_day(values: Values, curve: Array) -> Array:
    """Packs that a user buys on a day on which it is there, on average, [samples]."""
    packs: Array = values["paying_share"] * values["packs_per_payer"] / curve[:, :FIRST_MONTH].sum(axis=1)
    return packs


def weekly_users(scenario: Scenario, values: Values) -> tuple[Array, Array]:
    """Who is there on one of the seven days until each day, [samples, days]: if it is always the same people
    who come back, and if each day it is others, by chance. The truth lies between."""
    days = len(scenario.days)
    curve = retention(values, days)
    faithful, chance = curve.copy(), 1.0 - curve
    for back in range(1, WEEK):
        before = np.concatenate([np.zeros((len(curve), back)), curve[:, :-back]], axis=1)
        faithful = np.maximum(faithful, before)
        chance = chance * (1.0 - before)
    arrivals = _arrivals(scenario.installs)
    factor = values["downloads_factor"][:, None]
    return factor * (faithful @ arrivals), factor * ((1.0 - chance) @ arrivals)


def _arrivals(installs: Array) -> NDArray[np.float64]:
    """[age, day]: who came so many days before a day."""
    days = len(installs)
    matrix = np.zeros((days, days))
    for age in range(days):
        matrix[age, age:] = installs[: days - age]
    return matrix


def _course(values: Values, rules: Rules, users: Array, demand: Array, packs: Array) -> Course:
    """What is made of what is asked for, under the rules."""
    usd = clip_cost(values, rules)[:, None]
    paid = packs * values["clips_per_pack"][:, None]
    free = np.zeros_like(demand) if rules.prepaid else np.maximum(0.0, demand - paid)
    if rules.loss_limit is not None:
        free = np.minimum(free, rules.loss_limit / np.maximum(usd, 1e-12))
    spend = packs * values["usd_per_pack"][:, None]
    return Course(users, demand, paid, free, usd * (paid + free), spend)
