"""Holds: credit that is set aside before the work and resolved once, after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.money.amounts import check_amount, format_amount
from hinode.money.ledger.accounts import BURN_ORDER, Kind, open_operator_account, operator_account
from hinode.money.ledger.transfers import Kind as Move
from hinode.money.ledger.transfers import (
    LedgerError,
    Transfer,
    amount_reversed,
    chain,
    insert,
    resolutions,
    run,
)
from hinode.records.prepared import Prepared

_OPEN_LOTS = f"""
    SELECT id, balance - pending AS available, priority, expires_at FROM ledger_accounts
    WHERE kind = 'lot' AND project_id = :project_id AND currency = :currency
        AND balance - pending > 0 AND (expires_at IS NULL OR expires_at > :now)
    ORDER BY {BURN_ORDER} FOR UPDATE
"""
_LOTS = Prepared(_OPEN_LOTS)
# One statement, because a transaction of several waits for each of them while others wait for its locks. It
# inserts nothing if the hold is there, credit is lacking, or no account takes the money. PostgreSQL has it as
# a function, whose plans it keeps.
_PLACE = Prepared(
    f"""
    WITH lots AS MATERIALIZED ({_OPEN_LOTS}), legs AS (
        SELECT id, available, row_number() OVER (ORDER BY {BURN_ORDER}) - 1 AS number,
            sum(available) OVER (ORDER BY {BURN_ORDER}) - available AS before, sum(available) OVER () AS total
        FROM lots
    )
    INSERT INTO ledger_transfers
        (id, chain, kind, debit_id, credit_id, amount, currency, at, project_id, job_id)
    SELECT :hold_id || '/' || CASE WHEN number < 1000 THEN substr(CAST(1000 + number AS varchar), 2)
            ELSE CAST(number AS varchar) END,
        CAST(:hold_id AS varchar), 'hold', id, CAST(:revenue AS varchar),
        CASE WHEN available < :amount - before THEN available ELSE :amount - before END,
        CAST(:currency AS varchar), CAST(:now AS double precision), CAST(:project_id AS varchar),
        CAST(:job_id AS varchar)
    FROM legs
    WHERE before < :amount AND total >= :amount
        AND NOT EXISTS (SELECT 1 FROM ledger_transfers WHERE chain = :hold_id)
        AND EXISTS (SELECT 1 FROM ledger_accounts WHERE id = :revenue)
    ORDER BY number RETURNING amount
    """,
    postgresql="SELECT * FROM ledger_place"
    "(:hold_id, :project_id, :amount, :currency, :now, :job_id, :revenue)",
)
_RESOLVE = Prepared(
    """
    INSERT INTO ledger_transfers
        (id, chain, kind, debit_id, credit_id, amount, currency, at, hold_id, project_id, job_id)
    SELECT id || '/end', chain || '/end', CASE WHEN before < :price THEN 'capture' ELSE :release END,
        debit_id, credit_id,
        CASE WHEN before >= :price THEN 0 WHEN amount < :price - before THEN amount
            ELSE :price - before END,
        currency, CAST(:now AS double precision), id, project_id, job_id
    FROM (
        SELECT *, sum(amount) OVER (ORDER BY id) - amount AS before FROM ledger_transfers
        WHERE chain = :hold_id
    ) AS legs
    WHERE NOT EXISTS (
        SELECT 1 FROM ledger_transfers AS ends JOIN ledger_transfers AS hold ON hold.id = ends.hold_id
        WHERE hold.chain = :hold_id
    )
    ORDER BY id RETURNING amount
    """,
    postgresql="SELECT * FROM ledger_resolve(:hold_id, :price, :release, :now)",
)


class InsufficientCredit(HinodeError):
    """The project has less credit than a hold needs.

    Attributes:
        shortfall: in micro-units.
    """

    code = "insufficient_credit"

    def __init__(self, amount: int, shortfall: int, currency: str) -> None:
        super().__init__(
            f"the project lacks {format_amount(shortfall, currency)} of {format_amount(amount, currency)}",
            "add credit, or choose a shorter or smaller clip",
        )
        self.shortfall = shortfall


@dataclass(frozen=True)
class Hold:
    """Credit that is set aside.

    Attributes:
        amount: in micro-units, over all lots.
        captured: what was captured of it; None while it is open.
    """

    id: str
    job_id: str | None
    amount: int
    currency: str
    captured: int | None = None


def place(
    connection: Connection,
    hold_id: str,
    project_id: str,
    amount: int,
    currency: str,
    now: float,
    *,
    job_id: str | None = None,
) -> Hold:
    """Set credit of a project aside, in the caller's transaction; once for each `hold_id`.

    The lots burn in their order, and the hold pins them: what it set aside can be captured although a lot
    expires meanwhile.

    Args:
        amount: micro-units, above 0.
        now: seconds since 1970, by the clock of the database.

    Raises:
        InsufficientCredit: the open lots hold less than this.
        BadInput: the amount cannot be used.
        LedgerError: there is another hold with this id.
    """
    check_amount(amount)
    values = {
        "hold_id": hold_id,
        "project_id": project_id,
        "amount": amount,
        "currency": currency,
        "now": now,
        "job_id": job_id,
        "revenue": operator_account(Kind.REVENUE, currency),
    }
    if amount and run(connection, _PLACE, **values):
        return Hold(hold_id, job_id, amount, currency)
    before = find(connection, hold_id)
    if before is not None:
        if (before.amount, before.currency, before.job_id) != (amount, currency, job_id):
            raise LedgerError(f"there is another hold {hold_id!r}", "use another id for another hold")
        return before
    open_operator_account(connection, Kind.REVENUE, currency, now)
    lots = _LOTS.run(connection, project_id=project_id, currency=currency, now=now)
    available = sum(lot[1] for lot in lots)
    if not amount or available < amount or not run(connection, _PLACE, **values):
        raise InsufficientCredit(amount, max(0, amount - available), currency)
    return Hold(hold_id, job_id, amount, currency)


def capture(connection: Connection, hold_id: str, price: int, now: float) -> int:
    """Take the price out of a hold, or all of it if the price is higher, and release the rest.

    Args:
        price: of what was delivered, in micro-units.

    Returns:
        What was captured. A second call with the same price returns the same and posts nothing.

    Raises:
        LedgerError: there is no such hold, or it was resolved in another way.
    """
    check_amount(price, "price")
    return _resolve(connection, hold_id, price, Move.VOID, now)


def void(connection: Connection, hold_id: str, now: float) -> None:
    """Release a hold: nothing was delivered; see `capture` for errors."""
    _resolve(connection, hold_id, 0, Move.VOID, now)


def expire(connection: Connection, hold_id: str, now: float) -> None:
    """Release a hold that nobody resolved in time; see `capture` for errors."""
    _resolve(connection, hold_id, 0, Move.EXPIRY, now)


def refund(connection: Connection, hold_id: str, refund_id: str, amount: int, now: float) -> None:
    """Give captured credit back to the lots that it came from, the last one first; once for each id.

    Raises:
        LedgerError: nothing was captured by this hold, or less is left than `amount`.
    """
    check_amount(amount)
    name = f"{hold_id}/refund:{refund_id}"
    before = chain(connection, name)
    if before:
        if sum(entry.amount for entry in before) != amount:
            raise LedgerError(f"{refund_id!r} refunded another amount", "use another id for another refund")
        return
    captures = [entry for entry in resolutions(connection, hold_id) if entry.kind == Move.CAPTURE]
    rest = amount
    entries: list[Transfer] = []
    for original in reversed(captures):
        part = min(rest, original.amount - amount_reversed(connection, original.id))
        if part > 0:
            entries.append(
                dataclasses.replace(
                    original,
                    id=f"{name}/{len(entries):03d}",
                    chain=name,
                    kind=Move.REVERSAL,
                    debit_id=original.credit_id,
                    credit_id=original.debit_id,
                    amount=part,
                    at=now,
                    hold_id=None,
                    original_id=original.id,
                )
            )
            rest -= part
    if rest or not entries:
        raise LedgerError(f"less was captured by the hold {hold_id!r}", "refund at most what was captured")
    insert(connection, entries[::-1])  # which locks the lots in the order in which they burn


def find(connection: Connection, hold_id: str) -> Hold | None:
    """A hold by its id."""
    legs = chain(connection, hold_id)
    if not legs:
        return None
    return Hold(
        hold_id,
        legs[0].job_id,
        sum(leg.amount for leg in legs),
        legs[0].currency,
        _captured(resolutions(connection, hold_id)),
    )


def _captured(entries: Sequence[Transfer]) -> int | None:
    return sum(entry.amount for entry in entries) if entries else None


def _resolve(connection: Connection, hold_id: str, price: int, release: Move, now: float) -> int:
    values = {"hold_id": hold_id, "price": price, "release": release.value, "now": now}
    if posted := run(connection, _RESOLVE, **values):
        return sum(int(row[0]) for row in posted)
    legs = chain(connection, hold_id)
    if not legs:
        raise LedgerError(f"there is no hold {hold_id!r}", "look up its id in the job")
    amount = min(price, sum(leg.amount for leg in legs))
    captured = _captured(resolutions(connection, hold_id)) or 0
    if captured != amount:
        message = f"the hold {hold_id!r} was resolved with {format_amount(captured)}"
        raise LedgerError(message, "a hold is resolved once")
    return amount
