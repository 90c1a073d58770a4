"""Where workers run. The database knows the jobs; an executor only knows processes, and may lose them all."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Protocol

from hinode.errors import HinodeError
from hinode.retry import backoff

log = logging.getLogger(__name__)

STEADY_SECONDS = 60.0
"""A worker that lived so long counts as sound: if it goes down, its successor starts at once."""

MAX_BACKOFF = 30.0
LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True)
class Spec:
    """What to run as a worker.

    Attributes:
        command: the program and its arguments.
        environment: variables beside, or instead of, those of this process.
    """

    command: tuple[str, ...] = (sys.executable, "-m", "hinode", "worker", "--attached")
    environment: Mapping[str, str] = field(default_factory=dict)


class Executor(Protocol):
    """A place where workers run."""

    def capacity(self) -> int:
        """How many more workers can be launched."""
        ...

    def launch(self, spec: Spec) -> None:
        """Keep one worker running, a new one whenever it goes down.

        Raises:
            ValueError: there is no capacity left.
        """
        ...

    def drain(self, seconds: float) -> None:
        """Ask all workers to save their runs and end; end those that have not after so many seconds."""
        ...

    def stop(self) -> None:
        """End all workers at once."""
        ...


class LocalExecutor:
    """Worker processes on this machine, children of this process.

    A child holds the reading end of a pipe of which this process holds the other: when this process dies,
    however suddenly, the children see the pipe end and give up. So there are never orphans.
    """

    def __init__(
        self,
        workers: int,
        lost: Callable[[str], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            workers: how many at most.
            lost: told the identity of a worker whose process has ended; `Store.lost`.
            clock: seconds since any moment.
        """
        self.workers = workers
        self.lost = lost
        self.clock = clock
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._watches: list[threading.Thread] = []

    def capacity(self) -> int:
        """See `Executor.capacity`."""
        return 0 if self._over.is_set() else self.workers - len(self._watches)

    def launch(self, spec: Spec) -> None:
        """See `Executor.launch`."""
        if self.capacity() < 1:
            raise ValueError("there is no place for another worker")
        watch = threading.Thread(
            target=self._watch, args=(spec,), name=f"worker {len(self._watches)}", daemon=True
        )
        self._watches.append(watch)
        watch.start()

    def drain(self, seconds: float) -> None:
        """See `Executor.drain`."""
        with self._changing:
            self._over.set()
            for child in self._children:
                _let_go(child)
                child.terminate()
        until = self.clock() + seconds
        for watch in self._watches:
            watch.join(max(0.0, until - self.clock()))
        self.stop()

    def stop(self) -> None:
        """See `Executor.stop`."""
        with self._changing:
            self._over.set()
            for child in self._children:
                child.kill()
        for watch in self._watches:
            watch.join()

    def alive(self) -> int:
        """How many workers are running."""
        with self._changing:
            return sum(child.poll() is None for child in self._children)

    def _watch(self, spec: Spec) -> None:
        crashes = 0
        while not self._over.is_set():
            began = self.clock()
            try:
                status = self._run(spec)
            except OSError as error:
                log.error("a worker cannot be started: %s", error)
                status = None
            if self._over.is_set():
                return
            crashes = 0 if self.clock() - began >= STEADY_SECONDS else crashes + 1
            wait = restart_delay(crashes)
            log.warning("a worker ended; the next one starts in %g s", wait, extra={"exit_status": status})
            self._over.wait(wait)

    def _run(self, spec: Spec) -> int | None:
        """Run one process from its start to its end, whatever that is."""
        with self._changing:
            if self._over.is_set():
                return None
            child = subprocess.Popen(
                spec.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **self._share(), **spec.environment},
            )
            self._children.add(child)
        said: list[str] = []
        assert child.stdout is not None
        hearing = threading.Thread(target=_hear, args=(child.stdout, said), daemon=True)
        hearing.start()
        try:
            status = child.wait()
            hearing.join(LAST_WORDS_SECONDS)
        finally:
            with self._changing:
                self._children.discard(child)
            _let_go(child)
        for worker_id in said:
            try:
                self.lost(worker_id)
            except HinodeError as error:  # its lease will run out
                log.warning("%s", error, extra={"worker_id": worker_id})
        return status

    def _share(self) -> dict[str, str]:
        """The variables that keep workers from each taking all processors for itself."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        share = str(max(1, cores // max(1, self.workers)))
        return {name: share for name in ("HINODE_THREADS", "OMP_NUM_THREADS") if not os.environ.get(name)}


def restart_delay(crashes: int) -> float:
    """Seconds to wait before the next worker, after so many in a row that did not live long."""
    return 0.0 if crashes < 2 else backoff(crashes, first=0.5, maximum=MAX_BACKOFF)


def _hear(stream: IO[bytes], said: list[str]) -> None:
    """Collect the identities that a worker announces; whatever else it says goes to the log."""
    with stream:
        for line in stream:
            text = line.decode("utf-8", "replace").strip()
            try:
                said.append(str(json.loads(text)["worker"]))
            except (ValueError, KeyError, TypeError):
                log.info("a worker says: %s", text[:500])


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Close the pipe by which the child knows that this process is there."""
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
