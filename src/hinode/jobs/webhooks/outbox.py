"""Events, and who is to be told of them, written in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hinode.jobs import ids
from hinode.records.tables import deliveries, events, webhook_endpoints

PENDING = "pending"
DELIVERED = "delivered"
FAILED = "failed"

_EVENT = {
    name: insert(events).on_conflict_do_nothing(index_elements=["once"]).returning(events.c.id)
    for name, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
_ENDPOINTS = (
    sa.select(webhook_endpoints.c.id, webhook_endpoints.c.event_types)
    .where(
        webhook_endpoints.c.project_id == sa.bindparam("project"),
        webhook_endpoints.c.deleted_at.is_(None),
        webhook_endpoints.c.disabled_at.is_(None),
    )
    .order_by(webhook_endpoints.c.id)
)


def emit(
    connection: Connection, *, project_id: str, type: str, data: Mapping[str, Any], once: str, now: float
) -> None:
    """Record that something happened, and one delivery for each webhook endpoint that asked for its type.

    It belongs to the caller's transaction: if that is rolled back, nothing happened. An event whose `once` is
    there already is not written again and is not delivered again.

    Args:
        connection: inside a writing transaction.
        project_id: whose event it is; only endpoints of this project are told.
        type: such as "video.completed".
        data: what the event is about, such as {"id": "video_…"}; it must be JSON.
        once: the happening in at most 100 characters, such as "video_…:completed".
        now: seconds since 1970.
    """
    row = {
        "id": ids.make("evt_", now),
        "project_id": project_id,
        "type": type,
        "data": dict(data),
        "created_at": now,
        "once": once,
    }
    event_id = connection.execute(_EVENT[connection.dialect.name], row).scalar_one_or_none()
    if event_id is None:
        return
    endpoints = connection.execute(_ENDPOINTS, {"project": project_id})
    told = [endpoint.id for endpoint in endpoints if type in endpoint.event_types]
    if told:
        connection.execute(sa.insert(deliveries), [pending(event_id, endpoint, now) for endpoint in told])


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
