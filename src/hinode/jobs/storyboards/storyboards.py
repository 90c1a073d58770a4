"""The storyboards of a project, with the revision that each change is made to and the versions before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError, quote
from hinode.jobs.job import Job
from hinode.jobs.library.entry import TRASH_SECONDS
from hinode.jobs.rows import read_job
from hinode.jobs.storyboards.document import Document
from hinode.jobs.tenants.tenant import check_count
from hinode.parsing import parse
from hinode.records import hints, ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import jobs, storyboard_takes, storyboard_versions, storyboards

MAX_STORYBOARDS = 1000
MAX_VERSIONS = 200
"""Versions of a storyboard that are kept: every change makes one."""
MAX_TAKES = 100

FILM = ""
"""The shot of a take that is a film of all shots."""


class Stale(HinodeError):
    """The storyboard has changed since the revision that a change was made to."""

    code = "revision_conflict"
    exit_code = 2


@dataclass(frozen=True)
class Storyboard:
    """A row of `records.tables.storyboards`."""

    id: str
    project_id: str
    title: str
    revision: int
    document: Document
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class Version:
    """A storyboard as it was; a row of `records.tables.storyboard_versions`."""

    number: int
    title: str
    document: Document
    created_at: float


@dataclass(frozen=True)
class Take:
    """A video that a shot was rendered as, or a film, whose shot is `FILM`."""

    shot_id: str
    job: Job


Change = Callable[[Storyboard], Storyboard]


class Storyboards:
    """The storyboards in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def create(self, project_id: str, title: str, document: Document) -> Storyboard:
        """Add a storyboard, at revision 1.

        Raises:
            BadInput: there are too many.
        """
        now = self.clock()
        board = Storyboard(ids.make("board_", now), project_id, title, 1, document, now, now)
        with self.database.write() as connection:
            check_count(connection, project_id, MAX_STORYBOARDS, "storyboards", "title", *_of(project_id))
            values = {**vars(board), "document": document.to_values()}
            connection.execute(storyboards.insert().values(**values))
            _keep_version(connection, board)
            hints.note(connection, project_id)
        return board

    def get(self, project_id: str, storyboard_id: str) -> Storyboard | None:
        """A storyboard of a project, or None if there is none."""
        with self.database.read() as connection:
            return _read(connection, project_id, storyboard_id)

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Storyboard], bool]:
        """Storyboards of a project in the order of creation, and whether there are more; see `page_of`."""
        owner = storyboards.c.project_id == project_id
        query = sa.select(storyboards).where(*_of(project_id))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "storyboard", after, limit, descending)
        return [_storyboard(row) for row in rows], more

    def change(
        self, project_id: str, storyboard_id: str, revision: int | None, change: Change
    ) -> Storyboard | None:
        """Change the title or the document of a storyboard, whose revision grows, or return None if there is
        none. A change of nothing leaves the revision.

        Args:
            revision: the one that the change was made to; None for whichever it is now.
            change: gives the storyboard as it is to be.

        Raises:
            Stale: the storyboard has another revision by now.
        """
        now = self.clock()
        with self.database.write() as connection:
            board = _read(connection, project_id, storyboard_id, lock=True)
            if board is None:
                return None
            if revision is not None and revision != board.revision:
                message = f"the storyboard has changed: it is at revision {board.revision}, not {revision}"
                raise Stale(message, "read it again, and make the change to what it is now")
            changed = change(board)
            if (changed.title, changed.document) == (board.title, board.document):
                return board
            changed = replace(changed, revision=board.revision + 1, updated_at=now)
            update = storyboards.update().where(storyboards.c.id == storyboard_id)
            values: dict[str, Any] = {"title": changed.title, "document": changed.document.to_values()}
            values |= {"revision": changed.revision, "updated_at": now}
            connection.execute(update.values(**values))
            _keep_version(connection, changed)
            hints.note(connection, project_id)
            return changed

    def choose_take(
        self, project_id: str, storyboard_id: str, shot_id: str, video_id: str | None, revision: int | None
    ) -> Storyboard | None:
        """Let a video show a shot, or none; see `change`.

        Raises:
            BadInput: there is no such shot.
            Stale: as `change`.
        """
        values = {"video_id": video_id, "start": 0}
        return self.change(project_id, storyboard_id, revision, partial(_with_shot, shot_id, values))

    def delete(self, project_id: str, storyboard_id: str) -> bool:
        """Delete a storyboard, and return whether it was there; its videos stay, and for a day so does it."""
        with self.database.write() as connection:
            update = storyboards.update().where(storyboards.c.id == storyboard_id, *_of(project_id))
            hints.note(connection, project_id)
            return connection.execute(update.values(deleted_at=self.clock())).rowcount > 0

    def undelete(self, project_id: str, storyboard_id: str) -> Storyboard | None:
        """Bring a deleted storyboard back, or return None if there is none; one that is there stays as it is.

        Raises:
            BadInput: there are too many.
        """
        deleted = (
            storyboards.c.id == storyboard_id,
            storyboards.c.project_id == project_id,
            storyboards.c.deleted_at.is_not(None),
        )
        with self.database.write() as connection:
            if first_row(connection, sa.select(storyboards).where(*deleted)):
                check_count(connection, project_id, MAX_STORYBOARDS, "storyboards", "title", *_of(project_id))
                connection.execute(storyboards.update().where(*deleted).values(deleted_at=None))
                hints.note(connection, project_id)
            return _read(connection, project_id, storyboard_id)

    def remove_deleted(self) -> None:
        """Remove the storyboards that were deleted a day ago or earlier, with their versions."""
        with self.database.write() as connection:
            query = sa.select(storyboards.c.id).where(
                storyboards.c.deleted_at <= self.clock() - TRASH_SECONDS
            )
            over = list(connection.scalars(query.with_for_update(skip_locked=True)))
            for table, column in (
                (storyboard_versions, storyboard_versions.c.storyboard_id),
                (storyboard_takes, storyboard_takes.c.storyboard_id),
                (storyboards, storyboards.c.id),
            ):
                connection.execute(table.delete().where(column.in_(over)))

    # Versions

    def versions(self, project_id: str, storyboard_id: str) -> list[Version] | None:
        """The versions of a storyboard, the newest first, or None if there is no such storyboard."""
        table = storyboard_versions
        with self.database.read() as connection:
            if _read(connection, project_id, storyboard_id) is None:
                return None
            query = sa.select(table).where(table.c.storyboard_id == storyboard_id)
            rows = connection.execute(query.order_by(table.c.number.desc())).mappings()
            return [from_row(Version, row, document=_document(row)) for row in rows]

    def restore(self, project_id: str, storyboard_id: str, number: int) -> Storyboard | None:
        """Make a storyboard what it was at a version, as a new revision; None if there is no such storyboard.

        Raises:
            BadInput: it has no such version any more.
        """
        versions = self.versions(project_id, storyboard_id) or ()
        version = next((version for version in versions if version.number == number), None)
        if version is None:
            if self.get(project_id, storyboard_id) is None:
                return None
            message = f"the storyboard has no version {number}"
            raise BadInput(message, "choose one of its list of versions", field="number")

        def as_before(board: Storyboard) -> Storyboard:
            return replace(board, title=version.title, document=version.document)

        return self.change(project_id, storyboard_id, None, as_before)

    # Takes

    def add_takes(
        self, storyboard_id: str, shot_id: str, connection: Connection, job_ids: Sequence[str]
    ) -> None:
        """Note, in the caller's transaction, which jobs a shot is rendered by, or a film."""
        values = [
            {"storyboard_id": storyboard_id, "shot_id": shot_id, "job_id": job_id} for job_id in job_ids
        ]
        connection.execute(storyboard_takes.insert(), values)

    def takes(self, project_id: str, storyboard_id: str) -> list[Take]:
        """The newest `MAX_TAKES` takes that are not deleted, the newest first."""
        table = storyboard_takes
        query = sa.select(table.c.shot_id, jobs).join(jobs, jobs.c.id == table.c.job_id)
        query = query.where(
            table.c.storyboard_id == storyboard_id,
            jobs.c.project_id == project_id,
            jobs.c.deleted_at.is_(None),
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(jobs.c.id.desc()).limit(MAX_TAKES)).mappings()
            return [Take(row["shot_id"], read_job(row)) for row in rows]

    def naming(self, project_id: str, text: str, limit: int) -> list[Storyboard]:
        """Storyboards whose document has an id in it, the newest first, `limit` at most."""
        has = sa.cast(storyboards.c.document, sa.Text).contains(text, autoescape=True)
        query = sa.select(storyboards).where(has, *_of(project_id))
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(storyboards.c.id.desc()).limit(limit)).mappings()
            return [_storyboard(row) for row in rows]


