"""Webhook endpoints of a project: their subscriptions, their secrets, and the log of their deliveries."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.jobs.tenants.tenant import check_count
from hinode.jobs.webhooks import attempt, outbox
from hinode.jobs.webhooks.outbox import DELIVERED, FAILED, PENDING
from hinode.outbound import Answer, Outbound, OutboundError
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row, only_row
from hinode.records.tables import deliveries, delivery_attempts, events, webhook_endpoints

EventType = Literal[
    "batch.cancelled",
    "batch.completed",
    "batch.expired",
    "batch.failed",
    "budget.soft_limit_passed",
    "member.invited",
    "member.password_reset",
    "status.incident.closed",
    "status.incident.opened",
    "takedown.reminder",
    "takedown.restored",
    "takedown.upheld",
    "usage.recorded",
    "video.completed",
    "video.failed",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
MAX_ENDPOINTS = 20
MAX_NAME_LENGTH = 200
OLD_SECRET_SECONDS = 24 * 3600.0
SECRET_BYTES = 32


@dataclass(frozen=True)
class Endpoint:
    """A URL that events are posted to, a row of `records.tables.webhook_endpoints` without its secret.

    Attributes:
        hint: the end of the secret, to recognise it by.
        disabled_at: when it answered 410 Gone, after which nothing is posted until it is updated; or None.
    """

    id: str
    name: str
    url: str
    event_types: tuple[str, ...]
    hint: str
    created_at: float
    updated_at: float
    disabled_at: float | None


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt at a delivery: when it ended, how long it took, and the server's answer or the error."""

    number: int
    at: float
    seconds: float
    status_code: int | None
    error: str | None


@dataclass(frozen=True)
class Delivery:
    """The delivery of an event to an endpoint; times are seconds since 1970.

    Attributes:
        event_id: `evt_…`, which the receiver sees as `webhook-id`.
        data: of the event.
        status: "pending", "delivered" or "failed".
        next_at: earliest time of the next attempt if it is pending, else None.
    """

    id: str
    event_id: str
    event_type: str
    data: Mapping[str, Any]
    status: str
    created_at: float
    next_at: float | None
    delivered_at: float | None
    attempts: Sequence[DeliveryAttempt]


