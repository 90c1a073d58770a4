"""The decisions about rights, in a table of their own that has the history of each subject, and in the audit
log, where nobody changes them unnoticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records import ids
from hinode.records.tables import rights_events
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event


def record(
    connection: Connection,
    kind: str,
    subject: str,
    actor: str,
    now: float,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Enter a decision, in the transaction that carries it out. The audit log gets it at the end of that.

    Args:
        kind: what was decided, such as "consent.revoked".
        subject: id of the consent, the notice, the project or the entry.
        actor: id of a person (`people.Person`), `people.OPERATOR` or `people.CLOCK`.
        now: seconds since 1970.
        data: JSON without names, addresses, prompts or contents: the log outlives them.
    """
    values = {"id": ids.make("right_", now), "kind": kind, "subject": subject, "actor": actor, "at": now}
    connection.execute(rights_events.insert().values(**values, data=dict(data or {})))
    log.record_last(connection, Event(kind, actor, subject, dict(data or {})), now)


def history(connection: Connection, subject: str) -> list[dict[str, Any]]:
    """The decisions about a subject, the oldest first."""
    query = sa.select(rights_events).where(rights_events.c.subject == subject).order_by(rights_events.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]
