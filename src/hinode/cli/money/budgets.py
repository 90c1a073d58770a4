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
        typer.Argument(help="Id or name of the key, user, project or organisation; engine/model."),
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
    from hinode.jobs.finance.budgets import BudgetEditor
    from hinode.money.amounts import parse_amount
    from hinode.money.budgets import Period, Scope

    kind, window = _member(Scope, scope, "scope"), _member(Period, period, "period")
    soft_limit = None if soft is None else parse_amount(soft, "soft")
    hard_limit = None if hard is None else parse_amount(hard, "hard")
    with open_database() as database:
        editor = BudgetEditor(database, time.time)
        editor.put(kind, subject, window, soft=soft_limit, hard=hard_limit)
    print(
        f"set the budget of the {kind} {subject}".rstrip()
        if kind is not Scope.FREE
        else "set the limit of loss"
    )


@budgets.command("list", cls=Command)
def list_budgets(as_json: options.AsJson = False) -> None:
    """Print every budget, and what is charged to its present window."""
    from hinode.jobs.finance.budgets import BudgetEditor
    from hinode.money.amounts import format_amount

    with open_database() as database:
        entries = BudgetEditor(database, time.time).every()
    if as_json:
        print(json.dumps([dataclasses.asdict(entry.budget) | {"name": entry.name} for entry in entries]))
        return
    print_table(
        ("ID", "SCOPE", "SUBJECT", "NAME", "PERIOD", "CHARGED", "SOFT", "HARD"),
        [
            (
                budget.id,
                budget.scope.value,
                budget.subject or "-",
                entry.name or "-",
                budget.period.value,
                format_amount(budget.amount),
                "-" if budget.soft is None else format_amount(budget.soft),
                "-" if budget.hard is None else format_amount(budget.hard),
            )
            for entry in entries
            for budget in (entry.budget,)
        ],
    )


@budgets.command("remove", cls=Command)
def remove_budget(id: Annotated[str, typer.Argument(help="Id of the budget, budget_…")]) -> None:
    """Remove a budget. What it limited is free of it at once."""
    from hinode.jobs.finance.budgets import BudgetEditor

    with open_database() as database:
        BudgetEditor(database, time.time).remove(id)
    print(f"removed {id}")


def _member(kind: type[E], text: str, field: str) -> E:
    try:
        return kind(text)
    except ValueError:
        names = ", ".join(member.value for member in kind)
        raise BadInput(f"{quote(text)} is no {field}", f"use one of {names}", field=field) from None
