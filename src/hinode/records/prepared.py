"""Statements that are compiled once, for the transactions that every job takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.compiler import SQLCompiler

Row = Sequence[Any]
Statement = sa.Select[Any] | sa.UpdateBase | sa.TextClause

_SQLITE = sqlite.dialect()


class Prepared:
    """A statement that SQLite's driver runs without SQLAlchemy.

    The time that a transaction holds SQLite's only write lock limits how many jobs a second go through the
    queue, and most of that time would be SQLAlchemy's: it takes several times longer for a small statement
    than SQLite itself. On PostgreSQL, where transactions run side by side, SQLAlchemy runs the statement.
    """

    def __init__(self, statement: Statement, postgresql: Statement | None = None) -> None:
        """
        Args:
            statement: with a bound parameter for each value that changes. An insert writes every column, null
                where no value is given.
            postgresql: the same for PostgreSQL, if it is another one there.
        """
        self.statement = statement if postgresql is None else postgresql
        compiled = statement.compile(dialect=_SQLITE)
        assert isinstance(compiled, SQLCompiler)
        self._sql = str(compiled)
        binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        self._parameters = [(bind.key, bind.value) for bind in binds]
        self._json_parameters = [bind.key for bind in binds if isinstance(bind.type, sa.JSON)]
        columns = () if isinstance(statement, sa.TextClause) else statement.exported_columns
        self.columns = tuple(str(column.key) for column in columns)
        self._json_columns = [
            number for number, column in enumerate(columns) if isinstance(column.type, sa.JSON)
        ]

    def run(self, connection: Connection, **values: Any) -> Sequence[Row]:
        """Run it with values for its bound parameters, and return the rows that it gives, if any."""
        if connection.dialect.name != "sqlite":
            result = connection.execute(self.statement, values)
            return result.all() if result.returns_rows else ()
        for key in self._json_parameters:
            values[key] = json.dumps(values[key])
        parameters = [values.get(key, default) for key, default in self._parameters]
        driver: Any = connection.connection.driver_connection
        rows: list[Row] = driver.execute(self._sql, parameters).fetchall()
        return [self._read_json(row) for row in rows] if self._json_columns else rows

    def _read_json(self, row: Row) -> Row:
        values = list(row)
        for number in self._json_columns:
            if values[number] is not None:
                values[number] = json.loads(values[number])
        return values
