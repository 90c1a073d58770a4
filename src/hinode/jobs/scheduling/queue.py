"""Reads the queue from the database as the values that `schedule` decides on.

The functions work in a transaction of their caller at the time `now`, in seconds since 1970. The host of a
worker decides which jobs it is offered, and so do its engines and its projects: their names, or None for all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.engines import is_external
from hinode.jobs.job import Counts, Lease
from hinode.jobs.scheduling.schedule import POLICY, Lane, Policy, Tenant, attained, choose, should_preempt
from hinode.jobs.states import Priority, Status
from hinode.money.meters import usage
from hinode.records.prepared import Prepared
from hinode.records.rows import count_rows
from hinode.records.tables import deliveries, jobs, workers

UNSUPPORTED_SECONDS = 300.0
"""A host that cannot read a request is not given its job again for so long: it may be upgraded meanwhile."""

# Two claims at once could both fill the last slot of a project's cap. SQLite has one writer at a time anyway.
# A claim takes this lock after every other lock, and waits for none while it holds it (see `transitions`).
_CLAIM_LOCK = Prepared("SELECT pg_advisory_xact_lock(4815162343)")
# An idle worker looks twice a second. If each look took the lock, a few hundred would fill its time.
_WAITING = Prepared("SELECT 1 FROM jobs WHERE status = 'queued' LIMIT 1")

_BUSY = """
busy(project_id, running, spent) AS (
    SELECT jobs.project_id || '', count(*), sum(:now - attempts.started_at)
    FROM jobs JOIN attempts ON attempts.job_id = jobs.id AND attempts.epoch = jobs.epoch
    WHERE jobs.status = 'running'
    GROUP BY jobs.project_id || ''
)
"""
_ACCOUNT = """
projects.id, projects.attained, projects.attained_at, projects.weight,
       coalesce(busy.running, 0), projects.most_running, coalesce(busy.spent, 0)"""
# The lanes are found by jumping from one to the next in the index of waiting jobs, so a queue of a hundred
# thousand jobs costs no more than a short one. The head of a lane is its first job that may start now, has
# not failed on this host, and was not found to need a later version there lately. A paused project has none.
_HEAD = f"""
    FROM jobs
    WHERE jobs.status = 'queued' AND jobs.lane = lanes.lane AND jobs.not_before <= :now
      AND NOT EXISTS (
          SELECT 1 FROM attempts
          WHERE attempts.job_id = jobs.id AND attempts.host = :host
            AND (attempts.outcome = 'failed'
                 OR attempts.outcome = 'unsupported' AND attempts.ended_at > :now - {UNSUPPORTED_SECONDS})
          LIMIT 1 OFFSET 0
      )
    ORDER BY jobs.queued_at, jobs.id
    LIMIT 1
"""
# PostgreSQL would join the heads with the whole table of jobs, and their attempts with all attempts of the
# host: LATERAL and OFFSET keep it from that. SQLite has no LATERAL, and looks up each head by its id.
_HEAD_BY_ID = f"JOIN jobs AS head ON head.id = (SELECT jobs.id {_HEAD})"
_HEAD_LATERAL = f"CROSS JOIN LATERAL (SELECT jobs.id, queued_at, compute_seconds, project_id {_HEAD}) AS head"


def _heads(join: str) -> str:
    return f"""
WITH RECURSIVE lanes(lane) AS (
    SELECT min(lane) FROM jobs WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT min(jobs.lane) FROM jobs WHERE jobs.status = 'queued' AND jobs.lane > lanes.lane)
    FROM lanes WHERE lanes.lane IS NOT NULL
),
{_BUSY}
SELECT lanes.lane, head.queued_at, head.compute_seconds, head.id, projects.local_only,
       {_ACCOUNT}
FROM lanes
{join}
JOIN projects ON projects.id = head.project_id AND projects.paused_at IS NULL
LEFT JOIN busy ON busy.project_id = projects.id
"""


_HEADS = Prepared(_heads(_HEAD_BY_ID), postgresql=_heads(_HEAD_LATERAL))
_PROJECT = Prepared(
    f"""
