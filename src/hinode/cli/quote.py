"""`hinode quote`: how long a clip will take, and what would be quicker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hinode.cli import options
from hinode.cli.options import ClipOptions
from hinode.cli.table import print_table
from hinode.request import Request
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.money.books.prices import Comparison
    from hinode.money.predict import Span
    from hinode.money.quotes import Quote
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
    """Predict how long `generate` will take on this machine, and what would be quicker.

    The times come from the runs in the database of HINODE_HOME, which a server and `generate` record. With
    fewer than three runs of the model and profile they are estimates, and the answer says so. No model is
    loaded and no server is asked.
    """
    from hinode.money.quotes import Quotes

    clip = ClipOptions(size=size, fps=fps, engine=engine, model=model, profile=profile, steps=steps, seed=0)
    request = replace(clip.request(prompt), seconds=seconds)
    settings = clip.settings
    with _database(settings) as database:
        if database is not None:
            database.upgrade()
        quoted = Quotes(settings, database).quote(request)
    comparison = _compare(quoted, request, settings) if prices else None
    if as_json:
        values = {} if comparison is None else comparison.as_json()
        print(json.dumps({**quoted.as_json(), **values}, ensure_ascii=False))
        return
    _print(quoted)
    if comparison is not None:
        _print_prices(comparison)


def _compare(quoted: Quote, request: Request, settings: Settings) -> Comparison:
    from hinode.money.books import prices

    today = datetime.now(UTC).date()
    return prices.compare(prices.own(settings.home), quoted.model, request, today)


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
    from hinode.money import quotes, runs
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


def _print(quoted: Quote) -> None:
    parts = ", ".join(f"{name} {_duration(seconds)}" for name, seconds in quoted.stages if seconds >= 0.05)
    rows = [("this", quoted.model, quoted.profile or "-", quoted.size, *_times(quoted.eta))]
    rows += [
        (other.label, other.model, other.profile or "-", other.size, *_times(other.eta))
        for other in quoted.alternatives
    ]
    print_table(("CLIP", "MODEL", "PROFILE", "SIZE", "USUALLY", "9 OF 10 WITHIN"), rows)
    print(f"{quoted.basis}: {parts}")


def _times(eta: Span) -> tuple[str, str]:
    return _duration(eta.p50), _duration(eta.p90)


def _duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
