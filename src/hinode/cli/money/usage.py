"""`hinode usage`: what jobs used, as a table for accounts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.tenants import open_database
from hinode.errors import BadInput

DAY = 86_400.0
DEFAULT_DAYS = 30

usage = typer.Typer(help="Export what videos used and cost.", no_args_is_help=True)


@usage.callback()
def _group() -> None:
    """A group, though it has one command."""


@usage.command("export", cls=Command)
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file to write.")],
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="First day, UTC.", show_default="30 days before --until"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Day after the last one, UTC.", show_default="now")
    ] = None,
    issuer: Annotated[
        str, typer.Option(metavar="NAME", help="Who sends the invoices, as the table names it.")
    ] = "Hinode",
) -> None:
    """Write what the videos of a period used and cost, as a FOCUS 1.2 table: a row for each, and by
    day the bytes that were served and the requests that were screened."""
    from hinode.money.meters import days, focus
    from hinode.money.meters import usage as meters
    from hinode.output import replace_file

    end = time.time() if until is None else options.read_day("until", until)
    start = end - DEFAULT_DAYS * DAY if since is None else options.read_day("since", since)
    if start >= end:
        raise BadInput("since is not before until", "give an earlier day", field="since")
    with open_database() as database, database.read() as connection, replace_file(file) as part:
        records, by_day = meters.records(connection, start, end), days.records(connection, start, end)
        part.write_text(focus.table(records, by_day, issuer), encoding="utf-8")
    print(file)
