"""The servers beyond a single request: their order, their free places, and which of them are out of
service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from hinode.engines.remote.breaker import Breaker
from hinode.engines.remote.upstreams import Upstream

HEALTH_SECONDS = 30.0
"""A server that answered within this time gets a job without a health check."""


class Pool:
    """The state of the servers. Safe to use from several threads."""

    def __init__(self, folder: Path, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        """
        Args:
            folder: of the lock files of the places.
            clock: seconds since any moment.
            chance: a random number, 0 <= x < 1.
        """
        self.folder = folder
        self.clock = clock
        self.chance = chance
        self._guard = threading.RLock()
        self._breakers: dict[str, tuple[Upstream, Breaker]] = {}
        self._semaphores: dict[tuple[str, int], Semaphore] = {}
        self._last_success: dict[str, float] = {}

    def order(self, servers: Iterable[Upstream]) -> list[Upstream]:
        """The servers by priority, those of one priority at random by their weights."""
        # The largest of u^(1/w) is server i with probability w_i / sum(w) (Efraimidis and Spirakis, 2006).
        ranks = [(server.priority, -(self.chance() ** (1 / server.weight)), server) for server in servers]
        return [server for _, _, server in sorted(ranks, key=lambda rank: rank[:2])]

    def semaphore(self, server: Upstream) -> Semaphore:
        """The places at a server."""
        with self._guard:
            key = server.name, server.concurrency
            return self._semaphores.setdefault(key, Semaphore(self.folder, *key))

    def ready_at(self, server: Upstream) -> float:
        """When the next request may be sent to a server, on the clock."""
        with self._guard:
            return self._breaker(server).ready_at

    def allow(self, server: Upstream) -> bool:
        """Whether a request may be sent to a server now; see `Breaker.allow`."""
        with self._guard:
            return self._breaker(server).allow()

    def record_success(self, server: Upstream) -> None:
        """Note that a server answered as it should."""
        with self._guard:
            self._breaker(server).record_success()
            self._last_success[server.name] = self.clock()

    def record_failure(self, server: Upstream) -> None:
        """Note that a server did not answer, or not as it should."""
        with self._guard:
            self._breaker(server).record_failure()
            self._last_success.pop(server.name, None)

    def needs_health_check(self, server: Upstream) -> bool:
        """Whether the last good answer of a server was long ago, or never."""
        with self._guard:
            last = self._last_success.get(server.name)
            return last is None or self.clock() - last >= HEALTH_SECONDS

    def _breaker(self, server: Upstream) -> Breaker:
        """The breaker of a server; a new one if its description changed."""
        entry = self._breakers.get(server.name)
        if entry is None or entry[0] != server:
            entry = server, Breaker(server.max_failures, server.cool_seconds, self.clock)
            self._breakers[server.name] = entry
        return entry[1]


class Semaphore:
    """The places at one server, counted over all processes of this machine that share a home.

    A place is a lock on a file. The system removes the lock of a process that ends, however it ends. In a
    folder where no file can be locked, each process counts for itself. Safe to use from several threads.
    """

    def __init__(self, folder: Path, name: str, count: int) -> None:
        """
        Args:
            folder: of the lock files; it is made if need be.
            name: of the server; a file name.
            count: of the places.
        """
        self.folder = folder
        self.name = name
        self.count = count
        self._guard = threading.Lock()
        self._occupied: set[int] = set()

    def acquire(self) -> ExitStack | None:
        """Occupy a place; `close` of the result frees it. None if no place is free."""
        with self._guard:
            for number in range(self.count):
                if number in self._occupied:
                    continue
                permit = ExitStack()
                permit.callback(self._occupied.discard, number)
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    lock = FileLock(self.folder / f"{self.name}-{number}.lock", thread_local=False)
                    permit.enter_context(lock.acquire(blocking=False))
                except Timeout:
                    continue
                except (OSError, NotImplementedError):  # a read-only home, or a file system without locks
                    pass
                self._occupied.add(number)
                return permit
        return None
