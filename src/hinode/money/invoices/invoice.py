"""Invoices and credit notes as pure functions of transfers of the ledger.

A payment for credit is invoiced, and what was paid back stands on a credit note. Prices contain the tax.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from hinode.money.amounts import MICRO, round_amount
from hinode.money.invoices.document import Document
from hinode.money.invoices.period import Period, day
from hinode.money.ledger.accounts import Kind as Account
from hinode.money.ledger.accounts import operator_account
from hinode.money.ledger.transfers import Kind as Move
from hinode.money.ledger.transfers import Transfer

CENT = MICRO // 100
WHOLE = frozenset({"JPY", "KRW"})
"""Currencies without cents."""


class Kind(StrEnum):
    """What a document is."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True)
class Parties:
    """Who bills whom, and the tax, as they were when the invoice was issued.

    Attributes:
        seller_address, address: in lines.
        tax_rate: in percent, as a decimal number.
        tax_note: why the rate is another one than usual.
    """

    seller: str
    seller_address: str
    seller_tax_id: str
    name: str
    address: str
    tax_id: str
    tax_name: str
    tax_rate: str
    tax_note: str
    note: str


@dataclass(frozen=True)
class Line:
    """A payment, or what was paid back, in micro-units with the tax; negative on a credit note."""

    transfer_id: str
    at: float
    text: str
    gross: int


@dataclass(frozen=True)
class Invoice:
    """An invoice or a credit note, with amounts in micro-units.

    Attributes:
        corrects: the number of the invoice that a credit note is about.
        net: rounded to the smallest unit of the currency; the tax is the rest of the gross amount.
    """

    id: str
    kind: Kind
    project_id: str
    currency: str
    begins_at: float
    ends_at: float
    issued_at: float
    corrects: str | None
    parties: Parties
    lines: tuple[Line, ...]
    net: int
    tax: int
    gross: int

    @property
    def digest(self) -> str:
        """SHA-256 of all that the invoice says."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The invoice in plain JSON values."""
        return asdict(self) | {"digest": self.digest}


def invoice(
    number: str,
    kind: Kind,
    project_id: str,
    parties: Parties,
    transfers: Sequence[Transfer],
    period: Period,
    issued_at: float,
    corrects: str | None = None,
) -> Invoice:
    """The invoice over some transfers of one currency, each of which moved money of a payer."""
    currency = transfers[0].currency
    lines = tuple(
        Line(entry.id, entry.at, _text(entry), money_in(entry))
        for entry in sorted(transfers, key=lambda entry: (entry.at, entry.id))
    )
    gross = sum(line.gross for line in lines)
    net = net_of(gross, parties.tax_rate, currency)
    return Invoice(
        number,
        kind,
        project_id,
        currency,
        period.begins_at,
        period.ends_at,
        issued_at,
        corrects,
        parties,
        lines,
        net,
        gross - net,
        gross,
    )


def money_in(entry: Transfer) -> int:
    """What a transfer brought from payers in micro-units; negative if it went back; 0 if it is none such."""
    payments = operator_account(Account.PAYMENTS, entry.currency)
    if entry.kind not in (Move.POST, Move.REVERSAL):
        return 0
    return {entry.credit_id: -entry.amount, entry.debit_id: entry.amount}.get(payments, 0)


def net_of(gross: int, rate: str, currency: str) -> int:
    """The part of an amount without a tax of so many percent that is in it, in the smallest units of the
    currency: to the nearest one, and halfway to the even one."""
    unit = MICRO if currency in WHOLE else CENT
    exact = Fraction(gross) / (1 + Fraction(rate) / 100)
    return round_amount(exact / unit / MICRO) * unit


def document(invoice: Invoice) -> Document:
    """The page of an invoice."""
    parties = invoice.parties
    is_note = invoice.kind is Kind.CREDIT_NOTE
    facts = [
        ("Number", invoice.id),
        ("Date", day(invoice.issued_at)),
        ("Period", f"{day(invoice.begins_at)} to {day(invoice.ends_at - 1)}"),
        ("Customer", invoice.project_id),
    ]
    if invoice.corrects:
        facts.insert(1, ("Corrects invoice", invoice.corrects))
    tax = f"{parties.tax_name} {parties.tax_rate} %"
    notes = [text for text in (parties.tax_note, parties.note) if text]
    if not is_note:
        notes.insert(0, "The amount was paid on the dates above. Nothing is left to pay.")
    return Document(
        title="Credit note" if is_note else "Invoice",
        name=invoice.id,
        sender=party(parties.seller, parties.seller_address, parties.seller_tax_id),
        recipient=party(parties.name, parties.address, parties.tax_id),
        facts=facts,
        head=("Date", "Description", "Amount"),
        rows=[(day(line.at), line.text, money(line.gross, invoice.currency)) for line in invoice.lines],
        totals=[
            ("Net", money(invoice.net, invoice.currency)),
            (tax, money(invoice.tax, invoice.currency)),
            ("Total", money(invoice.gross, invoice.currency)),
        ],
        notes=notes,
    )


def money(amount: int, currency: str) -> str:
    """Micro-units with a separator of thousands, as "1,234.50 USD", with more decimals if there are any."""
    number, decimals = Decimal(amount).scaleb(-6), 0 if currency in WHOLE else 2
    is_whole = amount % 10 ** (6 - decimals) == 0
    return f"{number:,.{decimals}f} {currency}" if is_whole else f"{number.normalize():,f} {currency}"


def _text(entry: Transfer) -> str:
    if money_in(entry) < 0:
        name = entry.chain.removeprefix("back:")
        return f"Paid back ({name.partition(':')[0]})"
    if entry.chain.startswith("again:"):
        return f"Paid back, and received again ({entry.chain.split(':')[1]})"
    return f"Credit for videos ({entry.id.removeprefix('credit:')})"


def party(name: str, address: str, tax_id: str) -> list[str]:
    """The lines of a name, an address and a tax id on a page."""
    lines = [name, *(line.strip() for line in address.splitlines() if line.strip())]
    return [*lines, f"Tax id {tax_id}"] if tax_id else lines
