"""What has changed in projects since a moment, in the order of commits, so that no change is passed over.

A moment is a number: every change below it has been seen. Each change that people see gives its job a number
(migration 0007). On SQLite it is one more than the highest. Numbers of PostgreSQL are those of transactions,
which may commit in another order: so the next moment is the oldest transaction that was still open, however
long it is open already, and what is read twice therefore is recognised by its number.

Of other tables only that something changed is read: how many rows a project has, and the sum of their
versions. Such a pair cannot miss a change that commits late either.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Job
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling import live_workers
from hinode.records.database import Database
from hinode.records.tables import collections, jobs, library, projects, storyboards, workers

MAX_CHANGED = 200
"""So many changed jobs of a project are read at once; after more, everything has to be read again."""

_HEAD = sa.text("SELECT coalesce(max(changed), 0) + 1, coalesce(max(changed), 0) + 1 FROM jobs")
_POSTGRESQL_HEAD = sa.text(
    "SELECT txid_snapshot_xmin(s.now), txid_snapshot_xmax(s.now)"
    " FROM (SELECT txid_current_snapshot() AS now) AS s"
)


@dataclass(frozen=True)
class Watched:
    """A table whose changes are told without saying what they are.

    Attributes:
        event: type of the event.
        project: the column with the project of a row.
        version: another number after every change of a row, such as a revision or the time of the last
            change.
    """

    event: str
    project: sa.Column[Any]
    version: sa.ColumnElement[Any]


WATCHED = (
    Watched("queue.changed", projects.c.id, projects.c.paused_at),
    Watched("library.changed", library.c.project_id, library.c.changed_at),
    Watched("library.changed", collections.c.project_id, collections.c.changed_at),
    Watched(
        "storyboard.changed",
        storyboards.c.project_id,
        storyboards.c.revision + sa.func.coalesce(storyboards.c.deleted_at, 0),
    ),
)
"""For another table, add a line."""


@dataclass(frozen=True)
class ChangedJob:
    """A job after a change; `number` is the same until the next one."""

    job: Job
    deleted: bool
    number: int


@dataclass(frozen=True)
class Changes:
    """What has changed in a project.

    Attributes:
        jobs: those that changed, in the order of the changes; None if there are more than `MAX_CHANGED`.
        versions: of each event of `WATCHED`, a number that is another one after a change.
    """

    jobs: tuple[ChangedJob, ...] | None
    versions: Mapping[str, int]


class ChangeReader:
    """Reads the changes of several projects in one transaction. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.database = database
        self.clock = clock

    def read(
        self, since: Mapping[str, int | None], previous: Collection[tuple[str, int]] = ()
    ) -> tuple[int, dict[str, Changes]]:
        """The changes of each project since a moment of its own, and the next moment for all of them.

        Args:
            since: moments by project; None for now, so that no job counts as changed. One that lies in the
                future is of another database: everything counts as changed.
            previous: ids and numbers of changes that were read before.
        """
        with self.database.read() as connection:
            postgresql = connection.dialect.name == "postgresql"
            oldest, newest = connection.execute(_POSTGRESQL_HEAD if postgresql else _HEAD).one()
            changed = self._changed(connection, since, newest, previous)
            versions = self._versions(connection, list(since))
        return oldest, {
            project: Changes(
                None if moment is not None and moment > newest else changed.get(project, ()),
                versions[project],
            )
            for project, moment in since.items()
        }

    def _changed(
        self,
        connection: Connection,
        since: Mapping[str, int | None],
        newest: int,
        previous: Collection[tuple[str, int]],
    ) -> dict[str, tuple[ChangedJob, ...] | None]:
        moments = {project: moment for project, moment in since.items() if moment is not None}
        if not moments:
            return {}
        numbers = sa.select(jobs.c.id, jobs.c.project_id, jobs.c.changed).where(
            jobs.c.changed >= min(moments.values()),
            jobs.c.changed < newest,
            # Not a bare column: SQLite would read every job of the projects, by the index that has them.
            jobs.c.project_id.concat("").in_(list(moments)),
        )
        new: dict[str, list[str]] = {}
        for job_id, project, number in connection.execute(numbers):
            if number >= moments[project] and (job_id, number) not in previous:
                new.setdefault(project, []).append(job_id)
        result: dict[str, tuple[ChangedJob, ...] | None] = {}
        few = {project: ids for project, ids in new.items() if len(ids) <= MAX_CHANGED}
        for project in new:
            result[project] = () if project in few else None
        job_ids = [job_id for ids in few.values() for job_id in ids]
        # Several statements, since a database takes only so many values in one.
        for start in range(0, len(job_ids), MAX_CHANGED):
            batch = job_ids[start : start + MAX_CHANGED]
            query = sa.select(jobs).where(jobs.c.id.in_(batch)).order_by(jobs.c.changed, jobs.c.id)
            for row in connection.execute(query).mappings():
                change = ChangedJob(read_job(row), row["deleted_at"] is not None, row["changed"])
                result[change.job.project_id] = (*(result[change.job.project_id] or ()), change)
        return result

    def _versions(self, connection: Connection, names: list[str]) -> dict[str, dict[str, int]]:
        """By project and event, numbers that stand for the state of the watched tables and of the workers."""
        parts: dict[str, dict[str, list[object]]] = {
            project: {watched.event: [] for watched in WATCHED} for project in names
        }
        for watched in WATCHED:
            version = sa.cast(sa.func.coalesce(watched.version, 0) * 1000, sa.BigInteger)
            query = sa.select(watched.project, sa.func.count(), sa.func.sum(version))
            for row in connection.execute(query.where(watched.project.in_(names)).group_by(watched.project)):
                parts[row[0]][watched.event].append((row[1], int(row[2])))
        live = self._workers(connection)
        for events in parts.values():
            events["queue.changed"].append(live)
        return {
            project: {event: _number(values) for event, values in events.items()}
            for project, events in parts.items()
        }

    def _workers(self, connection: Connection) -> list[tuple[object, ...]]:
        query = sa.select(workers.c.id, workers.c.resident, workers.c.draining)
        query = query.where(*live_workers.is_live(self.clock())).order_by(workers.c.id)
        return [tuple(row) for row in connection.execute(query)]


def _number(values: Iterable[object]) -> int:
    return zlib.crc32(repr(list(values)).encode())
