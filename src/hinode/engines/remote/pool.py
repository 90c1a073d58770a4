"""Who is asked: the servers in their order, the places at each, and which of them are out of service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from hinode.engines.remote.breaker import Breaker
from hinode.engines.remote.slots import Semaphore
from hinode.engines.remote.upstreams import Upstream

HEALTH_SECONDS = 30.0
"""A server that answered within this time is not asked how it is before it is given a job."""


class Pool:
    """What is known of the servers beyond a single request. Safe to use from several threads."""

    def __init__(self, folder: Path, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        """
        Args:
            folder: where the lock files of the places are.
            clock: seconds from any beginning.
            chance: a random number from 0 up to and without 1.
        """
        self.folder = folder
        self.clock = clock
        self.chance = chance
        self._guard = threading.Lock()
        self._breakers: dict[str, tuple[Upstream, Breaker]] = {}
        self._slots: dict[tuple[str, int], Semaphore] = {}
        self._heard: dict[str, float] = {}

    def order(self, servers: Iterable[Upstream]) -> list[Upstream]:
        """The servers by priority, those of one priority at random by their weights."""
        # The largest of u^(1/w) is server i with probability w_i / sum(w) (Efraimidis and Spirakis, 2006).
        drawn = [(server.priority, -(self.chance() ** (1 / server.weight)), server) for server in servers]
        return [server for _, _, server in sorted(drawn, key=lambda one: one[:2])]

    def breaker(self, server: Upstream) -> Breaker:
        """The breaker of a server; a new one if it is described differently than before."""
        with self._guard:
            known = self._breakers.get(server.name)
            if known is None or known[0] != server:
                known = server, Breaker(server.most_failures, server.cool_seconds, self.clock)
                self._breakers[server.name] = known
            return known[1]

    def slots(self, server: Upstream) -> Semaphore:
        """The places at a server."""
        with self._guard:
            key = server.name, server.concurrency
            return self._slots.setdefault(key, Semaphore(self.folder, *key))

    def heard(self, server: Upstream) -> None:
        """A server answered as it should."""
        self.breaker(server).succeeded()
        self._heard[server.name] = self.clock()

    def failed(self, server: Upstream) -> None:
        """A server did not answer, or not as it should."""
        self.breaker(server).failed()
        self._heard.pop(server.name, None)

    def unsure(self, server: Upstream) -> bool:
        """Whether it is long ago that the server answered, or never."""
        heard = self._heard.get(server.name)
        return heard is None or self.clock() - heard >= HEALTH_SECONDS
