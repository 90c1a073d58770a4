"""A slow call in a thread of its own, so that its caller can stop waiting at any time."""

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
