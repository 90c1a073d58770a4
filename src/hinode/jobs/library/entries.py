"""The entries of a library: lists with search and filters, and changes of what people say about a video."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs.batches.lines import is_text
from hinode.jobs.library import filters, rows, storage
from hinode.jobs.library.entry import (
    MAX_NOTES_LENGTH,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    MAX_TITLE_LENGTH,
    Change,
    Entry,
    Filter,
    StaleRevision,
    check_ids,
)
from hinode.jobs.library.words import tag_key
from hinode.jobs.rows import read_job
from hinode.jobs.states import Status
from hinode.records import hints, ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import count_rows
from hinode.records.tables import artifacts, collection_items, collections, jobs, library, library_tags

MAX_LARGEST = 20

ENTRIES = sa.select(
    jobs,
    library.c.title,
    sa.func.coalesce(library.c.notes, "").label("notes"),
    sa.func.coalesce(library.c.favourite, sa.false()).label("favourite"),
    sa.func.coalesce(library.c.published, sa.false()).label("published"),
    sa.func.coalesce(library.c.revision, 1).label("revision"),
).join_from(jobs, library, library.c.job_id == jobs.c.id, isouter=True)


class Library:
    """The entries in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock
        self._filled = ""  # id up to which every job has a row

    def page(
        self,
        project_id: str,
        which: Filter,
        *,
        order: str = "newest",
        after: str | None,
        limit: int,
        skip: int = 0,
    ) -> tuple[list[Entry], bool, int]:
        """Entries of a project, whether there are more, and how many there are in all; see `page_of`.

        Raises:
            Missing: there is no such collection or parent.
            BadInput: the project has no video `after`.
        """
        now = self.clock()
        conditions = filters.conditions(project_id, which, now)
        owner = jobs.c.project_id == project_id
        by = jobs.c.seconds if order == "longest" else None
        with self.database.read() as connection:
            filters.check(connection, project_id, which)
            query = ENTRIES.where(*conditions)
            page, more = page_of(connection, query, owner, "video", after, limit, order != "oldest", by, skip)
            total = count_rows(connection, *conditions)
            return _read(connection, page, now), more, total

    def trash(self, project_id: str, *, after: str | None, limit: int) -> tuple[list[Entry], bool, int]:
        """Entries of a project in the trash, the last one first, as `page` gives them."""
        owner = jobs.c.project_id == project_id
        conditions = (owner, jobs.c.deleted_at.is_(None), jobs.c.trashed_at.is_not(None))
        with self.database.read() as connection:
            query = ENTRIES.where(*conditions)
            page, more = page_of(connection, query, owner, "video", after, limit, True, jobs.c.trashed_at)
            total = count_rows(connection, *conditions)
            return _read(connection, page, self.clock()), more, total

    def get(self, project_id: str, job_id: str) -> Entry | None:
        """An entry of a project, in the trash or not, or None if there is none."""
        with self.database.read() as connection:
            return next(iter(self._entries(connection, project_id, [job_id])), None)

    def change(self, project_id: str, job_id: str, change: Change) -> Entry | None:
        """Change an entry; returns it, or None if there is none.

        Raises:
            StaleRevision: it was changed since the client read it.
            Missing: a collection does not exist.
            BadInput: a value is wrong.
        """
        values = _checked(change)
        now = self.clock()
        with self.database.write() as connection:
            query = sa.select(jobs.c.id).where(
                jobs.c.id == job_id, jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None)
            )
            if connection.scalar(query.with_for_update()) is None:
                return None
            rows.ensure(connection, [job_id], now)
            current = connection.scalar(sa.select(library.c.revision).where(library.c.job_id == job_id)) or 1
            if change.revision is not None and change.revision != current:
                raise StaleRevision("entry", change.revision, current)
            if change.tags is not None:
                _write_tags(connection, project_id, job_id, _tags(change.tags))
            if change.collections is not None:
                _write_collections(connection, project_id, job_id, change.collections)
            rows.touch(connection, [job_id], now, **values)
            hints.note(connection, project_id)
            if "title" in values or change.tags is not None:
                rows.write_words(connection, job_id)
            return self._entries(connection, project_id, [job_id])[0]

    def tags(self, project_id: str) -> list[tuple[str, int]]:
        """The tags of a project in alphabetical order, each with the number of its videos."""
        query = sa.select(sa.func.min(library_tags.c.tag), sa.func.count()).join_from(
            library_tags, jobs, jobs.c.id == library_tags.c.job_id
        )
        conditions = (jobs.c.deleted_at.is_(None), jobs.c.trashed_at.is_(None))
        query = query.where(library_tags.c.project_id == project_id, *conditions)
        with self.database.read() as connection:
            counts = connection.execute(query.group_by(library_tags.c.key).order_by(library_tags.c.key))
            return [(row[0], row[1]) for row in counts]

    def usage(self, project_id: str) -> tuple[storage.Usage, list[Entry]]:
        """What a project takes, and the entries that take the most."""
        with self.database.read() as connection:
            job_ids = storage.rank_videos(connection, project_id, MAX_LARGEST)
            by_id = {entry.id: entry for entry in self._entries(connection, project_id, job_ids)}
            return storage.usage(connection, project_id), [by_id[job_id] for job_id in job_ids]

    def fill(self) -> int:
        """Add rows for jobs that an earlier version made; returns how many transactions that took."""
        count = 0
        while True:
            with self.database.write() as connection:
                last = rows.fill(connection, self._filled, self.clock())
            if last is None:
                break
            self._filled = last
            count += 1
        # A process of an earlier version may still add jobs, whose ids are those of the present.
        self._filled = f"video_{max(0, int((self.clock() - 3600.0) * 1000)):012x}"
        return count

    def _entries(self, connection: Connection, project_id: str, job_ids: Sequence[str]) -> list[Entry]:
        query = ENTRIES.where(
            jobs.c.id.in_(job_ids), jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None)
        )
        return _read(connection, connection.execute(query).mappings().all(), self.clock())


