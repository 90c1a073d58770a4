"""How much of the server one client may have: requests in a minute, and things that go on at once.

`Buckets` limits the requests of each key to a rate. `ConcurrencyLimit` limits calls that wait for other
servers. `ByteBudget` limits the memory of request bodies.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hinode.jobs.job import OverQuota


@dataclass(frozen=True)
class RateLimitStatus:
    """How a key stands after a request.

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
        """As Sora's API tells it."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{max(0.0, self.reset):.3f}s",
        }


class Buckets:
    """The buckets of all keys, in the memory of this process; for one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: seconds from any beginning.
        """
        self.clock = clock
        self._levels: dict[str, tuple[float, float]] = {}  # tokens, and when there were so many

    def take(self, key_id: str, per_minute: int) -> RateLimitStatus:
        """Take a token for a request, if there is one; a minute's worth may be used at once.

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
    """A few places for what waits for servers elsewhere, so that slow ones hold up nobody but who named them.
    Safe to use from several threads."""

    def __init__(
        self, most: int, most_each: int, *, what: str, remedy: str = "ask again", retry_after: float = 2.0
    ) -> None:
        """
        Args:
            most: places in all.
            most_each: places that one project may have.
            what: what there are too many of, as errors say it.
            remedy: what to do if there is no place.
            retry_after: seconds after which to ask again.
        """
        self.most = most
        self.most_each = most_each
        self.what = what
        self.remedy = remedy
        self.retry_after = retry_after
        self._lock = threading.Lock()
        self._taken: dict[str, int] = {}

    @contextmanager
    def one(self, project_id: str) -> Iterator[None]:
        """A place while the block lasts.

        Raises:
            OverQuota: there is none.
        """
        with self._lock:
            mine = self._taken.get(project_id, 0)
            if mine >= self.most_each or sum(self._taken.values()) >= self.most:
                raise OverQuota(f"{self.what} at the moment", self.remedy, retry_after=self.retry_after)
            self._taken[project_id] = mine + 1
        try:
            yield
        finally:
            with self._lock:
                left = self._taken[project_id] - 1
                if left:
                    self._taken[project_id] = left
                else:
                    del self._taken[project_id]


class ByteBudget:
    """Memory for the bodies of all requests together. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        """
        Args:
            most: bytes.
        """
        self.most = most
        self.taken = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there was room for so many bytes more, which are taken then."""
        with self._lock:
            if self.taken + size > self.most:
                return False
            self.taken += size
            return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self.taken -= size
