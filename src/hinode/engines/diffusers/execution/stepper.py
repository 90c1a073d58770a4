"""Runs a function piece by piece, though it was written to run to its end. A pipeline of diffusers is one
long call. To write it out as steps here, it would have to be written again for every family and every
release; instead it runs as it is, in a thread that waits at each step. Only one thread runs at a time."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from hinode.engines.protocol import Progress

Pause = Callable[[Progress], None]
"""Called by the work with its progress; returns when the work may continue."""


class Abandoned(BaseException):
    """Raised within abandoned work to end it; no handler of errors catches it."""


class Stepper:
    """Work that can be left between two of its steps, for a while or for good."""

    def __init__(self, work: Callable[[Pause], Any]) -> None:
        """`work` must hold no reference to this object: when that is freed, the work ends."""
        self._resume, self._stop = threading.Semaphore(0), threading.Event()
        self._messages: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._thread = threading.Thread(
            target=_run, args=(work, self._resume, self._stop, self._messages), name="pipeline", daemon=True
        )
        self._thread.start()
        self._finalizer = weakref.finalize(self, _end, self._resume, self._stop)
        self._running = False
        self._result: list[Any] = []

    @property
    def result(self) -> Any:
        """What the work returned; it has to be finished."""
        return self._result[0]

    def advance(self) -> Progress | None:
        """Let the work run to its next step, and return its progress, or None if it is finished; raises
        whatever the work raised."""
        if self._result:
            return None
        # If the last call was interrupted, by Ctrl-C for example, the work is still on its way to a step.
        if not self._running:
            self._resume.release()
        self._running = True
        kind, value = self._messages.get()
        self._running = False
        if kind == "error":
            self.close()
            raise value
        if kind == "result":
            self._result.append(value)
            return None
        assert isinstance(value, Progress)
        return value

    def close(self) -> None:
        """Abandon the work, and wait until it has ended."""
        self._finalizer()
        self._thread.join()


def _run(
    work: Callable[[Pause], Any],
    resume: threading.Semaphore,
    stop: threading.Event,
    messages: SimpleQueue[tuple[str, Any]],
) -> None:
    def wait() -> None:
        resume.acquire()
        if stop.is_set():
            raise Abandoned

    def pause(progress: Progress) -> None:
        messages.put(("progress", progress))
        wait()

    try:
        wait()
        messages.put(("result", work(pause)))
    except Abandoned:
        pass
    except BaseException as error:
        messages.put(("error", error))


def _end(resume: threading.Semaphore, stop: threading.Event) -> None:
    stop.set()
    resume.release()
