"""SQL statements for the transactions that every job takes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Row = Sequence[Any]

_ROW_LOCK = re.compile(r"FOR (NO KEY )?UPDATE( SKIP LOCKED)?")


class Prepared:
    """A statement that SQLite's driver runs without SQLAlchemy.

    The time that a transaction holds SQLite's only write lock limits how many jobs a second go through the
    queue, and most of that time would be SQLAlchemy's: it takes several times longer for a small statement
    than SQLite itself. On PostgreSQL, where transactions run side by side, SQLAlchemy runs the statement.
    """

    def __init__(
        self, sql: str, *, json_values: Collection[str] = (), columns: Iterable[sa.Column[Any]] = ()
    ) -> None:
        """
        Args:
            sql: for both databases, with `:name` for each value. Clauses that lock rows are left out for
                SQLite, which has one writer at a time.
            json_values: names of the values that are JSON.
            columns: what the rows consist of; needed if one of them is JSON.
        """
        self.json_values = json_values
        columns = tuple(columns)
        self.columns = tuple(str(column.key) for column in columns)
        self._json_columns = [n for n, column in enumerate(columns) if isinstance(column.type, sa.JSON)]
        self._sqlite = _ROW_LOCK.sub("", sql)
        self._postgresql = sa.text(sql).bindparams(
            *(sa.bindparam(name, type_=sa.JSON) for name in json_values)
        )

    def run(self, connection: Connection, **values: Any) -> Sequence[Row]:
        """Run it with these values, and return the rows that it gives, if any."""
        if connection.dialect.name != "sqlite":
            result = connection.execute(self._postgresql, values)
            return result.all() if result.returns_rows else ()
        for name in self.json_values:
            values[name] = json.dumps(values[name])
        driver: Any = connection.connection.driver_connection
        rows: list[Row] = driver.execute(self._sqlite, values).fetchall()
        return [self._decoded(row) for row in rows] if self._json_columns else rows

    def _decoded(self, row: Row) -> Row:
        values = list(row)
        for number in self._json_columns:
            if values[number] is not None:
                values[number] = json.loads(values[number])
        return values
