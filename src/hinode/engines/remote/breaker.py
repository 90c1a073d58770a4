"""A circuit breaker: a server that keeps failing gets no requests for a while, then a single one."""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """Closed while requests succeed; open after several failures in a row; half open some time later, when
    one request may show whether the server is back."""

    def __init__(self, max_failures: int, cool_seconds: float, clock: Callable[[], float]) -> None:
        """
        Args:
            max_failures: failures in a row that open it.
            cool_seconds: from then on until it is half open.
            clock: seconds since any moment.
        """
        self.max_failures = max_failures
        self.cool_seconds = cool_seconds
        self.clock = clock
        self.failures = 0
        self._opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    @property
    def ready_at(self) -> float:
        """When the next request may be sent, on the clock."""
        return self.clock() if self._opened_at is None else self._opened_at + self.cool_seconds

    def allow(self) -> bool:
        """Whether a request may be sent now. An open breaker allows one in each `cool_seconds`, so one that
        never reports a result does not keep the server out of service."""
        if self._opened_at is None:
            return True
        if self.clock() < self.ready_at:
            return False
        self._opened_at = self.clock()
        return True

    def record_success(self) -> None:
        """Close it."""
        self.failures = 0
        self._opened_at = None

    def record_failure(self) -> None:
        """Count a failure whose cause lies with the server."""
        self.failures += 1
        if self.failures >= self.max_failures:
            self._opened_at = self.clock()
