"""Slow work, such as fetching an image, in the background of a thread that cannot wait for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from hinode.background import start_call, wait_for

T = TypeVar("T")


class StillRunning(Exception):
    """There is no result yet; ask again later."""


class _Call(NamedTuple, Generic[T]):
    number: int
    project_id: str
    future: Future[T]


class BackgroundCalls(Generic[T]):
    """Calls in threads of their own, at most `limit` in all and `limit_per_project` for one project.

    For one thread that asks for results. A call that takes too long goes on by itself, and its result is
    there when it is asked for again. The threads do not keep the process from ending."""

    def __init__(self, limit: int, limit_per_project: int) -> None:
        self.limit = limit
        self.limit_per_project = limit_per_project
        self._calls: dict[str, _Call[T]] = {}  # by owner

    def result(self, project_id: str, owner: str, number: int, work: Callable[[], T], seconds: float) -> T:
        """The result of `work`, which is called in another thread unless it was before.

        Args:
            project_id: the project of the call.
            owner: has one call at a time.
            number: which of the owner's calls; the result of another is dropped.
            work: what to call; what it raises is raised here.
            seconds: to wait for the result.

        Raises:
            StillRunning: there is no result by then, or too many other calls are running.
        """
        call = self._calls.get(owner)
        if call is None or call.number != number:
            if call is not None and not call.future.done():
                raise StillRunning
            self._calls.pop(owner, None)
            self._check_limits(project_id)
            call = self._calls[owner] = _Call(number, project_id, start_call(work, "batch line"))
        if not wait_for(call.future, seconds):
            raise StillRunning
        del self._calls[owner]
        return call.future.result()

    def drop(self, owners: Collection[str]) -> None:
        """Forget the results of these owners' calls; a running call counts until it is done."""
        for owner in owners:
            if owner in self._calls and self._calls[owner].future.done():
                del self._calls[owner]

    def owners(self) -> set[str]:
        """Everyone with a call that is running, or whose result was not asked for yet."""
        return set(self._calls)

    def busy(self, project_id: str) -> bool:
        """Whether a project has such a call."""
        return any(call.project_id == project_id for call in self._calls.values())

    def _check_limits(self, project_id: str) -> None:
        running = Counter(call.project_id for call in self._calls.values() if not call.future.done())
        if running.total() >= self.limit or running[project_id] >= self.limit_per_project:
            raise StillRunning
