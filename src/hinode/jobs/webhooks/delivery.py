"""Delivering events to webhook endpoints, with retries for 72 hours.

A delivery is a row with a lease and a fencing token, as a job is. The process that leases it posts the event
and then enters the result. If it dies between the two, another process posts the same event again under the
same `webhook-id`, by which the receiver recognises it: an event is delivered at least once.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.jobs.webhooks import attempt
from hinode.jobs.webhooks.outbox import DELIVERED, FAILED, PENDING
from hinode.outbound import Answer, Outbound, OutboundError
from hinode.records.database import Database
from hinode.records.rows import only_row
from hinode.records.tables import deliveries, delivery_attempts, events, webhook_endpoints

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
PRUNE_SECONDS = 3600.0  # between two looks for what is older than LOG_SECONDS
LOG_SECONDS = 30 * 24 * 3600.0
"""How long events and their deliveries stay in the log."""
MAX_CONCURRENT = 2  # to one endpoint, so that a slow one does not hold up the others
MAX_PER_PROJECT = 3  # to all endpoints of one project
MAX_DELETIONS = 5000  # events in one transaction, so that others get to the database


@dataclass(frozen=True)
class DueDelivery:
    """A delivery that this process has leased.

    Attributes:
        epoch: the fencing token; the result of the attempt counts only while the row still has it.
        attempt: number of the attempt, from 1.
        created_at: when the delivery was entered, seconds since 1970.
        event: row of the event: id, type, data, created_at.
        secrets: to sign with, the newest first.
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


class Deliverer:
    """Makes the deliveries that are due, several at once. Any number of processes may do so."""

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        clock: Callable[[], float] = time.time,
        *,
        threads: int = 8,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        """`clock` gives seconds since 1970, `threads` is the number of attempts at once, and `fraction` gives
        random numbers from 0 to 1."""
        self.database = database
        self.outbound = outbound
        self.clock = clock
        self.threads = threads
        self._fraction = fraction
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhook")
        self._lock = Lock()
        self._running: dict[Future[None], DueDelivery] = {}
        self._prune_at = 0.0

    def run_due(self, now: float) -> int:
        """Start the attempts that are due at `now` (seconds since 1970), as far as threads are free.

        Returns: how many were started; it does not wait for them.
        """
        if now >= self._prune_at:
            # The rest is removed the next time, so that deliveries do not wait for it.
            self._prune_at = now + PRUNE_SECONDS if self.prune(now) < MAX_DELETIONS else now
        with self._lock:
            running = list(self._running.values())
        counts = Counter(name for due in running for name in (due.endpoint_id, due.project_id))
        leased = self._lease(now, self.threads - len(running), counts)
        for due in leased:
            with self._lock:
                future = self._pool.submit(self._attempt, due)
                self._running[future] = due
            future.add_done_callback(self._ended)
        return len(leased)

    def settle(self, seconds: float | None = None) -> None:
        """Wait until no attempt is running, but at most `seconds`."""
        with self._lock:
            running = list(self._running)
        wait(running, seconds)

    def close(self) -> None:
        """Wait for the running attempts, which takes ten seconds at most, and start no more."""
        self._pool.shutdown(wait=True)

    def prune(self, now: float) -> int:
        """Remove events and their deliveries that are older than 30 days.

        Returns: how many events were removed; if `MAX_DELETIONS`, there may be more of them.
        """
        with self.database.write() as connection:
            # A delivery that never ended, because no server ran for a month, is removed too.
            query = sa.select(events.c.id).where(events.c.created_at < now - LOG_SECONDS)
            old = list(connection.scalars(query.limit(MAX_DELETIONS)))
            of_old = sa.select(deliveries.c.id).where(deliveries.c.event_id.in_(old))
            connection.execute(delivery_attempts.delete().where(delivery_attempts.c.delivery_id.in_(of_old)))
            connection.execute(deliveries.delete().where(deliveries.c.event_id.in_(old)))
            connection.execute(events.delete().where(events.c.id.in_(old)))
        return len(old)

    def _ended(self, future: Future[None]) -> None:
        with self._lock:
            self._running.pop(future, None)

    def _lease(self, now: float, limit: int, running: Mapping[str, int]) -> list[DueDelivery]:
        """Lease at most `limit` deliveries: the longest due first, few of each endpoint and of each project.

        `running` has the numbers of attempts that are running, by endpoint and by project.
        """
        if limit <= 0:
            return []
        with self.database.read() as connection:  # nearly always there is nothing to write
            candidates = _candidates(connection, now, limit, running)
        if not candidates:
            return []
        with self.database.write() as connection:
            leased = connection.execute(
                deliveries.update()
                .where(deliveries.c.id.in_(candidates), *_due(now))
                .values(epoch=deliveries.c.epoch + 1, lease_until=now + LEASE_SECONDS)
                .returning(deliveries)
            ).mappings()
            return [due for row in leased.all() if (due := _load(connection, row, now))]

    def _attempt(self, due: DueDelivery) -> None:
        start = time.monotonic()
        answer, error = None, None
        try:
            answer = attempt.post(self.outbound, due.url, due.event, due.secrets, self.clock())
        except OutboundError as refusal:
            error = str(refusal)
        except Exception:
            log.exception("delivery %s could not be attempted", due.id)
            error = "internal server error"
        try:
            self._record(due, answer, error, time.monotonic() - start)
        except HinodeError as fault:
            # The lease expires, and then the delivery is tried again.
            log.error("the result of delivery %s could not be entered: %s", due.id, fault)

    def _record(self, due: DueDelivery, answer: Answer | None, error: str | None, seconds: float) -> None:
        """Enter an attempt, unless another process has leased the delivery in the meantime."""
        now = self.clock()
        outcome = attempt.decide(
            created_at=due.created_at, attempt=due.attempt, now=now, fraction=self._fraction(), answer=answer
        )
        values = {"status": outcome.status, "attempts": due.attempt, "next_at": outcome.next_at}
        delivered_at = now if outcome.status == DELIVERED else None
        row = deliveries.c
        update = deliveries.update().where(row.id == due.id, row.epoch == due.epoch, row.status == PENDING)
        with self.database.write() as connection:
            update = update.values(**values, lease_until=None, delivered_at=delivered_at)
            if not connection.execute(update).rowcount:
                return
            attempt.log_attempt(connection, due.id, due.attempt, now, seconds, answer, error)
        if outcome.gone:
            # In a transaction of its own, because deleting an endpoint locks it before its deliveries.
            endpoint = (webhook_endpoints.c.id == due.endpoint_id, webhook_endpoints.c.url == due.url)
            with self.database.write() as connection:
                connection.execute(webhook_endpoints.update().where(*endpoint).values(disabled_at=now))


