"""`hinode promos`: codes that give credit."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database

promos = typer.Typer(help="Make, list and end promo codes.", no_args_is_help=True)

DAY = 86_400.0


@promos.command("create", cls=Command)
def create(
    amount: Annotated[str, typer.Argument(metavar="USD", help="Credit that it gives, such as 5.")],
    code: Annotated[
        str | None,
        typer.Option(help="The code: 4 to 20 letters, digits and hyphens.", show_default="12 random letters"),
    ] = None,
    uses: Annotated[
        int | None,
        typer.Option(min=1, max=10_000_000, help="How many projects may use it.", show_default="any number"),
    ] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS", min=1, max=36_500, help="Days until it ends.", show_default="it does not end"
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1, max=36_500, help="Days for which its credit can be spent.", show_default="for ever"
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a promo code. Each project can redeem it once."""
    from hinode.money import promotions
    from hinode.money.amounts import format_amount, parse_amount
    from hinode.money.pricing import CURRENCY

    micro, now = parse_amount(amount), time.time()
    with open_database() as database, database.write() as connection:
        made = promotions.create(
            connection,
            micro,
            CURRENCY,
            now,
            code=code,
            days=days,
            max_uses=uses,
            expires_at=None if expires_in is None else now + expires_in * DAY,
        )
    if as_json:
        print(json.dumps(dataclasses.asdict(made)))
    else:
        print(f"{made.id} gives {format_amount(micro, CURRENCY)}")


@promos.command("list", cls=Command)
def list_promos(as_json: options.AsJson = False) -> None:
    """Print every promo code, and how often it was used."""
    from hinode.money import promotions
    from hinode.money.amounts import format_amount

    with open_database() as database, database.read() as connection:
        entries = promotions.every(connection)
    if as_json:
        print(json.dumps([dataclasses.asdict(entry) for entry in entries]))
        return
    print_table(
        ("CODE", "CREDIT", "DAYS", "USES", "AT MOST", "ENDS"),
        [
            (
                entry.id,
                format_amount(entry.amount, entry.currency),
                "-" if entry.days is None else str(entry.days),
                str(entry.uses),
                "-" if entry.max_uses is None else str(entry.max_uses),
                moment(entry.expires_at),
            )
            for entry in entries
        ],
    )


@promos.command("end", cls=Command)
def end(code: Annotated[str, typer.Argument(help="The code.")]) -> None:
    """Let a promo code give nothing from now on. What it gave stays."""
    from hinode.money import promotions

    with open_database() as database, database.write() as connection:
        promotions.end(connection, code, time.time())
    print(f"ended {code.strip().upper()}")
