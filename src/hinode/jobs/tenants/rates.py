"""Token buckets: how many requests a key may send, for one server or for all of one database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from hinode.records.database import Database
from hinode.records.rows import first_row
from hinode.records.tables import api_keys


@dataclass(frozen=True)
class Bucket:
    """Tokens of a key at a time, in seconds. It fills evenly, up to the tokens of a minute."""

    tokens: float
    at: float

    def fill(self, now: float, per_minute: int, returned: int = 0) -> Bucket:
        """The bucket at `now`, with tokens that were returned to it.

        A clock that is behind the one of another server fills nothing twice.
        """
        now = max(now, self.at)
        tokens = self.tokens + returned + (now - self.at) * per_minute / 60.0
        return Bucket(min(float(per_minute), tokens), now)

    def take(self, count: int) -> Bucket:
        """The bucket without so many tokens."""
        return Bucket(self.tokens - count, self.at)

    @property
    def available(self) -> int:
        """Whole tokens."""
        return int(self.tokens + 1e-9)


class SharedBuckets:
    """The buckets of the keys in a database, for all its servers. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock

    def take(self, key_id: str, per_minute: int, maximum: int, returned: int = 0) -> tuple[int, Bucket]:
        """Take up to `maximum` tokens, after `returned` ones that were taken and not used.

        Returns: how many were taken, and the bucket afterwards.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        query = sa.select(api_keys.c.rate_tokens, api_keys.c.rate_at).where(api_keys.c.id == key_id)
        now = self.clock()
        with self.database.write() as connection:
            if not self.database.sqlite:
                # After a power cut a bucket may be fuller than it was, which costs nothing.
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            row = first_row(connection, query.with_for_update(key_share=True))
            bucket = Bucket(float(per_minute), now)
            if row is not None and row["rate_at"] is not None:
                bucket = Bucket(row["rate_tokens"], row["rate_at"]).fill(now, per_minute, returned)
            count = min(maximum, bucket.available)
            bucket = bucket.take(count)
            update = sa.update(api_keys).where(api_keys.c.id == key_id)
            connection.execute(update.values(rate_tokens=bucket.tokens, rate_at=bucket.at))
        return count, bucket
