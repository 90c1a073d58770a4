"""Accepting jobs: a request that was there before, what a project may have, and the rows that are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import admit, idempotency
from hinode.jobs.admit import Draft
from hinode.jobs.job import Idempotency, Job, OverQuota, Submitted
from hinode.jobs.states import Status
from hinode.jobs.transitions import artifact_row, by_id
from hinode.records.tables import artifacts, jobs, projects

DAY = 86_400.0
FULL_QUEUE_RETRY = 10.0


def accept(
    connection: Connection,
    drafts: Sequence[Draft],
    promise: Idempotency | None,
    retry_count: int,
    since: float,
    now: float,
) -> Submitted:
    """Turn drafts into jobs, in the caller's transaction; see `Store.submit`."""
    project_id = drafts[0].project_id
    # Locking the project keeps two submissions from both taking the last place.
    project = connection.execute(locked(project_id)).one()
    before = _replay(connection, drafts[0], promise, retry_count, since, now)
    if before is not None:
        return Submitted(before, replayed=True)
    _check_quota(connection, project, drafts, now)
    rows = [admit.row(draft, now, retry_count) for draft in drafts]
    names = sorted(row["id"] for row in rows)  # made in the same instant, they were in no order
    for row, name in zip(rows, names, strict=True):
        row["id"] = name
    connection.execute(jobs.insert(), rows)
    inputs = [
        artifact_row(row["id"], role, file)
        for row, draft in zip(rows, drafts, strict=True)
        for role, file in draft.inputs.items()
    ]
    if inputs:
        connection.execute(artifacts.insert(), inputs)
    if promise:
        idempotency.keep(connection, project_id, promise, names, now)
    return Submitted(by_id(connection, names))


def locked(project_id: str) -> sa.Select[Any]:
    """The project, locked against everybody else who would accept something for it.

    Whoever locks jobs or a batch too does so after it, and rows that refer to it may still be written.
    """
    return sa.select(projects).where(projects.c.id == project_id).with_for_update(key_share=True)


def _replay(
    connection: Connection,
    draft: Draft,
    promise: Idempotency | None,
    retry_count: int,
    since: float,
    now: float,
) -> tuple[Job, ...] | None:
    """The jobs that an earlier request like this one made, without those deleted since; None if there was
    no such request."""
    if promise:
        made = idempotency.promised(connection, draft.project_id, promise)
        if made is None:
            return None
        return tuple(Job.of(row) for row in connection.execute(_kept(made)).mappings())
    found = idempotency.retried(
        connection,
        jobs,
        project_id=draft.project_id,
        key_id=draft.key_id,
        request_hash=draft.request_hash,
        retry_count=retry_count,
        since=since,
        now=now,
    )
    return by_id(connection, found) if found else None


def _kept(names: Sequence[str]) -> sa.Select[Any]:
    return sa.select(jobs).where(jobs.c.id.in_(names), jobs.c.deleted_at.is_(None)).order_by(jobs.c.id)


def _check_quota(connection: Connection, project: sa.Row[Any], drafts: Sequence[Draft], now: float) -> None:
    # The lines of a batch wait for as long as the batch allows; they do not fill the project's queue.
    if project.most_queued is not None and drafts[0].batch_id is None:
        waiting = connection.scalar(
            sa.select(sa.func.count())
            .select_from(jobs)
            .where(
                jobs.c.project_id == project.id,
                jobs.c.status.in_((Status.QUEUED.value, Status.RUNNING.value)),
                jobs.c.batch_id.is_(None),
            )
        )
        if (waiting or 0) + len(drafts) > project.most_queued:
            raise OverQuota(
                f"the project has {waiting} videos waiting or running of at most {project.most_queued}",
                "wait until some of them are finished",
                retry_after=FULL_QUEUE_RETRY,
            )
    if project.daily_seconds is not None:
        had, first = connection.execute(
            sa.select(sa.func.sum(jobs.c.seconds), sa.func.min(jobs.c.created_at)).where(
                jobs.c.project_id == project.id,
                jobs.c.id > f"video_{int((now - DAY) * 1000):012x}",  # identities sort by time
                jobs.c.status != Status.FAILED.value,
                # What was cancelled counts if a worker had begun it: else nothing would keep a project from
                # having the machines for as long as it cancels in time.
                sa.or_(
                    jobs.c.status.not_in((Status.CANCELLED.value, Status.EXPIRED.value)),
                    jobs.c.started_at.is_not(None),
                ),
            )
        ).one()
        more = sum(draft.request.seconds for draft in drafts)
        if (had or 0.0) + more > project.daily_seconds:
            raise OverQuota(
                f"the project has had {had or 0:g} of its {project.daily_seconds:g} seconds of video "
                f"in 24 hours, and {more:g} more are too many",
                "ask for less, or wait until the oldest of them are a day old",
                retry_after=max(1.0, (first or now) + DAY - now),
            )
