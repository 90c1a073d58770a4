"""Events and their deliveries, entered in the transaction of what they report (an outbox)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from hinode.records import ids
from hinode.records.prepared import Prepared
from hinode.records.tables import deliveries, webhook_endpoints

PENDING = "pending"
DELIVERED = "delivered"
FAILED = "failed"

_EVENT = Prepared(
    """
    INSERT INTO events (id, project_id, type, data, created_at, once)
    VALUES (:id, :project, :type, :data, :now, :once) ON CONFLICT (once) DO NOTHING RETURNING id
    """,
    json_values=("data",),
)
_ENDPOINTS = Prepared(
    """
    SELECT id, event_types FROM webhook_endpoints
    WHERE project_id = :project AND deleted_at IS NULL AND disabled_at IS NULL ORDER BY id
    """,
    columns=(webhook_endpoints.c.id, webhook_endpoints.c.event_types),
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
    event = {"id": event_id, "project": project_id, "type": type, "data": dict(data), "once": once}
    if not _EVENT.run(connection, **event, now=now):
        return
    endpoints = _ENDPOINTS.run(connection, project=project_id)
    rows = [pending(event_id, endpoint, now) for endpoint, event_types in endpoints if type in event_types]
    if rows:
        connection.execute(deliveries.insert(), rows)


def is_wanted(connection: Connection, project_id: str, type: str) -> bool:
    """Whether an endpoint of a project subscribes to a type of events."""
    return any(type in types for _, types in _ENDPOINTS.run(connection, project=project_id))


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
