"""A database with a bad connection, to find out what that breaks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from hinode.records.database import Database


class Fault(Exception):
    """The connection to the database is lost; only the test knows whether before or after the commit."""

    def __init__(self, *, committed: bool) -> None:
        super().__init__("after the commit" if committed else "before the commit")
        self.committed = committed


class FaultyDatabase(Database):
    """A database whose transactions sometimes fail before they commit, or commit without an answer.

    It does not flush to the disk, because no power cut is simulated.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if self.sqlite:
            sa.event.listen(
                self.engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous=OFF")
            )
        self.chance = random.Random(0)
        self.fault_rate = 0.0

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        roll = self.chance.random()
        with super().write() as connection:
            yield connection
            if roll < self.fault_rate:
                raise Fault(committed=False)
        if roll > 1 - self.fault_rate:
            raise Fault(committed=True)
