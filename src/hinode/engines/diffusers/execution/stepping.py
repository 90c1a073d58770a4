"""Lets a function be carried out a stretch at a time, though it was written to run to its end.

A pipeline of diffusers is one long call. Taken apart into its steps here, it would have to be written anew
for every family and every release; instead it runs as it is, in a thread that waits at each of its steps
until it is told to go on. Only one of the two threads ever runs.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from hinode.engines.protocol import Progress

Pause = Callable[[Progress], None]
"""Called by the work to say how far it is; it comes back when the work may go on."""


class Abandoned(BaseException):
    """Raised within work that nobody waits for any more, to end it; no handler of errors catches it."""


class Stepper:
    """Work that can be left alone between two of its steps, for a while or for good."""

    def __init__(self, work: Callable[[Pause], Any]) -> None:
        """
        Args:
            work: what to do. It must hold no reference to this object: when that goes, so does the work.
        """
        self._go, self._stop = threading.Semaphore(0), threading.Event()
        self._told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._thread = threading.Thread(
            target=_live, args=(work, self._go, self._stop, self._told), name="pipeline", daemon=True
        )
        self._thread.start()
        self._finalizer = weakref.finalize(self, _end, self._go, self._stop)
        self._running = False
        self._result: list[Any] = []

    @property
    def result(self) -> Any:
        """What the work returned; it has to be over."""
        return self._result[0]

    def advance(self) -> Progress | None:
        """Let the work run to its next step.

        Returns:
            How far it is, or None if it is over.

        Raises:
            Exception: whatever the work raised.
        """
        if self._result:
            return None
        # If the last call was interrupted, by Ctrl-C say, the work is still on its way to a step.
        if not self._running:
            self._go.release()
        self._running = True
        kind, value = self._told.get()
        self._running = False
        if kind == "error":
            self.close()
            raise value
        if kind == "result":
            self._result.append(value)
            return None
        progress: Progress = value
        return progress

    def close(self) -> None:
        """Give the work up, and wait until it has ended."""
        self._finalizer()
        self._thread.join()


def _live(
    work: Callable[[Pause], Any],
    go: threading.Semaphore,
    stop: threading.Event,
    told: SimpleQueue[tuple[str, Any]],
) -> None:
    def wait() -> None:
        go.acquire()
        if stop.is_set():
            raise Abandoned

    def pause(progress: Progress) -> None:
        told.put(("progress", progress))
        wait()

    try:
        wait()
        told.put(("result", work(pause)))
    except Abandoned:
        pass
    except BaseException as error:
        told.put(("error", error))


def _end(go: threading.Semaphore, stop: threading.Event) -> None:
    stop.set()
    go.release()
