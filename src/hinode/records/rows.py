"""Rows as values: the first row of a query, and a row as a dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

T = TypeVar("T")


def first_row(connection: Connection, query: sa.Executable, **values: Any) -> sa.RowMapping | None:
    """The first row of a query with these bound parameters, by names of columns; None if there is none."""
    return connection.execute(query, values).mappings().first()


def only_row(connection: Connection, query: sa.Executable) -> sa.RowMapping:
    """The only row of a query, by names of columns."""
    return connection.execute(query).mappings().one()


def count_rows(connection: Connection, *conditions: sa.ColumnElement[bool]) -> int:
    """The number of rows, of the table that the conditions are about, that meet them all."""
    return connection.scalar(sa.select(sa.func.count()).where(*conditions)) or 0


def insert_into(connection: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insertion that can say what happens to a row that is there already (`on_conflict_…`)."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def from_row(cls: type[T], row: Mapping[str, Any] | sa.RowMapping, **values: Any) -> T:
    """The dataclass `cls` with the columns of a row that have the names of its fields.

    `values` are the fields that do not stand in the row as they are.
    """
    names = [field.name for field in dataclasses.fields(cls) if field.name not in values]  # type: ignore[arg-type]
    return cls(**{name: row[name] for name in names}, **values)
