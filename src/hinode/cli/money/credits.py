"""`hinode credits`: the credit that projects pay for their videos with, and the audit of the books."""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
from typing import Annotated

import typer

from hinode.cli import options
from hinode.cli.books import open_books
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database

credits = typer.Typer(help="Add credit to projects, list it, and audit the books.", no_args_is_help=True)

DAY = 86_400.0

Project = Annotated[str, typer.Argument(help="Name or id of the project.")]


@credits.command("add", cls=Command)
def add(
    project: Project,
    amount: Annotated[str, typer.Argument(metavar="USD", help="Amount, such as 25 or 12.50.")],
    grant: Annotated[
        bool, typer.Option("--grant", help="It is a present, which burns before what was paid for.")
    ] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days until it expires.", show_default="never")
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Id of the payment. The same id again adds nothing.",
            show_default="a new one",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Add credit to a project, after its money came in."""
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.money.amounts import format_amount, parse_amount
    from hinode.money.ledger import accounts, credit
    from hinode.money.pricing import CURRENCY

    micro, now = parse_amount(amount), time.time()
    with open_database() as database:
        owner = Tenants(database, time.time).project(project)
        with database.write() as connection:
            lot = credit.add_credit(
                connection,
                id or f"manual_{secrets.token_hex(8)}",
                owner.id,
                micro,
                CURRENCY,
                accounts.Kind.GRANTS if grant else accounts.Kind.PAYMENTS,
                now,
                expires_at=None if days is None else now + days * DAY,
            )
            available = sum(
                each.available for each in accounts.lots(connection, owner.id) if each.is_open(now)
            )
    if as_json:
        print(json.dumps({"lot": lot, "project": owner.id, "amount": micro, "available": available}))
    else:
        print(f"added {format_amount(micro, CURRENCY)} to {owner.name}: {lot}")
        print(f"available {format_amount(available, CURRENCY)}")
        if not owner.billing:
            print(f"its videos are free until `hinode projects set {owner.name} --billing`")


@credits.command("list", cls=Command)
def list_credits(project: Project, as_json: options.AsJson = False) -> None:
    """Print the credit of a project, in the order in which it burns."""
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.money.amounts import format_amount
    from hinode.money.ledger.accounts import lots

    with open_database() as database:
        owner = Tenants(database, time.time).project(project)
        with database.read() as connection:
            entries = lots(connection, owner.id)
    if as_json:
        print(json.dumps([dataclasses.asdict(lot) | {"available": lot.available} for lot in entries]))
        return
    print_table(
        ("LOT", "BALANCE", "HELD", "AVAILABLE", "EXPIRES"),
        [
            (
                lot.id,
                format_amount(lot.balance, lot.currency),
                format_amount(lot.pending, lot.currency),
                format_amount(lot.available, lot.currency),
                moment(lot.expires_at),
            )
            for lot in entries
        ],
    )


@credits.command("packs", cls=Command)
def packs(as_json: options.AsJson = False) -> None:
    """Print the packs of credit that are for sale, from billing.yaml."""
    with open_books() as books:
        sales = books.sales.current()
    if as_json:
        print(json.dumps([pack.model_dump() for pack in sales.packs]))
        return
    print_table(
        ("ID", "NAME", "PRICE", "CREDIT", "DAYS"),
        [
            (pack.id, pack.name, f"{pack.price:.2f}", f"{pack.credit:.2f}", str(pack.days or "-"))
            for pack in sales.packs
        ],
    )


@credits.command("refund", cls=Command)
def refund(
    credit_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the payment.")],
    amount: Annotated[str, typer.Argument(metavar="USD", help="Amount, such as 25 or 12.50.")],
    id: Annotated[str, typer.Option(metavar="ID", help="Id of the refund. The same id again does nothing.")],
    disputed: Annotated[
        bool, typer.Option("--disputed", help="The bank took the money back, whatever was spent of it.")
    ] = False,
) -> None:
    """Take back a payment, or a part of it that was not spent."""
    from hinode.money.amounts import format_amount, parse_amount
    from hinode.money.ledger.credit import take_back
    from hinode.money.pricing import CURRENCY

    micro = parse_amount(amount)
    with open_database() as database, database.write() as connection:
        loss = take_back(connection, credit_id, id, micro, time.time(), disputed=disputed)
    print(f"took back {format_amount(micro, CURRENCY)}")
    if loss:
        print(f"{format_amount(loss, CURRENCY)} of it were spent: a loss")


@credits.command("audit", cls=Command)
def audit(as_json: options.AsJson = False) -> None:
    """Count all books again, and name each row that breaks a rule. The exit status is 1 if there is one."""
    from hinode.money.amounts import format_amount
    from hinode.money.ledger.audit import audit as audit_books

    with open_database() as database, database.read() as connection:
        report = audit_books(connection)
    if as_json:
        print(json.dumps(dataclasses.asdict(report) | {"sound": report.sound}))
    else:
        for finding in report.findings:
            print(f"{finding.id}: {finding.rule}")
        sums = ", ".join(format_amount(amount, currency) for currency, amount in report.sums.items())
        print(f"{report.postings:,} postings, sum of all accounts {sums or 'nought'}")
    if not report.sound:
        raise typer.Exit(1)
