"""Reading the queue out of the database, as the values that `schedule` decides on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Counts
from hinode.jobs.schedule import Lane, Policy, Tenant, attained, choose
from hinode.jobs.states import Priority, Status
from hinode.records.tables import deliveries, jobs, projects, workers

PROJECT = sa.select(
    projects.c.id, projects.c.attained, projects.c.attained_at, projects.c.weight, projects.c.most_running
)

_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(4815162343)")

# The lanes are found by jumping from one to the next in the index of waiting jobs, so that a queue of a
# hundred thousand costs no more than a short one. Of each lane only the first job counts that may start now
# and has not failed on this host.
_BUSY_PROJECTS = """
busy(project_id, running, spent) AS (
    SELECT jobs.project_id || '', count(*), sum(:now - attempts.started_at)
    FROM jobs JOIN attempts ON attempts.job_id = jobs.id AND attempts.epoch = jobs.epoch
    WHERE jobs.status = 'running'
    GROUP BY jobs.project_id || ''
)
"""
_ACCOUNT = """
       projects.id, projects.attained, projects.attained_at, projects.weight, projects.most_running,
       coalesce(busy.running, 0) AS running, coalesce(busy.spent, 0) AS spent
"""
_WAITING = sa.text(
    f"""
WITH RECURSIVE heads(lane) AS (
    SELECT min(lane) FROM jobs WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT min(jobs.lane) FROM jobs WHERE jobs.status = 'queued' AND jobs.lane > heads.lane)
    FROM heads WHERE heads.lane IS NOT NULL
),
{_BUSY_PROJECTS}
SELECT heads.lane, head.id AS job_id, head.queued_at, head.compute_seconds,
{_ACCOUNT}
FROM heads
JOIN jobs AS head ON head.id = (
    SELECT jobs.id FROM jobs
    WHERE jobs.status = 'queued' AND jobs.lane = heads.lane AND jobs.not_before <= :now
      AND NOT EXISTS (
          SELECT 1 FROM attempts
          WHERE attempts.job_id = jobs.id AND attempts.outcome = 'failed' AND attempts.host = :host
      )
    ORDER BY jobs.queued_at, jobs.id
    LIMIT 1
)
JOIN projects ON projects.id = head.project_id
LEFT JOIN busy ON busy.project_id = projects.id
"""
)
_BUSY = sa.text(
    f"""
WITH {_BUSY_PROJECTS}
SELECT {_ACCOUNT}
FROM projects LEFT JOIN busy ON busy.project_id = projects.id
WHERE projects.id = :project
"""
)
_LEAVING = sa.text(
    """
SELECT count(*) FROM jobs
WHERE status = 'running' AND lease_until IS NOT NULL AND give_way_at > :since AND id != :job
"""
)


def pick(
    connection: Connection,
    now: float,
    policy: Policy,
    *,
    host: str,
    engines: Collection[str] | None,
    resident: Collection[str],
) -> str | None:
    """The job that a worker of this host should take, or None.

    Args:
        connection: in a writing transaction.
        now: seconds since 1970.
        policy: how to choose.
        host: what the worker runs on.
        engines: names of engines that it can run, or None for all.
        resident: models in its memory, "engine/model".
    """
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway; here two claims could otherwise both fill a tenant's cap.
        connection.execute(_ONE_AT_A_TIME)
    rows = _heads(connection, now, host, engines)
    heads = {row.lane: row.job_id for row in rows}
    lanes = [lane(row.lane, row.queued_at, row.compute_seconds) for row in rows]
    tenants = {row.id: tenant(row, now, policy) for row in rows}
    chosen = choose(lanes, tenants, now=now, policy=policy, resident=resident)
    return heads[chosen.key] if chosen else None


def waiting(
    connection: Connection,
    now: float,
    policy: Policy,
    also: str,
    *,
    host: str,
    engines: Collection[str] | None,
) -> tuple[list[Lane], dict[str, Tenant]]:
    """All lanes that have a job which a worker of this host could start, and their tenants.

    Args:
        connection: in a transaction.
        now: seconds since 1970.
        policy: by which accounts fade.
        also: project to describe even if nothing of it is waiting.
        host: what the worker runs on.
        engines: names of engines that it can run, or None for all.
    """
    rows = _heads(connection, now, host, engines)
    tenants = {row.id: tenant(row, now, policy) for row in rows}
    if also not in tenants:
        row = connection.execute(_BUSY, {"now": now, "project": also}).one()
        tenants[also] = tenant(row, now, policy)
    return [lane(row.lane, row.queued_at, row.compute_seconds) for row in rows], tenants


def _heads(
    connection: Connection, now: float, host: str, engines: Collection[str] | None
) -> list[sa.Row[Any]]:
    rows = connection.execute(_WAITING, {"now": now, "host": host}).all()
    return [row for row in rows if engines is None or lane(row.lane, 0, 0).model.split("/")[0] in engines]


def leaving(connection: Connection, job_id: str, since: float) -> int:
    """How many other jobs were told to give way after `since`, and still run."""
    return int(connection.execute(_LEAVING, {"job": job_id, "since": since}).scalar_one())


def lane(key: str, queued_at: float, served: float) -> Lane:
    """The lane that a key names; see `admit.lane`."""
    priority, project, model = key.split(":", 2)
    return Lane(key, project, Priority(int(priority)), model, queued_at, served)


def tenant(row: Any, now: float, policy: Policy) -> Tenant:
    """The tenant in a row, with what its running attempts have had so far."""
    account = Tenant(row.id, row.attained, row.attained_at, row.weight, row.running, row.most_running)
    had = attained(account, now, policy) + max(0.0, row.spent)
    return replace(account, attained=had, attained_at=now)


def counts(connection: Connection, live_since: float) -> Counts:
    """How things stand.

    Args:
        connection: in a transaction.
        live_since: a worker counts if it was heard of after this time.
    """
    by_state = connection.execute(
        sa.select(jobs.c.status, jobs.c.priority, sa.func.count())
        .where(jobs.c.deleted_at.is_(None))
        .group_by(jobs.c.status, jobs.c.priority)
    ).all()
    live = sa.select(sa.func.count()).where(workers.c.stopped_at.is_(None), workers.c.seen_at > live_since)
    pending = sa.select(sa.func.count()).where(deliveries.c.status == "pending")
    return Counts(
        jobs={(Status(status), Priority(priority)): count for status, priority, count in by_state},
        workers=connection.scalar(live) or 0,
        deliveries=connection.scalar(pending) or 0,
        oldest_queued=connection.scalar(
            sa.select(sa.func.min(jobs.c.queued_at)).where(jobs.c.status == Status.QUEUED.value)
        ),
    )