class Endpoints:
    """The webhook endpoints in one database. Safe to use from several threads."""

    def __init__(
        self, database: Database, outbound: Outbound, clock: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self.outbound = outbound
        self.clock = clock

    def create(
        self, project_id: str, *, name: str, url: str, event_types: Collection[str]
    ) -> tuple[Endpoint, str]:
        """Add an endpoint.

        Returns: the endpoint, and its secret, which cannot be read later.

        Raises:
            BadInput: a field is wrong, or there are too many endpoints.
        """
        now = self.clock()
        values = self._checked(name, url, event_types)
        secret = new_secret()
        with self.database.write() as connection:
            check_count(connection, project_id, MAX_ENDPOINTS, "webhook endpoints", "url", *_of(project_id))
            values |= {"id": ids.make("whe_", now), "project_id": project_id, "secret": secret}
            values |= {"created_at": now, "updated_at": now}
            insert = webhook_endpoints.insert().values(**values).returning(webhook_endpoints)
            return _endpoint(only_row(connection, insert)), secret

    def get(self, project_id: str, endpoint_id: str) -> Endpoint | None:
        """An endpoint of a project, or None if there is none."""
        with self.database.read() as connection:
            row = _row(connection, project_id, endpoint_id)
        return _endpoint(row) if row else None

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Endpoint], bool]:
        """Endpoints of a project in the order of creation, and whether there are more; see `page_of`."""
        owner = webhook_endpoints.c.project_id == project_id
        query = sa.select(webhook_endpoints).where(*_of(project_id))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "webhook endpoint", after, limit, descending)
        return [_endpoint(row) for row in rows], more

    def update(
        self,
        project_id: str,
        endpoint_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        event_types: Collection[str] | None = None,
    ) -> Endpoint | None:
        """Change the attributes that are not None, and enable the endpoint if it was disabled.

        Returns: the endpoint afterwards, or None if there is none.

        Raises:
            BadInput: a field is wrong.
        """
        values = self._checked(name, url, event_types)
        with self.database.write() as connection:
            row = _row(connection, project_id, endpoint_id, lock=True)
            if row is None:
                return None
            if any(row[field] != value for field, value in values.items()) or row["disabled_at"] is not None:
                values |= {"updated_at": self.clock(), "disabled_at": None}
                row = _update(connection, endpoint_id, values)
            return _endpoint(row)

    def delete(self, project_id: str, endpoint_id: str) -> bool:
        """Remove an endpoint and fail its pending deliveries; returns whether it was there."""
        with self.database.write() as connection:
            if _row(connection, project_id, endpoint_id, lock=True) is None:
                return False
            _update(connection, endpoint_id, {"deleted_at": self.clock()})
            unsent = (deliveries.c.endpoint_id == endpoint_id, deliveries.c.status == PENDING)
            connection.execute(deliveries.update().where(*unsent).values(status=FAILED, lease_until=None))
            return True

    def rotate(self, project_id: str, endpoint_id: str, *, keep_old: bool) -> tuple[Endpoint, str] | None:
        """Give an endpoint a new secret; with `keep_old` the old one signs too for 24 hours.

        Returns: the endpoint and its new secret, which cannot be read later; None if there is no endpoint.
        """
        now = self.clock()
        secret = new_secret()
        with self.database.write() as connection:
            row = _row(connection, project_id, endpoint_id, lock=True)
            if row is None:
                return None
            values = {
                "secret": secret,
                "old_secret": row["secret"] if keep_old else None,
                "old_secret_until": now + OLD_SECRET_SECONDS if keep_old else None,
                "updated_at": now,
            }
            return _endpoint(_update(connection, endpoint_id, values)), secret

    def test(self, project_id: str, endpoint_id: str, event_type: str) -> Answer | None:
        """Post a sample event now, once, even if the endpoint does not subscribe to its type; it is logged.

        Returns: the answer of the endpoint, or None if there is no such endpoint.

        Raises:
            BadInput: there is no such event type.
            OutboundError: the endpoint did not answer.
        """
        (event_type,) = _event_types([event_type])
        now = self.clock()
        with self.database.read() as connection:
            row = _row(connection, project_id, endpoint_id)
        if row is None:
            return None
        data = {"id": f"{event_type.partition('.')[0]}_test"}
        event = {"id": ids.make("evt_", now), "type": event_type, "data": data, "created_at": now}
        start = time.monotonic()
        answer, failure = None, None
        try:
            answer = attempt.post(self.outbound, row["url"], event, attempt.active_secrets(row, now), now)
        except OutboundError as error:
            failure = error
        self._log_test(project_id, endpoint_id, event, answer, failure, time.monotonic() - start)
        if failure:
            raise failure
        return answer

    def deliveries(
        self, project_id: str, endpoint_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Delivery], bool] | None:
        """The log of an endpoint, and whether there is more, or None without an endpoint; see `page_of`."""
        with self.database.read() as connection:
            if _row(connection, project_id, endpoint_id) is None:
                return None
            owner = deliveries.c.endpoint_id == endpoint_id
            query = sa.select(deliveries, events.c.type, events.c.data).join(events).where(owner)
            rows, more = page_of(connection, query, owner, "delivery", after, limit, descending)
            attempts = _attempts(connection, [row["id"] for row in rows])
        return [_delivery(row, attempts[row["id"]]) for row in rows], more

    def _checked(
        self, name: str | None, url: str | None, event_types: Collection[str] | None
    ) -> dict[str, Any]:
        """The checked columns of those attributes that are not None."""
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = ids.parse_name(name, MAX_NAME_LENGTH)
        if url is not None:
            values["url"] = str(self.outbound.check(url, https=True))
        if event_types is not None:
            values["event_types"] = _event_types(event_types)
        return values

    def _log_test(
        self,
        project_id: str,
        endpoint_id: str,
        event: Mapping[str, Any],
        answer: Answer | None,
        failure: OutboundError | None,
        seconds: float,
    ) -> None:
        now = self.clock()
        delivered = answer is not None and 200 <= answer.status < 300
        row = outbox.pending(event["id"], endpoint_id, now) | {
            "status": DELIVERED if delivered else FAILED,  # a test is not tried again
            "attempts": 1,
            "created_at": event["created_at"],
            "delivered_at": now if delivered else None,
        }
        with self.database.write() as connection:
            values = {**event, "project_id": project_id, "once": f"test:{event['id']}"}
            connection.execute(events.insert().values(**values))
            connection.execute(deliveries.insert().values(**row))
            error = str(failure) if failure else None
            attempt.log_attempt(connection, row["id"], 1, now, seconds, answer, error)


def new_secret() -> str:
    """A signing secret: `whsec_` and 32 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _event_types(event_types: Collection[str]) -> list[str]:
    unknown = [name for name in event_types if name not in EVENT_TYPES]
    if unknown or not event_types:
        message = f"there is no event type {quote(unknown[0])}" if unknown else "there are no event types"
        raise BadInput(message, f"choose from {join_names(EVENT_TYPES)}", field="event_types")
    return sorted(set(event_types))


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return webhook_endpoints.c.project_id == project_id, webhook_endpoints.c.deleted_at.is_(None)


def _row(
    connection: Connection, project_id: str, endpoint_id: str, *, lock: bool = False
) -> sa.RowMapping | None:
    query = sa.select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id, *_of(project_id))
    return first_row(connection, query.with_for_update() if lock else query)


def _update(connection: Connection, endpoint_id: str, values: Mapping[str, Any]) -> sa.RowMapping:
    update = webhook_endpoints.update().where(webhook_endpoints.c.id == endpoint_id).values(**values)
    return only_row(connection, update.returning(webhook_endpoints))


def _attempts(connection: Connection, delivery_ids: Sequence[str]) -> dict[str, list[DeliveryAttempt]]:
    rows = connection.execute(
        sa.select(delivery_attempts)
        .where(delivery_attempts.c.delivery_id.in_(delivery_ids))
        .order_by(delivery_attempts.c.number)
    ).mappings()
    attempts = {delivery_id: list[DeliveryAttempt]() for delivery_id in delivery_ids}
    for row in rows:
        attempts[row["delivery_id"]].append(from_row(DeliveryAttempt, row))
    return attempts


def _endpoint(row: sa.RowMapping) -> Endpoint:
    return from_row(Endpoint, row, event_types=tuple(row["event_types"]), hint=f"whsec_…{row['secret'][-4:]}")


def _delivery(row: sa.RowMapping, attempts: Sequence[DeliveryAttempt]) -> Delivery:
    next_at = row["next_at"] if row["status"] == PENDING else None
    return from_row(Delivery, row, event_type=row["type"], next_at=next_at, attempts=attempts)
