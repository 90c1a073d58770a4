"""The filters of a library as conditions on jobs; each is answered by an index."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.library.entry import Filter, check_ids
from hinode.jobs.library.words import normalise, tag_key
from hinode.jobs.states import Status
from hinode.records.tables import collection_items, collections, jobs, library, library_tags, parents

STATUSES = ("completed", "expired", "queued", "in_progress", "failed", "all")

# Written out, since SQLite uses a partial index only for a condition that it can read.
_COMPLETED = jobs.c.status == sa.literal_column("'completed'")


def conditions(project_id: str, which: Filter, now: float) -> list[sa.ColumnElement[bool]]:
    """What the jobs of a filtered list meet."""
    result = [jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None), jobs.c.trashed_at.is_(None)]
    result += _status(which.status, now)
    if which.operation is not None:
        result.append(jobs.c.operation == which.operation)
    if which.engine is not None:
        result.append(jobs.c.engine == which.engine)
    if which.model is not None:
        result.append(sa.or_(jobs.c.requested_model == which.model, jobs.c.model == which.model))
    if which.since is not None:  # ids sort by time
        result.append(jobs.c.id >= f"video_{which.since * 1000:012x}")
    if which.until is not None:
        result.append(jobs.c.id < f"video_{(which.until + 1) * 1000:012x}")
    if which.favourite is not None:
        marked = sa.select(library.c.job_id).where(library.c.project_id == project_id, library.c.favourite)
        result.append(jobs.c.id.in_(marked) if which.favourite else jobs.c.id.not_in(marked))
    if which.tag is not None:
        key = (library_tags.c.project_id == project_id, library_tags.c.key == tag_key(which.tag))
        result.append(jobs.c.id.in_(sa.select(library_tags.c.job_id).where(*key)))
    if which.collection is not None:
        inside = collection_items.c.collection_id == which.collection
        result.append(jobs.c.id.in_(sa.select(collection_items.c.job_id).where(inside)))
    if which.parent is not None:
        is_child = parents.c.parent_id == which.parent
        result.append(jobs.c.id.in_(sa.select(parents.c.job_id).where(is_child)))
    if words := normalise(which.q).split():
        matches = [library.c.words.contains(word, autoescape=True) for word in words]
        in_project = library.c.project_id == project_id
        result.append(jobs.c.id.in_(sa.select(library.c.job_id).where(in_project, *matches)))
    return result


def _status(status: str, now: float) -> list[sa.ColumnElement[bool]]:
    over = jobs.c.expires_at <= now
    match status:
        case "completed":
            return [_COMPLETED, sa.or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > now)]
        case "expired":
            return [sa.or_(sa.and_(_COMPLETED, over), jobs.c.status == Status.EXPIRED.value)]
        case "queued":
            return [jobs.c.status == Status.QUEUED.value]
        case "in_progress":
            return [jobs.c.status == Status.RUNNING.value]
        case "failed":
            return [jobs.c.status.in_((Status.FAILED.value, Status.CANCELLED.value))]
    return []


def check(connection: Connection, project_id: str, which: Filter) -> None:
    """Raise Missing if a filter names what the project does not have."""
    if which.collection is not None:
        existing = collections_of(connection, project_id, [which.collection])
        check_ids([which.collection], existing, "collection", "collection")
    if which.parent is not None:
        query = sa.select(jobs.c.id).where(jobs.c.id == which.parent, jobs.c.project_id == project_id)
        check_ids([which.parent], set(connection.scalars(query)), "video", "parent")


def collections_of(connection: Connection, project_id: str, names: Collection[str]) -> set[str]:
    """Those of some ids that are collections of a project."""
    query = sa.select(collections.c.id).where(
        collections.c.id.in_(names),
        collections.c.project_id == project_id,
        collections.c.deleted_at.is_(None),
    )
    return set(connection.scalars(query))
