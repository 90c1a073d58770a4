"""Lineage: what a video was made from, through all generations, and what was made from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.library.words import difference
from hinode.jobs.states import Status
from hinode.records.database import Database
from hinode.records.tables import jobs, library, parents

MAX_NODES = 500


@dataclass(frozen=True)
class Node:
    """A video of a lineage; `expired` says that its file was deleted because its time is over."""

    id: str
    title: str | None
    prompt: str
    operation: str
    status: Status
    seconds: float
    created_at: float
    profile: str | None
    seed: int
    expired: bool


@dataclass(frozen=True)
class Edge:
    """`child` was made from `parent` by an operation; `removed` and `added` are words of their prompts."""

    parent: str
    child: str
    operation: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """The videos before and after one, the oldest first; `truncated` if there are more than `MAX_NODES`."""

    id: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    truncated: bool


class Lineages:
    """The lineages of the videos in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def of(self, project_id: str, job_id: str) -> Lineage | None:
        """The lineage of a video of a project, or None if there is none.

        Deleted videos and those in the trash are not in it, and neither is what is known only through them.
        """
        now = self.clock()
        with self.database.read() as connection:
            names = _walk(connection, project_id, job_id)
            if not names:
                return None
            truncated = len(names) > MAX_NODES
            names = names[:MAX_NODES]
            query = sa.select(jobs, library.c.title).join_from(
                jobs, library, library.c.job_id == jobs.c.id, isouter=True
            )
            job_rows = connection.execute(query.where(jobs.c.id.in_(names)).order_by(jobs.c.id)).mappings()
            nodes = tuple(_node(row, now) for row in job_rows)
            query = sa.select(parents).where(parents.c.job_id.in_(names), parents.c.parent_id.in_(names))
            query = query.order_by(parents.c.job_id, parents.c.parent_id)
            prompts = {node.id: node.prompt for node in nodes}
            rows = connection.execute(query)
            edges = tuple(_edge(row.job_id, row.parent_id, row.operation, prompts) for row in rows)
        return Lineage(job_id, nodes, edges, truncated)


def _walk(connection: Connection, project_id: str, job_id: str) -> list[str]:
    """The video, and all before and after it; at most one more than `MAX_NODES`."""
    conditions = jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None)
    first = sa.select(jobs.c.id).where(jobs.c.id == job_id, *conditions)
    if connection.scalar(first) is None:
        return []
    names = [job_id]
    for here, there in ((parents.c.job_id, parents.c.parent_id), (parents.c.parent_id, parents.c.job_id)):
        walk = first.cte(recursive=True)
        step = sa.select(there).join(walk, walk.c.id == here).join(jobs, jobs.c.id == there)
        walk = walk.union(step.where(*conditions, jobs.c.trashed_at.is_(None)))
        names += connection.scalars(sa.select(walk.c.id).where(walk.c.id != job_id).limit(MAX_NODES))
    return list(dict.fromkeys(names))[: MAX_NODES + 1]


def _node(row: sa.RowMapping, now: float) -> Node:
    request, status = row["request"], Status(row["status"])
    over = row["expires_at"] is not None and row["expires_at"] <= now
    return Node(
        id=row["id"],
        title=row["title"],
        prompt=request["prompt"],
        operation=row["operation"],
        status=status,
        seconds=row["seconds"],
        created_at=row["created_at"],
        profile=request.get("profile"),
        seed=request["seed"],
        expired=over or status is Status.EXPIRED,
    )


def _edge(child: str, parent: str, operation: str, prompts: dict[str, str]) -> Edge:
    removed, added = difference(prompts[parent], prompts[child])
    return Edge(parent, child, operation, tuple(removed), tuple(added))
