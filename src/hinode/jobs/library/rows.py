"""The rows of the library: made together with their jobs, and later for jobs that have none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Draft
from hinode.jobs.library.words import searched
from hinode.records.rows import insert_into
from hinode.records.tables import jobs, library, library_tags, parents

FILL_ROWS = 500


def insert(connection: Connection, job_ids: Sequence[str], drafts: Sequence[Draft], now: float) -> None:
    """Add the rows of new jobs, and their parents."""
    entries, relations = [], []
    for job_id, draft in zip(job_ids, drafts, strict=True):
        entries.append(_row(job_id, draft.project_id, draft.request.prompt, now))
        sources = draft.parents or ((draft.source_id,) if draft.source_id else ())
        operation = draft.relation or draft.request.operation
        relations += [_relation(job_id, source, operation) for source in dict.fromkeys(sources)]
    connection.execute(library.insert(), entries)
    if relations:
        connection.execute(parents.insert(), relations)


def fill(connection: Connection, after: str, now: float) -> str | None:
    """Add the rows of jobs without one, with an id behind `after`, in a writing transaction.

    Such jobs were made by an earlier version. Returns: the last id, or None if there are no more.
    """
    without = ~sa.exists().where(library.c.job_id == jobs.c.id)
    query = sa.select(jobs.c.id, jobs.c.project_id, jobs.c.request, jobs.c.operation, jobs.c.source_id)
    query = query.where(jobs.c.id > after, without).order_by(jobs.c.id).limit(FILL_ROWS)
    rows = connection.execute(query).all()
    if not rows:
        return None
    _add(connection, library, [_row(row.id, row.project_id, row.request["prompt"], now) for row in rows])
    children = [row for row in rows if row.source_id]
    _add(connection, parents, [_relation(row.id, row.source_id, row.operation) for row in children])
    return str(rows[-1].id)


def ensure(connection: Connection, job_ids: Iterable[str], now: float) -> None:
    """Add the rows of those of some jobs that have none."""
    without = ~sa.exists().where(library.c.job_id == jobs.c.id)
    query = sa.select(jobs.c.id, jobs.c.project_id, jobs.c.request).where(jobs.c.id.in_(job_ids), without)
    rows = [_row(row.id, row.project_id, row.request["prompt"], now) for row in connection.execute(query)]
    _add(connection, library, rows)


def touch(
    connection: Connection, job_ids: Iterable[str] | sa.Select[tuple[str]], now: float, **values: Any
) -> None:
    """Enter a change of some entries, which have rows: a new revision, and these values."""
    update = library.update().where(library.c.job_id.in_(job_ids))
    connection.execute(update.values(revision=library.c.revision + 1, changed_at=now, **values))


def write_words(connection: Connection, job_id: str) -> None:
    """Write the words of an entry again, after a change of its title or tags."""
    query = sa.select(jobs.c.request, library.c.title).join(library, library.c.job_id == jobs.c.id)
    row = connection.execute(query.where(jobs.c.id == job_id)).one()
    tags = connection.scalars(sa.select(library_tags.c.tag).where(library_tags.c.job_id == job_id))
    words = searched([row.title or "", row.request["prompt"], *tags])
    connection.execute(library.update().where(library.c.job_id == job_id).values(words=words))


def _add(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows, without those that another process has added meanwhile."""
    if rows:
        insert = insert_into(connection, table).on_conflict_do_nothing()
        connection.execute(insert, rows)


def _row(job_id: str, project_id: str, prompt: str, now: float) -> dict[str, Any]:
    facts = {"job_id": job_id, "project_id": project_id}
    return {**facts, "words": searched([prompt]), "changed_at": now}


def _relation(job_id: str, parent_id: str, operation: str) -> Mapping[str, str]:
    return {"job_id": job_id, "parent_id": parent_id, "operation": operation}
