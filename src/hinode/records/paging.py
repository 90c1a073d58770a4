"""Pages of lists whose entries sort by their id, which is the order of their creation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote


def page_of(
    connection: Connection,
    query: sa.Select[Any],
    owner: sa.ColumnElement[bool],
    kind: str,
    after: str | None,
    limit: int,
    descending: bool,
) -> tuple[Sequence[sa.RowMapping], bool]:
    """The rows of one page, and whether there are more behind them.

    Args:
        connection: in a transaction.
        query: selects all entries, with a column `id`.
        owner: which entries belong to the list, deleted ones among them.
        kind: of the entries, for the error.
        after: start behind the entry with this id; None for the beginning.
        limit: maximum number of rows.
        descending: newest first.

    Raises:
        BadInput: the list has no entry `after`.
    """
    column = query.selected_columns["id"]
    if after is not None:
        # A deleted entry is still a place in the list, so that deleting while paging works.
        if connection.scalar(sa.select(column).where(column == after, owner)) is None:
            raise BadInput(f"there is no {kind} {quote(after)}", "give an id of this list", field="after")
        query = query.where(column < after if descending else column > after)
    query = query.order_by(column.desc() if descending else column).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    return rows[:limit], len(rows) > limit
