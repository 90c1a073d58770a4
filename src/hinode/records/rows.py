"""Rows as values: the first row of a query, and a row as a dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

T = TypeVar("T")


def first_row(connection: Connection, query: sa.Executable, **values: Any) -> sa.RowMapping | None:
    """The first row of a query, by names of columns; None if there is none.

    Args:
        connection: in a transaction.
        query: any statement that returns rows.
        values: of the query's bound parameters.
    """
    return connection.execute(query, values).mappings().first()


def count_rows(connection: Connection, *conditions: sa.ColumnElement[bool]) -> int:
    """The number of rows, of the table that the conditions are about, that meet them all."""
    return connection.scalar(sa.select(sa.func.count()).where(*conditions)) or 0


def from_row(cls: type[T], row: Mapping[str, Any] | sa.RowMapping, **values: Any) -> T:
    """The dataclass `cls` with the columns of a row that have the names of its fields.

    Args:
        cls: the dataclass.
        row: may have more columns than the dataclass has fields.
        values: fields that do not stand in the row as they are.
    """
    names = [field.name for field in dataclasses.fields(cls) if field.name not in values]  # type: ignore[arg-type]
    return cls(**{name: row[name] for name in names}, **values)
