"""`hinode capacity`: how many machines a load needs, and what they cost."""

from __future__ import annotations

import json
import math
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hinode.cli import options
from hinode.cli.table import print_table
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.money.capacity.fleet import Fleet, Hardware


def capacity(
    arrivals: Annotated[float, typer.Option(metavar="NUMBER", help="Clips that come in an hour.")],
    target: Annotated[float, typer.Option(metavar="SECONDS", help="How long clips may wait at most.")],
    seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="A clip takes on a machine.", show_default="see --hardware"),
    ] = None,
    share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the clips that the target is for.")
    ] = 0.95,
    variation: Annotated[
        float,
        typer.Option(
            metavar="NUMBER",
            help="Squared coefficient of variation of the seconds of a clip: 0 if all take as long.",
        ),
    ] = 1.0,
    hardware: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SECONDS[@PRICE]",
            help="Class of hardware with the seconds of a clip and USD an hour. Repeatable.",
            show_default="one class without a price; a price is taken from costs.yaml, else from the market",
        ),
    ] = None,
    spot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PRICE",
            help="Spot machines of a class of --hardware and USD an hour. Repeatable.",
        ),
    ] = None,
    maximum: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", help="Machines of a class at most. Repeatable."),
    ] = None,
    max_spot_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the machines that may be spot machines.")
    ] = 0.5,
    interruptions: Annotated[
        float, typer.Option(metavar="NUMBER", help="How often in an hour a spot machine is taken away.")
    ] = 0.02,
    as_json: options.AsJson = False,
) -> None:
    """Forecast the waits of fleets, and find the cheapest one that meets a target.

    The waits come from Erlang's C and the approximation of Allen and Cunneen; docs/howto/plan-capacity.md has
    an example.
    """
    from hinode.money.capacity.fleet import Load, Target
    from hinode.money.capacity.plan import cheapest, sizes

    _check("arrivals", arrivals, 0.001, 1e7)
    _check("target", target, 0.0, 1e7)
    _check("share", share, 0.01, 0.999)
    _check("variation", variation, 0.0, 100.0)
    _check("max_spot_share", max_spot_share, 0.0, 1.0)
    _check("interruptions", interruptions, 1e-6, 3600.0)
    classes = _classes(seconds, hardware or [], spot or [], maximum or [], interruptions)
    load, goal = Load(arrivals, variation), Target(target, share)
    best = cheapest(classes, load, goal, max_spot_share=max_spot_share)
    tables = {kind.name: list(sizes(kind, load, goal)) for kind in classes}
    if as_json:
        values = {name: [_json(fleet) for fleet in fleets] for name, fleets in tables.items()}
        fleet_json = None if best is None else _json(best)
        print(json.dumps({"object": "capacity.plan", "cheapest": fleet_json, "by_class": values}))
        return
    rows = [_row(name, fleet) for name, fleets in tables.items() for fleet in fleets]
    print_table(("CLASS", "MACHINES", "LOAD", "P50", "P95", "USD/HOUR", "USD/CLIP"), rows)
    if best is None:
        print(f"no fleet of these classes lets {share:.0%} of the clips start within {target:g} s")
        return
    counts = ", ".join(f"{count} {name}" for name, count in best.counts.items()) or "no machine"
    price = "" if best.usd_per_hour is None else f", {best.usd_per_hour:,.2f} USD an hour"
    print(f"the {'fewest' if best.usd_per_hour is None else 'cheapest'}: {counts}{price}")


def _classes(
    seconds: float | None, hardware: list[str], spot: list[str], maximum: list[str], interruptions: float
) -> list[Hardware]:
    from hinode.money.capacity.fleet import MAX_MACHINES, Hardware

    limits = {
        name: int(_number("maximum", text, 0, MAX_MACHINES)) for name, text in _pairs("maximum", maximum)
    }
    classes = []
    for name, text in _pairs("hardware", hardware):
        length, _, price = text.partition("@")
        usd = _number("hardware", price, 0, 1e6) if price else _price(name)
        most = limits.pop(name, MAX_MACHINES)
        classes.append(Hardware(name, _number("hardware", length, 0.001, 1e6), usd, most))
    if not classes:
        if seconds is None:
            raise BadInput(
                "neither seconds nor hardware are there", "give --seconds or --hardware", field="seconds"
            )
        _check("seconds", seconds, 0.001, 1e6)
        classes.append(Hardware("machine", seconds, maximum=limits.pop("machine", MAX_MACHINES)))
    elif seconds is not None:
        raise BadInput("seconds are there beside hardware", "leave --seconds out", field="seconds")
    known = {kind.name: kind for kind in classes}
    for name, text in _pairs("spot", spot):
        if name not in known:
            remedy = "name a class of --hardware"
            raise BadInput(f"there is no class {quote(name)} of hardware", remedy, field="spot")
        usd = _number("spot", text, 0, 1e6)
        most = limits.pop(f"{name}-spot", MAX_MACHINES)
        classes.append(Hardware(f"{name}-spot", known[name].seconds, usd, most, interruptions))
    if limits:
        raise BadInput(f"there is no class {quote(next(iter(limits)))}", "name a class", field="maximum")
    return classes


def _price(name: str) -> float:
    """USD an hour from the operator's cost book, else from the market."""
    from hinode.money.books import costs
    from hinode.money.books.entries import MissingPrice

    today = datetime.now(UTC).date()
    try:
        return costs.own(Settings.from_environment(os.environ).home).hour(name, today).usual
    except MissingPrice:
        return costs.market().hour(name, today).usual


def _pairs(field: str, values: list[str]) -> list[tuple[str, str]]:
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
    from hinode.parsing import read_number

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


def _row(name: str, fleet: Fleet) -> tuple[str, ...]:
    times = (
        "never" if math.isinf(value) else f"{value:,.0f} s" for value in (fleet.wait.p50, fleet.wait.p95)
    )
    prices = ("-" if value is None else f"{value:,.4g}" for value in (fleet.usd_per_hour, fleet.usd_per_clip))
    return (name, f"{fleet.machines:,}", f"{fleet.wait.load:.0%}", *times, *prices)
