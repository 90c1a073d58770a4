"""Tasks that the service repeats by itself; each has a thread of its own, so that none waits for another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

LOG_AGAIN_SECONDS = 60.0
"""A failure that lasts is logged again after so long."""


@dataclass(frozen=True)
class PeriodicTask:
    """A task that is repeated.

    Attributes:
        name: of the task, in log lines.
        interval: seconds from the end of one run to the beginning of the next.
        run: runs it once; what it raises is logged, and the task is repeated all the same.
    """

    name: str
    interval: float
    run: Callable[[], object]


class PeriodicTasks:
    """Tasks that are repeated between `start` and `stop`; each runs for the first time at once."""

    def __init__(self, tasks: Sequence[PeriodicTask], clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(task,), name=f"task {task.name}", daemon=True)
            for task in tasks
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Begin no run any more, and wait at most `seconds` for those in progress."""
        self._stopping.set()
        deadline = self.clock() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - self.clock()))

    def _repeat(self, task: PeriodicTask) -> None:
        failure, logged_at = "", 0.0
        while not self._stopping.is_set():
            try:
                task.run()
                if failure:
                    log.info("%s works again", task.name)
                    failure = ""
            except Exception as error:
                # A database that is away for an hour is one failure, not one every second.
                reason, now = f"{type(error).__name__}: {error}", self.clock()
                if reason != failure or now - logged_at >= LOG_AGAIN_SECONDS:
                    log.exception("%s failed, and will be tried again", task.name)
                    failure, logged_at = reason, now
            self._stopping.wait(task.interval)
