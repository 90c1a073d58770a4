"""Whether the database and the store can be written, looked at seldom: everybody may ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hinode.errors import HinodeError
from hinode.jobs.files.objects import Objects
from hinode.records.database import Database

MAX_AGE_SECONDS = 5.0


class Readiness:
    """Looks at a database and a store every few seconds at most. Safe to use from several threads."""

    def __init__(
        self, database: Database, objects: Objects, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds."""
        self.database = database
        self.objects = objects
        self.clock = clock
        self._lock = threading.Lock()
        self._looked_at = -MAX_AGE_SECONDS
        self._fault: HinodeError | None = None

    def check(self) -> None:
        """
        Raises:
            DatabaseError: the database cannot be written.
            StoreError: the store cannot be written.
        """
        with self._lock:
            if self.clock() - self._looked_at >= MAX_AGE_SECONDS:
                self._fault = self._look()
                self._looked_at = self.clock()
            if self._fault is not None:
                raise self._fault

    def _look(self) -> HinodeError | None:
        try:
            self.database.check_writable()
            self.objects.check()
        except HinodeError as error:
            return error
        return None
