"""Steps of a run while something slow goes on elsewhere: it can be stopped between two of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, TypeVar

from hinode.background import start_call, wait_for
from hinode.engines.protocol import Progress

T = TypeVar("T")
Steps = Generator[Progress, None, T]

TICK = 0.25
MAX_PAUSE = 1.0
"""Seconds between two steps while a server is awaited."""


class Waiter:
    """Waits in steps; `call` is what goes on in the background at the moment, or None."""

    def __init__(self, pause: Callable[[float], None], progress: Callable[[], Progress]) -> None:
        """
        Args:
            pause: waits so many seconds.
            progress: gives the step that is reported meanwhile.
        """
        self.call: Future[Any] | None = None
        self._pause = pause
        self._progress = progress

    def background(self, work: Callable[[], T]) -> Steps[T]:
        """Call something slow, with a step every quarter of a second; returns or raises what it does."""
        call = start_call(work, "upstream")
        return (yield from self.join(call))

    def join(self, call: Future[T]) -> Steps[T]:
        """Wait for a call that has begun."""
        self.call = call
        while not wait_for(call, TICK):
            yield self._progress()
        self.call = None
        return call.result()

    def wait(self, seconds: float) -> Steps[None]:
        """Wait for so many seconds."""
        while seconds > 0:
            share = min(seconds, MAX_PAUSE)
            self._pause(share)
            seconds -= share
            yield self._progress()
