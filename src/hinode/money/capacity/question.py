"""A question about capacity, as a command or a request asks it, and its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from hinode.errors import BadInput, quote
from hinode.money.books import costs
from hinode.money.books.costs import CostBook
from hinode.money.books.entries import MissingPrice
from hinode.money.capacity.fleet import MAX_MACHINES, Fleet, Hardware, Load, Target
from hinode.money.capacity.plan import cheapest, sizes
from hinode.parsing import read_number

RANGES = {
    "arrivals": (0.001, 1e7),
    "target": (0.0, 1e7),
    "share": (0.01, 0.999),
    "variation": (0.0, 100.0),
    "max_spot_share": (0.0, 1.0),
    "interruptions": (1e-6, 3600.0),
}


@dataclass(frozen=True)
class Question:
    """How many machines a load needs.

    Attributes:
        arrivals: clips that come in an hour.
        target: seconds that clips may wait at most.
        share: of the clips that the target is for.
        seconds: that a clip takes on a machine, in place of `hardware`.
        variation: squared coefficient of variation of the seconds of a clip.
        hardware: classes as "NAME=SECONDS" or "NAME=SECONDS@USD", the price for an hour.
        spot: "NAME=USD" for spot machines of a class.
        maximum: "NAME=NUMBER" for machines of a class at most.
        interruptions: how often in an hour a spot machine is taken away.
    """

    arrivals: float
    target: float
    share: float = 0.95
    seconds: float | None = None
    variation: float = 1.0
    hardware: Sequence[str] = ()
    spot: Sequence[str] = ()
    maximum: Sequence[str] = ()
    max_spot_share: float = 0.5
    interruptions: float = 0.02


@dataclass(frozen=True)
class Plan:
    """The cheapest fleet that meets the target, None if none does, and fleets of each class by its name."""

    cheapest: Fleet | None
    by_class: Mapping[str, Sequence[Fleet]]

    def as_json(self) -> dict[str, Any]:
        """The plan in plain JSON values."""
        values = {name: [_json(fleet) for fleet in fleets] for name, fleets in self.by_class.items()}
        best = None if self.cheapest is None else _json(self.cheapest)
        return {"object": "capacity.plan", "cheapest": best, "by_class": values}


def answer(question: Question, own: Callable[[], CostBook], today: date) -> Plan:
    """The plan for a question. A price that it lacks is taken from the operator's cost book, else from the
    market.

    Raises:
        BadInput: a part of the question is wrong.
        MissingPrice: a class of hardware has no price.
    """
    for field, (minimum, maximum) in RANGES.items():
        _check(field, getattr(question, field), minimum, maximum)
    classes = _classes(question, own, today)
    load, goal = Load(question.arrivals, question.variation), Target(question.target, question.share)
    best = cheapest(classes, load, goal, max_spot_share=question.max_spot_share)
    return Plan(best, {kind.name: list(sizes(kind, load, goal)) for kind in classes})


def _classes(question: Question, own: Callable[[], CostBook], today: date) -> list[Hardware]:
    limits = {
        name: int(_number("maximum", text, 0, MAX_MACHINES))
        for name, text in _pairs("maximum", question.maximum)
    }
    classes = []
    for name, text in _pairs("hardware", question.hardware):
        length, _, price = text.partition("@")
        usd = _number("hardware", price, 0, 1e6) if price else _price(name, own, today)
        most = limits.pop(name, MAX_MACHINES)
        classes.append(Hardware(name, _number("hardware", length, 0.001, 1e6), usd, most))
    if not classes:
        if question.seconds is None:
            message = "neither seconds nor hardware are there"
            raise BadInput(message, "give seconds or hardware", field="seconds")
        _check("seconds", question.seconds, 0.001, 1e6)
        most = limits.pop("machine", MAX_MACHINES)
        classes.append(Hardware("machine", question.seconds, maximum=most))
    elif question.seconds is not None:
        raise BadInput("seconds are there beside hardware", "leave seconds out", field="seconds")
    known = {kind.name: kind for kind in classes}
    for name, text in _pairs("spot", question.spot):
        if name not in known:
            message = f"there is no class {quote(name)} of hardware"
            raise BadInput(message, "name a class of hardware", field="spot")
        usd = _number("spot", text, 0, 1e6)
        most = limits.pop(f"{name}-spot", MAX_MACHINES)
        spot = Hardware(f"{name}-spot", known[name].seconds, usd, most, question.interruptions)
        classes.append(spot)
    if limits:
        raise BadInput(f"there is no class {quote(next(iter(limits)))}", "name a class", field="maximum")
    return classes


def _price(name: str, own: Callable[[], CostBook], today: date) -> float:
    """USD an hour."""
    try:
        return own().hour(name, today).usual
    except MissingPrice:
        return costs.market().hour(name, today).usual


def _pairs(field: str, values: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for value in values:
        name, separator, text = value.partition("=")
        if not (name and separator and text):
            raise BadInput(f"{field} is {quote(value)}", "write NAME=NUMBER", field=field)
        pairs.append((name, text))
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{field} has {quote(name)} twice", "give it once", field=field)
    return pairs


def _number(field: str, text: str, minimum: float, maximum: float) -> float:
    try:
        value = float(read_number(text))
    except ValueError:
        raise BadInput(f"{field} has {quote(text)} in it", "give a number", field=field) from None
    _check(field, value, minimum, maximum)
    return value


def _check(field: str, value: float, minimum: float, maximum: float) -> None:
    if not minimum <= value <= maximum:
        remedy = f"give {minimum:g} to {maximum:g}"
        raise BadInput(f"{field} is {value:g}", remedy, field=field)


def _json(fleet: Fleet) -> dict[str, Any]:
    wait = {"mean": fleet.wait.mean, "p50": fleet.wait.p50, "p95": fleet.wait.p95}
    return {
        "machines": dict(fleet.counts),
        "load": fleet.wait.load,
        "wait": {name: None if math.isinf(value) else round(value, 2) for name, value in wait.items()},
        "usd_per_hour": fleet.usd_per_hour,
        "usd_per_clip": fleet.usd_per_clip,
    }
