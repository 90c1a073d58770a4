"""`hinode capacity`: how many machines a load needs, and what they cost."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.books import open_books
from hinode.cli.table import print_table

if TYPE_CHECKING:
    from hinode.money.capacity.fleet import Fleet


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
    from hinode.money.capacity.question import Question, answer

    question = Question(
        arrivals=arrivals,
        target=target,
        share=share,
        seconds=seconds,
        variation=variation,
        hardware=hardware or (),
        spot=spot or (),
        maximum=maximum or (),
        max_spot_share=max_spot_share,
        interruptions=interruptions,
    )
    with open_books() as books:
        plan = answer(question, books.costs.current, datetime.now(UTC).date())
    if as_json:
        print(json.dumps(plan.as_json()))
        return
    rows = [_row(name, fleet) for name, fleets in plan.by_class.items() for fleet in fleets]
    print_table(("CLASS", "MACHINES", "LOAD", "P50", "P95", "USD/HOUR", "USD/CLIP"), rows)
    best = plan.cheapest
    if best is None:
        print(f"no fleet of these classes lets {share:.0%} of the clips start within {target:g} s")
        return
    counts = ", ".join(f"{count} {name}" for name, count in best.counts.items()) or "no machine"
    price = "" if best.usd_per_hour is None else f", {best.usd_per_hour:,.2f} USD an hour"
    print(f"the {'fewest' if best.usd_per_hour is None else 'cheapest'}: {counts}{price}")


def _row(name: str, fleet: Fleet) -> tuple[str, ...]:
    times = (
        "never" if math.isinf(value) else f"{value:,.0f} s" for value in (fleet.wait.p50, fleet.wait.p95)
    )
    prices = ("-" if value is None else f"{value:,.4g}" for value in (fleet.usd_per_hour, fleet.usd_per_clip))
    return (name, f"{fleet.machines:,}", f"{fleet.wait.load:.0%}", *times, *prices)
