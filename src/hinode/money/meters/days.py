"""What projects use day by day beside their jobs: bytes that are served, and requests that are screened."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.records.database import Database, DatabaseError
from hinode.records.prepared import Prepared
from hinode.records.tables import usage_days

DAY = timedelta(days=1)


@dataclass(frozen=True)
class DayRecord:
    """What a project used on a day of UTC, "2026-11-30"."""

    project_id: str
    day: str
    kind: str
    quantity: int


class Kind(StrEnum):
    """What is counted."""

    SERVED = "served_bytes"
    SCREENED = "screening_calls"


_ADD = Prepared(
    "INSERT INTO usage_days (project_id, day, kind, quantity) VALUES (:project, :day, :kind, :quantity) "
    "ON CONFLICT (project_id, day, kind) DO UPDATE SET quantity = usage_days.quantity + excluded.quantity"
)


def records(connection: Connection, since: float, until: float) -> Iterator[DayRecord]:
    """What was used on the days that began from `since` until before `until`, seconds since 1970, by day."""
    first, end = (datetime.fromtimestamp(moment, UTC) for moment in (since, until))
    query = sa.select(usage_days).where(
        usage_days.c.day >= (first.date() if first.time() == time.min else first.date() + DAY).isoformat(),
        usage_days.c.day < (end.date() if end.time() == time.min else end.date() + DAY).isoformat(),
    )
    key = usage_days.c.day, usage_days.c.project_id, usage_days.c.kind
    for row in connection.execute(query.order_by(*key)).mappings():
        yield DayRecord(**row)


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
