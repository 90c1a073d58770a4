"""A circuit breaker: a server that keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """Closed while all is well; open after so many failures in a row; after a while half open, which is to
    say that one attempt may find out whether the server is back."""

    def __init__(self, most_failures: int, cool_seconds: float, clock: Callable[[], float]) -> None:
        """
        Args:
            most_failures: failures in a row that open it.
            cool_seconds: from then on until an attempt is let through.
            clock: seconds from any beginning.
        """
        self.most_failures = most_failures
        self.cool_seconds = cool_seconds
        self.clock = clock
        self.failures = 0
        self._opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    @property
    def ready_at(self) -> float:
        """When the next attempt may be made, on the clock."""
        return self.clock() if self._opened_at is None else self._opened_at + self.cool_seconds

    def let_through(self) -> bool:
        """Whether an attempt may be made now. Of those that ask an open breaker one in each `cool_seconds`
        is told that it may, so an attempt of which nothing is heard again keeps nobody else out."""
        if self._opened_at is None:
            return True
        if self.clock() < self.ready_at:
            return False
        self._opened_at = self.clock()
        return True

    def succeeded(self) -> None:
        """An attempt went well."""
        self.failures = 0
        self._opened_at = None

    def failed(self) -> None:
        """An attempt failed for a reason that lies with the server."""
        self.failures += 1
        if self.failures >= self.most_failures:
            self._opened_at = self.clock()
