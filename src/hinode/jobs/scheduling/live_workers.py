"""The live workers, and which of their hosts can run a job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.states import Outcome
from hinode.records.tables import attempts, workers

LIVE_SECONDS = 60.0  # a worker that was not seen for so long counts as dead

Engines = frozenset[str] | None
"""Names of engines, or None for all."""


class HostsThatTried(NamedTuple):
    """The hosts that have failed at a job, with the error, and those that cannot read its request."""

    failed: dict[str, str]
    unsupported: set[str]


def is_live(now: float) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Conditions on a worker that is live at `now` (seconds since 1970)."""
    return workers.c.stopped_at.is_(None), workers.c.last_seen_at > now - LIVE_SECONDS


def serves(projects: Collection[str] | None, project_id: str) -> bool:
    """Whether a worker with these `projects` may have the jobs of a project."""
    return projects is None or project_id in projects


def live(connection: Connection, now: float, project_id: str) -> dict[str, Engines]:
    """The hosts with a live worker for a project at `now` (seconds since 1970), and what they can run."""
    columns = workers.c.host, workers.c.engines, workers.c.projects
    hosts: dict[str, Engines] = {}
    for host, engines, projects in connection.execute(sa.select(*columns).where(*is_live(now))):
        if not serves(projects, project_id):
            continue
        others = hosts.get(host, frozenset())
        hosts[host] = None if others is None or engines is None else others | frozenset(engines)
    return hosts


def attempts_of(connection: Connection, job_ids: Collection[str]) -> dict[str, HostsThatTried]:
    """The hosts that have tried each of these jobs in vain."""
    hosts = {job_id: HostsThatTried({}, set()) for job_id in job_ids}
    rows = connection.execute(
        sa.select(attempts)
        .where(attempts.c.job_id.in_(job_ids), attempts.c.outcome.in_((Outcome.FAILED, Outcome.UNSUPPORTED)))
        .order_by(attempts.c.epoch)
    )
    for row in rows:
        if row.outcome == Outcome.FAILED:
            hosts[row.job_id].failed[row.host] = row.error
        else:
            hosts[row.job_id].unsupported.add(row.host)
    return hosts


def capable_hosts(live: Mapping[str, Engines], engine: str, tried: HostsThatTried) -> set[str]:
    """Of the hosts with a live worker, those that can run an engine and can read the job's request."""
    capable = {host for host, engines in live.items() if engines is None or engine in engines}
    return capable - tried.unsupported
