"""`hinode budgets`: how much may be spent, and by whom."""

from __future__ import annotations

import dataclasses
import json
import time
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, quote

E = TypeVar("E", bound=StrEnum)

budgets = typer.Typer(help="Set, list and remove budgets.", no_args_is_help=True)


@budgets.command("set", cls=Command)
def set_budget(
    scope: Annotated[
        str, typer.Argument(help="key, user, project, organisation, model, installation or free.")
    ],
    subject: Annotated[
        str,
        typer.Argument(help="Id of the key, user or organisation; name or id of the project; engine/model."),
    ] = "",
    period: Annotated[str, typer.Option(help="day or month, in UTC, or total.")] = "month",
    soft: Annotated[
        str | None, typer.Option(metavar="USD", help="Beyond it an event is sent.", show_default="none")
    ] = None,
    hard: Annotated[
        str | None, typer.Option(metavar="USD", help="Beyond it no video is accepted.", show_default="none")
    ] = None,
) -> None:
    """Set a budget, in the place of the one of the same scope, subject and period."""
    from hinode.jobs import ids
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.money.amounts import parse_amount
    from hinode.money.budgets import Period, Scope, put

    kind, window = _member(Scope, scope, "scope"), _member(Period, period, "period")
    soft_limit = None if soft is None else parse_amount(soft, "soft")
    hard_limit = None if hard is None else parse_amount(hard, "hard")
    now = time.time()
    with open_database() as database:
        if kind is Scope.PROJECT and subject:
            subject = Tenants(database, time.time).project(subject).id
        with database.write() as connection:
            budget_id = ids.make("budget_", now)
            put(connection, budget_id, kind, subject, window, soft=soft_limit, hard=hard_limit, now=now)
    print(
        f"set the budget of the {kind} {subject}".rstrip()
        if kind is not Scope.FREE
        else "set the limit of loss"
    )


@budgets.command("list", cls=Command)
def list_budgets(as_json: options.AsJson = False) -> None:
    """Print every budget, and what is charged to its present window."""
    from hinode.money.amounts import format_amount
    from hinode.money.budgets import every

    with open_database() as database, database.read() as connection:
        entries = every(connection, time.time())
    if as_json:
        print(json.dumps([dataclasses.asdict(budget) for budget in entries]))
        return
    print_table(
        ("ID", "SCOPE", "SUBJECT", "PERIOD", "CHARGED", "SOFT", "HARD"),
        [
            (
                budget.id,
                budget.scope.value,
                budget.subject or "-",
                budget.period.value,
                format_amount(budget.amount),
                "-" if budget.soft is None else format_amount(budget.soft),
                "-" if budget.hard is None else format_amount(budget.hard),
            )
            for budget in entries
        ],
    )


@budgets.command("remove", cls=Command)
def remove_budget(id: Annotated[str, typer.Argument(help="Id of the budget, budget_…")]) -> None:
    """Remove a budget. What it limited is free of it at once."""
    from hinode.money.budgets import remove

    with open_database() as database, database.write() as connection:
        remove(connection, id)
    print(f"removed {id}")


def _member(kind: type[E], text: str, field: str) -> E:
    try:
        return kind(text)
    except ValueError:
        names = ", ".join(member.value for member in kind)
        raise BadInput(f"{quote(text)} is no {field}", f"use one of {names}", field=field) from None
