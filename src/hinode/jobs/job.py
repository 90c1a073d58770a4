"""The values that the jobs room hands about: a job as it stands in the database, and what is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import RowMapping

from hinode.errors import HinodeError
from hinode.jobs.states import FINAL, Priority, Status
from hinode.request import MediaFile


class LeaseLost(HinodeError):
    """The job was taken from this worker: what it has made does not count any more."""

    code = "lease_lost"


class OverQuota(HinodeError):
    """The project has as much waiting, or has had as much today, as it may.

    `retry_after` is in how many seconds asking again may help.
    """

    code = "rate_limit_exceeded"

    def __init__(self, message: str, remedy: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message, remedy)


class Unfinished(HinodeError):
    """Something was asked of a job that can only be done once it has ended."""

    code = "video_in_progress"
    exit_code = 2


@dataclass(frozen=True)
class Job:
    """A row of `records.tables.jobs`; see there for what each column means."""

    id: str
    project_id: str
    key_id: str | None
    request: Mapping[str, Any]
    operation: str
    engine: str
    model: str
    asked_model: str
    seconds: float
    priority: Priority
    lane: str
    status: Status
    stage: str | None
    progress: int
    preview: int
    created_at: float
    queued_at: float
    not_before: float
    started_at: float | None
    completed_at: float | None
    expires_at: float | None
    cancel_requested_at: float | None
    epoch: int
    worker_id: str | None
    lease_until: float | None
    checkpoint: str | None
    checkpoint_step: int
    crashes: int
    compute_seconds: float
    making: Mapping[str, Any] | None
    error_code: str | None
    error_message: str | None
    source_id: str | None
    batch_id: str | None

    @property
    def final(self) -> bool:
        """True once nothing more will happen to it."""
        return self.status in FINAL

    @classmethod
    def of(cls, row: RowMapping) -> Job:
        """The job in a row of the table."""
        values = {name: row[name] for name in _FIELDS}
        values["status"] = Status(values["status"])
        values["priority"] = Priority(values["priority"])
        return cls(**values)


_FIELDS = tuple(f.name for f in fields(Job))


@dataclass(frozen=True)
class Lease:
    """A worker's right to work on a job, until someone else gets a higher epoch.

    Attributes:
        job: as it was when it was claimed.
        epoch: the fencing token; every write carries it.
        worker_id: who holds the lease.
        claimed_at: when the attempt began, seconds since 1970.
        inputs: files that the request refers to, by role.
        host: what the worker counts as when it comes to failures.
        engines: names of the engines that the worker can run, or None for all.
    """

    job: Job
    epoch: int
    worker_id: str
    claimed_at: float
    inputs: Mapping[str, MediaFile] = field(default_factory=dict)
    host: str = ""
    engines: frozenset[str] | None = None


@dataclass(frozen=True)
class HeartbeatReply:
    """What a worker learns from its heartbeat.

    Attributes:
        cancel: stop, the person does not want the clip any more.
        give_way: save the run and give the job back; one that is more due is waiting.
    """

    cancel: bool = False
    give_way: bool = False


@dataclass(frozen=True)
class Idempotency:
    """A promise of the client that requests with the same key are one request.

    Attributes:
        route: method and path that it was used with.
        key: what the client sent.
        request_hash: digest of the request in normal form.
    """

    route: str
    key: str
    request_hash: str


@dataclass(frozen=True)
class Submitted:
    """What became of a submission: the jobs, and whether they had been there before."""

    jobs: tuple[Job, ...]
    replayed: bool = False


@dataclass(frozen=True)
class Counts:
    """How things stand, for metrics.

    Attributes:
        jobs: number of jobs by status and priority.
        workers: workers that were heard of lately.
        deliveries: webhook deliveries that are still to be made.
        oldest_queued: when the job that waits longest was queued, or None.
    """

    jobs: Mapping[tuple[Status, Priority], int]
    workers: int
    deliveries: int
    oldest_queued: float | None
