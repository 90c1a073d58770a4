"""A database whose connection fails now and then, to find out what that breaks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from hinode.records.database import Database


class Fault(Exception):
    """The connection to the database was lost; only the test knows whether before or after the commit."""

    def __init__(self, *, committed: bool) -> None:
        super().__init__("after the commit" if committed else "before the commit")
        self.committed = committed


class UnreliableDatabase(Database):
    """A database whose transactions now and then fail before they commit, or commit and then raise."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
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
