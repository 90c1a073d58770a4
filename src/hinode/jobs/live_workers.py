"""The workers that there are, and what each of them can run."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import ids
from hinode.records.tables import workers

LIVE_SECONDS = 60.0  # a worker that was not heard of for so long is not counted on

Roster = Mapping[str, frozenset[str] | None]
"""Hosts with a live worker, and the engines that their workers can run, or None for every one."""


def register(connection: Connection, host: str, pid: int, engines: Collection[str] | None, now: float) -> str:
    """Enter a worker process; returns its identity. See `Store.enrol`."""
    worker = ids.make("worker_", now)
    connection.execute(
        workers.insert().values(
            id=worker,
            host=host,
            pid=pid,
            engines=sa.null() if engines is None else sorted(engines),
            started_at=now,
            seen_at=now,
            resident=[],
            draining=False,
        )
    )
    return worker


def live(connection: Connection, now: float) -> Roster:
    """Who is there at `now`, in seconds since 1970."""
    rows = connection.execute(
        sa.select(workers.c.host, workers.c.engines).where(
            workers.c.stopped_at.is_(None), workers.c.seen_at > now - LIVE_SECONDS
        )
    )
    found: dict[str, frozenset[str] | None] = {}
    for host, engines in rows:
        before = found.get(host, frozenset())
        found[host] = None if before is None or engines is None else before | frozenset(engines)
    return found


def capable_workers(roster: Roster, engine: str) -> set[str]:
    """The hosts that can run an engine."""
    return {host for host, engines in roster.items() if engines is None or engine in engines}
