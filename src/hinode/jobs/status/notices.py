"""Incidents as people and programs hear of them: by webhook and by mail."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.jobs.status.objectives import title_of
from hinode.jobs.tenants.mail import Mailer
from hinode.jobs.webhooks import outbox
from hinode.records.tables import webhook_endpoints

log = logging.getLogger(__name__)

OPENED, CLOSED = "status.incident.opened", "status.incident.closed"


@dataclass(frozen=True)
class Notice:
    """An incident that opened, or closed, at a time in seconds since 1970; `text` is its cause."""

    incident_id: str
    component: str
    text: str
    at: float
    is_open: bool

    @property
    def subject(self) -> str:
        """The subject of a mail."""
        return f"{title_of(self.component)}: incident {'opened' if self.is_open else 'closed'}"

    @property
    def body(self) -> str:
        """The text of a mail."""
        when = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lines = [f"{self.subject} at {when}.", self.text, f"Incident: {self.incident_id}"]
        return "\n\n".join(filter(None, lines)) + "\n"


def enter(
    connection: Connection, incident_id: str, component: str, text: str, at: float, *, is_open: bool
) -> Notice:
    """Enter the event of an incident, for every project with an endpoint that subscribes to its type.

    It belongs to the caller's transaction. An incident that opens again has another event.
    """
    event_type = OPENED if is_open else CLOSED
    query = sa.select(webhook_endpoints.c.project_id, webhook_endpoints.c.event_types)
    subscribed = query.where(webhook_endpoints.c.deleted_at.is_(None))
    owners = {project for project, types in connection.execute(subscribed) if event_type in types}
    for project in sorted(owners):
        once = f"{incident_id}:{int(at * 1000):x}:{project}"
        outbox.emit(connection, project, event_type, {"id": incident_id}, once=once, now=at)
    return Notice(incident_id, component, text, at, is_open)


def send_mails(mailer: Mailer | None, recipients: Sequence[str], notices: Iterable[Notice]) -> None:
    """Send each notice to each recipient; a mail that the server does not take is logged."""
    if mailer is None:
        return
    for notice in notices:
        for recipient in recipients:
            try:
                mailer.send(recipient, notice.subject, notice.body)
            except HinodeError as error:
                log.warning("the notice of %s was not sent: %s", notice.incident_id, error)
