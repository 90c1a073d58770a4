"""Values that are remembered for a few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

FRESH_SECONDS = 10.0
MAX_VALUES = 2000


class Fresh(Generic[K, V]):
    """Values that are made again after some seconds. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float], seconds: float = FRESH_SECONDS) -> None:
        """`clock` gives seconds since any moment."""
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._values: dict[K, tuple[float, V]] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key."""
        now = self._clock()
        with self._lock:
            entry = self._values.get(key)
        if entry is not None and 0 <= now - entry[0] < self._seconds:
            return entry[1]
        value = make()
        with self._lock:
            if len(self._values) >= MAX_VALUES:
                self._values.clear()
            self._values[key] = now, value
        return value
