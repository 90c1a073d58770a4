"""What a worker needs of the jobs: `Store` has it, and `remote.service` brings it over HTTP.

Whatever decides, such as which job is next and whether a lease still holds, is decided behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hinode.errors import HinodeError
from hinode.jobs.job import HeartbeatReply, Lease, LeaseLost
from hinode.jobs.states import Outcome
from hinode.money.quoting import runs
from hinode.records.database import DatabaseError
from hinode.request import MediaFile
from hinode.rights.fingerprint import Fingerprint
from hinode.trust.provenance.authority import Authority
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.samples import ClipBlocked


class ServerAway(HinodeError):
    """The server of a worker cannot be reached, or cannot answer at present."""

    code = "server_away"


class WorkerRefused(LeaseLost):
    """The server does not accept this worker any more, so its lease is void too."""

    code = "worker_refused"


UNREACHABLE = (DatabaseError, ServerAway)
"""After these the same call may succeed later."""


@dataclass(frozen=True)
class Pace:
    """How often a worker asks, in seconds; None is as often as beside the database.

    Attributes:
        beat: between two heartbeats at least, of which each delays a step by an answer.
        idle: between two looks at the queue at most.
        away: for which an attempt tries to enter its end while the jobs cannot be reached.
    """

    beat: float | None = None
    idle: float | None = None
    away: float | None = None


LOCAL = Pace()


class JobService(Protocol):
    """The jobs, as a worker sees them. `Store` says what each method does.

    The methods with a lease raise `LeaseLost` if another worker may have the job, and all of them one of
    `UNREACHABLE` while the jobs cannot be reached.
    """

    lease_seconds: float

    def register_worker(self, host: str, pid: int, engines: Collection[str] | None = None) -> str: ...

    def touch_worker(self, worker_id: str, resident: Collection[str] = ()) -> None: ...

    def end_worker(self, worker_id: str) -> None: ...

    def claim(
        self,
        worker_id: str,
        *,
        host: str,
        engines: Collection[str] | None = None,
        resident: Collection[str] = (),
    ) -> Lease | None: ...

    def heartbeat(
        self, lease: Lease, *, stage: str, progress: int, preview: int, slice_seconds: float, ran_for: float
    ) -> HeartbeatReply: ...

    def checkpoint(self, lease: Lease, digest: str, step: int) -> None: ...

    def is_referenced(self, digest: str) -> bool: ...

    def give_back(self, lease: Lease, outcome: Outcome = Outcome.YIELDED) -> None: ...

    def postpone(self, lease: Lease, message: str) -> None: ...

    def finish(
        self,
        lease: Lease,
        files: Mapping[str, MediaFile],
        provenance: Mapping[str, Any],
        retention: float,
        *,
        claim_next: bool = False,
        measured: runs.Measured | None = None,
        fingerprint: Fingerprint | None = None,
    ) -> Lease | None: ...

    def authority(self, lease: Lease) -> Authority | None: ...

    def fail(self, lease: Lease, code: str, message: str, *, final: bool) -> None: ...

    def policy(self, lease: Lease) -> Policy: ...

    def block(self, lease: Lease, blocked: ClipBlocked, pictures: MediaFile | None) -> None: ...

    def is_approved(self, lease: Lease) -> bool: ...

    def acknowledge_cancel(self, lease: Lease) -> None: ...
