"""Work that may take long, such as fetching an image, done beside whoever needs it and cannot wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from hinode.background import start_call

T = TypeVar("T")


class StillRunning(Exception):
    """It is not done yet; ask again later."""


class BackgroundCalls(Generic[T]):
    """Pieces of work, each in a thread of its own, few of them for one project.

    For one thread that asks. What takes too long goes on by itself, and its result is there when it is asked
    for again. The threads do not keep the process from ending.
    """

    def __init__(self, most: int, most_each: int) -> None:
        """
        Args:
            most: how many at once.
            most_each: how many at once for one project.
        """
        self.most = most
        self.most_each = most_each
        self._under_way: dict[str, tuple[int, str, Future[T]]] = {}  # by name: number, project, result

    def done(self, project_id: str, name: str, number: int, work: Callable[[], T], seconds: float) -> T:
        """The result of `work`, which is begun unless it was before.

        Args:
            project_id: whose it is.
            name: whoever asks; it has one errand at a time.
            number: which errand of that name; the result of another is dropped.
            work: what to do, in another thread; what it raises is raised here.
            seconds: to wait for the result.

        Raises:
            NotYet: it is not done by then, or could not be begun because others are under way.
        """
        number_before, _, errand = self._under_way.get(name, (number, project_id, None))
        if errand is not None and not errand.done() and number_before != number:
            raise StillRunning
        if errand is None or number_before != number:
            self._under_way.pop(name, None)
            self._check_room(project_id)
            errand = start_call(work, "batch line")
            self._under_way[name] = number, project_id, errand
        if not wait([errand], seconds).done:
            raise StillRunning
        del self._under_way[name]
        return errand.result()

    def drop(self, names: Collection[str]) -> None:
        """Forget the results of errands of these names; those under way count until they are done."""
        for name in names:
            if name in self._under_way and self._under_way[name][2].done():
                del self._under_way[name]

    def names(self) -> set[str]:
        """Who has an errand under way, or a result that was not asked for yet."""
        return set(self._under_way)

    def busy(self, project_id: str) -> bool:
        """Whether an errand of a project is under way, or has a result that was not asked for yet."""
        return any(project == project_id for _, project, _ in self._under_way.values())

    def _check_room(self, project_id: str) -> None:
        busy = Counter(project for _, project, errand in self._under_way.values() if not errand.done())
        if busy.total() >= self.most or busy[project_id] >= self.most_each:
            raise StillRunning
