"""Requests that were made before: by a promise of the client, or as the retry of a client library.

Both look for what the earlier request made, in the transaction that would otherwise make it again and that
holds the lock on the project, so that two equal requests at one instant are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.job import Idempotency
from hinode.records.tables import idempotency

RETRY_WINDOW = 150.0
"""Seconds in which a client library's own retry is taken for the request that it repeats: two tries that a
proxy ends after a minute each, and the pauses between. The longer it is, the more retries of a first try that
never arrived are answered with what an older, equal request made; an idempotency key knows better."""


def promised(connection: Connection, project_id: str, promise: Idempotency) -> list[str] | None:
    """What the request with this key made, or None if there was none.

    Raises:
        BadInput: the key was used for another request.
    """
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
        raise BadInput(
            f"the idempotency key {quote(promise.key)} was used for another request",
            "send a new key with every new request",
            field="Idempotency-Key",
        )
    return list(row.made)


def keep(
    connection: Connection, project_id: str, promise: Idempotency, made: Sequence[str], now: float
) -> None:
    """Remember what the request with this key made."""
    connection.execute(
        idempotency.insert().values(
            project_id=project_id,
            route=promise.route,
            key=promise.key,
            request_hash=promise.request_hash,
            made=list(made),
            created_at=now,
        )
    )


def retried(
    connection: Connection,
    table: sa.Table,
    *,
    project_id: str,
    key_id: str | None,
    request_hash: str | None,
    retry_count: int,
    since: float,
    now: float,
) -> list[str]:
    """What the first try of a request made, if this is a retry; each try finds it once.

    Args:
        connection: in a writing transaction that has locked the project.
        table: jobs or batches.
        project_id: whose request it is.
        key_id: API key that it came with.
        request_hash: digest of it in normal form.
        retry_count: how often the client says that it has tried before.
        since: nothing that was made before this time answers it; seconds since 1970.
        now: seconds since 1970.
    """
    if not retry_count or not request_hash:
        return []
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
    found = list(connection.scalars(query.order_by(table.c.id).with_for_update()))
    if found:
        connection.execute(table.update().where(table.c.id.in_(found)).values(retry_count=retry_count))
    return found
