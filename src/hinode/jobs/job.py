"""Values of the job service: drafts, jobs as they are in the database, leases, and answers about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hinode.errors import HinodeError
from hinode.jobs.states import FINAL, Priority, Status
from hinode.money.meters.usage import Totals
from hinode.money.quoting.offers import Terms
from hinode.request import MediaFile, Request


class LeaseLost(HinodeError):
    """Another worker may have the job by now: the work of this one does not count any more."""

    code = "lease_lost"


class OverQuota(HinodeError):
    """The project has as many jobs waiting, or has had as much video today, as its limits allow.

    `retry_after` is in how many seconds another request may succeed.
    """

    code = "rate_limit_exceeded"

    def __init__(self, message: str, remedy: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message, remedy)


class WrongState(HinodeError):
    """The state of the job does not allow this."""

    code = "wrong_state"
    exit_code = 2


class Unfinished(WrongState):
    """The job has to end first."""

    code = "video_in_progress"


class NotWaiting(WrongState):
    """The job does not wait any more."""

    code = "video_not_waiting"


class NotFailed(WrongState):
    """The job has not failed."""

    code = "video_not_failed"


@dataclass(frozen=True)
class Draft:
    """A checked request that is to become a job.

    Attributes:
        project_id: the project that submits it.
        key_id: API key or session that it came with, or None.
        request: names its model, so that a later default changes nothing.
        requested_model: name of the model as the client wrote it.
        priority: class of work.
        inputs: files that the request's references name, by role and number; already in the store.
        source_id: video that this one is made from, or None.
        parents: every video that this one is made from; by default the one of `source_id`.
        relation: how it is made from them; by default the operation of the request.
        batch_id: batch that it is a line of, or None.
        request_hash: digest of the request in normal form, by which a retry is recognised.
        routing: the routes of a job of a pool, see `routing.record`, or None.
        terms: what the request says about its price, or None if it can say nothing.
    """

    project_id: str
    key_id: str | None
    request: Request
    requested_model: str
    priority: Priority = Priority.INTERACTIVE
    inputs: Mapping[str, MediaFile] = field(default_factory=dict)
    source_id: str | None = None
    parents: tuple[str, ...] = ()
    relation: str | None = None
    batch_id: str | None = None
    request_hash: str | None = None
    routing: Mapping[str, Any] | None = None
    terms: Terms | None = None


@dataclass(frozen=True)
class Job:
    """A row of `records.tables.jobs`, which says what each column means."""

    id: str
    project_id: str
    key_id: str | None
    request: Mapping[str, Any]
    operation: str
    engine: str
    model: str
    requested_model: str
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
    provenance: Mapping[str, Any] | None
    error_code: str | None
    error_message: str | None
    source_id: str | None
    batch_id: str | None
    routing: Mapping[str, Any] | None
    trace: str | None
    price: int | None
    charged: int | None

    @property
    def final(self) -> bool:
        """True once its status cannot change any more."""
        return self.status in FINAL


@dataclass(frozen=True)
class Lease:
    """A worker's right to work on a job, until another worker gets a higher epoch.

    Attributes:
        job: as it was when it was claimed.
        worker_id: the worker.
        claimed_at: when the attempt began, seconds since 1970.
        host: host of the worker; the workers of a host fail a job only once between them.
        engines: names of the engines that the worker can run, or None for all.
        projects: ids of the projects whose jobs it may have, or None for all.
    """

    job: Job
    worker_id: str
    claimed_at: float
    host: str
    engines: frozenset[str] | None
    projects: frozenset[str] | None = None

    @property
    def epoch(self) -> int:
        """The fencing token; every write of the worker carries it."""
        return self.job.epoch


@dataclass(frozen=True)
class HeartbeatReply:
    """What a worker has to do after a heartbeat.

    Attributes:
        cancel: stop; the job is to be cancelled.
        preempt: save the run and give the job back in favour of another one.
    """

    cancel: bool = False
    preempt: bool = False


@dataclass(frozen=True)
class Idempotency:
    """The client's promise that requests with the same key are one request.

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
    """The jobs of a submission, and whether an earlier request had made them."""

    jobs: tuple[Job, ...]
    replayed: bool = False


@dataclass(frozen=True)
class Counts:
    """Numbers for metrics.

    Attributes:
        jobs: number of jobs by status and priority.
        workers: workers that were seen lately.
        deliveries: webhook deliveries that are pending.
        oldest_queued: when the job that waits longest was queued, or None.
        usage: what jobs and projects have used.
    """

    jobs: Mapping[tuple[Status, Priority], int]
    workers: int
    deliveries: int
    oldest_queued: float | None
    usage: Totals
