"""The workers of a class in the table of workers: who lives, and how many seconds were paid for."""

from __future__ import annotations

import sqlalchemy as sa

from hinode.jobs.capacity.scaling import CAP_SECONDS
from hinode.jobs.scheduling.live_workers import is_live
from hinode.records.database import Database
from hinode.records.tables import workers


def paid_seconds(database: Database, name: str, now: float) -> float:
    """Seconds of all workers of a class in the last 24 hours.

    A worker that died without a word counts until it was last seen.

    Args:
        name: of the class; see `host_name`.
        now: seconds since 1970.
    """
    since = now - CAP_SECONDS
    end = sa.func.coalesce(workers.c.stopped_at, workers.c.last_seen_at)
    mine = workers.c.host.startswith(host_name(name, ""), autoescape=True)
    query = sa.select(workers.c.started_at, end).where(mine, end > since)
    with database.read() as connection:
        rows = connection.execute(query)
        return float(sum(min(now, ended) - max(since, began) for began, ended in rows))


def host_name(name: str, place: str) -> str:
    """The host that a worker of a class enters; `place` tells it from the others of its class."""
    return f"{name}@{place}"


def live_workers(database: Database, name: str, now: float) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The live workers of a class by host: id, and the models in memory; of several on one host the last."""
    mine = workers.c.host.startswith(host_name(name, ""), autoescape=True)
    query = sa.select(workers.c.host, workers.c.id, workers.c.resident).where(mine, *is_live(now))
    with database.read() as connection:
        rows = connection.execute(query.order_by(workers.c.id))
        return {row.host: (row.id, tuple(row.resident)) for row in rows}