def _read(connection: Connection, entry_rows: Sequence[sa.RowMapping], now: float) -> list[Entry]:
    """The entries in rows of `ENTRIES`."""
    names = [row["id"] for row in entry_rows]
    tags = _grouped(
        connection,
        sa.select(library_tags.c.job_id, library_tags.c.tag)
        .where(library_tags.c.job_id.in_(names))
        .order_by(library_tags.c.key),
    )
    groups = _grouped(
        connection,
        sa.select(collection_items.c.job_id, collection_items.c.collection_id)
        .join(collections, collections.c.id == collection_items.c.collection_id)
        .where(collection_items.c.job_id.in_(names), collections.c.deleted_at.is_(None))
        .order_by(collection_items.c.collection_id),
    )
    sizes = _grouped(
        connection,
        sa.select(artifacts.c.job_id, sa.func.sum(artifacts.c.bytes))
        .where(artifacts.c.job_id.in_(names), artifacts.c.role.in_(storage.OUTPUTS))
        .group_by(artifacts.c.job_id),
    )
    return [_entry(row, now, tags, groups, sizes) for row in entry_rows]


def _entry(row: sa.RowMapping, now: float, *parts: Mapping[str, list[Any]]) -> Entry:
    job = read_job(row)
    tags, groups, sizes = (part.get(job.id, []) for part in parts)
    expired = job.status is Status.EXPIRED or (job.expires_at is not None and job.expires_at <= now)
    return Entry(
        job,
        title=row["title"],
        notes=row["notes"],
        favourite=bool(row["favourite"]),
        published=bool(row["published"]),
        tags=tuple(tags),
        collections=tuple(groups),
        bytes=int(sum(sizes)),
        revision=row["revision"],
        trashed_at=row["trashed_at"],
        expired=expired,
    )


def _grouped(connection: Connection, query: sa.Select[Any]) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for name, value in connection.execute(query):
        result.setdefault(name, []).append(value)
    return result


def _checked(change: Change) -> dict[str, Any]:
    """The new values of columns."""
    values: dict[str, Any] = {}
    if change.title is not None:
        text = change.title.strip()
        values["title"] = ids.parse_name(text, MAX_TITLE_LENGTH, "title") if text else None
    if change.notes is not None:
        if len(change.notes) > MAX_NOTES_LENGTH or not is_text(change.notes):
            message = f"notes has {len(change.notes):,} characters, or some that are no text"
            raise BadInput(message, f"give text of at most {MAX_NOTES_LENGTH:,}", field="notes")
        values["notes"] = change.notes.strip()
    if change.favourite is not None:
        values["favourite"] = change.favourite
    return values


def _tags(tags: Sequence[str]) -> dict[str, str]:
    """Tags by their key, each once: the way in which it is written first."""
    result: dict[str, str] = {}
    for tag in tags:
        text = ids.parse_name(tag, MAX_TAG_LENGTH, "tags", "tag")
        result.setdefault(tag_key(text), text)
    if len(result) > MAX_TAGS:
        raise BadInput(f"tags has {len(result)} entries", f"give at most {MAX_TAGS}", field="tags")
    return result


def _write_tags(connection: Connection, project_id: str, job_id: str, tags: Mapping[str, str]) -> None:
    connection.execute(library_tags.delete().where(library_tags.c.job_id == job_id))
    owner = {"job_id": job_id, "project_id": project_id}
    if tags:
        connection.execute(
            library_tags.insert(), [{**owner, "key": key, "tag": tag} for key, tag in tags.items()]
        )


def _write_collections(connection: Connection, project_id: str, job_id: str, names: Sequence[str]) -> None:
    check_ids(names, filters.collections_of(connection, project_id, names), "collection", "collections")
    connection.execute(collection_items.delete().where(collection_items.c.job_id == job_id))
    if names:
        items = [{"collection_id": name, "job_id": job_id} for name in dict.fromkeys(names)]
        connection.execute(collection_items.insert(), items)
