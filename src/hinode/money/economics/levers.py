"""What brings the same demand to break-even: each lever alone, and every combination of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from hinode.money.economics.demand import Rules, Values, expect, modes
from hinode.money.economics.scenario import Scenario

LEVERS = {
    "distilled": "distilled engine",
    "draft_first": "draft first",
    "prepaid": "prepaid",
    "loss_limit": "loss limit",
}
"""Fields of `Rules`, and what they are called."""
SHARES = 2000
"""So many shares of paying users are tried for the one that breaks even."""


@dataclass(frozen=True)
class Outcome:
    """What a scenario comes to under some levers, over all of its days, in USD, for the usual inputs.

    Attributes:
        levers: names from `LEVERS`.
        pays_in: share of the samples of inputs and levers in which it breaks even.
        served: share of the clips that are asked for and are made.
        cost_per_clip: of one clip.
        break_even_cost: of one clip, at which what is paid covers all that are made.
        break_even_price: of a clip in a pack, at which the packs that are sold cover all that are made.
        break_even_conversion: smallest share of paying users at which what is paid covers all that are made;
            0 if any share is enough, None if no share up to 1 is.
    """

    levers: tuple[str, ...]
    cost: float
    spend: float
    loss_per_day: float
    served: float
    cost_per_clip: float
    break_even_cost: float
    break_even_price: float
    break_even_conversion: float | None
    pays_in: float

    @property
    def pays(self) -> bool:
        """Whether it breaks even."""
        return self.spend >= self.cost

    @property
    def name(self) -> str:
        return " + ".join(LEVERS[name] for name in self.levers) or "as it was"

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "levers": list(self.levers), "name": self.name, "pays": self.pays}


def outcomes(scenario: Scenario, drawn: Values) -> Iterator[Outcome]:
    """Every combination of levers, those of few levers first; see `outcome`."""
    for number in range(len(LEVERS) + 1):
        for names in combinations(LEVERS, number):
            yield outcome(scenario, names, drawn)


def outcome(scenario: Scenario, levers: tuple[str, ...], drawn: Values) -> Outcome:
    """What a scenario comes to under some levers. `drawn`: samples of its inputs and levers."""
    policy = rules(scenario, levers)
    course = expect(scenario, modes(scenario), policy)
    cost, spend = float(course.cost.sum()), float(course.spend.sum())
    paid, clips = float(course.paid_clips.sum()), float(course.paid_clips.sum() + course.free_clips.sum())
    return Outcome(
        levers,
        cost,
        spend,
        float(course.loss.mean()),
        clips / float(course.demand.sum()),
        cost / clips if clips else 0.0,
        spend / clips if clips else 0.0,
        cost / paid if paid else 0.0,
        _conversion(scenario, policy),
        float(np.mean(expect(scenario, drawn, policy).loss.sum(axis=1) <= 0)),
    )


def rules(scenario: Scenario, levers: tuple[str, ...]) -> Rules:
    """The rules under some levers."""
    return Rules(
        distilled="distilled" in levers,
        draft_first="draft_first" in levers,
        prepaid="prepaid" in levers,
        loss_limit=scenario.levers.loss_limit.value if "loss_limit" in levers else None,
    )


def _conversion(scenario: Scenario, policy: Rules) -> float | None:
    shares = np.geomspace(1e-4, 1.0, SHARES)
    # The other inputs are of one sample, and so are the users: NumPy repeats them.
    losses = expect(scenario, {**modes(scenario), "paying_share": shares}, policy).loss.sum(axis=1)
    even = np.flatnonzero(losses <= 0)
    if not len(even):
        return None
    return float(shares[even[0]]) if even[0] else 0.0