def _due(now: float) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        deliveries.c.status == PENDING,
        deliveries.c.next_at <= now,
        sa.or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= now),
    )


def _candidates(connection: Connection, now: float, limit: int, running: Mapping[str, int]) -> list[str]:
    """The deliveries to attempt, the longest due first; `running` counts by endpoint and by project."""
    order = (deliveries.c.next_at, deliveries.c.id)
    rank = sa.func.row_number().over(partition_by=deliveries.c.endpoint_id, order_by=order)
    full = [name for name, count in running.items() if count >= MAX_CONCURRENT]
    full_projects = [name for name, count in running.items() if count >= MAX_PER_PROJECT]
    columns = (deliveries.c.id, deliveries.c.endpoint_id, deliveries.c.next_at)
    by_endpoint = (
        sa.select(*columns, webhook_endpoints.c.project_id, rank.label("rank"))
        .join(webhook_endpoints, webhook_endpoints.c.id == deliveries.c.endpoint_id)
        .where(
            *_due(now),
            deliveries.c.endpoint_id.not_in(full),
            webhook_endpoints.c.project_id.not_in(full_projects),
        )
        .subquery()
    )
    project_rank = sa.func.row_number().over(
        partition_by=by_endpoint.c.project_id, order_by=(by_endpoint.c.next_at, by_endpoint.c.id)
    )
    by_project = (
        sa.select(by_endpoint, project_rank.label("project_rank"))
        .where(by_endpoint.c.rank <= MAX_CONCURRENT)
        .subquery()
    )
    # A running attempt that keeps one of these from starting counts for its project, too: so many rows are
    # always enough. And the first of each project can start.
    rows = connection.execute(
        sa.select(by_project)
        .where(by_project.c.project_rank <= MAX_PER_PROJECT)
        .order_by(by_project.c.next_at, by_project.c.id)
        .limit(limit * MAX_PER_PROJECT)
    )
    counts, chosen = Counter(running), list[str]()
    for row in rows:
        if counts[row.endpoint_id] < MAX_CONCURRENT and counts[row.project_id] < MAX_PER_PROJECT:
            counts.update((row.endpoint_id, row.project_id))
            chosen.append(row.id)
    return chosen[:limit]


def _load(connection: Connection, row: sa.RowMapping, now: float) -> DueDelivery | None:
    """A delivery with its event and endpoint; None if the endpoint was deleted or disabled since."""
    event = only_row(connection, sa.select(events).where(events.c.id == row["event_id"]))
    query = sa.select(webhook_endpoints).where(webhook_endpoints.c.id == row["endpoint_id"])
    endpoint = only_row(connection, query)
    if endpoint["deleted_at"] is not None or endpoint["disabled_at"] is not None:
        update = deliveries.update().where(deliveries.c.id == row["id"])
        connection.execute(update.values(status=FAILED, lease_until=None))
        return None
    return DueDelivery(
        id=row["id"],
        epoch=row["epoch"],
        attempt=row["attempts"] + 1,
        created_at=row["created_at"],
        event=dict(event),
        project_id=endpoint["project_id"],
        endpoint_id=endpoint["id"],
        url=endpoint["url"],
        secrets=attempt.active_secrets(endpoint, now),
    )
