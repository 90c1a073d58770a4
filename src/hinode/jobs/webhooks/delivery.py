"""Telling webhook endpoints of events: signed as Standard Webhooks has it, again and again for 72 hours.

A delivery is a row with a lease and a fencing token, as a job is. Whoever takes it posts and then writes down
what came of it; if the process dies between the two, another posts the same event again under the same
`webhook-id`, by which the receiver knows it: delivered at least once, and never half written down.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from standardwebhooks import Webhook

from hinode.errors import HinodeError
from hinode.jobs.webhooks.outbox import DELIVERED, FAILED, PENDING
from hinode.outbound import Answer, Outbound, OutboundError
from hinode.records.database import Database
from hinode.records.tables import deliveries, delivery_attempts, events, webhook_endpoints
from hinode.retry import backoff

log = logging.getLogger(__name__)

HOUR = 3600.0
RETRY_SECONDS = 72 * HOUR
"""How long after its event a delivery is tried."""
FIRST_DELAY = 5.0
MAX_DELAY = 6 * HOUR
ATTEMPT_SECONDS = 10.0
LEASE_SECONDS = 60.0
LOG_SECONDS = 30 * 24 * HOUR
"""How long deliveries that have ended can be looked up."""
MAX_CONCURRENT = 2  # to one endpoint, so that a slow one does not hold up the others
MAX_PER_PROJECT = 3  # to all endpoints of one project
MAX_DELETIONS = 5000  # events at once, so that others get their turn at the database

GONE = 410


@dataclass(frozen=True)
class Due:
    """A delivery that this process has taken.

    Attributes:
        id: of the delivery.
        epoch: the fencing token; what comes of the attempt counts only while the row still has it.
        attempt: which attempt it is, from 1.
        created_at: when the delivery was written, seconds since 1970.
        event: row of the event: id, type, data, created_at.
        project_id: whose event it is.
        endpoint_id: who is told.
        url: where to.
        secrets: what to sign with, the newest first.
    """

    id: str
    epoch: int
    attempt: int
    created_at: float
    event: Mapping[str, Any]
    project_id: str
    endpoint_id: str
    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class DeliveryOutcome:
    """What an attempt means for its delivery.

    Attributes:
        status: "delivered", "failed", or "pending" if it is to be tried again.
        next_at: when, in seconds since 1970.
        gone: the endpoint wants no more deliveries.
    """

    status: str
    next_at: float
    gone: bool = False


def body(event: Mapping[str, Any]) -> bytes:
    """What is posted: the same bytes at every attempt, because they are signed."""
    content = {
        "id": event["id"],
        "object": "event",
        "created_at": int(event["created_at"]),
        "type": event["type"],
        "data": event["data"],
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def headers(event_id: str, content: bytes, secrets: tuple[str, ...], now: float) -> dict[str, str]:
    """The headers of an attempt: one signature for each secret, and any one that fits will do.

    Args:
        event_id: stays the same at every attempt.
        content: the body.
        secrets: `whsec_…` each.
        now: seconds since 1970; receivers refuse what is more than five minutes off.
    """
    at = datetime.fromtimestamp(int(now), UTC)
    signatures = [Webhook(secret).sign(event_id, at, content.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }


def active_secrets(endpoint: sa.RowMapping, now: float) -> tuple[str, ...]:
    """The secrets to sign with at `now`: two for the day after a rotation that kept the old one."""
    if endpoint["old_secret"] and (endpoint["old_secret_until"] or 0.0) > now:
        return endpoint["secret"], endpoint["old_secret"]
    return (endpoint["secret"],)


def delay(attempt: int, fraction: float) -> float:
    """Seconds to wait after a failed attempt: 5, 20, 80, … up to six hours, a quarter more or less.

    Args:
        attempt: the one that failed, from 1.
        fraction: a random number from 0 to 1, so that deliveries which failed together come back apart.
    """
    return backoff(attempt, first=FIRST_DELAY, maximum=MAX_DELAY, factor=4.0, jitter=0.5 * fraction - 0.25)


def judge(
    *, created_at: float, attempt: int, now: float, fraction: float, answer: Answer | None
) -> DeliveryOutcome:
    """Decide what an attempt means.

    Args:
        created_at: of the delivery, seconds since 1970.
        attempt: its number, from 1.
        now: when it ended.
        fraction: see `delay`.
        answer: of the server, or None if there was none.
    """
    if answer and 200 <= answer.status < 300:
        return DeliveryOutcome(DELIVERED, now)
    if answer and answer.status == GONE:
        return DeliveryOutcome(FAILED, now, gone=True)
    last = created_at + RETRY_SECONDS
    if now >= last:
        return DeliveryOutcome(FAILED, now)
    wait_seconds = delay(attempt, fraction)
    asked = answer.headers.get("retry-after", "") if answer else ""
    if asked.isascii() and asked.isdecimal():
        wait_seconds = max(wait_seconds, min(float(asked[:9]), MAX_DELAY))
    return DeliveryOutcome(PENDING, min(now + wait_seconds, last))


class Deliverer:
    """Makes the deliveries that are due, several at once. Any number of processes may do it side by side."""

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        clock: Callable[[], float] = time.time,
        *,
        threads: int = 8,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            database: where deliveries are written down.
            outbound: what posts them.
            clock: seconds since 1970.
            threads: attempts at once.
            fraction: random numbers from 0 to 1.
        """
        self.database = database
        self.outbound = outbound
        self.clock = clock
        self.threads = threads
        self._fraction = fraction
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhook")
        self._lock = Lock()
        self._under_way: dict[Future[None], Due] = {}
        self._forget_at = 0.0

    def run_due(self, now: float) -> int:
        """Begin the attempts that are due, as far as there are threads free, and return at once.

        Args:
            now: seconds since 1970.

        Returns: how many were begun.
        """
        if now >= self._forget_at:
            # What is left is forgotten the next time, so that deliveries do not wait for it.
            self._forget_at = now + HOUR if self.forget(now) < MAX_DELETIONS else now
        with self._lock:
            under_way = list(self._under_way.values())
        busy = Counter(name for due in under_way for name in (due.endpoint_id, due.project_id))
        taken = self._take(now, self.threads - len(under_way), busy)
        for due in taken:
            with self._lock:
                future = self._pool.submit(self._attempt, due)
                self._under_way[future] = due
            future.add_done_callback(self._ended)
        return len(taken)

    def settle(self, seconds: float | None = None) -> None:
        """Wait until no attempt is under way, or `seconds` are over."""
        with self._lock:
            under_way = list(self._under_way)
        wait(under_way, seconds)

    def close(self) -> None:
        """Wait for the attempts that are under way, which takes ten seconds at most, and begin no more."""
        self._pool.shutdown(wait=True)

    def forget(self, now: float) -> int:
        """Remove the log of deliveries, and events, that are older than 30 days.

        Returns: how many events were removed; if `MAX_DELETIONS`, there may be more of them.
        """
        with self.database.write() as connection:
            # One that was never ended (nobody served for a month) is removed all the same.
            old = list(
                connection.scalars(
                    sa.select(events.c.id).where(events.c.created_at < now - LOG_SECONDS).limit(MAX_DELETIONS)
                )
            )
            told = sa.select(deliveries.c.id).where(deliveries.c.event_id.in_(old))
            connection.execute(delivery_attempts.delete().where(delivery_attempts.c.delivery_id.in_(told)))
            connection.execute(deliveries.delete().where(deliveries.c.event_id.in_(old)))
            connection.execute(events.delete().where(events.c.id.in_(old)))
        return len(old)

    def _ended(self, future: Future[None]) -> None:
        with self._lock:
            self._under_way.pop(future, None)

    def _take(self, now: float, room: int, busy: Mapping[str, int]) -> list[Due]:
        """Lease deliveries: the longest due first, few of each endpoint and of each project.

        Args:
            now: seconds since 1970.
            room: at most so many.
            busy: attempts under way, by endpoint and by project.
        """
        if room <= 0:
            return []
        with self.database.read() as connection:  # nearly always there is nothing to write
            names = _candidates(connection, now, room, busy)
        if not names:
            return []
        with self.database.write() as connection:
            taken = connection.execute(
                deliveries.update()
                .where(deliveries.c.id.in_(names), *_due(now))
                .values(epoch=deliveries.c.epoch + 1, lease_until=now + LEASE_SECONDS)
                .returning(deliveries)
            ).mappings()
            return [due for row in taken.all() if (due := _loaded(connection, row, now))]

    def _attempt(self, due: Due) -> None:
        began = time.monotonic()
        answer, error = None, None
        try:
            answer = post(self.outbound, due.url, due.event, due.secrets, self.clock())
        except OutboundError as refusal:
            error = str(refusal)
        except Exception:
            log.exception("the attempt at delivery %s failed in itself", due.id)
            error = "a fault inside this server"
        try:
            self._record(due, answer, error, time.monotonic() - began)
        except HinodeError as fault:
            # The lease runs out, and then the delivery is tried again.
            log.error("what came of delivery %s could not be written down: %s", due.id, fault)

    def _record(self, due: Due, answer: Answer | None, error: str | None, seconds: float) -> bool:
        """Write down an attempt; one whose delivery was taken over in the meantime leaves no trace."""
        now = self.clock()
        verdict = judge(
            created_at=due.created_at, attempt=due.attempt, now=now, fraction=self._fraction(), answer=answer
        )
        with self.database.write() as connection:
            held = connection.execute(
                deliveries.update()
                .where(
                    deliveries.c.id == due.id,
                    deliveries.c.epoch == due.epoch,
                    deliveries.c.status == PENDING,
                )
                .values(
                    status=verdict.status,
                    attempts=due.attempt,
                    next_at=verdict.next_at,
                    lease_until=None,
                    delivered_at=now if verdict.status == DELIVERED else None,
                )
                .returning(deliveries.c.id)
            ).scalar_one_or_none()
            if held is None:
                return False
            write_attempt(connection, due.id, due.attempt, now, seconds, answer, error)
        if verdict.gone:
            # On its own, as whoever deletes an endpoint locks it before its deliveries.
            with self.database.write() as connection:
                connection.execute(
                    webhook_endpoints.update()
                    .where(webhook_endpoints.c.id == due.endpoint_id, webhook_endpoints.c.url == due.url)
                    .values(disabled_at=now)
                )
        return True


