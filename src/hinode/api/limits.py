"""How many requests a key may make: a bucket of tokens for each, which fills up evenly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
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

    def take(self, key_id: str, per_minute: int) -> Standing:
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
        return Standing(per_minute, max(0, math.floor(tokens + 1e-9)), (per_minute - tokens) / rate, wait)
