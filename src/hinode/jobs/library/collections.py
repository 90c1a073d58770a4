"""Collections: named groups of videos of a project."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from hinode.jobs.library import rows
from hinode.jobs.library.entry import MAX_COLLECTIONS, Collection, StaleRevision
from hinode.jobs.tenants.tenant import check_count
from hinode.records import hints, ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import collection_items, collections, jobs

MAX_NAME_LENGTH = 100


class Collections:
    """The collections in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def create(self, project_id: str, name: str) -> Collection:
        """Add a collection with a name of 1 to 100 characters.

        Raises:
            BadInput: the name is wrong, or there are too many collections.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        now = self.clock()
        collection = Collection(ids.make("coll_", now), project_id, name, now, revision=1)
        with self.database.write() as connection:
            what = "collections", "name"
            check_count(connection, project_id, MAX_COLLECTIONS, *what, *_of(project_id))
            values = {"id": collection.id, "project_id": project_id, "name": name}
            connection.execute(collections.insert().values(**values, created_at=now, changed_at=now))
            hints.note(connection, project_id)
        return collection

    def get(self, project_id: str, collection_id: str) -> Collection | None:
        """A collection of a project, or None if there is none."""
        with self.database.read() as connection:
            row = first_row(connection, _ROWS.where(*_of(project_id), collections.c.id == collection_id))
        return from_row(Collection, row) if row else None

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Collection], bool]:
        """Collections of a project in the order of creation, and whether there are more; see `page_of`."""
        owner, query = collections.c.project_id == project_id, _ROWS.where(*_of(project_id))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "collection", after, limit, descending)
        return [from_row(Collection, row) for row in rows], more

    def rename(
        self, project_id: str, collection_id: str, name: str, revision: int | None
    ) -> Collection | None:
        """Give a collection another name; returns it, or None if there is none.

        Raises:
            StaleRevision: it was changed since the client read `revision`.
            BadInput: the name is wrong.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        this = (*_of(project_id), collections.c.id == collection_id)
        with self.database.write() as connection:
            current = connection.scalar(sa.select(collections.c.revision).where(*this).with_for_update())
            if current is None:
                return None
            if revision is not None and revision != current:
                raise StaleRevision("collection", revision, current)
            update = collections.update().where(*this)
            connection.execute(update.values(name=name, revision=current + 1, changed_at=self.clock()))
            hints.note(connection, project_id)
        return self.get(project_id, collection_id)

    def delete(self, project_id: str, collection_id: str) -> bool:
        """Delete a collection, and return whether it was there; its videos stay."""
        now = self.clock()
        with self.database.write() as connection:
            this = (*_of(project_id), collections.c.id == collection_id)
            changes = {"deleted_at": now, "changed_at": now, "revision": collections.c.revision + 1}
            if not connection.execute(collections.update().where(*this).values(**changes)).rowcount:
                return False
            inside = collection_items.c.collection_id == collection_id
            rows.touch(connection, sa.select(collection_items.c.job_id).where(inside), now)
            connection.execute(collection_items.delete().where(inside))
            hints.note(connection, project_id)
        return True


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return collections.c.project_id == project_id, collections.c.deleted_at.is_(None)


_ROWS = sa.select(
    collections,
    sa.select(sa.func.count())
    .select_from(collection_items)
    .join(jobs, jobs.c.id == collection_items.c.job_id)
    .where(
        collection_items.c.collection_id == collections.c.id,
        jobs.c.trashed_at.is_(None),
        jobs.c.deleted_at.is_(None),  # it may be withheld
    )
    .correlate(collections)
    .scalar_subquery()
    .label("clips"),
)
