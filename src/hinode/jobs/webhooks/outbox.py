"""Events and their deliveries, entered in the transaction of what they report (an outbox)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hinode.jobs import ids
from hinode.records.prepared import Prepared
from hinode.records.tables import deliveries, events, webhook_endpoints

PENDING = "pending"
DELIVERED = "delivered"
FAILED = "failed"

_EVENT = Prepared(
    *(
        insert(events).on_conflict_do_nothing(index_elements=["once"]).returning(events.c.id)
        for insert in (sqlite.insert, postgresql.insert)
    )
)
_ENDPOINTS = Prepared(
    sa.select(webhook_endpoints.c.id, webhook_endpoints.c.event_types)
    .where(
        webhook_endpoints.c.project_id == sa.bindparam("project"),
        webhook_endpoints.c.deleted_at.is_(None),
        webhook_endpoints.c.disabled_at.is_(None),
    )
    .order_by(webhook_endpoints.c.id)
)


def emit(
    connection: Connection, project_id: str, type: str, data: Mapping[str, Any], *, once: str, now: float
) -> None:
    """Enter an event, and a delivery of it for each webhook endpoint that subscribes to its type.

    They belong to the caller's transaction. An event whose `once` is there already is not entered again.

    Args:
        connection: in a writing transaction.
        project_id: the project; only its endpoints are notified.
        type: such as "video.completed".
        data: what the event is about, such as {"id": "video_…"}; it must be JSON.
        once: names what happened, in at most 100 characters, such as "video_…:ended".
        now: seconds since 1970.
    """
    event_id = ids.make("evt_", now)
    values = {"id": event_id, "project_id": project_id, "type": type, "data": dict(data), "once": once}
    if not _EVENT.run(connection, **values, created_at=now):
        return
    endpoints = _ENDPOINTS.run(connection, project=project_id)
    rows = [pending(event_id, endpoint, now) for endpoint, event_types in endpoints if type in event_types]
    if rows:
        connection.execute(deliveries.insert(), rows)


def pending(event_id: str, endpoint_id: str, now: float) -> dict[str, Any]:
    """The row of a delivery that is due at `now` (seconds since 1970)."""
    return {
        "id": ids.make("dlv_", now),
        "event_id": event_id,
        "endpoint_id": endpoint_id,
        "status": PENDING,
        "created_at": now,
        "next_at": now,
    }
