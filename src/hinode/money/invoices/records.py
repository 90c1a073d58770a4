"""Invoices in the database: their numbers without gaps, what they bill, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError
from hinode.money.invoices.invoice import Invoice, Kind, Parties, invoice, money_in, party
from hinode.money.invoices.period import Period
from hinode.money.invoices.recipients import Recipient, check_recipient, check_tax, find_recipient
from hinode.money.ledger.accounts import Kind as Account
from hinode.money.ledger.accounts import operator_account
from hinode.money.ledger.transfers import Kind as Move
from hinode.money.ledger.transfers import Transfer
from hinode.money.sales import FILE, Sales
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import invoice_lines, invoice_series, invoices, ledger_transfers, recipients


class ChangedInvoice(HinodeError):
    """An invoice that does not say any more what it said when it was issued."""

    code: ClassVar[str] = "changed_invoice"


class Invoices:
    """The invoices of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self._clock = clock

    def recipient(self, project_id: str) -> Recipient | None:
        """To whom the invoices of a project are addressed; None if nobody said so."""
        with self._database.read() as connection:
            return find_recipient(connection, project_id)

    def set_recipient(self, project_id: str, name: str, address: str, tax_id: str) -> Recipient:
        """Say to whom the invoices of a project are addressed, from the next one on.

        Raises:
            BadInput: a value is empty, too long or not printable.
        """
        values = check_recipient(name, address, tax_id)
        with self._database.write() as connection:
            query = insert_into(connection, recipients).values(project_id=project_id, **values)
            connection.execute(query.on_conflict_do_update(index_elements=["project_id"], set_=values))
            recipient = find_recipient(connection, project_id)
        assert recipient is not None
        return recipient

    def set_tax(self, project_id: str, rate: Decimal | None, note: str) -> None:
        """Set the tax of the invoices of a project in percent, or take the usual one again with None.

        Raises:
            BadInput: the project has no address yet, or a value cannot be used.
        """
        values = check_tax(rate, note)
        mine = recipients.c.project_id == project_id
        with self._database.write() as connection:
            if not connection.execute(recipients.update().where(mine).values(values)).rowcount:
                raise BadInput("the project has no address for invoices", "give it first", field="address")

    def create(self, project_id: str, period: Period, sales: Sales) -> list[Invoice]:
        """Bill what a project paid, and what was paid back, and no invoice has yet, up to the end of a
        period: an invoice, and a credit note for each invoice that is corrected.

        All numbers are taken in the one transaction that writes the invoices, so there are no gaps.

        Raises:
            BadInput: the seller or the address is missing, the period has not begun, or there is nothing to
                bill.
        """
        now = self._clock()
        if period.begins_at > now:
            raise BadInput(f"the month {period.name} has not begun", "give an earlier one", field="month")
        with self._database.write() as connection:
            # Locked: another process that bills the project waits.
            parties = _parties(sales, find_recipient(connection, project_id, lock=True))
            # Nothing is billed twice: the key of the lines refuses a payment that has an invoice.
            open_ = _open_transfers(connection, project_id, sales.currency, min(period.ends_at, now + 1))
            came = [entry for entry in open_ if money_in(entry) > 0]
            made = []
            if came:
                made.append(_issue(connection, Kind.INVOICE, project_id, parties, came, period, now))
            for number, entries in _by_invoice(connection, open_).items():
                before = _load(connection, number)
                made.append(
                    _issue(
                        connection,
                        Kind.CREDIT_NOTE,
                        project_id,
                        parties if before is None else before.parties,
                        entries,
                        period,
                        now,
                        number,
                    )
                )
            if not made:
                message = f"there is nothing to bill up to {period.name}"
                raise BadInput(message, "every payment has its invoice", field="month")
        return made

    def find(self, project_id: str | None, number: str) -> Invoice | None:
        """An invoice, of a project if one is given, made again from the ledger.

        Raises:
            ChangedInvoice: it is another one than was issued: rows of the database were changed.
        """
        with self._database.read() as connection:
            found = _load(connection, number)
        return found if found is not None and project_id in (None, found.project_id) else None

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool
    ) -> tuple[list[Invoice], bool]:
        """A page of the invoices of a project by the time of their issue; the last part says whether there
        are more."""
        mine = invoices.c.project_id == project_id
        with self._database.read() as connection:
            query = sa.select(invoices).where(mine)
            rows, more = page_of(
                connection, query, mine, "invoice", after, limit, descending, by=invoices.c.issued_at
            )
            return [_invoice(connection, row) for row in rows], more

    def every(self) -> list[Invoice]:
        """All invoices by the time of their issue."""
        with self._database.read() as connection:
            query = sa.select(invoices).order_by(invoices.c.issued_at, invoices.c.id)
            return [_invoice(connection, row) for row in connection.execute(query).mappings().all()]


def sender(sales: Sales) -> list[str]:
    """The lines of the seller on a page; none if the file names nobody."""
    seller = sales.seller
    return [] if seller is None else party(seller.name, seller.address, seller.tax_id)


