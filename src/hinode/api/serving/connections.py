"""Connections to the server: their number stays below that of the descriptors of this process, and those that
send no request are closed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

HEAD_SECONDS = 20.0
"""For the head of a request, from the beginning of a connection or from its first byte."""
DESCRIPTOR_GOAL, OWN_DESCRIPTORS = 16_384, 128
"""Descriptors that the server tries to get, and those that it needs for files and the database."""
MIN_CONNECTIONS = 32
LOG_AGAIN_SECONDS = 60.0


def raise_descriptor_limit() -> None:
    """Get more descriptors, as far as the system allows: by default there are 256 or 1024."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        goal = DESCRIPTOR_GOAL if hard == resource.RLIM_INFINITY else min(DESCRIPTOR_GOAL, hard)
        if soft != resource.RLIM_INFINITY and soft < goal:
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))


def max_connections() -> int:
    """The most connections that there are at once."""
    descriptors = DESCRIPTOR_GOAL
    if resource is not None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        descriptors = DESCRIPTOR_GOAL if soft == resource.RLIM_INFINITY else soft
    return max(MIN_CONNECTIONS, descriptors - OWN_DESCRIPTORS)


REFUSALS = frozenset({401, 408, 413, 429})
"""Statuses of an idle connection whose client gets no more than one that never brought a request."""
LAST_STATUS = "hinode.status"
"""Key in the state of a scope for the status of the answer; `AccessLog` writes it."""


class Connection(H11Protocol):
    """A connection of uvicorn that has to bring a request in time. When there are too many, the oldest gives
    way that never brought one or whose last request was refused, or else, of the project with the most of
    them, the one that has been idle for the longest time, or else the one whose request has been arriving for
    the longest time."""

    _timer: asyncio.TimerHandle | None = None
    _free_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._free_since = time.monotonic()
        self._watch()
        if len(self.connections) > max_connections():
            others = [other for other in self.connections if isinstance(other, Connection)]
            counts = Counter(other.project_id for other in others)
            waiting = [other for other in others if other is not self and other.is_waiting]
            min(waiting, key=lambda other: other._precedence(counts), default=self).close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._free_since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def is_free(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for its client: no request is being answered, or one is still arriving."""
        return self.is_free or self.conn.their_state is h11.SEND_BODY

    @property
    def project_id(self) -> str | None:
        """The project of the last request, if it had a valid key."""
        identity = self.scope["state"].get("identity") if self.scope else None
        return identity.project_id if identity is not None else None

    def _precedence(self, counts: Mapping[str | None, int]) -> tuple[int, int, float]:
        """The lowest gives way first; `counts` are the connections of each project."""
        # A project that opens one after another could otherwise push out idle connections of others.
        share = -counts[self.project_id]
        if not self.is_free:
            return 2, share, self._free_since
        if self.cycle is None or self.scope["state"].get(LAST_STATUS) in REFUSALS:
            return 0, 0, self._free_since
        return 1, share, self._free_since

    def close(self) -> None:
        """Close it at once."""
        self.connections.discard(self)  # the transport closes in a later turn of the loop
        self.transport.close()

    def _watch(self) -> None:
        if not self.is_free:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LoopErrors:
    """Exception handler of an event loop. Connections that cannot be accepted, of which asyncio reports
    thousands a second, are logged once a minute."""

    def __init__(self) -> None:
        self._log_again_at = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "socket.accept()" not in context.get("message", ""):
            loop.default_exception_handler(context)
        elif loop.time() >= self._log_again_at:
            self._log_again_at = loop.time() + LOG_AGAIN_SECONDS
            log.error("connections cannot be accepted: %s", context.get("exception"))
