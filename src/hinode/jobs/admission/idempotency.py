"""Requests that are sent again: with an idempotency key, or as the retry of a client library.

For both the result of the earlier request is looked up in the transaction that would otherwise make it again.
That transaction holds the lock on the project, so that of two equal requests at one instant one waits.

A client library that is answered 429 or 503, or not at all, sends the request again and says how often it has
tried, but not which request it repeats. `find_result` looks for an equal request from a short time before. If
the first try was rejected, nothing from before that try can be its result; `Rejections` remembers that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.job import Idempotency
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import idempotency, rejections

RETRY_WINDOW = 150.0
"""Seconds in which a client library's retry is taken for the request that it repeats: two tries that a proxy
ends after a minute each, and the pauses between. The longer it is, the more retries of a first try that never
arrived are answered with what an older, equal request made; an idempotency key has no such limit."""
MAX_PENDING = 10_000


def _upsert(insert: Any) -> Any:
    statement = insert(rejections)
    later = statement.excluded.began_at
    return statement.on_conflict_do_update(
        index_elements=["fingerprint"], set_={"began_at": later}, where=rejections.c.began_at < later
    )


_UPSERT = {"sqlite": _upsert(sqlite.insert), "postgresql": _upsert(postgresql.insert)}


def find_result(
    connection: Connection,
    table: sa.Table,
    *,
    project_id: str,
    key_id: str | None,
    request_hash: str | None,
    promise: Idempotency | None,
    retry_count: int,
    since: float,
    now: float,
) -> list[str] | None:
    """Ids of what an earlier request, which this one repeats, made in a table; None if there was none.

    Args:
        connection: in a writing transaction that has locked the project.
        table: jobs or batches.
        project_id: whose request it is.
        key_id: API key that it came with.
        request_hash: digest of it in normal form.
        promise: the idempotency key; with it, retries are not looked for.
        retry_count: how often the client says that it has tried before.
        since: the result of a retry's first try is not older; seconds since 1970.
        now: seconds since 1970.

    Raises:
        BadInput: the idempotency key was used for another request.
    """
    if promise:
        return _find_promised(connection, project_id, promise)
    if not retry_count or not request_hash:
        return None
    # Each try of the client finds what the first one made once: two equal requests stay two.
    same = sa.and_(
        table.c.request_hash == request_hash,
        table.c.key_id == key_id,
        table.c.project_id == project_id,
        table.c.retry_count < retry_count,
        table.c.created_at > now - RETRY_WINDOW,
        table.c.created_at >= since,
    )
    if "deleted_at" in table.c:
        same = sa.and_(same, table.c.deleted_at.is_(None))
    # What was made at one instant from one request is the answer to it: a request can ask for several.
    first = sa.select(sa.func.min(table.c.created_at)).where(same).scalar_subquery()
    query = sa.select(table.c.id).where(same, table.c.created_at == first)
    ids = list(connection.scalars(query.order_by(table.c.id).with_for_update()))
    if ids:
        connection.execute(table.update().where(table.c.id.in_(ids)).values(retry_count=retry_count))
    return ids or None


def _find_promised(connection: Connection, project_id: str, promise: Idempotency) -> list[str] | None:
    row = connection.execute(
        sa.select(idempotency).where(
            idempotency.c.project_id == project_id,
            idempotency.c.route == promise.route,
            idempotency.c.key == promise.key,
        )
    ).first()
    if row is None:
        return None
    if row.request_hash != promise.request_hash:
        message = f"the idempotency key {quote(promise.key)} was used for another request"
        raise BadInput(message, "send a new key with every new request", field="Idempotency-Key")
    return list(row.result_ids)


def keep(
    connection: Connection, project_id: str, promise: Idempotency, result_ids: Sequence[str], now: float
) -> None:
    """Remember the ids of what the request with this key made."""
    connection.execute(
        idempotency.insert().values(
            project_id=project_id,
            route=promise.route,
            key=promise.key,
            request_hash=promise.request_hash,
            result_ids=list(result_ids),
            created_at=now,
        )
    )


class Rejections:
    """When first tries of requests began that were rejected, by fingerprint of the request. They are written
    to the database, since a retry may reach another process. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.database = database
        self.clock = clock
        self._lock = threading.Lock()
        self._pending: dict[str, float] = {}  # not written yet

    def add(self, fingerprint: str, began: float) -> None:
        """Remember a rejected try that began at this time, in seconds since 1970; `flush` writes it."""
        with self._lock:
            if len(self._pending) < MAX_PENDING:
                self._pending[fingerprint] = began

    def flush(self) -> None:
        """Write what was added, and remove what is older than a retry can be.

        What cannot be written, since the database cannot be reached, is written the next time.
        """
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            with self.database.write() as connection:
                old = rejections.c.began_at < self.clock() - RETRY_WINDOW
                connection.execute(rejections.delete().where(old))
                connection.execute(
                    _UPSERT[connection.dialect.name],
                    # In one order, so that two processes do not wait for each other.
                    [{"fingerprint": name, "began_at": pending[name]} for name in sorted(pending)],
                )
        except DatabaseError:
            with self._lock:
                self._pending = pending | self._pending

    def last(self, fingerprint: str) -> float:
        """When the last rejected try with this fingerprint began, in seconds since 1970, or 0."""
        query = sa.select(rejections.c.began_at).where(rejections.c.fingerprint == fingerprint)
        with self.database.read() as connection:
            began = connection.scalar(query)
        return max(began or 0.0, self._pending.get(fingerprint, 0.0))
