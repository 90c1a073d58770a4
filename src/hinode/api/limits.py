"""How much of the server one client may use.

`Buckets` bounds the rate of requests of each key, `ConcurrencyLimit` calls that wait for other servers, and
`ByteBudget` the memory of request bodies.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hinode.api.failures import SERVER_ERROR, Refusal, retry_after
from hinode.jobs.job import OverQuota

RETRY_SECONDS = 2.0
SMALL_BYTES = 1 << 20
"""A body with less text than this is always read, whatever the budget."""
Reserve = Callable[[int], None]
"""Takes memory for so many more bytes of a body that arrived; raises Refusal if there is not so much."""


@dataclass(frozen=True)
class RateLimitStatus:
    """How much of its rate a key has left after a request.

    Attributes:
        limit: requests per minute.
        remaining: requests that may follow at once.
        reset: seconds until the bucket is full again.
        wait: seconds until the refused request may be made, or 0 if it was not refused.
    """

    limit: int
    remaining: int
    reset: float
    wait: float

    def headers(self) -> dict[str, str]:
        """As headers, named as in Sora's API."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{max(0.0, self.reset):.3f}s",
        }


class Buckets:
    """The token buckets of all keys, in the memory of this process; for one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._levels: dict[str, tuple[float, float]] = {}  # tokens, and when there were so many

    def take(self, key_id: str, per_minute: int) -> RateLimitStatus:
        """Take a token for a request, if there is one. The tokens of a minute may be used at once.

        Args:
            key_id: whose bucket.
            per_minute: its size, at least 1.
        """
        now = self.clock()
        rate = per_minute / 60.0
        tokens, at = self._levels.get(key_id, (float(per_minute), now))
        tokens = min(float(per_minute), tokens + (now - at) * rate)
        wait = 0.0
        if tokens >= 1.0 - 1e-9:
            tokens -= 1.0
        else:
            wait = (1.0 - tokens) / rate
        self._levels[key_id] = tokens, now
        return RateLimitStatus(
            per_minute, max(0, math.floor(tokens + 1e-9)), (per_minute - tokens) / rate, wait
        )


class ConcurrencyLimit:
    """How many calls to other servers may run at once, so that slow servers delay only the project that named
    them. Safe to use from several threads."""

    def __init__(
        self,
        maximum: int,
        max_per_project: int,
        *,
        what: str,
        remedy: str = "ask again later",
    ) -> None:
        """
        Args:
            maximum: calls in all.
            max_per_project: calls of one project.
            what: the reason of a refusal, such as "too many images are being fetched".
            remedy: what to do then.
        """
        self.maximum = maximum
        self.max_per_project = max_per_project
        self.what = what
        self.remedy = remedy
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}

    @contextmanager
    def acquire(self, project_id: str) -> Iterator[None]:
        """Count a call while the block lasts.

        Raises:
            OverQuota: too many are running.
        """
        with self._lock:
            count = self._running.get(project_id, 0)
            if count >= self.max_per_project or sum(self._running.values()) >= self.maximum:
                raise OverQuota(f"{self.what} at the moment", self.remedy, retry_after=RETRY_SECONDS)
            self._running[project_id] = count + 1
        try:
            yield
        finally:
            with self._lock:
                self._running[project_id] -= 1
                if not self._running[project_id]:
                    del self._running[project_id]


class ByteBudget:
    """Memory for the bodies of all requests together. Safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self._lock = threading.Lock()

    def acquire(self, count: int) -> bool:
        """Take so many more bytes; returns False, and takes none, if there are not so many."""
        with self._lock:
            if self.used + count > self.max_bytes:
                return False
            self.used += count
            return True

    def release(self, count: int) -> None:
        """Give bytes back."""
        with self._lock:
            self.used -= count

    @contextmanager
    def reserve(self) -> Iterator[Reserve]:
        """The memory of one body, which is given back after the block."""
        count = reserved = 0

        def add(more: int) -> None:
            nonlocal count, reserved
            count += more
            if count < SMALL_BYTES:
                return
            if not self.acquire(count - reserved):
                raise Refusal(
                    503,
                    "the server is reading too many large bodies at the moment; ask again later",
                    code="unavailable",
                    type=SERVER_ERROR,
                    headers=retry_after(RETRY_SECONDS),
                )
            reserved = count

        try:
            yield add
        finally:
            self.release(reserved)
