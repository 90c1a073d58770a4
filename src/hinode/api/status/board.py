"""The status as everybody reads it: from the database every few seconds at most, however many ask.

Whoever asks needs no key, so each address has a rate, and all of them together wait for one thread. Workers
are processes of their own; the page takes nothing from them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import anyio
import anyio.to_thread

from hinode.api.limits import Buckets
from hinode.api.status import page
from hinode.api.status.wire import Status
from hinode.jobs.status.report import Report, StatusRecords
from hinode.records.database import DatabaseError
from hinode.studio.files import StaticFile

T = TypeVar("T")

MAX_AGE_SECONDS = 3.0
REQUESTS_PER_MINUTE = 120
"""From one address."""


@dataclass(frozen=True)
class Publication:
    """A report in the forms in which it is sent. `is_outdated`: the database did not answer since."""

    report: Report
    is_outdated: bool = False

    @cached_property
    def page(self) -> StaticFile:
        """The page, plain and compressed."""
        return StaticFile.of("status.html", page.render(self.report, is_outdated=self.is_outdated))

    @cached_property
    def json(self) -> bytes:
        """The object of the API."""
        return Status.of_report(self.report).model_dump_json().encode()


class StatusBoard:
    """The last report, and who may ask for it. Safe to use from several threads."""

    def __init__(self, records: StatusRecords, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.records = records
        self.clock = clock
        self.buckets = Buckets()
        self._queue = anyio.CapacityLimiter(1)
        self._reading = threading.Lock()
        self._last: tuple[float, Publication] | None = None

    async def read(self, form: Callable[[Publication], T]) -> T:
        """A form of the latest report, such as its page. Of those who wait for a newer one, one reads it.

        Raises:
            DatabaseError: the database cannot be reached, and there is no earlier report.
        """
        return await anyio.to_thread.run_sync(lambda: form(self.latest()), limiter=self._queue)

    def latest(self) -> Publication:
        """The latest report; it may read the database.

        Raises:
            DatabaseError: see `read`.
        """
        with self._reading:
            if self._last is not None and self._is_fresh(self._last[0]):
                return self._last[1]
            try:
                publication = Publication(self.records.report())
            except DatabaseError:
                if self._last is None:
                    raise
                publication = Publication(self._last[1].report.outdated(), is_outdated=True)
            self._last = self.clock(), publication
            return publication

    def _is_fresh(self, at: float) -> bool:
        return 0 <= self.clock() - at < MAX_AGE_SECONDS
