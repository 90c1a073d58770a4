"""What the probes leave is deleted for good: rows of thousands of clips a day would only cost space."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs import transitions
from hinode.jobs.rows import read_job
from hinode.jobs.states import FINAL, Status
from hinode.records.tables import deliveries, delivery_attempts, events, jobs, metadata, screening_decisions

CLIP_SECONDS = 120.0
"""Longer than a probe needs its clip and its event."""
MAX_ROWS = 500


def tidy(connection: Connection, project_id: str, now: float) -> int:
    """Delete the ended clips and the events of a project that are older than two minutes.

    Clips that still wait, which the probe could not cancel, are cancelled. Their files go with the next sweep
    of the store, since no row names them.

    Returns: how many clips were deleted.
    """
    old = jobs.c.project_id == project_id, jobs.c.created_at < now - CLIP_SECONDS
    waiting = sa.select(jobs).where(*old, jobs.c.status == Status.QUEUED.value).limit(MAX_ROWS)
    for row in connection.execute(waiting.with_for_update()).mappings().all():
        transitions.cancel(connection, read_job(row), now)
    ended = sa.select(jobs.c.id).where(*old, jobs.c.status.in_(FINAL)).order_by(jobs.c.id).limit(MAX_ROWS)
    clips = list(connection.scalars(ended))
    for table in metadata.sorted_tables:
        for column in table.columns:
            if any(key.column is jobs.c.id for key in column.foreign_keys):
                connection.execute(table.delete().where(column.in_(clips)))
    connection.execute(screening_decisions.delete().where(screening_decisions.c.job_id.in_(clips)))
    connection.execute(jobs.delete().where(jobs.c.id.in_(clips)))
    past = sa.select(events.c.id).where(
        events.c.project_id == project_id, events.c.created_at < now - CLIP_SECONDS
    )
    events_of_past = list(connection.scalars(past.limit(MAX_ROWS)))
    sent = sa.select(deliveries.c.id).where(deliveries.c.event_id.in_(events_of_past))
    connection.execute(delivery_attempts.delete().where(delivery_attempts.c.delivery_id.in_(sent)))
    connection.execute(deliveries.delete().where(deliveries.c.event_id.in_(events_of_past)))
    connection.execute(events.delete().where(events.c.id.in_(events_of_past)))
    return len(clips)
