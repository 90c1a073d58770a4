"""The deletion of a project with everything that belongs to it.

It begins with one transaction, after which nobody can use the project, and goes on in short ones. A deletion
that was interrupted is taken up again by the next call. What is withheld as evidence of a notice stays until
appeals have ended. Of the project itself its id remains, to which the log of decisions refers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs.files.objects import Objects
from hinode.jobs.rights.consents import Consents
from hinode.jobs.rights.enforcement import Action, act
from hinode.jobs.states import FINAL
from hinode.jobs.tenants.ownership import TOMBSTONE, conditions
from hinode.records.database import Database
from hinode.records.tables import (
    api_keys,
    consents,
    jobs,
    projects,
    sessions,
    users,
    withheld,
    withheld_entries,
    withheld_files,
)
from hinode.rights import events

BATCH_ROWS = 500


@dataclass(frozen=True)
class Erased:
    """What a deletion removed: rows, and ids of videos that stay as evidence until appeals have ended."""

    rows: int
    exhibits: tuple[str, ...]


def erase(
    database: Database,
    objects: Objects,
    people: Consents,
    project_id: str,
    actor: str,
    clock: Callable[[], float],
) -> Erased:
    """Delete a project, or go on with a deletion that was interrupted.

    Args:
        people: the consents of the server: those of the project are revoked first.
        actor: id of who deletes it, or `rights.people.OPERATOR`.

    Raises:
        BadInput: it is the first project, which is the operator's.
    """
    with database.write() as connection:
        _close(connection, project_id, actor, clock())
    with database.read() as connection:
        active = consents.c.project_id == project_id, consents.c.revoked_at.is_(None)
        names = list(connection.scalars(sa.select(consents.c.id).where(*active)))
    for name in names:
        people.revoke(name, None, actor)
    open_jobs = sa.select(jobs.c.id).where(jobs.c.project_id == project_id, jobs.c.status.not_in(FINAL))
    with database.write() as connection:
        stopped = act(connection, Action.STOP, list(connection.scalars(open_jobs)), project_id, clock())
    for job_id in stopped:
        objects.delete_preview(job_id)
    exhibits = evidence(database, jobs.c.project_id == project_id)
    with database.write() as connection:
        mine = sa.select(withheld.c.entry_id).where(withheld.c.project_id == project_id)
        drop_withheld(connection, mine, exhibits)
    count = sum(
        delete_rows(database, table, condition, exhibits)
        for table, condition in conditions(project_id).items()
    )
    return Erased(count, tuple(sorted(exhibits)))


def unfinished(database: Database) -> list[str]:
    """The ids of deleted projects that still have videos: their deletion was interrupted, or they were
    evidence."""
    left = sa.exists().where(jobs.c.project_id == projects.c.id)
    query = sa.select(projects.c.id).where(projects.c.deleted_at.is_not(None), left)
    with database.read() as connection:
        return list(connection.scalars(query))


def _close(connection: Connection, project_id: str, actor: str, now: float) -> None:
    if connection.scalar(sa.select(projects.c.id).order_by(projects.c.id).limit(1)) == project_id:
        message = "the first project is the operator's, and the server needs it"
        raise BadInput(message, "delete another one, or the whole home", field="project")
    mine = projects.c.id == project_id, projects.c.deleted_at.is_(None)
    values = {"deleted_at": now, "name": f"deleted {project_id}", "feed_enabled": False, "paused_at": now}
    if connection.execute(projects.update().where(*mine).values(**values)).rowcount:
        events.record(connection, "project.deleted", project_id, actor, now)
    keys = api_keys.update().where(api_keys.c.project_id == project_id, api_keys.c.revoked_at.is_(None))
    connection.execute(keys.values(revoked_at=now))
    ended = sessions.update().where(sessions.c.project_id == project_id, sessions.c.ended_at.is_(None))
    connection.execute(ended.values(ended_at=now))
    gone = users.update().where(users.c.project_id == project_id, users.c.deleted_at.is_(None))
    connection.execute(gone.values(deleted_at=now))


def evidence(database: Database, condition: sa.ColumnElement[bool]) -> set[str]:
    """The videos that meet a condition and are evidence of a notice. What a consent withholds is none."""
    by_notice = withheld.c.entry_id == jobs.c.id, withheld.c.cause_id.startswith("takedown_", autoescape=True)
    query = sa.select(jobs.c.id).join(withheld_entries, withheld_entries.c.entry_id == jobs.c.id)
    query = query.where(condition, sa.exists().where(*by_notice))
    with database.read() as connection:
        return set(connection.scalars(query))


def drop_withheld(connection: Connection, entries: sa.Select[Any], exhibits: set[str]) -> None:
    """Forget the files of entries that were put aside, but those of videos that are evidence."""
    for table in (withheld_files, withheld_entries):
        theirs = table.c.entry_id.in_(entries), table.c.entry_id.not_in(exhibits)
        connection.execute(table.delete().where(*theirs))


def delete_rows(
    database: Database, table: sa.Table, condition: sa.ColumnElement[bool], exhibits: set[str]
) -> int:
    """Delete rows in short transactions, but those of videos that are evidence, whose files are aside."""
    if table.name == TOMBSTONE:
        return 0
    if table is jobs and exhibits:
        condition = sa.and_(condition, jobs.c.id.not_in(exhibits))
    key = list(table.primary_key.columns)
    total = 0
    while True:
        with database.write() as connection:
            rows = connection.execute(sa.select(*key).where(condition).limit(BATCH_ROWS)).all()
            if not rows:
                return total
            chosen = sa.tuple_(*key).in_([tuple(row) for row in rows])
            total += connection.execute(table.delete().where(chosen)).rowcount
