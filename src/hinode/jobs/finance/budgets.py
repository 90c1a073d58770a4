"""Every budget with the name of what it is for; set and removed by the operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.money import budgets
from hinode.money.budgets import WHOLE, Budget, Period, Scope
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.tables import api_keys, organisations, projects, users

_TABLES = {
    Scope.KEY: (api_keys, api_keys.c.name, api_keys.c.revoked_at),
    Scope.USER: (users, users.c.email, users.c.deleted_at),
    Scope.PROJECT: (projects, projects.c.name, projects.c.deleted_at),
    Scope.ORGANISATION: (organisations, organisations.c.name, None),
}
"""Of each scope with subjects that are recorded: its table, the column with their names, and the one that is
null while they are there."""


@dataclass(frozen=True)
class Entry:
    """A budget, and the name of its subject; "" if it has none, or it is gone."""

    budget: Budget
    name: str


class BudgetEditor:
    """The budgets of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self._clock = clock

    def every(self) -> list[Entry]:
        """All budgets, with what is charged to their present windows, by scope and subject."""
        with self._database.read() as connection:
            return _named(connection, budgets.every(connection, self._clock()))

    def of_project(self, project_id: str) -> list[Entry]:
        """The budgets of a project, its organisation, its keys and its people."""
        owner = sa.select(projects.c.organisation_id).where(projects.c.id == project_id)
        keys = sa.select(api_keys.c.id).where(
            api_keys.c.project_id == project_id, api_keys.c.revoked_at.is_(None)
        )
        people = sa.select(users.c.id).where(users.c.project_id == project_id, users.c.deleted_at.is_(None))
        subjects: dict[Scope, Sequence[str] | sa.Select[Any]] = {
            Scope.PROJECT: [project_id],
            Scope.ORGANISATION: owner,
            Scope.KEY: keys,
            Scope.USER: people,
        }
        with self._database.read() as connection:
            return _named(connection, budgets.of_subjects(connection, subjects, self._clock()))

    def put(self, scope: Scope, subject: str, period: Period, *, soft: int | None, hard: int | None) -> None:
        """Set a budget, in the place of the one of the same scope, subject and period.

        Args:
            subject: id of a key, person or organisation; name or id of a project; "engine/model"; "" for the
                installation and for free use.

        Raises:
            BadInput: there is no such subject, or as for `budgets.put`.
        """
        now = self._clock()
        with self._database.write() as connection:
            found = _find(connection, scope, subject) if subject else subject
            budget_id = ids.make("budget_", now)
            budgets.put(connection, budget_id, scope, found, period, soft=soft, hard=hard, now=now)

    def remove(self, budget_id: str) -> None:
        """Remove a budget; what it limited is free of it at once. Raises BadInput if there is none."""
        with self._database.write() as connection:
            budgets.remove(connection, budget_id)


def _named(connection: Connection, entries: Sequence[Budget]) -> list[Entry]:
    names = {
        (scope, row.id): row.name
        for scope, (table, name, _) in _TABLES.items()
        for row in connection.execute(
            sa.select(table.c.id, name.label("name")).where(
                table.c.id.in_([entry.subject for entry in entries if entry.scope is scope])
            )
        )
    }
    return [Entry(entry, names.get((entry.scope, entry.subject), entry.subject)) for entry in entries]


def _find(connection: Connection, scope: Scope, text: str) -> str:
    """The id of a subject."""
    if scope in WHOLE:
        return text  # which `budgets.put` refuses
    if scope is Scope.MODEL:
        if "/" not in text.strip("/"):
            raise BadInput(f"{quote(text)} is no model", "write engine/model", field="subject")
        return text
    table, name, end = _TABLES[scope]
    present = sa.true() if end is None else end.is_(None)
    named = sa.or_(table.c.id == text, name == text)
    rows = connection.scalars(sa.select(table.c.id).where(named, present).limit(2)).all()
    if len(rows) == 1:
        return str(rows[0])
    if rows:
        raise BadInput(f"there are several of the name {quote(text)}", "give the id", field="subject")
    raise BadInput(f"there is no {scope} {quote(text)}", "give its id or its name", field="subject")
