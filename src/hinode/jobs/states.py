"""The states of a job and the transitions between them, which docs/explanation/jobs.md draws."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Status(StrEnum):
    """The state of a job. The last four are final: a job never leaves them."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # a line of a batch whose window closed before it began


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})

TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.QUEUED, Status.RUNNING),
        (Status.QUEUED, Status.CANCELLED),
        (Status.QUEUED, Status.EXPIRED),
        (Status.QUEUED, Status.FAILED),  # it has failed on every live worker that can run it
        (Status.RUNNING, Status.QUEUED),
        (Status.RUNNING, Status.COMPLETED),
        (Status.RUNNING, Status.FAILED),
        (Status.RUNNING, Status.CANCELLED),
    }
)
"""Every change of status that there is."""


class Outcome(StrEnum):
    """How one attempt at a job ended."""

    COMPLETED = "completed"
    YIELDED = "yielded"  # preempted, or its worker was asked to stop
    UNSUPPORTED = "unsupported"  # the request needs a later version than the worker's
    STORAGE = "storage"  # its files could not be written
    FAILED = "failed"  # the engine raised an error
    MOVED = "moved"  # no provider accepted it; the next member of its pool has it, or the same one later
    LOST = "lost"  # its lease expired, or its process died
    CANCELLED = "cancelled"


class Priority(IntEnum):
    """What a request asks for. A lower class goes first, and waiting moves a job up (scheduling.schedule)."""

    PREVIEW = 0
    INTERACTIVE = 1
    BATCH = 2
    RUSH = 3

    @property
    def queue(self) -> Priority:
        """The class that its jobs wait in: those of RUSH wait with the previews."""
        return Priority.PREVIEW if self is Priority.RUSH else self


MAX_FAILURES = 3
"""A job fails when workers of so many different hosts have failed at it."""

MAX_CRASHES = 10
"""A job is poison, and fails, when so many attempts in a row took their worker down without any progress."""

MAX_POSTPONEMENTS = 10
"""A job fails when so many attempts could not write its files, although there was some space before each."""
