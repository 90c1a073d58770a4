"""The trash: videos in it are in no list, and are deleted a day later unless they are restored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import quote
from hinode.jobs.job import Unfinished
from hinode.jobs.library import rows
from hinode.jobs.library.entry import TRASH_SECONDS, check_ids
from hinode.jobs.states import FINAL
from hinode.records import hints
from hinode.records.database import Database
from hinode.records.tables import artifacts, collection_items, jobs, library_tags


class Trash:
    """The trash of the projects in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def move(self, project_id: str, ids: Sequence[str]) -> None:
        """Move ended videos into the trash, all of them or none; one that is there already stays.

        Raises:
            Missing: the project has no video with one of the ids.
            Unfinished: one of them has not ended yet.
        """
        now = self.clock()
        with self.database.write() as connection:
            states = _lock(connection, project_id, ids)
            for job_id, (status, _) in states.items():
                if status not in FINAL:
                    message = f"video {quote(job_id)} is not finished yet"
                    raise Unfinished(message, "cancel it first, or wait until it is")
            _set(connection, [name for name, (_, at) in states.items() if at is None], now, trashed_at=now)
            hints.note(connection, project_id)

    def restore(self, project_id: str, ids: Sequence[str]) -> None:
        """Take videos out of the trash, all of them or none; one that is not there stays as it is.

        Raises:
            Missing: the project has no video with one of the ids.
        """
        now = self.clock()
        with self.database.write() as connection:
            states = _lock(connection, project_id, ids)
            trashed = [name for name, (_, at) in states.items() if at is not None]
            _set(connection, trashed, now, trashed_at=None)
            hints.note(connection, project_id)


def empty(connection: Connection, now: float, limit: int) -> list[str]:
    """Delete at most `limit` videos that have been in the trash for a day; returns their ids."""
    query = sa.select(jobs.c.id).where(jobs.c.trashed_at <= now - TRASH_SECONDS)
    over = list(connection.scalars(query.order_by(jobs.c.id).limit(limit).with_for_update(skip_locked=True)))
    forget(connection, over, now)
    return over


def forget(connection: Connection, ids: Sequence[str], now: float) -> None:
    """Delete videos: their files, and what people said about them."""
    if not ids:
        return
    connection.execute(jobs.update().where(jobs.c.id.in_(ids)).values(deleted_at=now, trashed_at=None))
    for table in (artifacts, library_tags, collection_items):
        connection.execute(table.delete().where(table.c.job_id.in_(ids)))
    rows.touch(connection, ids, now, title=None, notes="", words="", favourite=False, published=False)


def _lock(connection: Connection, project_id: str, ids: Sequence[str]) -> dict[str, tuple[str, float | None]]:
    """Status, and time of the move into the trash, of videos of a project, whose rows are locked."""
    query = sa.select(jobs.c.id, jobs.c.status, jobs.c.trashed_at).where(
        jobs.c.id.in_(ids), jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None)
    )
    job_rows = connection.execute(query.order_by(jobs.c.id).with_for_update())
    result = {row.id: (row.status, row.trashed_at) for row in job_rows}
    check_ids(ids, result)
    return result


def _set(connection: Connection, ids: Sequence[str], now: float, *, trashed_at: float | None) -> None:
    if ids:
        connection.execute(jobs.update().where(jobs.c.id.in_(ids)).values(trashed_at=trashed_at))
        rows.ensure(connection, ids, now)
        rows.touch(connection, ids, now)
