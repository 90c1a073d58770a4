"""What streams send: one look at the database at a time finds the changes of all followed projects.

Whichever stream first finds that a look is due carries it out, and the others get what it found. So there is
no task beside the streams, and nothing is read while nobody follows anything. After a hint a look is due.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from hinode.api.streams.events import Event, JobStates, describe
from hinode.jobs.changes import ChangeReader, Changes
from hinode.jobs.job import Job

MAX_BACKLOG = 100
"""Batches that a stream may be behind; a client that reads more slowly has to read everything again."""

HINT_SECONDS = 0.1
"""Between two looks at least, however many hints there are."""

Remaining = Callable[[Job, float], float | None]
"""How many seconds an unfinished job still takes, by the job and the time, if that can be said."""


@dataclass(frozen=True)
class Position:
    """A place in the stream of a project: the moment of `jobs.changes`, and what its versions were then."""

    moment: int
    versions: int

    @classmethod
    def of(cls, moment: int, versions: Mapping[str, int]) -> Position:
        """The place after changes were read."""
        return cls(moment, zlib.crc32(repr(sorted(versions.items())).encode()))


@dataclass(frozen=True)
class Batch:
    """What one look found in a project.

    Attributes:
        position: the place after it.
        events: what is sent to those who follow the project.
        jobs: those that changed, by id; None if there are too many.
    """

    position: Position
    events: tuple[Event, ...]
    jobs: Mapping[str, Job] | None


@dataclass(eq=False)
class Subscription:
    """The batches of a project that one stream has not sent yet."""

    project: _Followed
    _batches: deque[Batch] = field(default_factory=deque)
    _news: anyio.Event = field(default_factory=anyio.Event)

    async def wait(self, seconds: float) -> None:
        """Wait until there is a batch or `wake` is called, or so many seconds."""
        with anyio.move_on_after(seconds):
            await self._news.wait()

    def take(self) -> list[Batch]:
        """The batches since the last call, in order."""
        batches = list(self._batches)
        self._batches.clear()
        self._news = anyio.Event()
        return batches

    def wake(self) -> None:
        """End `wait`, without a batch."""
        self._news.set()

    def put(self, batch: Batch) -> None:
        """Add a batch."""
        if len(self._batches) >= MAX_BACKLOG:
            self._batches.clear()
            batch = Batch(batch.position, (Event("resync"),), None)
        self._batches.append(batch)
        self.wake()


@dataclass(eq=False)
class _Followed:
    """A project that is followed; its moment is unknown until its first stream has begun."""

    id: str
    subscriptions: list[Subscription] = field(default_factory=list)
    moment: int | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)  # numbers of changes that may be read again, by job
    states: JobStates = field(default_factory=dict)

    def begin(self, moment: int, versions: Mapping[str, int]) -> None:
        if self.moment is None:
            self.moment, self.versions = moment, versions
        # What another stream has had since then is sent again, rather than anything not at all.
        self.moment = min(self.moment, moment)

    def advance(self, moment: int, changes: Changes, events: tuple[Event, ...], states: JobStates) -> None:
        changed_jobs = changes.jobs or ()
        self.states = states
        self.numbers |= {change.job.id: change.number for change in changed_jobs}
        self.numbers = {job_id: number for job_id, number in self.numbers.items() if number >= moment}
        self.moment, self.versions = moment, changes.versions
        if events:
            jobs = None if changes.jobs is None else {change.job.id: change.job for change in changed_jobs}
            batch = Batch(Position.of(moment, changes.versions), events, jobs)
            for subscription in self.subscriptions:
                subscription.put(batch)


class Feed:
    """The changes of all projects that somebody follows. For one event loop."""

    def __init__(self, reader: ChangeReader, remaining: Remaining) -> None:
        self.reader = reader
        self.remaining = remaining
        self.looks = 0
        self._followed: dict[str, _Followed] = {}
        self._looking = False
        self._looked_at = 0.0
        self._changed: set[str] = set()  # projects

    @contextmanager
    def subscribe(self, project_id: str) -> Iterator[Subscription]:
        """Follow a project during the block; it gets batches from `begin` on."""
        project = self._followed.setdefault(project_id, _Followed(project_id))
        subscription = Subscription(project)
        project.subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            project.subscriptions.remove(subscription)
            if not project.subscriptions and self._followed.get(project_id) is project:
                del self._followed[project_id]

    async def begin(
        self, subscription: Subscription, after: Position | None = None
    ) -> tuple[Position, tuple[Event, ...]]:
        """Begin to collect batches; whatever changes from now on is in one of them.

        Args:
            after: the place that the client has come to, if any.

        Returns: the place of now, and what happened between the two.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        project = subscription.project

        def look() -> tuple[int, Changes, tuple[Event, ...]]:
            moment, by_project = self.reader.read({project.id: after.moment if after else None})
            changes = by_project[project.id]
            if after is None:
                return moment, changes, ()
            if after.versions == Position.of(moment, changes.versions).versions:
                return moment, changes, self._describe(changes, changes.versions, {})
            return moment, changes, self._describe(changes, {}, {})

        moment, changes, events = await anyio.to_thread.run_sync(look)
        project.begin(moment, changes.versions)
        return Position.of(moment, changes.versions), events

    def hint(self, project_id: str) -> None:
        """Look soon, since something has probably changed in a project."""
        if project_id not in self._followed:
            return
        if not self._changed and not self._looking:
            self._wake_soon()
        self._changed.add(project_id)

    def _wake_soon(self) -> None:
        seconds = self._looked_at + HINT_SECONDS - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, seconds), self._wake)

    def _wake(self) -> None:
        for project_id in self._changed & self._followed.keys():
            for subscription in self._followed[project_id].subscriptions:
                subscription.wake()

    async def look(self, seconds: float) -> None:
        """Find what has changed, unless that is being done already, or was less than `seconds` ago and there
        was no hint since.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        if self._looking or not (self._changed or time.monotonic() - self._looked_at >= seconds):
            return
        self._changed.clear()
        followed = {project.id: project for project in self._followed.values() if project.moment is not None}
        self._looking = True
        try:
            if followed:
                await self._look(followed)
        finally:
            self._looking, self._looked_at = False, time.monotonic()
            if self._changed:  # since the look began
                self._wake_soon()

    async def _look(self, followed: Mapping[str, _Followed]) -> None:
        since = {project.id: project.moment for project in followed.values()}
        previous = frozenset(change for project in followed.values() for change in project.numbers.items())

        def look() -> tuple[int, list[tuple[_Followed, Changes, tuple[Event, ...], JobStates]]]:
            moment, by_project = self.reader.read(since, previous)
            described = []
            for name, changes in by_project.items():
                project, states = followed[name], dict(followed[name].states)
                events = self._describe(changes, project.versions, states)
                described.append((project, changes, events, states))
            return moment, described

        moment, described = await anyio.to_thread.run_sync(look)
        self.looks += 1
        for project, changes, events, states in described:
            # A stream that began during the look may have set its project back.
            if project.moment == since[project.id]:
                project.advance(moment, changes, events, states)

    def _describe(
        self, changes: Changes, versions: Mapping[str, int], states: JobStates
    ) -> tuple[Event, ...]:
        return describe(changes, versions, states, self.remaining, self.reader.clock())
