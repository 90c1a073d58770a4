"""The servers beyond a single request: their order, their free places, and which of them are out of
service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from hinode.engines.remote.health import HealthFile
from hinode.engines.remote.upstreams import Upstream

FOLDER = "upstreams"
"""Folder in the home of what the processes of a machine share about the servers."""
HEALTH_SECONDS = 30.0
"""A server that answered within this time gets a job without a health check."""


class Pool:
    """The state of the servers. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """`folder` is that of the files of the places and the health; for the others see `RemoteEngine`."""
        self.folder = folder
        self.clock = clock
        self.wall = wall
        self.chance = chance
        self._guard = threading.Lock()
        self._breakers: dict[str, Breaker] = {}
        self._semaphores: dict[tuple[str, int], Semaphore] = {}
        self._health: dict[str, HealthFile] = {}

    def order(self, servers: Iterable[Upstream]) -> list[Upstream]:
        """The servers by priority, those of one priority at random by their weights."""
        # The largest of u^(1/w) is server i with probability w_i / sum(w) (Efraimidis and Spirakis, 2006).
        return sorted(servers, key=lambda server: (server.priority, -(self.chance() ** (1 / server.weight))))

    def semaphore(self, server: Upstream) -> Semaphore:
        """The places at a server."""
        with self._guard:
            key = server.name, server.concurrency
            return self._semaphores.setdefault(key, Semaphore(self.folder, *key))

    def breaker(self, server: Upstream) -> Breaker:
        """The circuit breaker of a server; a new one if its description changed."""
        with self._guard:
            breaker = self._breakers.get(server.name)
            if breaker is None or breaker.server != server:
                breaker = self._breakers[server.name] = Breaker(
                    server, self.clock, self._health_file(server.name)
                )
            return breaker

    def health(self, name: str) -> HealthFile:
        """The health of the server of this name."""
        with self._guard:
            return self._health_file(name)

    def _health_file(self, name: str) -> HealthFile:
        return self._health.setdefault(name, HealthFile(self.folder, name, self.wall))


class Breaker:
    """Whether a server may get requests: it is closed while they succeed; open after several failures in a
    row; half open some time later, when one request may show whether the server is back. A server that
    `health` says is drained gets none either. Safe to use from several threads."""

    def __init__(self, server: Upstream, clock: Callable[[], float], health: HealthFile) -> None:
        self.server = server
        self.health = health
        self._clock = clock
        self._guard = threading.RLock()
        self._failures = 0
        self._opened_at: float | None = None
        self._success_at: float | None = None

    @property
    def ready_at(self) -> float:
        """When the next request may be sent, on the clock."""
        with self._guard:
            return self._clock() if self._opened_at is None else self._opened_at + self.server.cool_seconds

    def allow(self) -> bool:
        """Whether a request may be sent now. An open breaker allows one in each `cool_seconds`, so one that
        never reports a result does not keep the server out of service."""
        with self._guard:
            if self._opened_at is not None:
                if self._clock() < self.ready_at:
                    return False
                self._opened_at = self._clock()
        return self.health.allow(self.server.cool_seconds)

    def needs_health_check(self) -> bool:
        """Whether the last good answer was long ago, or never."""
        last = self._success_at
        return last is None or self._clock() - last >= HEALTH_SECONDS

    def record_success(self) -> None:
        """Note that the server answered as it should."""
        with self._guard:
            self._failures, self._opened_at, self._success_at = 0, None, self._clock()

    def record_failure(self) -> None:
        """Note that the server did not answer, or not as it should."""
        self.health.record(False)
        with self._guard:
            self._failures += 1
            self._success_at = None
            if self._failures >= self.server.max_failures:
                self._opened_at = self._clock()


class Semaphore:
    """The places at one server, counted over all processes of this machine that share a home.

    A place is a lock on a file. The system removes the lock of a process that ends, however it ends. In a
    folder where no file can be locked, each process counts for itself. Safe to use from several threads.
    """

    def __init__(self, folder: Path, name: str, count: int) -> None:
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
