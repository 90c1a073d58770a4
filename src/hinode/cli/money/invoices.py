"""`hinode invoices`: invoices, credit notes and statements of projects."""

from __future__ import annotations

import json
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.books import open_books
from hinode.cli.command import Command
from hinode.cli.table import print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, quote

if TYPE_CHECKING:
    from hinode.money.invoices.document import Document
    from hinode.money.sales import Sales

invoices = typer.Typer(help="Bill what projects paid, and print statements.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(help="Name or id of the project.")]
Month = Annotated[
    str | None, typer.Option(metavar="YYYY-MM", help="The month, in UTC.", show_default="this one")
]
To = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="Write it as .pdf or .html.", show_default="print it"),
]


@invoices.command("address", cls=Command)
def address(
    project: Project,
    name: Annotated[str, typer.Option(help="Name of the recipient.")],
    line: Annotated[list[str], typer.Option(help="A line of the address. Repeatable.")],
    tax_id: Annotated[str, typer.Option(help="Tax id of the recipient.", show_default="none")] = "",
    tax_rate: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Rate of its tax.", show_default="that of billing.yaml"),
    ] = None,
    tax_note: Annotated[
        str, typer.Option(help='Why the rate differs, such as "Reverse charge".', show_default="none")
    ] = "",
) -> None:
    """Say to whom the invoices of a project are addressed, from the next one on."""
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.money.invoices.records import Invoices

    rate = None if tax_rate is None else _percent(tax_rate)
    with open_database() as database:
        owner, desk = Tenants(database, time.time).project(project), Invoices(database, time.time)
        desk.set_recipient(owner.id, name, "\n".join(line), tax_id)
        desk.set_tax(owner.id, rate, tax_note)
    print(f"invoices of {owner.name} go to {name}")


@invoices.command("create", cls=Command)
def create(project: Project, month: Month = None, as_json: options.AsJson = False) -> None:
    """Bill what a project paid up to the end of a month, and what was paid back.

    What has an invoice is not billed again.
    """
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.money.invoices import period
    from hinode.money.invoices.invoice import money
    from hinode.money.invoices.records import Invoices

    chosen = period.month_of(time.time()) if month is None else period.month(month)
    sales = _sales()
    with open_database() as database:
        owner = Tenants(database, time.time).project(project)
        made = Invoices(database, time.time).create(owner.id, chosen, sales)
    if as_json:
        print(json.dumps([entry.as_json() for entry in made]))
        return
    for entry in made:
        about = f" about {entry.corrects}" if entry.corrects else ""
        print(f"{entry.kind.replace('_', ' ')} {entry.id}{about}: {money(entry.gross, entry.currency)}")


@invoices.command("list", cls=Command)
def list_invoices(as_json: options.AsJson = False) -> None:
    """Print every invoice and credit note, in the order of their issue."""
    from hinode.money.invoices.invoice import money
    from hinode.money.invoices.period import day
    from hinode.money.invoices.records import Invoices

    with open_database() as database:
        entries = Invoices(database, time.time).every()
    if as_json:
        print(json.dumps([entry.as_json() for entry in entries]))
        return
    print_table(
        ("NUMBER", "DATE", "PROJECT", "TO", "NET", "TAX", "TOTAL"),
        [
            (
                entry.id,
                day(entry.issued_at),
                entry.project_id,
                entry.parties.name,
                *(money(amount, entry.currency) for amount in (entry.net, entry.tax, entry.gross)),
            )
            for entry in entries
        ],
    )


@invoices.command("show", cls=Command)
def show(
    number: Annotated[str, typer.Argument(help="Number of the invoice.")],
    to: To = None,
    as_json: options.AsJson = False,
) -> None:
    """Print an invoice, or write it as a page or a PDF."""
    from hinode.money.invoices.invoice import document
    from hinode.money.invoices.records import Invoices

    with open_database() as database:
        found = Invoices(database, time.time).find(None, number)
    if found is None:
        raise BadInput(f"there is no invoice {quote(number)}", "see `hinode invoices list`", field="number")
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        _show(document(found), to)


@invoices.command("statement", cls=Command)
def show_statement(
    project: Project, month: Month = None, to: To = None, as_json: options.AsJson = False
) -> None:
    """Print what came into the credit of a project in a month, and what left it."""
    from hinode.jobs.tenants.tenants import Tenants
    from hinode.money.invoices import period, statement
    from hinode.money.invoices.records import Invoices, sender

    chosen = period.month_of(time.time()) if month is None else period.month(month)
    sales = _sales()
    with open_database() as database:
        owner = Tenants(database, time.time).project(project)
        recipient = Invoices(database, time.time).recipient(owner.id)
        with database.read() as connection:
            found = statement.read(connection, owner.id, sales.currency, chosen)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        lines = recipient.lines if recipient else [owner.name]
        _show(statement.document(found, sender(sales), lines), to)


def _sales() -> Sales:
    with open_books() as books:
        return books.sales.current()


def _show(document: Document, to: Path | None) -> None:
    """Print a document, or write it to a file."""
    from hinode.money.invoices.files import write
    from hinode.output import replace_file

    if to is not None:
        text = write(document, to.suffix.removeprefix(".").lower(), _sales().font)
        with replace_file(to) as part:
            part.write_bytes(text)
        print(to)
        return
    print(f"{document.title} {document.name}\n")
    for name, value in document.facts:
        print(f"{name}: {value}")
    print(f"From: {', '.join(document.sender) or '-'}\nTo: {', '.join(document.recipient)}\n")
    print_table([name.upper() for name in document.head], document.rows)
    print()
    for name, value in document.totals:
        print(f"{name}: {value}")
    for note in document.notes:
        print(note)


def _percent(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadInput(f"{quote(text)} is no rate", "write a number such as 19", field="tax_rate") from None
