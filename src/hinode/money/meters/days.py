"""What projects use day by day beside their jobs: bytes that are served, and requests that are screened."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from hinode.records.database import Database, DatabaseError
from hinode.records.prepared import Prepared


class Kind(StrEnum):
    """What is counted."""

    SERVED = "served_bytes"
    SCREENED = "screening_calls"


_ADD = Prepared(
    "INSERT INTO usage_days (project_id, day, kind, quantity) VALUES (:project, :day, :kind, :quantity) "
    "ON CONFLICT (project_id, day, kind) DO UPDATE SET quantity = usage_days.quantity + excluded.quantity"
)


class DailyMeters:
    """Counts in memory, and adds to the database every few seconds. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: Counter[tuple[str, str, str]] = Counter()

    def add(self, project_id: str, kind: Kind, quantity: int = 1) -> None:
        """Count for a project; `flush` writes it."""
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        with self._lock:
            self._pending[project_id, day, kind.value] += quantity

    def flush(self) -> None:
        """Write what was counted. What cannot be written now is written the next time."""
        with self._lock:
            pending, self._pending = self._pending, Counter()
        if not pending:
            return
        try:
            with self._database.write() as connection:
                # In one order, so that two processes do not wait for each other.
                for (project, day, kind), quantity in sorted(pending.items()):
                    _ADD.run(connection, project=project, day=day, kind=kind, quantity=quantity)
        except DatabaseError:
            with self._lock:
                self._pending.update(pending)
