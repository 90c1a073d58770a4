"""Something slow done in a thread of its own, so that whoever waits for it can stop waiting at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BackgroundCall(Generic[T]):
    """A function being called. Its thread does not keep the process from ending."""

    def __init__(self, work: Callable[[], T]) -> None:
        """
        Args:
            work: called once, at once.
        """
        self._work = work
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._over = threading.Event()
        threading.Thread(target=self._run, name="upstream", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; returns whether it is over."""
        return self._over.wait(seconds)

    def result(self) -> T:
        """What the function returned, or raises what it raised; only after it is over."""
        if self._error is not None:
            raise self._error
        return self._value[0]

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()
