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
_VALUE = re.compile(r"(?<!:):(\w+)")


class Prepared:
    """A statement that the database's driver runs without SQLAlchemy.

    The time that a transaction holds SQLite's only write lock, or on PostgreSQL the lock on claims, limits
    how many jobs a second go through the queue, and much of that time would be SQLAlchemy's: for a small
    statement it takes several times longer than SQLite itself.
    """

    def __init__(
        self,
        sql: str,
        *,
        json_values: Collection[str] = (),
        columns: Iterable[sa.Column[Any]] = (),
        postgresql: str = "",
    ) -> None:
        """
        Args:
            sql: with `:name` for each value. Clauses that lock rows are left out for SQLite, which has one
                writer at a time.
            json_values: names of the values that are JSON.
            columns: what the rows consist of; needed if one of them is JSON.
            postgresql: the same for PostgreSQL, if it has to be written in another way there.
        """
        self.json_values = json_values
        columns = tuple(columns)
        self.columns = tuple(str(column.key) for column in columns)
        self._json_columns = [n for n, column in enumerate(columns) if isinstance(column.type, sa.JSON)]
        self._sqlite = _ROW_LOCK.sub("", sql)
        self._postgresql = _VALUE.sub(r"%(\1)s", (postgresql or sql).replace("%", "%%"))

    def run(self, connection: Connection, **values: Any) -> Sequence[Row]:
        """Run it with these values, and return the rows that it gives, if any."""
        for name in self.json_values:
            values[name] = json.dumps(values[name])
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name != "sqlite":
            cursor = driver.execute(self._postgresql, values)
            return cursor.fetchall() if cursor.description else []  # JSON is decoded
        rows: list[Row] = driver.execute(self._sqlite, values).fetchall()
        return [self._decoded(row) for row in rows] if self._json_columns else rows

    def _decoded(self, row: Row) -> Row:
        values = list(row)
        for number in self._json_columns:
            if values[number] is not None:
                values[number] = json.loads(values[number])
        return values
