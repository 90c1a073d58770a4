"""What a scenario would come to with other values of its inputs, and under levers that are pulled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hinode.errors import BadInput, join_names, quote
from hinode.money.economics.demand import expect, modes, simulate
from hinode.money.economics.levers import LEVERS, Outcome, outcome, rules
from hinode.money.economics.scenario import Quantity, Scenario
from hinode.money.economics.uncertainty import sample
from hinode.parsing import parse

SAMPLES = 256


@dataclass(frozen=True)
class Course:
    """A day: cost and spend of the usual inputs, the loss that 5 and 95 % of the samples do not exceed, and
    the loss when every cohort is drawn by chance; in USD."""

    date: str
    users: float
    cost: float
    spend: float
    loss_p5: float
    loss_p95: float
    loss_by_chance: float


@dataclass(frozen=True)
class WhatIf:
    """The answer to a what-if.

    Attributes:
        inputs: every quantity of the scenario as it came with it, by name; `values` are those that were used.
        seed: of the samples and of the course by chance.
    """

    scenario: str
    title: str
    seed: int
    inputs: Mapping[str, Quantity]
    values: Mapping[str, float]
    levers: Sequence[str]
    outcome: Outcome
    days: Sequence[Course]

    def as_json(self) -> dict[str, Any]:
        """The answer in plain JSON values."""
        inputs = [
            {
                "name": name,
                "value": self.values[name],
                "usual": entry.value,
                "low": entry.range[0],
                "high": entry.range[1],
                "unit": entry.unit,
                "source": entry.source,
                "date": entry.date,
            }
            for name, entry in self.inputs.items()
        ]
        return {
            "object": "economics.what_if",
            "scenario": self.scenario,
            "title": self.title,
            "seed": self.seed,
            "inputs": inputs,
            "levers": list(self.levers),
            "outcome": self.outcome.as_json(),
            "days": [vars(day) for day in self.days],
        }


def what_if(
    name: str, scenario: Scenario, values: Mapping[str, float], levers: Collection[str], seed: int = 0
) -> WhatIf:
    """What a scenario comes to.

    Args:
        name: of the scenario.
        values: usual values in place of those of the scenario, by the name of the quantity.
        levers: names from `LEVERS`.

    Raises:
        BadInput: there is no such quantity or lever, or a value is out of range.
    """
    pulled = tuple(lever for lever in LEVERS if lever in levers)
    if unknown := sorted(set(levers) - set(LEVERS)):
        message = f"there is no lever {quote(unknown[0])}"
        raise BadInput(message, f"choose {join_names(tuple(LEVERS), 'or')}", field="levers")
    changed = _changed(scenario, values)
    drawn = sample(changed, samples=SAMPLES, seed=seed)
    policy = rules(changed, pulled)
    course = expect(changed, modes(changed), policy)
    low, high = np.quantile(expect(changed, drawn, policy).loss, (0.05, 0.95), axis=0)
    chance = simulate(changed, seed, policy).loss[0]
    columns = (course.users[0], course.cost[0], course.spend[0], low, high, chance)
    rows = zip(changed.days, np.round(np.stack(columns, axis=1), 2).tolist(), strict=True)
    return WhatIf(
        scenario=name,
        title=changed.title,
        seed=seed,
        inputs=scenario.quantities,
        values={key: entry.value for key, entry in changed.quantities.items()},
        levers=pulled,
        outcome=outcome(changed, pulled, drawn),
        days=[Course(str(day), *numbers) for day, numbers in rows],
    )


def _changed(scenario: Scenario, values: Mapping[str, float]) -> Scenario:
    """The scenario with other usual values; a range is widened to hold its value."""
    if not values:
        return scenario
    content = scenario.model_dump(by_alias=True)
    for name, value in values.items():
        part = next((part for part in ("inputs", "levers") if name in content[part]), None)
        if part is None:
            remedy = f"choose {join_names(tuple(scenario.quantities), 'or')}"
            raise BadInput(f"there is no input {quote(name)}", remedy, field="values")
        low, high = scenario.quantities[name].range
        content[part][name] |= {"value": value, "low": min(low, value), "high": max(high, value)}
    return parse(Scenario, content, what="the scenario", field="values")
