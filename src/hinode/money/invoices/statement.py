"""The statement of a project for a month: what came into its credit, what left it, and what was left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.money.invoices.document import Document
from hinode.money.invoices.invoice import money
from hinode.money.invoices.period import Period, day
from hinode.money.ledger.accounts import Kind as Account
from hinode.money.ledger.accounts import operator_account
from hinode.money.ledger.transfers import Kind as Move
from hinode.money.ledger.transfers import Transfer
from hinode.records.rows import from_row
from hinode.records.tables import ledger_accounts, ledger_transfers

MAX_ROWS = 300
"""Of a page, beyond which videos are added up."""
VIDEO = "Video"

_MOVES = [kind.value for kind in (Move.POST, Move.CAPTURE, Move.REVERSAL)]


@dataclass(frozen=True)
class Entry:
    """A movement of the credit of a project, in micro-units.

    Attributes:
        amount: above 0 if it came in.
        balance: after it.
    """

    id: str
    at: float
    text: str
    job_id: str | None
    amount: int
    balance: int


@dataclass(frozen=True)
class Statement:
    """The movements of a month, in the order of their times; `opening` and `closing` are balances."""

    project_id: str
    currency: str
    begins_at: float
    ends_at: float
    opening: int
    entries: tuple[Entry, ...]
    closing: int

    @property
    def digest(self) -> str:
        """SHA-256 of all that the statement says."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The statement in plain JSON values."""
        return asdict(self) | {"digest": self.digest}


def statement(
    project_id: str, currency: str, period: Period, opening: int, transfers: Sequence[Transfer]
) -> Statement:
    """The statement of a period over the transfers in it that moved credit of a project.

    Args:
        opening: the balance before it, in micro-units.
    """
    balance, entries = opening, []
    for entry in sorted(transfers, key=lambda entry: (entry.at, entry.id)):
        # A lot is on one side, and an account of the operator on the other.
        amount = entry.amount if entry.credit_id.startswith("lot:") else -entry.amount
        balance += amount
        entries.append(Entry(entry.id, entry.at, _text(entry), entry.job_id, amount, balance))
    return Statement(project_id, currency, period.begins_at, period.ends_at, opening, tuple(entries), balance)


def read(connection: Connection, project_id: str, currency: str, period: Period) -> Statement:
    """The statement of a project for a period."""
    lots = sa.select(ledger_accounts.c.id).where(
        ledger_accounts.c.kind == Account.LOT.value,
        ledger_accounts.c.project_id == project_id,
        ledger_accounts.c.currency == currency,
    )
    table = ledger_transfers.c
    moved = table.kind.in_(_MOVES)

    def total(side: sa.Column[str]) -> int:
        before = sa.select(sa.func.coalesce(sa.func.sum(table.amount), 0))
        query = before.where(side.in_(lots), moved, table.at < period.begins_at)
        return int(connection.scalar(query) or 0)

    inside = sa.select(ledger_transfers).where(
        sa.or_(table.credit_id.in_(lots), table.debit_id.in_(lots)),
        moved,
        table.at >= period.begins_at,
        table.at < period.ends_at,
    )
    rows = connection.execute(inside).mappings()
    transfers = [from_row(Transfer, row, kind=Move(row["kind"])) for row in rows]
    opening = total(table.credit_id) - total(table.debit_id)
    return statement(project_id, currency, period, opening, transfers)


def document(statement: Statement, sender: Sequence[str], recipient: Sequence[str]) -> Document:
    """The page of a statement."""
    currency = statement.currency
    came = sum(entry.amount for entry in statement.entries if entry.amount > 0)
    left = sum(-entry.amount for entry in statement.entries if entry.amount < 0)
    return Document(
        title="Statement",
        name=datetime.fromtimestamp(statement.begins_at, UTC).strftime("%Y-%m"),
        sender=sender,
        recipient=recipient,
        facts=[
            ("Period", f"{day(statement.begins_at)} to {day(statement.ends_at - 1)}"),
            ("Customer", statement.project_id),
        ],
        head=("Date", "Description", "Amount", "Balance"),
        rows=_rows(statement),
        totals=[
            ("Balance before", money(statement.opening, currency)),
            ("Came in", money(came, currency)),
            ("Left", money(-left, currency)),
            ("Balance after", money(statement.closing, currency)),
        ],
        notes=["Days are those of UTC. Credit that is set aside for videos in work has not left yet."],
        numbers=2,
    )


def _rows(statement: Statement) -> list[tuple[str, str, str, str]]:
    """The rows of the table. Where there are many, the videos of a day that follow one another are one."""
    rows: list[tuple[str, str, int, int]] = []
    count = 1
    for entry in statement.entries:
        date, text, amount = day(entry.at), entry.text, entry.amount
        if len(statement.entries) > MAX_ROWS:
            last = rows[-1] if rows else None
            if last and last[0] == date and text == VIDEO and last[1].startswith((VIDEO, f"{count} ")):
                count, amount = count + 1, amount + last[2]
                rows[-1] = (date, f"{count} videos", amount, entry.balance)
                continue
            count = 1
        elif entry.job_id:
            text = f"{text} ({entry.job_id})"
        rows.append((date, text, amount, entry.balance))
    currency = statement.currency
    return [(date, text, money(amount, currency), money(left, currency)) for date, text, amount, left in rows]


def _text(entry: Transfer) -> str:
    kinds = {
        operator_account(kind, entry.currency): kind
        for kind in (Account.PAYMENTS, Account.GRANTS, Account.EXPIRED, Account.REVENUE)
    }
    came_in = entry.credit_id.startswith("lot:")
    kind = kinds.get(entry.debit_id if came_in else entry.credit_id)
    words = {
        (Account.PAYMENTS, True): "Credit, paid",
        (Account.GRANTS, True): "Credit, given",
        (Account.REVENUE, True): "Refund of a video",
        (Account.REVENUE, False): VIDEO,
        (Account.PAYMENTS, False): "Payment, paid back",
        (Account.GRANTS, False): "Given credit, taken back",
        (Account.EXPIRED, False): "Expired",
    }
    text = words.get((kind, came_in), "Other") if kind else "Other"
    return f"{text}: {entry.note}" if entry.note and came_in else text
