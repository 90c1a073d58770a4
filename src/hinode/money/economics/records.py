"""The recorded books of a period: clips, what was spent on each, and the workers that were there."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.tables import (
    archives,
    attempts,
    collection_items,
    jobs,
    library,
    parents,
    projects,
    workers,
)

DELIVERED = "completed"
CANCELLED = "cancelled"


@dataclass(frozen=True)
class Attempt:
    """Time that a worker of a host spent on a clip, in seconds since 1970."""

    host: str
    started_at: float
    ended_at: float

    @property
    def seconds(self) -> float:
        return self.ended_at - self.started_at


@dataclass(frozen=True)
class ClipRecord:
    """A clip that was asked for in the period.

    Attributes:
        tenant: id of its project.
        model: "engine/model".
        seconds: length of the video.
        created_at: when it was asked for, seconds since 1970.
        status: of its job: "completed", "failed", "cancelled", "expired", "queued" or "running".
        idea: digest of what was asked for, whatever the seed: clips of one idea are takes of each other.
        attempts: every one, also those that failed or were lost.
        stages: seconds of each stage of the run that was delivered.
        accepted: whether it was published, kept as a favourite or in a collection, archived, or used in
            another clip.
        provider: that made it, or "" for own workers.
    """

    id: str
    tenant: str
    model: str
    seconds: float
    created_at: float
    status: str
    idea: str
    attempts: tuple[Attempt, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    accepted: bool = False
    provider: str = ""

    @property
    def delivered(self) -> bool:
        return self.status == DELIVERED

    @property
    def work_seconds(self) -> float:
        """Of all attempts."""
        return sum(attempt.seconds for attempt in self.attempts)


@dataclass(frozen=True)
class WorkerTime:
    """Seconds of the period in which the workers of a host were there, and in which they worked."""

    host: str
    seconds: float
    busy: float


@dataclass(frozen=True)
class Payment:
    """Revenue; the ledger is its source. `clip` is the id of the clip that it is for, or "" for a prepaid
    pack or a subscription."""

    tenant: str
    at: float
    usd: float
    clip: str = ""


@dataclass(frozen=True)
class Books:
    """What was recorded from `since` until `until`, in seconds since 1970.

    Attributes:
        clips: that were asked for in the period.
        accounts: when each project was made, also before the period.
        workers: their time by host.
    """

    since: float
    until: float
    clips: Sequence[ClipRecord] = ()
    accounts: Mapping[str, float] = field(default_factory=dict)
    workers: Sequence[WorkerTime] = ()


def read(connection: Connection, since: float, until: float) -> Books:
    """The books of a period. An attempt or a worker that has not ended counts until `until`."""
    asked = jobs.c.created_at.between(since, until)
    spent: dict[str, list[Attempt]] = {}
    tries = sa.select(attempts.c.job_id, attempts.c.host, attempts.c.started_at, attempts.c.ended_at)
    for row in connection.execute(tries.join(jobs, jobs.c.id == attempts.c.job_id).where(asked)):
        end = until if row.ended_at is None else row.ended_at
        if end > row.started_at:
            spent.setdefault(row.job_id, []).append(Attempt(row.host, row.started_at, end))
    accepted = _accepted(connection)
    clips = []
    columns = ("id", "project_id", "engine", "model", "seconds", "created_at", "status", "operation")
    query = sa.select(
        *(jobs.c[name] for name in columns), jobs.c.request, jobs.c.provenance, jobs.c.source_id
    )
    for row in connection.execute(query.where(asked).order_by(jobs.c.id)):
        made = row.provenance or {}
        clips.append(
            ClipRecord(
                row.id,
                row.project_id,
                f"{row.engine}/{row.model}",
                row.seconds,
                row.created_at,
                row.status,
                _idea(row.project_id, row.operation, row.source_id, row.request),
                tuple(spent.get(row.id, ())),
                made.get("stage_seconds", {}),
                row.id in accepted,
                made.get("provider", ""),
            )
        )
    made_at = {row.id: row.created_at for row in connection.execute(sa.select(projects))}
    return Books(since, until, tuple(clips), made_at, tuple(_workers(connection, since, until)))


def _workers(connection: Connection, since: float, until: float) -> Iterator[WorkerTime]:
    """The time of workers by host, and what of it went into attempts, also at clips of an earlier period."""
    there, busy = defaultdict[str, float](float), defaultdict[str, float](float)
    ends = workers.c.stopped_at, workers.c.last_seen_at
    for row in connection.execute(sa.select(workers.c.host, workers.c.started_at, *ends)):
        end = row.last_seen_at if row.stopped_at is None else row.stopped_at
        there[row.host] += max(0.0, min(end, until) - max(row.started_at, since))
    tries = sa.select(attempts.c.host, attempts.c.started_at, attempts.c.ended_at)
    within = sa.or_(attempts.c.ended_at.is_(None), attempts.c.ended_at > since)
    for row in connection.execute(tries.where(attempts.c.started_at < until, within)):
        end = until if row.ended_at is None else min(row.ended_at, until)
        busy[row.host] += end - max(row.started_at, since)
    for host, seconds in there.items():
        yield WorkerTime(host, seconds, min(seconds, busy[host]))


def _accepted(connection: Connection) -> set[str]:
    """Ids of clips that people have shown a use for."""
    liked = sa.select(library.c.job_id).where(sa.or_(library.c.favourite, library.c.published))
    queries = liked, sa.select(collection_items.c.job_id), sa.select(parents.c.parent_id)
    ids = {str(value) for query in queries for value in connection.scalars(query)}
    for archive in connection.scalars(sa.select(archives.c.job_ids)):
        ids.update(archive)
    return ids


def _idea(tenant: str, operation: str, source: str | None, request: Mapping[str, Any]) -> str:
    text = "\0".join((tenant, operation, source or "", " ".join(str(request.get("prompt", "")).split())))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
