"""Confirmations: that a project has the rights to the pictures and videos that it uploads."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.rows import first_row, insert_into
from hinode.records.tables import attestations
from hinode.rights import events

VERSION = 1
STATEMENT = (
    "The people who can be recognised in the pictures and videos that this project uploads have agreed to "
    "it, and the project holds the rights to them."
)
"""What is confirmed once for each project. Another text is another version, and has to be confirmed anew."""


def confirmed(connection: Connection, project_id: str) -> sa.RowMapping | None:
    """Who confirmed the present statement for a project, and when; None if nobody has."""
    mine = attestations.c.project_id == project_id, attestations.c.statement == VERSION
    return first_row(connection, sa.select(attestations).where(*mine))


def confirm(connection: Connection, project_id: str, person: str, now: float) -> None:
    """Enter that a person confirms the present statement; doing it again changes nothing."""
    values = {"project_id": project_id, "statement": VERSION, "person": person, "at": now}
    insert = insert_into(connection, attestations).values(**values).on_conflict_do_nothing()
    if connection.execute(insert).rowcount:
        events.record(connection, "rights.confirmed", project_id, person, now, {"statement": VERSION})
