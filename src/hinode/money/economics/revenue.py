"""Revenue of a period from the ledger, in the moment at which credit turns into clips.

Credit that was bought is revenue when it is captured, and when it expires. A refund of a clip and a payment
that a bank took back after it was spent are revenue below 0. Credit that was granted is no revenue: what was
captured of it is a figure of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.money.amounts import MICRO
from hinode.money.economics.records import Payment
from hinode.money.ledger.accounts import Kind, operator_account
from hinode.money.pricing import CURRENCY
from hinode.records.tables import ledger_transfers


@dataclass(frozen=True)
class Revenue:
    """What a period brought in.

    Attributes:
        payments: in the order of their time.
        granted: USD of granted credit that clips have cost, less what was given back.
    """

    payments: Sequence[Payment] = ()
    granted: float = 0.0


def read(connection: Connection, since: float, until: float) -> Revenue:
    """The revenue from `since` until `until`, in seconds since 1970."""
    table = ledger_transfers
    revenue, paid, given, expired, losses = (
        operator_account(kind, CURRENCY)
        for kind in (Kind.REVENUE, Kind.PAYMENTS, Kind.GRANTS, Kind.EXPIRED, Kind.LOSSES)
    )
    first = table.alias("first")  # the posting that a lot was filled with

    def moves(sign: int, lot: str | None, *conditions: sa.ColumnElement[bool]) -> sa.Select[tuple[object]]:
        columns = (table.c.project_id, table.c.job_id, table.c.at, (sign * table.c.amount).label("amount"))
        within = (table.c.at >= since, table.c.at < until, *conditions)
        if lot is None:
            return sa.select(*columns, table.c.credit_id.label("source")).where(*within)
        filled = sa.and_(
            first.c.credit_id == table.c[lot], first.c.kind == "post", first.c.debit_id.in_((paid, given))
        )
        return sa.select(*columns, first.c.debit_id.label("source")).join(first, filled).where(*within)

    query = sa.union_all(
        moves(1, "debit_id", table.c.kind == "capture", table.c.credit_id == revenue),
        moves(-1, "credit_id", table.c.kind == "reversal", table.c.debit_id == revenue),
        moves(1, "debit_id", table.c.kind == "post", table.c.credit_id == expired),
        moves(-1, None, table.c.kind == "post", table.c.debit_id == losses),
    )
    payments, granted = [], 0
    for row in connection.execute(query.order_by("at")):
        if row.source == paid:
            payments.append(Payment(row.project_id, row.at, row.amount / MICRO, row.job_id or ""))
        elif row.job_id is not None:
            granted += row.amount
    return Revenue(payments, granted / MICRO)
