"""Accounts of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.money.amounts import check_currency
from hinode.records.rows import from_row, insert_into, only_row
from hinode.records.tables import ledger_accounts, ledger_transfers


class Kind(StrEnum):
    """What an account stands for. The first is of a project, the others are the operator's."""

    LOT = "lot"  # credit that can be spent
    PAYMENTS = "payments"  # money that came in: its balance is negative
    GRANTS = "grants"  # credit that was given away: its balance is negative
    REVENUE = "revenue"  # clips that were delivered
    EXPIRED = "expired"  # credit whose time ended
    LOSSES = "losses"  # payments that were taken back after their credit was spent


@dataclass(frozen=True)
class Account:
    """An account, with amounts in micro-units.

    Attributes:
        balance: credits less debits.
        pending: what holds have set aside of it.
        expires_at: of a lot, in seconds since 1970.
    """

    id: str
    kind: Kind
    project_id: str | None
    currency: str
    balance: int
    pending: int
    priority: int
    created_at: float
    expires_at: float | None

    @property
    def available(self) -> int:
        """What can be taken from a lot, in micro-units."""
        return self.balance - self.pending

    def is_open(self, now: float) -> bool:
        """Whether the lot has not expired."""
        return self.expires_at is None or self.expires_at > now


BURN_ORDER = "priority, expires_at IS NULL, expires_at, id"
"""Of lots, in SQL: the order in which they burn. Whoever locks several takes them in it, or two transactions
could wait for each other."""


def operator_account(kind: Kind, currency: str) -> str:
    """The id of the operator's account of a kind, such as "revenue:USD"."""
    return f"{kind.value}:{check_currency(currency)}"


def open_account(
    connection: Connection,
    account_id: str,
    kind: Kind,
    currency: str,
    now: float,
    *,
    project_id: str | None = None,
    priority: int = 0,
    expires_at: float | None = None,
) -> str:
    """Open an account if it is not there, and return its id; a lot can never go below nought."""
    values = {
        "id": account_id,
        "kind": kind.value,
        "project_id": project_id,
        "currency": check_currency(currency),
        "minimum": 0 if kind == Kind.LOT else None,
        "priority": priority,
        "expires_at": expires_at,
        "created_at": now,
    }
    connection.execute(insert_into(connection, ledger_accounts).values(values).on_conflict_do_nothing())
    return account_id


def open_operator_account(connection: Connection, kind: Kind, currency: str, now: float) -> str:
    """Open the operator's account of a kind if it is not there, and return its id."""
    account_id = operator_account(kind, currency)
    known = sa.select(ledger_accounts.c.id).where(ledger_accounts.c.id == account_id)
    if connection.scalar(known) is None:
        open_account(connection, account_id, kind, currency, now)
    return account_id


def lots(connection: Connection, project_id: str, currency: str | None = None) -> list[Account]:
    """The lots of a project in the order in which they burn: by priority, then the one that expires first."""
    table = ledger_accounts.c
    query = (
        sa.select(ledger_accounts)
        .where(table.kind == Kind.LOT.value, table.project_id == project_id)
        .order_by(table.priority, sa.nulls_last(table.expires_at), table.id)
    )
    if currency is not None:
        query = query.where(table.currency == currency)
    rows = connection.execute(query).mappings()
    return [from_row(Account, row, kind=Kind(row["kind"])) for row in rows]


def lot(connection: Connection, lot_id: str) -> Account:
    """A lot that exists."""
    row = only_row(connection, sa.select(ledger_accounts).where(ledger_accounts.c.id == lot_id))
    return from_row(Account, row, kind=Kind(row["kind"]))


def balance(connection: Connection, account_id: str) -> int:
    """Credits less debits of any account, in micro-units, from its transfers."""
    table = ledger_transfers.c
    moved = table.kind.in_(("post", "capture", "reversal"))
    total = sa.func.coalesce(sa.func.sum(table.amount), 0)
    credits = connection.scalar(sa.select(total).where(table.credit_id == account_id, moved))
    debits = connection.scalar(sa.select(total).where(table.debit_id == account_id, moved))
    return int(credits or 0) - int(debits or 0)
