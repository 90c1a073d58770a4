"""Credit of projects: lots that are bought or granted, expire, and are refunded or disputed.

What happens to a lot touches this lot and the account that it came from, and no other lot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.money.amounts import check_amount, format_amount
from hinode.money.ledger.accounts import BURN_ORDER, Account, Kind, open_account, open_operator_account
from hinode.money.ledger.transfers import Kind as Move
from hinode.money.ledger.transfers import (
    LedgerError,
    Transfer,
    amount_reversed,
    chain,
    insert,
    post_chain,
    transfer,
)
from hinode.records.rows import first_row, from_row
from hinode.records.tables import ledger_accounts, ledger_transfers

PRIORITIES = {Kind.GRANTS: 10, Kind.PAYMENTS: 100}
"""Credit that was given away burns before credit that was paid for."""


def add_credit(
    connection: Connection,
    credit_id: str,
    project_id: str,
    amount: int,
    currency: str,
    source: Kind,
    now: float,
    *,
    expires_at: float | None = None,
    priority: int | None = None,
    note: str | None = None,
) -> str:
    """Add a lot of credit to a project, once for each `credit_id`, and return the id of the lot.

    Args:
        credit_id: of the payment or the grant, at most 60 characters.
        amount: micro-units, above 0.
        source: PAYMENTS or GRANTS.
        now: seconds since 1970, by the clock of the database.
        expires_at: from when on the credit cannot be spent; None: never.
        priority: lots with a lower one burn first; by default that of the source.

    Raises:
        BadInput: the amount, the currency or the expiry cannot be used.
        LedgerError: there is another credit with this id.
    """
    if not check_amount(amount):
        raise BadInput("the amount is 0", "credit more than 0", field="amount")
    if expires_at is not None and expires_at <= now:
        raise BadInput("the credit would have expired already", "choose a later time", field="expires_at")
    if source not in PRIORITIES:
        raise ValueError(f"credit does not come from {source}")
    if len(credit_id) > 60:
        raise BadInput("the id of the credit is too long", "use at most 60 characters", field="id")
    lot_id = f"lot:{credit_id}"
    origin = open_operator_account(connection, source, currency, now)
    open_account(
        connection,
        lot_id,
        Kind.LOT,
        currency,
        now,
        project_id=project_id,
        priority=PRIORITIES[source] if priority is None else priority,
        expires_at=expires_at,
    )
    entry = Transfer(
        id=f"credit:{credit_id}",
        chain=f"credit:{credit_id}",
        kind=Move.POST,
        debit_id=origin,
        credit_id=lot_id,
        amount=amount,
        currency=currency,
        at=now,
        project_id=project_id,
        note=note,
    )
    post_chain(connection, [entry])
    return lot_id


def take_back(
    connection: Connection, credit_id: str, take_back_id: str, amount: int, now: float, *, disputed: bool
) -> int:
    """Give a payment back, or take a grant back, once for each `take_back_id`.

    A refund is limited to what is left of the lot. After a dispute the money is gone whatever was spent: the
    part that was spent is a loss of the operator.

    Args:
        amount: micro-units, above 0; with earlier ones no more than the credit.
        disputed: whether the payer's bank took the money back.

    Returns:
        The part in micro-units that is the operator's loss; 0 for a refund.

    Raises:
        BadInput: more than is left is to be taken back.
        LedgerError: there is no such credit, or another posting with this id.
    """
    check_amount(amount)
    original = transfer(connection, f"credit:{credit_id}")
    if original is None:
        raise LedgerError(f"there is no credit {credit_id!r}", "look up its id in the statement")
    lot = _lock_lot(connection, original.credit_id)
    name = f"back:{credit_id}:{take_back_id}"
    before = chain(connection, name)
    if before:
        if sum(entry.amount for entry in before) != amount:
            raise LedgerError(f"{take_back_id!r} took back another amount", "use another id")
        return sum(entry.amount for entry in before if entry.kind == Move.POST)
    left = original.amount - _amount_back(connection, credit_id)
    most = left if disputed else min(left, lot.available)
    if not 0 < amount <= most:
        message = f"{format_amount(amount, lot.currency)} cannot be taken back"
        remedy = f"take back more than 0 and at most {format_amount(most, lot.currency)}"
        raise BadInput(message, remedy, field="amount")
    part = min(amount, lot.available)
    refund = Transfer(
        id=f"{name}/credit",
        chain=name,
        kind=Move.REVERSAL,
        debit_id=lot.id,
        credit_id=original.debit_id,
        amount=part,
        currency=lot.currency,
        at=now,
        original_id=original.id,
        project_id=lot.project_id,
    )
    entries = _reversals(connection, refund, [original, *_again(connection, credit_id)])
    if amount > part:
        losses = open_operator_account(connection, Kind.LOSSES, lot.currency, now)
        entries.append(
            replace(
                refund,
                id=f"{name}/loss",
                kind=Move.POST,
                debit_id=losses,
                amount=amount - part,
                original_id=None,
                note=original.id,
            )
        )
    insert(connection, entries)
    return amount - part


def give_again(connection: Connection, credit_id: str, take_back_id: str, now: float) -> None:
    """Undo a take-back, as after a dispute that the operator won; once for each `take_back_id`.

    What the lot gave is in it again. What was booked as a loss is no loss.

    Raises:
        LedgerError: nothing was taken back under this id.
    """
    name = f"again:{credit_id}:{take_back_id}"
    if chain(connection, name):
        return
    entries = [
        replace(
            entry,
            id=f"{name}/{position:03d}",
            chain=name,
            kind=Move.REVERSAL if entry.kind == Move.POST else Move.POST,
            debit_id=entry.credit_id,
            credit_id=entry.debit_id,
            original_id=entry.id if entry.kind == Move.POST else None,
            at=now,
            note=None,
        )
        for position, entry in enumerate(chain(connection, f"back:{credit_id}:{take_back_id}"))
    ]
    if not entries:
        message = f"nothing of {credit_id!r} was taken back as {take_back_id!r}"
        raise LedgerError(message, "look up the id in the statement")
    insert(connection, entries)


def was_taken_back(connection: Connection, credit_id: str, take_back_id: str) -> bool:
    """Whether something was taken back under this id."""
    return bool(chain(connection, f"back:{credit_id}:{take_back_id}"))


def amount_left(connection: Connection, credit_id: str) -> int:
    """What was not taken back of a credit, in micro-units; 0 if there is no such credit."""
    original = transfer(connection, f"credit:{credit_id}")
    return 0 if original is None else original.amount - _amount_back(connection, credit_id)


def expire_lots(connection: Connection, now: float, limit: int = 1000) -> int:
    """Book what is left in lots that expired, and return the number of lots.

    It only tidies the books: such credit cannot be spent from the moment on at which it expires. What a hold
    has set aside stays; a later call books what the hold gives back.
    """
    table = ledger_accounts.c
    query = (
        sa.select(table.id)
        .where(table.kind == Kind.LOT.value, table.expires_at <= now, table.balance - table.pending > 0)
        .order_by(sa.text(BURN_ORDER))
        .limit(limit)
    )
    lot_ids = list(connection.scalars(query))
    count = 0
    for lot_id in lot_ids:
        lot = _lock_lot(connection, lot_id)
        if lot.available <= 0 or lot.is_open(now):
            continue
        name = f"expired:{lot_id}"
        entry = Transfer(
            id=f"{name}/{len(chain(connection, name))}",
            chain=name,
            kind=Move.POST,
            debit_id=lot_id,
            credit_id=open_operator_account(connection, Kind.EXPIRED, lot.currency, now),
            amount=lot.available,
            currency=lot.currency,
            at=now,
            project_id=lot.project_id,
        )
        insert(connection, [entry])
        count += 1
    return count


def _lock_lot(connection: Connection, lot_id: str) -> Account:
    """A lot, which other transactions cannot change until this one ends."""
    query = sa.select(ledger_accounts).where(ledger_accounts.c.id == lot_id).with_for_update()
    row = first_row(connection, query)
    if row is None:
        raise LedgerError(f"there is no lot {lot_id!r}", "look up its id in the statement")
    return from_row(Account, row, kind=Kind(row["kind"]))


def _amount_back(connection: Connection, credit_id: str) -> int:
    """How much of a credit was taken back and not given again, in micro-units."""
    back = sum(entry.amount for entry in _of_prefix(connection, f"back:{credit_id}:"))
    return back - sum(entry.amount for entry in _of_prefix(connection, f"again:{credit_id}:"))


def _again(connection: Connection, credit_id: str) -> list[Transfer]:
    """The posts that gave credit again."""
    entries = _of_prefix(connection, f"again:{credit_id}:")
    return [entry for entry in entries if entry.kind == Move.POST]


def _reversals(connection: Connection, whole: Transfer, originals: Sequence[Transfer]) -> list[Transfer]:
    """A reversal in parts: each takes back what is left of one of the originals."""
    rest = whole.amount
    entries: list[Transfer] = []
    for original in originals:
        part = min(rest, original.amount - amount_reversed(connection, original.id))
        if part > 0:
            name = f"{whole.id}{len(entries) or ''}"
            entries.append(replace(whole, id=name, amount=part, original_id=original.id))
            rest -= part
    return entries


def _of_prefix(connection: Connection, prefix: str) -> list[Transfer]:
    """The transfers of the chains whose names begin with a prefix that ends with a colon."""
    table = ledger_transfers.c
    # A range and not LIKE: ids may hold its wildcards, and the index serves it.
    query = (
        sa.select(ledger_transfers)
        .where(table.chain >= prefix, table.chain < prefix[:-1] + ";")
        .order_by(table.id)
    )
    rows = connection.execute(query).mappings()
    return [from_row(Transfer, row, kind=Move(row["kind"])) for row in rows]