def _parties(sales: Sales, recipient: Recipient | None) -> Parties:
    if sales.seller is None or sales.tax is None:
        missing = "seller" if sales.seller is None else "tax"
        remedy = f"enter {missing} in {FILE} of HINODE_HOME"
        raise BadInput(f"the {missing} of invoices is missing", remedy, field=missing)
    if recipient is None:
        remedy = "an owner enters it in the wallet, or you with `hinode invoices address`"
        raise BadInput("the project has no address for invoices", remedy, field="address")
    usual = f"{Decimal(str(sales.tax.rate)).normalize():f}"
    return Parties(
        seller=sales.seller.name,
        seller_address=sales.seller.address,
        seller_tax_id=sales.seller.tax_id,
        name=recipient.name,
        address=recipient.address,
        tax_id=recipient.tax_id,
        tax_name=sales.tax.name,
        tax_rate=usual if recipient.tax_rate is None else recipient.tax_rate,
        tax_note=recipient.tax_note,
        note=sales.seller.note,
    )


def _open_transfers(connection: Connection, project_id: str, currency: str, until: float) -> list[Transfer]:
    """The transfers of a project that moved money of a payer before a moment and are on no invoice."""
    table, payments = ledger_transfers.c, operator_account(Account.PAYMENTS, currency)
    query = (
        sa.select(ledger_transfers)
        .where(
            sa.or_(table.debit_id == payments, table.credit_id == payments),
            table.project_id == project_id,
            table.kind.in_((Move.POST.value, Move.REVERSAL.value)),
            table.at < until,
            ~sa.exists().where(invoice_lines.c.transfer_id == table.id),
        )
        .order_by(table.at, table.id)
    )
    return _transfers(connection, query)


def _by_invoice(connection: Connection, entries: Iterable[Transfer]) -> dict[str, list[Transfer]]:
    """What was paid back, by the number of the invoice of the payment, the first number first."""
    groups: dict[str, list[Transfer]] = {}
    for entry in entries:
        if money_in(entry) >= 0:
            continue
        lines = invoice_lines.c
        number = connection.scalar(sa.select(lines.invoice_id).where(lines.transfer_id == _original(entry)))
        groups.setdefault(str(number), []).append(entry)
    return dict(sorted(groups.items()))


def _original(entry: Transfer) -> str:
    """The payment that a transfer pays back; a loss has it in its note."""
    if entry.original_id is not None:
        return entry.original_id
    return entry.note or f"credit:{entry.chain.removeprefix('back:').rpartition(':')[0]}"


def _issue(
    connection: Connection,
    kind: Kind,
    project_id: str,
    parties: Parties,
    entries: Sequence[Transfer],
    period: Period,
    now: float,
    corrects: str | None = None,
) -> Invoice:
    series = f"{'C' if kind is Kind.CREDIT_NOTE else ''}{datetime.fromtimestamp(now, UTC).year}"
    number = f"{series}-{_next(connection, series):05d}"
    made = invoice(number, kind, project_id, parties, entries, period, now, corrects)
    values = {
        name: getattr(made, name)
        for name in ("id", "project_id", "currency", "gross", "begins_at", "ends_at", "issued_at", "corrects")
    }
    connection.execute(
        invoices.insert().values(**values, kind=kind.value, parties=asdict(made.parties), digest=made.digest)
    )
    lines = [{"transfer_id": entry.id, "invoice_id": number} for entry in entries]
    connection.execute(invoice_lines.insert(), lines)
    return made


def _next(connection: Connection, series: str) -> int:
    """The next number of a series; other transactions wait for it until this one ends."""
    query = insert_into(connection, invoice_series).values(id=series, last=1)
    query = query.on_conflict_do_update(index_elements=["id"], set_={"last": invoice_series.c.last + 1})
    return int(connection.execute(query.returning(invoice_series.c.last)).scalar_one())


def _load(connection: Connection, number: str) -> Invoice | None:
    row = first_row(connection, sa.select(invoices).where(invoices.c.id == number))
    return None if row is None else _invoice(connection, row)


def _invoice(connection: Connection, row: Mapping[str, Any] | sa.RowMapping) -> Invoice:
    query = (
        sa.select(ledger_transfers)
        .join(invoice_lines, invoice_lines.c.transfer_id == ledger_transfers.c.id)
        .where(invoice_lines.c.invoice_id == row["id"])
    )
    found = invoice(
        row["id"],
        Kind(row["kind"]),
        row["project_id"],
        Parties(**row["parties"]),
        _transfers(connection, query),
        Period(row["begins_at"], row["ends_at"]),
        row["issued_at"],
        row["corrects"],
    )
    if found.digest != row["digest"]:
        message = f"the invoice {found.id} differs from what was issued"
        raise ChangedInvoice(message, "run `hinode credits audit`, and compare the database with a backup")
    return found


def _transfers(connection: Connection, query: sa.Select[Any]) -> list[Transfer]:
    rows = connection.execute(query).mappings()
    return [from_row(Transfer, row, kind=Move(row["kind"])) for row in rows]
