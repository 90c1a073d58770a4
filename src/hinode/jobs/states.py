"""What can become of a job. docs/explanation/jobs.md draws it; `STEPS` is the drawing as data."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Status(StrEnum):
    """Where a job is. The last four are final: a job that reached one never leaves it."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # a line of a batch whose window closed before it began


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})

STEPS: frozenset[tuple[Status, Status]] = frozenset(
    {
        (Status.QUEUED, Status.RUNNING),
        (Status.QUEUED, Status.CANCELLED),
        (Status.QUEUED, Status.EXPIRED),
        (Status.QUEUED, Status.FAILED),  # it has failed on every worker that is left
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
    YIELDED = "yielded"  # gave way to a job more due, or its worker was asked to stop
    FAILED = "failed"  # the engine raised an error
    LOST = "lost"  # its lease ran out, or its process died
    CANCELLED = "cancelled"


class Priority(IntEnum):
    """Classes of work: a lower number goes first, and waiting moves a job up (jobs.schedule)."""

    PREVIEW = 0
    INTERACTIVE = 1
    BATCH = 2


MAX_FAILURES = 3
"""A job fails when so many different workers failed at it."""

MAX_CRASHES = 10
"""A job is poison, and fails, when so many attempts in a row took their worker down without any progress."""
