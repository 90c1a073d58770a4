"""The servers that may still make one request: which are excluded from it, and when the others are tried."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from hinode.background import backoff
from hinode.engines.remote.errors import Category, UpstreamError
from hinode.engines.remote.upstreams import Upstream
from hinode.errors import BadInput, EngineError

FIRST_BACKOFF, MAX_BACKOFF = 0.5, 30.0
MAX_LOSSES = 2
"""Jobs of one run that a server may lose."""

_REASONS = "the operator finds the reasons in the log of this server"
_backoff = partial(backoff, first=FIRST_BACKOFF, maximum=MAX_BACKOFF)


class Candidates:
    """See the module; `remaining` are the servers that are not excluded."""

    def __init__(self, servers: Sequence[Upstream], clock: Callable[[], float]) -> None:
        self.remaining = list(servers)
        self._clock = clock
        self._reasons: set[str] = set()  # of the exclusions
        self._ready_at: dict[str, float] = {}
        self._failures: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()

    def ready_at(self, server: Upstream) -> float:
        """When a server may be tried, on the clock."""
        return self._ready_at.get(server.name, -math.inf)

    def exclude(self, server: Upstream, reason: str) -> None:
        """Never try a server again for this request."""
        self.remaining.remove(server)
        self._reasons.add(reason)

    def postpone(self, server: Upstream, error: UpstreamError) -> float:
        """When a server that did not accept the request is tried again, on the clock; infinite if never."""
        if error.category in (Category.REFUSED, Category.UNUSABLE, Category.UNREADABLE):
            self.exclude(server, error.category.value)
            return math.inf
        if error.category is Category.UNANSWERED:
            self.record_loss(server)
            return self.ready_at(server) if server in self.remaining else math.inf
        self._failures[server.name] += 1
        wait = error.wait
        return self._delay(server, _backoff(self._failures[server.name]) if wait is None else wait)

    def record_loss(self, server: Upstream) -> None:
        """Note that a server lost a job of this request; the second time excludes it."""
        self._losses[server.name] += 1
        self._delay(server, _backoff(self._losses[server.name] + 1))
        if self._losses[server.name] >= MAX_LOSSES:
            self.exclude(server, "lost")

    def _delay(self, server: Upstream, seconds: float) -> float:
        self._ready_at[server.name] = ready_at = self._clock() + seconds
        return ready_at

    def error(self, model: str) -> Exception:
        """The error for the person when no server made the video."""
        if self._reasons == {Category.REFUSED.value}:
            message = f"no server that makes {model} accepts the request"
            return BadInput(message, f"change it; {_REASONS}", field="prompt")
        message = "none of the servers that could make the video did"
        # Another worker would have the video made, and paid for, once more.
        final = Category.UNREADABLE.value in self._reasons
        return EngineError(message, f"try again later; {_REASONS}", final=final)