def post(
    outbound: Outbound, url: str, event: Mapping[str, Any], secrets: tuple[str, ...], now: float
) -> Answer:
    """Post an event to an endpoint.

    Raises:
        OutboundError: the URL may not be asked, or there was no answer in time.
    """
    content = body(event)
    signed = headers(event["id"], content, secrets, now)
    return outbound.post(url, content, signed, seconds=ATTEMPT_SECONDS)


def write_attempt(
    connection: Connection,
    delivery_id: str,
    number: int,
    now: float,
    seconds: float,
    answer: Answer | None,
    error: str | None,
) -> None:
    """Enter one attempt in the log, in the caller's transaction."""
    connection.execute(
        delivery_attempts.insert().values(
            delivery_id=delivery_id,
            number=number,
            at=now,
            seconds=seconds,
            status_code=answer.status if answer else None,
            error=error,
        )
    )


def _due(now: float) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        deliveries.c.status == PENDING,
        deliveries.c.next_at <= now,
        sa.or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= now),
    )


def _candidates(connection: Connection, now: float, room: int, busy: Mapping[str, int]) -> list[str]:
    """The deliveries to begin, the longest due first; `busy` counts by endpoint and by project."""
    order = (deliveries.c.next_at, deliveries.c.id)
    place = sa.func.row_number().over(partition_by=deliveries.c.endpoint_id, order_by=order)
    full = [name for name, count in busy.items() if count >= MAX_CONCURRENT]
    full_projects = [name for name, count in busy.items() if count >= MAX_PER_PROJECT]
    ranked = (
        sa.select(
            *(deliveries.c.id, deliveries.c.endpoint_id, deliveries.c.next_at),
            webhook_endpoints.c.project_id,
            place.label("place"),
        )
        .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.c.endpoint_id)
        .where(
            *_due(now),
            deliveries.c.endpoint_id.not_in(full),
            webhook_endpoints.c.project_id.not_in(full_projects),
        )
        .subquery()
    )
    among = sa.func.row_number().over(
        partition_by=ranked.c.project_id, order_by=(ranked.c.next_at, ranked.c.id)
    )
    few = sa.select(ranked, among.label("among")).where(ranked.c.place <= MAX_CONCURRENT).subquery()
    # An attempt under way keeps one of these from beginning, and takes a place of its project: so many are
    # always enough. And the first of each project can begin.
    found = connection.execute(
        sa.select(few)
        .where(few.c.among <= MAX_PER_PROJECT)
        .order_by(few.c.next_at, few.c.id)
        .limit(room * MAX_PER_PROJECT)
    )
    counts, chosen = Counter(busy), list[str]()
    for row in found:
        if counts[row.endpoint_id] < MAX_CONCURRENT and counts[row.project_id] < MAX_PER_PROJECT:
            counts.update((row.endpoint_id, row.project_id))
            chosen.append(row.id)
    return chosen[:room]


def _loaded(connection: Connection, row: sa.RowMapping, now: float) -> Due | None:
    """What to post for a delivery just taken; None if its endpoint was deleted or disabled since."""
    event = connection.execute(sa.select(events).where(events.c.id == row["event_id"])).mappings().one()
    endpoint = (
        connection.execute(sa.select(webhook_endpoints).where(webhook_endpoints.c.id == row["endpoint_id"]))
        .mappings()
        .one()
    )
    if endpoint["deleted_at"] is not None or endpoint["disabled_at"] is not None:
        connection.execute(
            deliveries.update().where(deliveries.c.id == row["id"]).values(status=FAILED, lease_until=None)
        )
        return None
    return Due(
        id=row["id"],
        epoch=row["epoch"],
        attempt=row["attempts"] + 1,
        created_at=row["created_at"],
        event=dict(event),
        project_id=endpoint["project_id"],
        endpoint_id=endpoint["id"],
        url=endpoint["url"],
        secrets=active_secrets(endpoint, now),
    )
