"""Statements that are compiled once, for the transactions that every job takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
        self._binds = [(bind.key, bind.value, _to_driver(bind.type)) for bind in binds]
        columns = () if isinstance(statement, sa.TextClause) else statement.exported_columns
        self.columns: tuple[str, ...] = tuple(str(column.key) for column in columns)
        self._converters = [
            (index, convert)
            for index, column in enumerate(columns)
            if (convert := _from_driver(column.type)) is not None
        ]

    def run(self, connection: Connection, **values: Any) -> Sequence[Row]:
        """Run it with values for its bound parameters, and return the rows that it gives, if any."""
        if connection.dialect.name != "sqlite":
            result = connection.execute(self.statement, values)
            return result.all() if result.returns_rows else ()
        rows: list[Row] = _driver(connection).execute(self._sql, self._parameters(values)).fetchall()
        return [self._converted(row) for row in rows] if self._converters else rows

    def run_many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each of several mappings of values."""
        if connection.dialect.name != "sqlite":
            connection.execute(self.statement, list(rows))
        else:
            _driver(connection).executemany(self._sql, map(self._parameters, rows))

    def _parameters(self, values: Mapping[str, Any]) -> list[Any]:
        return [
            convert(values.get(key, default)) if convert else values.get(key, default)
            for key, default, convert in self._binds
        ]

    def _converted(self, row: Row) -> Row:
        values = list(row)
        for index, convert in self._converters:
            values[index] = convert(values[index])
        return values


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _to_driver(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any] | None:
    return type_.dialect_impl(_SQLITE).bind_processor(_SQLITE)


def _from_driver(type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any] | None:
    return type_.dialect_impl(_SQLITE).result_processor(_SQLITE, None)
