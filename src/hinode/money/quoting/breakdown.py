"""A quote with its money and energy: price, cost and watt hours, by stage where they come from seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hinode.money.amounts import MICRO
from hinode.money.books.prices import Comparison
from hinode.money.meters.usage import HOUR, Power
from hinode.money.pricing import CURRENCY
from hinode.money.quoting.quotes import Alternative, Quote


def itemise(
    quoted: Quote,
    *,
    price: int | None,
    price_of: Callable[[Alternative], int | None],
    usd_per_hour: float | None,
    power: Power,
    comparison: Comparison,
) -> dict[str, Any]:
    """The JSON values of a quote with its money.

    Args:
        quoted: what the request takes.
        price: of all its videos in micro-units; None if there is none.
        price_of: the same of an alternative.
        usd_per_hour: of a machine that does the work; None if that is not known, or is not for the reader.
        power: of that machine.
        comparison: with list prices of other providers, for one video.
    """
    values = quoted.as_json()
    values["price"] = _usd(price)
    values["currency"] = CURRENCY
    stages = [(name, seconds) for name, seconds in quoted.work if seconds > 0]
    values["cost"] = _cost(stages, usd_per_hour)
    values["energy_wh"], values["energy_method"] = _energy(stages, power.watts), power.method
    values["breakdown"] = [
        {
            "stage": name,
            "seconds": round(seconds, 2),
            "cost": _cost([(name, seconds)], usd_per_hour),
            "energy_wh": _energy([(name, seconds)], power.watts),
        }
        for name, seconds in stages
    ]
    for other, alternative in zip(values["alternatives"], quoted.alternatives, strict=True):
        other["price"] = _usd(price_of(alternative))
    offers = comparison.as_json()
    for offer in offers["offers"]:
        offer["usd"] = round(offer["usd"] * quoted.n, 6)
    return {**values, "offers": offers["offers"], "price_notes": offers["price_notes"]}


def _usd(price: int | None) -> float | None:
    return None if price is None else price / MICRO


def _cost(stages: Sequence[tuple[str, float]], usd_per_hour: float | None) -> float | None:
    if usd_per_hour is None:
        return None
    return round(sum(seconds for _, seconds in stages) * usd_per_hour / HOUR, 6)


def _energy(stages: Sequence[tuple[str, float]], watts: float | None) -> float | None:
    return None if watts is None else round(sum(seconds for _, seconds in stages) * watts / HOUR, 6)
