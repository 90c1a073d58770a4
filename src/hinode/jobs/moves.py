"""Jobs of a pool move to another member: its engine and model change, and the record says why.

The functions work in a transaction of their caller.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode import engines
from hinode.errors import BadInput, NoPlace, NotAccepted
from hinode.jobs import transitions
from hinode.jobs.job import Job
from hinode.jobs.rows import read_job
from hinode.jobs.scheduling.schedule import lane_key
from hinode.jobs.states import Outcome, Status
from hinode.records.tables import jobs, projects
from hinode.routing import record

CODES = (NotAccepted.code, NoPlace.code)
"""Codes of the errors after which a job of a pool goes to another member."""


class LocalOnly(BadInput):
    """The jobs of the project stay with own workers, and only a provider could make this video."""

    code: ClassVar[str] = "local_only"

    def __init__(self) -> None:
        message = "the videos of this project are made by own workers only, and this model is a provider's"
        super().__init__(message, "choose another model", field="model")


def leave(connection: Connection, leased: Job, now: float, code: str, reason: str, *, refused: bool) -> bool:
    """running -> queued for the next member of its pool, or for the same one if that only has no place yet;
    False, and nothing is done, if there is none.

    Args:
        leased: a job that nobody has begun, of a worker.
        code: of the error, one of `CODES`.
        reason: why it leaves its present member, a sentence.
        refused: whether that member refuses the request for good.
    """
    (job,) = transitions.jobs_by_id(connection, [leased.id])
    target = _target(connection, job, now, reason, refused=refused, full=code == NoPlace.code)
    if target is None:
        return False
    job = transitions.release(connection, leased, Outcome.MOVED, now, reason)
    if job.cancel_requested_at is not None:
        transitions.cancel(connection, job, now)
        return True
    values, pause = target
    connection.execute(jobs.update().where(jobs.c.id == job.id).values(**values))
    transitions.requeue(connection, job, not_before=now + pause)
    return True


def withdraw(connection: Connection, now: float) -> int:
    """Take the waiting jobs of projects that have become local-only from providers; returns their number."""
    local = sa.select(projects.c.id).where(projects.c.local_only)
    external = jobs.c.engine.in_(engines.external_names()), jobs.c.project_id.in_(local)
    waiting = sa.select(jobs).where(jobs.c.status == Status.QUEUED.value, *external)
    rows = connection.execute(waiting.order_by(jobs.c.id).with_for_update()).mappings().all()
    for job in map(read_job, rows):
        error = LocalOnly()
        target = _target(connection, job, now, "the project is local-only", refused=True)
        if target is None:
            transitions.end(connection, job, Status.FAILED, now, error.code, str(error))
        else:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(**target[0]))
    return len(rows)


def _target(
    connection: Connection, job: Job, now: float, reason: str, *, refused: bool, full: bool = False
) -> tuple[dict[str, Any], float] | None:
    """The changed columns of a job that moves, and the seconds until it may start; None for no move."""
    if job.routing is None:
        return None
    owner = projects.c.id == job.project_id
    local_only = connection.scalar(sa.select(projects.c.local_only).where(owner))
    step = record.move(
        job.routing,
        reason,
        now,
        created_at=job.created_at,
        refused=refused,
        full=full,
        allowed=lambda route: not (local_only and route["provider"]),
    )
    if step is None:
        return None
    after, pause = step
    route = record.current(after)
    engine, model = route["engine"], route["model"]
    values = {
        "engine": engine,
        "model": model,
        "request": {**job.request, "engine": engine, "model": model},
        "lane": lane_key(job.project_id, job.priority, engine, model),
        "routing": after,
        "checkpoint": None,  # of another engine
        "checkpoint_step": 0,
    }
    return values, pause
