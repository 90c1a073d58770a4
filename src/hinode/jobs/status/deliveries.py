"""The probe of webhooks: an event is entered, and the server delivers it to an address of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.status.objectives import DELIVERY_SECONDS, WEBHOOKS
from hinode.jobs.status.probes import POLL_SECONDS, Client, Outcome
from hinode.jobs.webhooks import outbox
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.outbound import Outbound, OutboundError
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.tables import deliveries, events

PATH = "/status/webhook"
"""Where the server takes the events of this probe; it answers 204 to everybody."""
EVENT_TYPE = "batch.completed"
"""The clips of other probes have events of another type, so that each probe has one delivery."""


class WebhookProbe:
    """An event arrives at the server itself. It needs an address to which the server may post: a public one
    with https, unless `HINODE_ALLOW_PRIVATE_URLS` is set."""

    name = WEBHOOKS
    components = (WEBHOOKS,)
    max_seconds = DELIVERY_SECONDS + 10.0

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        url: str,
        project_id: Callable[[], str],
        clock: Callable[[], float],
        client: Client,
    ) -> None:
        """
        Args:
            database: of the probed server.
            outbound: as the server uses it for webhooks.
            url: address of the server.
            project_id: returns the project of the probes.
            clock: seconds since 1970.
            client: whose pauses and seconds are used.

        Raises:
            OutboundError: the server may not post to that address.
        """
        self._url = str(outbound.check(f"{url}{PATH}", https=True))
        self._endpoints = Endpoints(database, outbound, clock)
        self._database = database
        self._project_id = project_id
        self._clock = clock
        self._client = client

    def run(self) -> Sequence[Outcome]:
        """See `Probe`."""
        project = self._project_id()
        self._subscribe(project)
        now, start = self._clock(), self._client.clock()
        with self._database.write() as connection:
            once = ids.make("probe_", now)
            outbox.emit(connection, project, EVENT_TYPE, {"id": once}, once=once, now=now)
        while True:
            with self._database.read() as connection:
                status = _status(connection, once)
            seconds = self._client.clock() - start
            if status == outbox.DELIVERED:
                return [Outcome(WEBHOOKS, True, seconds)]
            if seconds >= DELIVERY_SECONDS:
                break
            self._client.pause(POLL_SECONDS)
        return [Outcome(WEBHOOKS, False, seconds, f"An event did not arrive within {DELIVERY_SECONDS:g} s.")]

    def _subscribe(self, project: str) -> None:
        """Make the endpoint of the probe, if it is not there, or is at another address."""
        current, _ = self._endpoints.page(project, after=None, limit=1)
        if not current:
            self._endpoints.create(project, name="status probe", url=self._url, event_types=[EVENT_TYPE])
        elif current[0].url != self._url or current[0].disabled_at is not None:
            self._endpoints.update(project, current[0].id, url=self._url)


def webhook_probe(
    database: Database,
    outbound: Outbound,
    url: str,
    project_id: Callable[[], str],
    clock: Callable[[], float],
    client: Client,
) -> WebhookProbe | None:
    """The probe, or None if the server may not post to that address; see `WebhookProbe`."""
    try:
        return WebhookProbe(database, outbound, url, project_id, clock, client)
    except OutboundError:
        return None


def _status(connection: Connection, once: str) -> str | None:
    query = sa.select(deliveries.c.status).join(events).where(events.c.once == once)
    status: str | None = connection.scalar(query)
    return status
