"""Who acts: a member, the owner of a project by a one-time link, or a program with an API key."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.rows import first_row
from hinode.records.tables import sessions, users

OPERATOR = "operator"
"""Who acts by the command line of the server."""
CLOCK = "clock"
"""What acts when a time is over."""


@dataclass(frozen=True)
class Person:
    """Somebody who acts in a project.

    Attributes:
        id: of the member or of the API key; of the project for its owner by a one-time link, whose sessions
            have no member.
        project_id: the project.
        email: address of the member in lower case, or None.
        manages: whether the person may manage the project.
    """

    id: str
    project_id: str
    email: str | None = None
    manages: bool = False

    def is_named(self, names: Collection[str]) -> bool:
        """Whether a list of ids and addresses names this person, or the project."""
        return bool({self.id, self.project_id, self.email} & set(names))


def person_of(connection: Connection, project_id: str, key_id: str | None) -> Person:
    """Who a request of a project comes from; `key_id` is that of its API key or session, if it has one."""
    query = sa.select(sessions.c.user_id, users.c.email)
    query = query.join_from(sessions, users, users.c.id == sessions.c.user_id, isouter=True)
    row = first_row(connection, query.where(sessions.c.id == key_id)) if key_id else None
    if row is None:
        return Person(key_id or project_id, project_id)
    return Person(row["user_id"] or project_id, project_id, row["email"])


def named(connection: Connection, project_id: str, person_id: str) -> Person:
    """The person with an id, who acts in a project."""
    query = sa.select(users.c.email).where(users.c.id == person_id)
    return Person(person_id, project_id, connection.scalar(query))
