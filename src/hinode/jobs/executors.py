"""Worker processes of a server. Only the database knows the jobs, so any process may be lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from hinode.background import backoff
from hinode.errors import HinodeError

log = logging.getLogger(__name__)

HEALTHY_SECONDS = 60.0
"""A worker that lived so long counts as healthy: if it goes down, its successor starts at once."""

MAX_BACKOFF = 30.0
GROUP_SECONDS = 5.0
"""For what a process started and left behind to end once it is killed."""
OUTPUT_SECONDS = 1.0  # for the rest of the output of a process that has ended


@dataclass(frozen=True)
class Spec:
    """How to start a worker: its command, and variables that are added to the environment."""

    command: tuple[str, ...] = (sys.executable, "-m", "hinode", "worker", "--attached")
    environment: Mapping[str, str] = field(default_factory=dict)


class LocalExecutor:
    """Worker processes on this machine, children of this process.

    A child reads from a pipe of which this process holds the other end. When this process dies, however
    suddenly, the pipe ends and the children end too, so there are never orphans. Each child leads a process
    group, which is killed as a whole: what a child started may hold memory of the device.
    """

    def __init__(
        self,
        workers: int,
        lost: Callable[[str], object],
        before: Callable[[int | None], object] | None = None,
    ) -> None:
        """
        Args:
            workers: the maximum.
            lost: called with the id of a worker whose process group has ended.
            before: called before each start with None, and after it with the process number.
        """
        self.workers = workers
        self.lost = lost
        self._before = before or (lambda pid: None)
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._threads: list[threading.Thread] = []

    def capacity(self) -> int:
        """How many more workers can be launched."""
        return 0 if self._over.is_set() else self.workers - len(self._threads)

    def launch(self, spec: Spec) -> None:
        """Keep one worker running: whenever it goes down, another one is started.

        Raises:
            ValueError: there is no capacity left.
        """
        if self.capacity() < 1:
            raise ValueError("there is no capacity for another worker")
        name = f"worker {len(self._threads)}"
        thread = threading.Thread(target=self._keep_running, args=(spec,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def fill(self) -> None:
        """Launch as many workers as there may be."""
        for _ in range(self.capacity()):
            self.launch(Spec())

    def drain(self, seconds: float) -> None:
        """Ask all workers to save their runs and end; end those that have not after so many seconds."""
        with self._changing:
            self._over.set()
            for child in self._children:
                _close_pipe(child)
                child.terminate()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.stop()

    def stop(self) -> None:
        """End all workers at once."""
        with self._changing:
            self._over.set()
            for child in self._children:
                kill_group(child.pid)
        for thread in self._threads:
            thread.join()

    def _keep_running(self, spec: Spec) -> None:
        crashes = 0
        while not self._over.is_set():
            start = time.monotonic()
            try:
                status = self._run(spec)
            except OSError as error:
                log.error("a worker cannot be started: %s", error)
                status = None
            if self._over.is_set():
                return
            crashes = 0 if time.monotonic() - start >= HEALTHY_SECONDS else crashes + 1
            wait = restart_delay(crashes)
            log.warning("a worker ended; the next one starts in %g s", wait, extra={"exit_status": status})
            self._over.wait(wait)

    def _run(self, spec: Spec) -> int | None:
        """Run one process to its end; returns its exit status, or None if it was not started."""
        self._before(None)
        with self._changing:
            if self._over.is_set():
                return None
            child = subprocess.Popen(
                spec.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **self._share(), **spec.environment},
                process_group=0 if os.name == "posix" else None,
            )
            self._children.add(child)
        self._before(child.pid)
        worker_ids: list[str] = []
        assert child.stdout is not None
        reader = threading.Thread(target=_read_ids, args=(child.stdout, worker_ids), daemon=True)
        reader.start()
        try:
            status = child.wait()
            end_group(child.pid, GROUP_SECONDS)
            reader.join(OUTPUT_SECONDS)
        finally:
            with self._changing:
                self._children.discard(child)
            _close_pipe(child)
        for worker_id in worker_ids:
            try:
                self.lost(worker_id)
            except HinodeError as error:  # its lease will expire
                log.warning("%s", error, extra={"worker_id": worker_id})
        return status

    def _share(self) -> dict[str, str]:
        """The variables that divide the processors among the workers."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        share = str(max(1, cores // max(1, self.workers)))
        return {name: share for name in ("HINODE_THREADS", "OMP_NUM_THREADS") if not os.environ.get(name)}


def kill_group(leader: int) -> None:
    """End a process, and on POSIX all of the group that it leads, at once; those that have ended are left."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)


def end_group(leader: int, seconds: float) -> bool:
    """Kill a process group and wait until it has ended, so many seconds at most; returns whether it has."""
    kill_group(leader)
    until = time.monotonic() + seconds
    while group_exists(leader):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def group_exists(leader: int) -> bool:
    """Whether a process of the group is left."""
    if os.name != "posix":
        return False
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def restart_delay(crashes: int) -> float:
    """Seconds to wait before the next worker, after so many in a row that did not live long."""
    return 0.0 if crashes < 2 else backoff(crashes, first=0.5, maximum=MAX_BACKOFF)


def _read_ids(stream: IO[bytes], worker_ids: list[str]) -> None:
    """Collect the ids that a worker announces on its standard output; its other output goes to the log."""
    with stream:
        for line in stream:
            text = line.decode("utf-8", "replace").strip()
            try:
                worker_ids.append(str(json.loads(text)["worker"]))
            except (ValueError, KeyError, TypeError):
                log.info("output of a worker: %s", text[:500])


def _close_pipe(child: subprocess.Popen[bytes]) -> None:
    """Close the pipe by which the child knows that this process is alive."""
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
