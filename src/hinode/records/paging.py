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
    by: sa.ColumnElement[Any] | None = None,
    skip: int = 0,
) -> tuple[Sequence[sa.RowMapping], bool]:
    """The rows of one page, and whether there are more behind them.

    Args:
        connection: in a transaction.
        query: selects all entries, with a column `id`.
        owner: which entries belong to the list, deleted ones among them.
        kind: of the entries, for the error.
        after: start behind the entry with this id; None for the beginning.
        limit: maximum number of rows.
        descending: newest first, or the greatest first.
        by: sorts the entries before their id does, if given.
        skip: leave out this many rows first, so that any place of a long list is one request away.

    Raises:
        BadInput: the list has no entry `after`.
    """
    column = query.selected_columns["id"]
    keys = (column,) if by is None else (by, column)
    if after is not None:
        # A deleted entry is still a place in the list, so that deleting while paging works.
        place = connection.execute(sa.select(*keys).where(column == after, owner)).first()
        if place is None:
            raise BadInput(f"there is no {kind} {quote(after)}", "give an id of this list", field="after")
        key, value = sa.tuple_(*keys), sa.tuple_(*place)
        query = query.where(key < value if descending else key > value)
    query = query.order_by(*(key.desc() if descending else key for key in keys))
    query = query.offset(skip).limit(limit + 1) if skip else query.limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    return rows[:limit], len(rows) > limit
