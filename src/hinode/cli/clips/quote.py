"""`hinode quote`: how long a clip will take, and what would be quicker."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hinode.cli import options
from hinode.cli.books import open_books
from hinode.cli.options import ClipOptions
from hinode.cli.table import print_table
from hinode.request import Request, parse_size
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.money.books.costs import CostBook
    from hinode.money.books.prices import Comparison
    from hinode.money.quoting.predict import Span
    from hinode.money.quoting.quotes import Quote
    from hinode.pipeline import Result
    from hinode.records.database import Database

MINUTE = 60.0


def quote(
    prompt: options.Prompt,
    seconds: options.Seconds = 2.0,
    size: Annotated[
        str | None,
        options.clip_option(metavar="WxH", help="Width and height in pixels.", show_default="640x360"),
    ] = None,
    fps: Annotated[
        float | None,
        options.clip_option(metavar="RATE", help="Frames per second.", show_default="the rate of the model"),
    ] = None,
    engine: Annotated[
        str,
        options.model_option(metavar="NAME", help="Engine: native, diffusers, remote or testcard."),
    ] = "native",
    model: options.Model = None,
    profile: Annotated[
        str | None,
        options.model_option(
            metavar="NAME", help="Profile of the model.", show_default="chosen by the model"
        ),
    ] = None,
    steps: options.Steps = None,
    prices: Annotated[
        bool, options.output_option("--prices", help="Add your price, and list prices of other providers.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Predict how long `generate` will take on this machine, what it costs, and what would be quicker.

    The price is that of `prices.yaml`, and the cost that of this host in `costs.yaml`: as they hold on the
    servers of the database, or without one the files in HINODE_HOME. The times come from the runs in the
    database of HINODE_HOME, which a server and `generate` record. With fewer than three runs of the model
    and profile they are estimates, and the answer says so. No model is loaded and no server is asked.
    """
    clip = ClipOptions(size=size, fps=fps, engine=engine, model=model, profile=profile, steps=steps, seed=0)
    request = replace(clip.request(prompt), seconds=seconds)
    print_quote(request, clip.settings, prices=prices, as_json=as_json)


def print_quote(request: Request, settings: Settings, *, prices: bool, as_json: bool) -> None:
    """Print what a request takes and costs on this machine; nothing is made.

    Args:
        prices: whether to print list prices of other providers, too; JSON always has them.
    """
    from hinode import engines
    from hinode.money.books.prices import compare
    from hinode.money.meters import usage
    from hinode.money.meters.usage import Power
    from hinode.money.pricing import Pricing
    from hinode.money.quoting.breakdown import itemise
    from hinode.money.quoting.quotes import Quotes

    now, power, hourly = time.time(), None, None
    with open_books(settings) as books:
        tariff = Pricing(books.prices, books.free_use).tariff()
        if not engines.is_external(request.engine):
            hourly = _usd_per_hour(books.costs.current(), now)
        database = books.database
        if database is not None and not database.sqlite:
            database = None  # one that a fleet shares says little about this machine
        quoted = Quotes(settings, database).quote(request)
        if database is not None:
            with database.read() as connection:
                power = usage.power(connection, quoted.model)
    if power is None:
        power = Power() if settings.watts is None else Power(settings.watts, "estimated")
    comparison = compare(tariff.book(), quoted.model, request, datetime.fromtimestamp(now, UTC).date())
    values = itemise(
        quoted,
        price=tariff.price_or_none(quoted.model, request.size, request.seconds, now),
        price_of=lambda other: tariff.price_or_none(other.model, parse_size(other.size), other.seconds, now),
        usd_per_hour=hourly,
        power=power,
        comparison=comparison,
    )
    if as_json:  # only a server's quote has an id, because only there it can be accepted
        print(json.dumps({"id": None, **values}, ensure_ascii=False))
        return
    _print(quoted, values)
    if prices:
        _print_prices(comparison)


def _usd_per_hour(costs: CostBook, now: float) -> float | None:
    """What an hour of this host costs by the operator's cost book; None if it does not say."""
    from hinode.money.books.entries import MissingPrice

    today = datetime.fromtimestamp(now, UTC).date()
    with suppress(MissingPrice):
        return costs.host(platform.node() or "localhost", today).usual
    return None


def _print_prices(comparison: Comparison) -> None:
    own = "-" if comparison.usd is None else f"{comparison.usd:.2f}"
    rows = [("this", "", own, "", "", "")]
    rows += [
        (
            offer.name,
            offer.provider,
            f"{offer.usd:.2f}",
            "yes" if offer.audio else "no",
            f"{offer.mark}, {offer.date}",
            "not sold any more" if offer.ended else "",
        )
        for offer in comparison.offers
    ]
    print()
    print_table(("AT", "PROVIDER", "USD", "SOUND", "SOURCE", ""), rows)
    for sentence in comparison.notes:
        print(f"warning: {sentence}")


def record_run(request: Request, settings: Settings, result: Result) -> None:
    """Record how long a clip took, and the mark of its file, if there is a database on this machine; nothing
    is raised if it cannot be used now, for the clip is there."""
    from hinode.errors import HinodeError
    from hinode.money.quoting import quotes, runs
    from hinode.records.database import DatabaseError
    from hinode.trust.provenance import marks

    with suppress(DatabaseError, HinodeError), _database(settings) as database:
        if database is not None:
            measured = quotes.measured(request, settings, result.provenance.stage_seconds)
            with database.write() as connection:
                now = Path(result.path).stat().st_mtime
                runs.record(connection, measured, now)
                marks.record(connection, marks.RecordedMark.of(result.mark, request.operation, now))


@contextmanager
def _database(settings: Settings) -> Iterator[Database | None]:
    """The SQLite database of this machine, or None: none is made for this, and one that a fleet shares says
    little about this machine."""
    from hinode.records.database import Database, parse

    url = parse(settings.database_url)
    if url.get_backend_name() != "sqlite" or not Path(url.database or "").exists():
        yield None
        return
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        database.close()


def _print(quoted: Quote, values: Mapping[str, Any]) -> None:
    parts = ", ".join(f"{name} {_duration(seconds)}" for name, seconds in quoted.stages if seconds >= 0.05)
    rows = [("this", quoted.model, quoted.profile or "-", quoted.size, *_times(quoted.eta))]
    rows += [
        (other.label, other.model, other.profile or "-", other.size, *_times(other.eta))
        for other in quoted.alternatives
    ]
    print_table(("CLIP", "MODEL", "PROFILE", "SIZE", "USUALLY", "9 OF 10 WITHIN"), rows)
    print(f"{quoted.basis}: {parts}")
    facts = []
    if values["price"] is not None:
        facts.append(f"price {values['price']:g} {values['currency']}")
    if values["cost"] is not None:
        facts.append(f"cost {values['cost']:g} {values['currency']}")
    if values["energy_wh"] is not None:
        facts.append(f"energy {values['energy_wh']:.3g} Wh, {values['energy_method']}")
    if facts:
        print("; ".join(facts))


def _times(eta: Span) -> tuple[str, str]:
    return _duration(eta.p50), _duration(eta.p90)


def _duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
