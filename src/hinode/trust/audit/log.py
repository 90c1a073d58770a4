"""The writer of the audit log: one function, in the transaction of what is recorded."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records import database
from hinode.records.rows import first_row, insert_into
from hinode.records.tables import audit_head, audit_log, audit_payloads
from hinode.trust.audit.chain import EMPTY, SALT_BYTES, Entry, Event, Head, append
from hinode.trust.audit.verification import Payload

MICRO = 1_000_000
PAGE = 1000
ONLY = 1  # number of the row of `audit_head`

_WITH_PAYLOADS = sa.select(audit_log, audit_payloads.c.salt, audit_payloads.c.payload).select_from(
    audit_log.outerjoin(audit_payloads, audit_payloads.c.number == audit_log.c.number)
)


def record(connection: Connection, event: Event, now: float | None = None) -> Entry:
    """Write an event to the log, in the caller's transaction: the entry exists exactly if what it tells of
    happened.

    Writers wait for each other until their transactions end, so call it late in one.

    Args:
        connection: in a transaction that may write.
        event: its payload holds what may have to be erased, such as names.
        now: seconds since 1970; by default the present time.
    """
    # The row is made first, so that it can be locked: two writers would continue the same entry else.
    start = insert_into(connection, audit_head).values(number=ONLY, count=EMPTY.count, hash=EMPTY.hash)
    connection.execute(start.on_conflict_do_nothing())
    row = first_row(connection, sa.select(audit_head).where(audit_head.c.number == ONLY).with_for_update())
    assert row is not None
    at = int((time.time() if now is None else now) * MICRO)
    salt = secrets.token_bytes(SALT_BYTES)
    entry, payload = append(Head(row["count"], row["hash"], at), event, at, salt)
    values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    connection.execute(audit_log.insert().values(**values))
    connection.execute(
        audit_payloads.insert().values(number=entry.number, salt=salt, payload=payload.decode())
    )
    connection.execute(audit_head.update().values(count=entry.number, hash=entry.hash))
    return entry


def record_last(connection: Connection, event: Event, now: float) -> None:
    """Write an event when the block of the caller's transaction ends, before it commits: whatever the
    transaction locks until then, it locks before the log. See `record`."""
    database.at_end(connection, lambda: record(connection, event, now))


def erase(connection: Connection, subject: str, condition: sa.ColumnElement[bool] | None = None) -> int:
    """Erase payloads, by default those of all entries about a subject, and enter that this was done; returns
    how many. The entries themselves stay, so the chain does."""
    if condition is None:
        numbers = sa.select(audit_log.c.number).where(audit_log.c.subject == subject)
        condition = audit_payloads.c.number.in_(numbers)
    count = connection.execute(audit_payloads.delete().where(condition)).rowcount
    record(connection, Event("payloads.erased", "system", subject, {"count": count}))
    return count


def stored_head(connection: Connection) -> Head | None:
    """The head that stands beside the log in the database, without its time."""
    row = first_row(connection, sa.select(audit_head).where(audit_head.c.number == ONLY))
    return Head(row["count"], row["hash"], 0) if row else None


def last_subject(connection: Connection, kind: str) -> str | None:
    """The subject of the last event of a kind."""
    query = sa.select(audit_log.c.subject).where(audit_log.c.kind == kind)
    return connection.scalar(query.order_by(audit_log.c.number.desc()).limit(1))


def read(connection: Connection, first: int = 0) -> Iterator[tuple[Entry, Payload | None]]:
    """The entries from number `first` on with their payloads, in the order of their numbers."""
    number, more = first - 1, True
    while more:
        entries, more = page(connection, Filter(), after=number, limit=PAGE, descending=False)
        for entry, payload in entries:
            number = entry.number
            yield entry, payload


@dataclass(frozen=True)
class Filter:
    """Which entries are wanted; None is any.

    Attributes:
        kind: the kind of the event, such as "key.created", or its first word, such as "key".
        actor: who did it.
        subject: what it was done to.
        since, until: seconds since 1970; `until` itself is left out.
    """

    kind: str | None = None
    actor: str | None = None
    subject: str | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """What holds of the rows."""
        table = audit_log.c
        found: list[sa.ColumnElement[bool]] = []
        if self.kind is not None:
            found.append(
                sa.or_(table.kind == self.kind, table.kind.startswith(f"{self.kind}.", autoescape=True))
            )
        found += [
            getattr(table, name) == wanted
            for name in ("actor", "subject")
            if (wanted := getattr(self, name)) is not None
        ]
        if self.since is not None:
            found.append(table.at >= int(self.since * MICRO))
        if self.until is not None:
            found.append(table.at < int(self.until * MICRO))
        return found


def page(
    connection: Connection, wanted: Filter, *, after: int | None, limit: int, descending: bool = True
) -> tuple[list[tuple[Entry, Payload | None]], bool]:
    """Some entries with their payloads, and whether there are more.

    Args:
        wanted: which ones.
        after: start behind the entry with this number.
        limit: entries at most.
        descending: the newest first.
    """
    number = audit_log.c.number
    query = _WITH_PAYLOADS.where(*wanted.conditions())
    if after is not None:
        query = query.where(number < after if descending else number > after)
    query = query.order_by(number.desc() if descending else number).limit(limit + 1)
    rows = [_read_row(row) for row in connection.execute(query).mappings()]
    return rows[:limit], len(rows) > limit


def _read_row(row: sa.RowMapping) -> tuple[Entry, Payload | None]:
    payload = None if row["salt"] is None else Payload(bytes(row["salt"]), row["payload"].encode())
    return _entry(row), payload


def _entry(row: sa.RowMapping) -> Entry:
    return Entry(**{name: row[name] for name in Entry.__dataclass_fields__})