def find_shot(document: Document, shot_id: str) -> int:
    """The place of a shot; BadInput if there is none."""
    index = document.index(shot_id)
    if index is None:
        raise BadInput(f"there is no shot {quote(shot_id, 80)}", "check its id", field="shot_id")
    return index


def _with_shot(shot_id: str, values: Mapping[str, Any], board: Storyboard) -> Storyboard:
    index = find_shot(board.document, shot_id)
    shots = list(board.document.shots)
    shots[index] = shots[index].model_copy(update=values)
    return replace(board, document=board.document.model_copy(update={"shots": tuple(shots)}))


def _read(
    connection: Connection, project_id: str, storyboard_id: str, *, lock: bool = False
) -> Storyboard | None:
    query = sa.select(storyboards).where(storyboards.c.id == storyboard_id, *_of(project_id))
    row = first_row(connection, query.with_for_update() if lock else query)
    return _storyboard(row) if row else None


def _storyboard(row: sa.RowMapping) -> Storyboard:
    return from_row(Storyboard, row, document=_document(row))


def _document(row: sa.RowMapping) -> Document:
    return parse(Document, row["document"], what="the storyboard")


def _keep_version(connection: Connection, board: Storyboard) -> None:
    table = storyboard_versions
    values = {"storyboard_id": board.id, "number": board.revision, "title": board.title}
    values |= {"document": board.document.to_values(), "created_at": board.updated_at}
    connection.execute(table.insert().values(**values))
    old = table.c.storyboard_id == board.id, table.c.number <= board.revision - MAX_VERSIONS
    connection.execute(table.delete().where(*old))


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return storyboards.c.project_id == project_id, storyboards.c.deleted_at.is_(None)
