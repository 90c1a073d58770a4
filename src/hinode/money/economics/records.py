"""The recorded books of a period: clips, what was spent on each, and the workers that were there."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Connection

from hinode import yamlfile
from hinode.parsing import Input, Number, parse
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
        losses: clips that other providers may have made in vain before: the provider, and its price in USD if
            that is known.
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
    losses: tuple[tuple[str, float | None], ...] = ()

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


class _Payment(Input):
    tenant: Annotated[str, Field(min_length=1, max_length=64)]
    at: Annotated[Number, Field(ge=0, le=1e11)]
    usd: Annotated[Number, Field(ge=-1e9, le=1e9)]  # a refund is below 0
    clip: Annotated[str, Field(max_length=64)] = ""


class _Payments(Input):
    payments: Annotated[list[_Payment], Field(max_length=1_000_000)]


def read_payments(path: Path) -> list[Payment]:
    """Payments from a YAML or JSON file: a list `payments` with the fields of `Payment`.

    Raises:
        BadInput: it cannot be read, or a payment is wrong.
    """
    value = yamlfile.read(path, f"the file of payments {path}", "revenue")
    content = parse(_Payments, value, what="the file of payments", field="revenue")
    return [Payment(entry.tenant, entry.at, entry.usd, entry.clip) for entry in content.payments]


def read(connection: Connection, since: float, until: float) -> Books:
    """The books of a period. An attempt or a worker that has not ended counts until `until`."""
    asked = jobs.c.created_at.between(since, until)
    spent: dict[str, list[Attempt]] = {}
    tries = sa.select(attempts.c.job_id, attempts.c.host, attempts.c.started_at, attempts.c.ended_at)
    tries = tries.join(jobs, jobs.c.id == attempts.c.job_id).where(asked)
    for row in connection.execute(tries.order_by(attempts.c.job_id, attempts.c.epoch)):
        end = until if row.ended_at is None else row.ended_at
        if end > row.started_at:
            spent.setdefault(row.job_id, []).append(Attempt(row.host, row.started_at, end))
    accepted = _accepted(connection)
    columns = ("id", "project_id", "engine", "model", "seconds", "created_at", "status", "operation")
    more = "request", "provenance", "source_id"
    query = sa.select(*(jobs.c[name] for name in (*columns, *more))).where(asked).order_by(jobs.c.id)
    clips = [
        _clip(entry._mapping, tuple(spent.get(entry.id, ())), entry.id in accepted)
        for entry in connection.execute(query)
    ]
    made_at = {row.id: row.created_at for row in connection.execute(sa.select(projects))}
    return Books(since, until, tuple(clips), made_at, tuple(_workers(connection, since, until)))


def _clip(row: sa.RowMapping, tries: tuple[Attempt, ...], accepted: bool) -> ClipRecord:
    made = row["provenance"] or {}
    return ClipRecord(
        id=row["id"],
        tenant=row["project_id"],
        model=f"{row['engine']}/{row['model']}",
        seconds=row["seconds"],
        created_at=row["created_at"],
        status=row["status"],
        idea=_idea(row["project_id"], row["operation"], row["source_id"], row["request"]),
        attempts=tries,
        stages=made.get("stage_seconds", {}),
        accepted=accepted,
        provider=made.get("provider", ""),
        losses=tuple((loss["provider"], loss["price"]) for loss in made.get("losses", ())),
    )


def _workers(connection: Connection, since: float, until: float) -> Iterator[WorkerTime]:
    """The time of workers by host, and what of it went into attempts, also at clips of an earlier period."""
    there, busy = defaultdict[str, float](float), defaultdict[str, float](float)
    ends = workers.c.stopped_at, workers.c.last_seen_at
    for row in connection.execute(sa.select(workers.c.host, workers.c.started_at, *ends)):
        end = row.last_seen_at if row.stopped_at is None else row.stopped_at
        there[row.host] += max(0.0, min(end, until) - max(row.started_at, since))
    tries = sa.select(attempts.c.host, attempts.c.started_at, attempts.c.ended_at)
    within = sa.or_(attempts.c.ended_at.is_(None), attempts.c.ended_at > since)
    for attempt in connection.execute(tries.where(attempts.c.started_at < until, within)):
        end = until if attempt.ended_at is None else min(attempt.ended_at, until)
        busy[attempt.host] += end - max(attempt.started_at, since)
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
