"""When keys and sessions were last used, entered now and then, so that requests that read write nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import sqlalchemy as sa

from hinode.records.database import Database

USE_SECONDS = 60.0  # between two entries of the last use of one of them


class Uses:
    """The last uses of the rows of one table, which has `last_used_at`. Safe to use from several threads."""

    def __init__(self, database: Database, table: sa.Table, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}  # last uses that are not entered yet
        self._entered: dict[str, float] = {}  # when a use was last entered
        # Another process may have entered a later use.
        self._update = (
            sa.update(table)
            .where(
                table.c.id == sa.bindparam("which"),
                sa.func.coalesce(table.c.last_used_at, 0.0) < sa.bindparam("used"),
            )
            .values(last_used_at=sa.bindparam("used"))
        )

    def note(self, id: str) -> None:
        """Remember that the row with this id is used now."""
        with self._lock:
            self._used[id] = self.clock()

    def record(self, *, all: bool = False) -> int:
        """Enter the noted uses; returns how many rows there were.

        Each is entered at most once a minute, or with `all`, for the end of the process, however recent.
        """
        now = self.clock()
        with self._lock:
            due = {
                id: used
                for id, used in self._used.items()
                if all or abs(now - self._entered.get(id, -math.inf)) >= USE_SECONDS
            }
            for id in due:
                del self._used[id]
                self._entered[id] = now
        if due:
            with self.database.write() as connection:
                connection.execute(self._update, [{"which": id, "used": used} for id, used in due.items()])
        return len(due)
