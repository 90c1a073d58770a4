"""Transfers: the rows that move money, and that never change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from hinode.errors import HinodeError
from hinode.records.prepared import Prepared, Row


class Kind(StrEnum):
    """What a transfer does."""

    POST = "post"
    HOLD = "hold"
    CAPTURE = "capture"
    VOID = "void"
    EXPIRY = "expiry"
    REVERSAL = "reversal"


class LedgerError(HinodeError):
    """A posting that the ledger refuses; nothing is posted."""

    code = "ledger"


@dataclass(frozen=True)
class Transfer:
    """Money that moves, or is set aside, from the account `debit_id` to the account `credit_id`.

    Attributes:
        id: chosen by the caller from what is to happen once, such as "video_1/hold/0".
        chain: transfers that stand or fall together, such as "video_1/hold".
        amount: in micro-units, less than 10^15; 0 in a void or an expiry.
        hold_id: the hold that a capture, a void or an expiry resolves.
        original_id: the transfer that a reversal takes back, whole or in part.
        at: seconds since 1970, by the clock of the database.
    """

    id: str
    chain: str
    kind: Kind
    debit_id: str
    credit_id: str
    amount: int
    currency: str
    at: float
    hold_id: str | None = None
    original_id: str | None = None
    project_id: str | None = None
    job_id: str | None = None
    note: str | None = None

    def same_intent(self, other: Transfer) -> bool:
        """Whether another transfer with this id asks for the same; the time and the note may differ."""
        ignored = ("at", "note")
        return all(
            getattr(self, field.name) == getattr(other, field.name)
            for field in fields(self)
            if field.name not in ignored
        )


_NAMES = [field.name for field in fields(Transfer)]
_COLUMNS = ", ".join(_NAMES)
_INSERT = Prepared(
    f"INSERT INTO ledger_transfers ({_COLUMNS}) VALUES ({', '.join(f':{name}' for name in _NAMES)})"
)
_CHAIN = Prepared(f"SELECT {_COLUMNS} FROM ledger_transfers WHERE chain = :chain ORDER BY id")
_ONE = Prepared(f"SELECT {_COLUMNS} FROM ledger_transfers WHERE id = :id")
_RESOLUTIONS = Prepared(
    f"SELECT {', '.join(f'resolution.{name}' for name in _NAMES)} FROM ledger_transfers AS resolution "
    "JOIN ledger_transfers AS hold ON hold.id = resolution.hold_id WHERE hold.chain = :chain "
    "ORDER BY resolution.id"
)
_REVERSED = Prepared("SELECT coalesce(sum(amount), 0) FROM ledger_transfers WHERE original_id = :id")


def chain(connection: Connection, name: str) -> list[Transfer]:
    """The transfers of a chain, by id."""
    return [_transfer(row) for row in _CHAIN.run(connection, chain=name)]


def transfer(connection: Connection, transfer_id: str) -> Transfer | None:
    """A transfer by its id."""
    rows = _ONE.run(connection, id=transfer_id)
    return _transfer(rows[0]) if rows else None


def resolutions(connection: Connection, name: str) -> list[Transfer]:
    """The captures, voids and expiries of the holds of a chain."""
    return [_transfer(row) for row in _RESOLUTIONS.run(connection, chain=name)]


def amount_reversed(connection: Connection, transfer_id: str) -> int:
    """How much of a transfer reversals took back, in micro-units."""
    return int(_REVERSED.run(connection, id=transfer_id)[0][0])


def post_chain(connection: Connection, transfers: Sequence[Transfer]) -> bool:
    """Post the transfers of one chain in the caller's transaction, all or none.

    Returns:
        False if the chain is there already, with the same transfers: nothing is posted a second time.

    Raises:
        LedgerError: the chain is there with other transfers, or the ledger refuses one of them. The
            transaction must then be rolled back.
    """
    names = {entry.chain for entry in transfers}
    if len(names) != 1:
        raise ValueError("the transfers of one chain have one name")
    before = {entry.id: entry for entry in chain(connection, names.pop())}
    if before:
        _check_same(before, transfers)
        return False
    insert(connection, transfers)
    return True


def insert(connection: Connection, transfers: Sequence[Transfer]) -> None:
    """Post transfers whose ids are new; see `post_chain`."""
    for entry in transfers:
        values: dict[str, Any] = {name: getattr(entry, name) for name in _NAMES}
        run(connection, _INSERT, **{**values, "kind": entry.kind.value})


def run(connection: Connection, statement: Prepared, **values: Any) -> Sequence[Row]:
    """Run a statement that posts transfers, and return its rows; see `post_chain` for errors."""
    try:
        return statement.run(connection, **values)
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise refused from error


def refusal(error: BaseException) -> LedgerError | None:
    """The error for a posting that the database refused; None if it failed for another reason."""
    cause = error.orig if isinstance(error, IntegrityError) else error
    if type(cause).__name__ not in (
        "IntegrityError",
        "CheckViolation",
        "UniqueViolation",
        "ForeignKeyViolation",
    ):
        return None
    text = " ".join(str(cause).split())
    rule = text.partition("ledger: ")[2].partition(" CONTEXT:")[0] or _constraint(text)
    return LedgerError(f"the ledger refuses the posting: {rule}", "nothing was posted; correct the request")


_REFUSALS = ("IntegrityError", "CheckViolation", "UniqueViolation", "ForeignKeyViolation")
"""Classes of the drivers: that of SQLite, and those of psycopg, which may not be installed."""


def _constraint(text: str) -> str:
    """The rule of a constraint by a part of its name."""
    rules = {
        "ledger_accounts_minimum": "the account would go below its minimum",
        "ledger_accounts_pending": "the hold is resolved already",
        "hold_id": "the hold is resolved already",
        "ledger_transfers_amount": "the amount is not above nought",
        "ledger_transfers_maximum": "the amount is too large",
        "ledger_transfers_accounts": "both accounts are the same",
        "ledger_transfers.id": "the transfer is there already",
        "pk_ledger_transfers": "the transfer is there already",
        "FOREIGN KEY": "an account is missing",
        "foreign key": "an account is missing",
    }
    return next((rule for part, rule in rules.items() if part in text), text)


def _check_same(before: dict[str, Transfer], transfers: Sequence[Transfer]) -> None:
    same = len(before) == len(transfers) and all(
        entry.id in before and entry.same_intent(before[entry.id]) for entry in transfers
    )
    if not same:
        name = transfers[0].chain
        remedy = "use another id for another posting"
        raise LedgerError(f"the ledger has other transfers under the id {name!r}", remedy)


def _transfer(row: Sequence[Any]) -> Transfer:
    values = dict(zip(_NAMES, row, strict=True))
    return Transfer(**{**values, "kind": Kind(values["kind"])})
