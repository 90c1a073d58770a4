"""Accepting jobs: a request that was there before, what a project may have, and the rows that are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, shown
from hinode.jobs import admit
from hinode.jobs.admit import Draft
from hinode.jobs.job import Idempotency, Job, OverQuota, Submitted
from hinode.jobs.states import Status
from hinode.jobs.transitions import by_id, columns
from hinode.records.tables import artifacts, idempotency, jobs, projects

DAY = 86_400.0
RETRY_WINDOW = 900.0  # seconds in which a client's own retry is taken for the request that it repeats
FULL_QUEUE_RETRY = 10.0


def accept(
    connection: Connection,
    drafts: Sequence[Draft],
    promise: Idempotency | None,
    retry_count: int,
    now: float,
) -> Submitted:
    """Turn drafts into jobs, in the caller's transaction; see `Store.submit`."""
    project_id = drafts[0].project_id
    # Locking the project keeps two submissions from both taking the last place.
    project = connection.execute(
        sa.select(projects).where(projects.c.id == project_id).with_for_update()
    ).one()
    before = _replay(connection, drafts[0], promise, retry_count, now)
    if before:
        return Submitted(before, replayed=True)
    _check_quota(connection, project, drafts, now)
    rows = [admit.row(draft, now, retry_count) for draft in drafts]
    names = sorted(row["id"] for row in rows)  # made in the same instant, they were in no order
    for row, name in zip(rows, names, strict=True):
        row["id"] = name
    connection.execute(jobs.insert(), rows)
    inputs = [
        {"job_id": row["id"], **columns(artifact)}
        for row, draft in zip(rows, drafts, strict=True)
        for artifact in draft.inputs
    ]
    if inputs:
        connection.execute(artifacts.insert(), inputs)
    if promise:
        connection.execute(
            idempotency.insert().values(
                project_id=project_id,
                route=promise.route,
                key=promise.key,
                request_hash=promise.request_hash,
                job_ids=names,
                created_at=now,
            )
        )
    return Submitted(by_id(connection, names))


def _replay(
    connection: Connection, draft: Draft, promise: Idempotency | None, retry_count: int, now: float
) -> tuple[Job, ...]:
    """The jobs that an earlier request like this one made."""
    if promise:
        row = connection.execute(
            sa.select(idempotency).where(
                idempotency.c.project_id == draft.project_id,
                idempotency.c.route == promise.route,
                idempotency.c.key == promise.key,
            )
        ).first()
        if row is None:
            return ()
        if row.request_hash != promise.request_hash:
            raise BadInput(
                f"the idempotency key {shown(promise.key)} was used for another request",
                "send a new key with every new request",
                field="Idempotency-Key",
            )
        return by_id(connection, row.job_ids)
    if retry_count and draft.request_hash:
        # Each try of the client finds the first job once: two equal requests stay two jobs.
        same = sa.and_(
            jobs.c.request_hash == draft.request_hash,
            jobs.c.key_id == draft.key_id,
            jobs.c.project_id == draft.project_id,
            jobs.c.retry_count < retry_count,
            jobs.c.created_at > now - RETRY_WINDOW,
            jobs.c.deleted_at.is_(None),
        )
        # What was made at one instant from one request is the answer to it: a request can ask for several.
        first = sa.select(sa.func.min(jobs.c.created_at)).where(same).scalar_subquery()
        found = list(connection.scalars(sa.select(jobs.c.id).where(same, jobs.c.created_at == first)))
        if found:
            connection.execute(jobs.update().where(jobs.c.id.in_(found)).values(retry_count=retry_count))
            return by_id(connection, found)
    return ()


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
                jobs.c.status.not_in((Status.FAILED.value, Status.CANCELLED.value, Status.EXPIRED.value)),
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
