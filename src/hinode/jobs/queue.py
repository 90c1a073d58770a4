"""Reading the queue out of the database, as the values that `schedule` decides on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Counts
from hinode.jobs.schedule import Lane, Policy, Tenant, choose
from hinode.jobs.states import Priority, Status
from hinode.records.tables import deliveries, jobs, projects, workers

PROJECT = sa.select(
    projects.c.id, projects.c.attained, projects.c.attained_at, projects.c.weight, projects.c.most_running
)

_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(4815162343)")

# The lanes are found by jumping from one to the next in the index of waiting jobs, so that a queue of a
# hundred thousand costs no more than a short one. Of each lane only the first job counts that may start now
# and has not failed on this host.
_HEADS = """
WITH RECURSIVE heads(lane) AS (
    SELECT min(lane) FROM jobs WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT min(jobs.lane) FROM jobs WHERE jobs.status = 'queued' AND jobs.lane > heads.lane)
    FROM heads WHERE heads.lane IS NOT NULL
),
busy(project_id, running, spent) AS (
    SELECT jobs.project_id || '', count(*), sum(:now - attempts.started_at)
    FROM jobs JOIN attempts ON attempts.job_id = jobs.id AND attempts.epoch = jobs.epoch
    WHERE jobs.status = 'running'
    GROUP BY jobs.project_id || ''
)
SELECT heads.lane, head.id AS job_id, head.queued_at,
       projects.id, projects.attained, projects.attained_at, projects.weight, projects.most_running,
       coalesce(busy.running, 0) AS running, coalesce(busy.spent, 0) AS spent
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
_WAITING = sa.text(_HEADS)
_BUSY = sa.text(
    """
SELECT projects.id, projects.attained, projects.attained_at, projects.weight, projects.most_running,
       count(jobs.id) AS running, coalesce(sum(:now - attempts.started_at), 0) AS spent
FROM projects
LEFT JOIN jobs ON jobs.project_id = projects.id AND jobs.status = 'running'
LEFT JOIN attempts ON attempts.job_id = jobs.id AND attempts.epoch = jobs.epoch
WHERE projects.id = :project
GROUP BY projects.id, projects.attained, projects.attained_at, projects.weight, projects.most_running
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
    rows = connection.execute(_WAITING, {"now": now, "host": host}).all()
    heads = {row.lane: row.job_id for row in rows}
    lanes = [lane(row.lane, row.queued_at) for row in rows]
    if engines is not None:
        lanes = [one for one in lanes if one.model.split("/", 1)[0] in engines]
    tenants = {row.id: tenant(row, row.running, row.spent) for row in rows}
    chosen = choose(lanes, tenants, now=now, policy=policy, resident=resident)
    return heads[chosen.key] if chosen else None


def waiting(
    connection: Connection, now: float, also: Collection[str] = ()
) -> tuple[list[Lane], dict[str, Tenant]]:
    """All lanes that have a job to start, and their tenants.

    Args:
        connection: in a transaction.
        now: seconds since 1970.
        also: projects to describe even if nothing of theirs is waiting.
    """
    rows = connection.execute(_WAITING, {"now": now, "host": ""}).all()
    tenants = {row.id: tenant(row, row.running, row.spent) for row in rows}
    for project in set(also) - set(tenants):
        row = connection.execute(_BUSY, {"now": now, "project": project}).one()
        tenants[project] = tenant(row, row.running, row.spent)
    return [lane(row.lane, row.queued_at) for row in rows], tenants


def lane(key: str, queued_at: float) -> Lane:
    """The lane that a key names; see `admit.lane`."""
    priority, project, model = key.split(":", 2)
    return Lane(key, project, Priority(int(priority)), model, queued_at)


def tenant(row: Any, running: int = 0, spent: float = 0.0) -> Tenant:
    """The tenant in a row of `PROJECT`; `spent` is what its running attempts have had so far, in seconds."""
    # What is running now was not put on the account yet. Adding it before the account fades makes a hardly
    # noticeable difference over the seconds that an attempt lasts.
    return Tenant(row.id, row.attained + spent, row.attained_at, row.weight, running, row.most_running)


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