WITH {_BUSY}
SELECT {_ACCOUNT}
FROM projects LEFT JOIN busy ON busy.project_id = projects.id
WHERE projects.id = :project
"""
)
_YIELDING = Prepared(
    """
SELECT count(*) FROM jobs
WHERE status = 'running' AND lease_until IS NOT NULL AND give_way_at > :since AND id != :job
"""
)


def pick(
    connection: Connection,
    now: float,
    *,
    host: str,
    engines: Collection[str] | None,
    projects: Collection[str] | None,
    resident: Collection[str],
) -> str | None:
    """The job that a worker should start next, or None; `resident` are the models in its memory."""
    if connection.dialect.name == "postgresql":
        if not _WAITING.run(connection):
            return None
        _CLAIM_LOCK.run(connection)
    heads, tenants = _read(connection, now, host, engines, projects)
    lane = choose(list(heads), tenants, now=now, policy=POLICY, resident=resident)
    return heads[lane] if lane else None


def _read(
    connection: Connection,
    now: float,
    host: str,
    engines: Collection[str] | None,
    projects: Collection[str] | None,
) -> tuple[dict[Lane, str], dict[str, Tenant]]:
    """The lanes with a job that a worker could start, each with its first such job, and their projects."""
    heads, tenants = {}, {}
    for row in _HEADS.run(connection, now=now, host=host):
        lane = Lane.of(*row[:3])
        may_run = projects is None or lane.project_id in projects
        may_run &= not (row[4] and is_external(lane.engine))
        if may_run and (engines is None or lane.engine in engines):
            heads[lane] = row[3]
            if lane.project_id not in tenants:
                tenants[lane.project_id] = _tenant(row[5:], now)
    return heads, tenants


def is_preempted(
    connection: Connection, lease: Lease, now: float, policy: Policy, ran_for: float, patience: float
) -> bool:
    """Whether a running job has to stop in favour of a waiting one that its worker can run.

    Args:
        ran_for: seconds since the first step of the attempt.
        patience: seconds in which another job that was told to stop should do so. A job that cannot, because
            it is writing its file, does not hold up the others for ever.
    """
    if ran_for < policy.time_slice:
        return False
    job = lease.job
    heads, tenants = _read(connection, now, lease.host, lease.engines, lease.projects)
    if job.project_id not in tenants:
        (account,) = _PROJECT.run(connection, now=now, project=job.project_id)
        tenants[job.project_id] = _tenant(account, now)
    ((yielding,),) = _YIELDING.run(connection, job=job.id, since=now - patience)
    running = Lane.of(job.lane, job.queued_at, job.compute_seconds)
    return should_preempt(
        running, list(heads), tenants, now=now, policy=policy, ran_for=ran_for, yielding=yielding
    )


def _tenant(account: Sequence[Any], now: float) -> Tenant:
    """The tenant in the columns of `_ACCOUNT`, with the compute of its running attempts so far."""
    project, _, _, weight, running, max_running, spent = account
    compute = attained(Tenant(*account[:-1]), now, POLICY) + max(0.0, spent)
    return Tenant(project, compute, now, weight, running, max_running)


def counts(connection: Connection, live_since: float) -> Counts:
    """Numbers for metrics; a worker counts if it was last seen after `live_since`."""
    state = (jobs.c.status, sa.case((jobs.c.rush, int(Priority.RUSH)), else_=jobs.c.priority))
    by_state = sa.select(*state, sa.func.count()).where(jobs.c.deleted_at.is_(None)).group_by(*state)
    oldest = sa.select(sa.func.min(jobs.c.queued_at)).where(jobs.c.status == Status.QUEUED.value)
    return Counts(
        jobs={(Status(row[0]), Priority(row[1])): row[2] for row in connection.execute(by_state)},
        workers=count_rows(connection, workers.c.stopped_at.is_(None), workers.c.last_seen_at > live_since),
        deliveries=count_rows(connection, deliveries.c.status == "pending"),
        oldest_queued=connection.scalar(oldest),
        usage=usage.totals(connection),
    )
