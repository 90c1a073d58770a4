"""What the house does by itself, again and again; each chore in a thread of its own, so that none waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

SAY_AGAIN = 60.0  # seconds after which a trouble that lasts is told of again


@dataclass(frozen=True)
class PeriodicTask:
    """Something to be done every so often.

    Attributes:
        name: what log lines call it.
        every: seconds from the end of one time to the beginning of the next.
        do: does it once; what it raises is logged, and it is done again all the same.
    """

    name: str
    every: float
    do: Callable[[], object]


class PeriodicTasks:
    """Chores that are being done between `start` and `stop`."""

    def __init__(self, chores: Sequence[PeriodicTask], clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            chores: what is to be done; for the first time at once.
            clock: seconds, from any moment.
        """
        self.clock = clock
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._go, args=(chore,), name=f"chore-{chore.name}", daemon=True)
            for chore in chores
        ]

    def start(self) -> None:
        """Begin, in the background."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Begin no chore any more, and wait for those under way, but no longer than `seconds`."""
        self._stopping.set()
        until = self.clock() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - self.clock()))

    def _go(self, chore: PeriodicTask) -> None:
        said, at = "", 0.0
        while not self._stopping.is_set():
            try:
                chore.do()
                if said:
                    log.info("%s works again", chore.name)
                    said = ""
            except Exception as error:
                # A database that is away for an hour is one trouble, not one every second.
                trouble, now = f"{type(error).__name__}: {error}", self.clock()
                if trouble != said or now - at >= SAY_AGAIN:
                    log.exception("%s failed, and will be tried again", chore.name)
                    said, at = trouble, now
            self._stopping.wait(chore.every)
