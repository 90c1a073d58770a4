"""Slow calls in threads of their own, which a caller can stop waiting for, and pauses before retries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def start_call(work: Callable[[], T], name: str) -> Future[T]:
    """Call a function in a new thread.

    The thread is a daemon: a call that nobody waits for does not keep the process from ending, as the threads
    of `ThreadPoolExecutor` would.

    Args:
        work: called once, at once.
        name: of the thread.

    Returns:
        A future of what the function returns or raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def wait_for(call: Future[T], seconds: float) -> bool:
    """Wait for a call, `seconds` at most; returns whether it is over. Its error is not raised here."""
    return bool(wait([call], seconds).done)


def backoff(
    failures: int, *, first: float, maximum: float, factor: float = 2.0, jitter: float = 0.0
) -> float:
    """Seconds to wait after failures in a row: `first`, then `factor` times as long each time.

    Args:
        failures: how many there were, at least 1.
        first: seconds after the first failure.
        maximum: the longest wait in seconds, before the jitter.
        factor: growth from one failure to the next.
        jitter: the wait is multiplied by 1 + jitter; a caller passes a random number, such as one between
            -0.25 and 0.25, so that what failed together does not come back together.
    """
    exponent = min(failures - 1, 64)  # 2.0 ** 1024 overflows
    return min(first * factor**exponent, maximum) * (1.0 + jitter)
