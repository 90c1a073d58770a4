"""The servers that may still make one request: which are excluded from it, and when the others are tried."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.upstreams import Upstream
from hinode.errors import BadInput, EngineError
from hinode.retry import backoff

log = logging.getLogger(__name__)

FIRST_BACKOFF, MAX_BACKOFF = 0.5, 30.0
MAX_LOSSES = 2
"""Jobs of one run that a server may lose."""


class Candidates:
    """See the module."""

    def __init__(self, servers: Sequence[Upstream], clock: Callable[[], float]) -> None:
        self._servers = servers
        self._clock = clock
        self._excluded: dict[str, str] = {}  # by name of the server, with the reason
        self._ready_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._losses: dict[str, int] = {}

    def remaining(self) -> list[Upstream]:
        """The servers that are not excluded."""
        return [server for server in self._servers if server.name not in self._excluded]

    def ready_at(self, server: Upstream) -> float:
        """When a server may be tried, on the clock."""
        return self._ready_at.get(server.name, -math.inf)

    def exclude(self, server: Upstream, reason: str) -> None:
        """Never try a server again for this request."""
        self._excluded[server.name] = reason

    def postpone(self, server: Upstream, error: UpstreamError) -> float:
        """Decide when a server that did not accept the request is tried again.

        Returns:
            The moment on the clock; infinite if never.
        """
        if error.category in (Category.REFUSED, Category.UNUSABLE):
            self.exclude(server, error.category.value)
            return math.inf
        failures = self._failures[server.name] = self._failures.get(server.name, 0) + 1
        wait = error.wait
        if wait is None:
            wait = backoff(failures, first=FIRST_BACKOFF, maximum=MAX_BACKOFF)
        self._ready_at[server.name] = self._clock() + wait
        return self._ready_at[server.name]

    def record_loss(self, server: Upstream) -> None:
        """Note that a server lost a job of this request; the second time excludes it."""
        losses = self._losses[server.name] = self._losses.get(server.name, 0) + 1
        wait = backoff(losses + 1, first=FIRST_BACKOFF, maximum=MAX_BACKOFF)
        self._ready_at[server.name] = self._clock() + wait
        if losses >= MAX_LOSSES:
            self.exclude(server, "lost")

    def error(self, model: str) -> Exception:
        """The error for the person when no server made the video."""
        if self._excluded and set(self._excluded.values()) == {Category.REFUSED.value}:
            return BadInput(
                f"no server that makes {model} accepts the request",
                "change it; the operator finds the reasons in the log of this server",
                field="prompt",
            )
        return EngineError(
            "none of the servers that could make the video did",
            "try again later; the operator finds the reasons in the log of this server",
        )
