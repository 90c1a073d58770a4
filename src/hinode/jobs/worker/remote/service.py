"""The jobs of a server, as a worker on another machine sees them."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hinode.jobs.job import HeartbeatReply, Lease
from hinode.jobs.states import Outcome
from hinode.jobs.worker.remote import protocol
from hinode.jobs.worker.remote.connection import Connection
from hinode.jobs.worker.remote.protocol import MAX_MESSAGE_LENGTH, Measurement, read_lease
from hinode.money.quoting import runs
from hinode.parsing import parse
from hinode.request import MediaFile
from hinode.rights.fingerprint import Fingerprint
from hinode.trust.provenance.authority import Authority
from hinode.trust.screening import policy as policies
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.samples import ClipBlocked

log = logging.getLogger(__name__)

MAX_BEAT_SECONDS = 10.0
"""For the answer to a heartbeat: the worker's next step waits for it."""


def boot_seconds() -> float:
    """Seconds since the machine started, with those in which it slept, where the system tells."""
    name = getattr(time, "CLOCK_BOOTTIME", None) or getattr(time, "CLOCK_MONOTONIC", None)
    return time.monotonic() if name is None else time.clock_gettime(name)


class RemoteService:
    """`JobService` over HTTP, for the worker of one process. Safe to use from several threads.

    Before it writes anything after a silence longer than its lease, as when a laptop has slept, it asks
    whether the lease still holds.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float] = boot_seconds) -> None:
        """`clock` gives seconds, and goes on while the machine sleeps."""
        self.connection = connection
        self.lease_seconds = 15.0  # until the server has said what it is
        self.takes_uploads = False
        """Whether the store of the server takes files straight from workers."""
        self.lease: Lease | None = None  # the last one that was claimed
        self.on_lease: Callable[[Lease], None] = lambda lease: None
        """Called with each new lease."""
        self._clock = clock
        self._confirmed_at = clock()
        self._beat: dict[str, Any] = {}
        self._policy: tuple[str, Policy] | None = None  # the last one that was asked for, with its text

    def register_worker(self, host: str, pid: int, engines: Collection[str] | None = None) -> str:
        """Introduce this process; returns its id."""
        body = {"host": host, "pid": pid, "engines": sorted(engines or ())}
        answer = self.connection.call("POST", "", body)
        self.lease_seconds = float(answer["lease_seconds"])
        self.takes_uploads = answer.get("takes_uploads") is True  # older servers do not say
        return str(answer["id"])

    def touch_worker(self, worker_id: str, resident: Collection[str] = ()) -> None:
        self.connection.call("POST", f"/{worker_id}/touch", {"resident": sorted(resident)})

    def end_worker(self, worker_id: str) -> None:
        self.connection.call("DELETE", f"/{worker_id}")

    def claim(
        self,
        worker_id: str,
        *,
        host: str,
        engines: Collection[str] | None = None,
        resident: Collection[str] = (),
    ) -> Lease | None:
        """The server knows the engines since the registration."""
        began = self._clock()
        answer = self.connection.call("POST", f"/{worker_id}/claim", {"resident": sorted(resident)})
        return self._hold(read_lease(answer, worker_id, host), began)

    def heartbeat(
        self, lease: Lease, *, stage: str, progress: int, preview: int, slice_seconds: float, ran_for: float
    ) -> HeartbeatReply:
        """How long a job runs before another may preempt it is a setting of the server's."""
        beat = {"stage": stage, "progress": progress, "preview": preview, "ran_for": ran_for}
        return self._renew(lease, beat)

    def checkpoint(self, lease: Lease, digest: str, step: int) -> None:
        self._write(lease, "checkpoint", {"digest": digest, "step": step})

    def is_referenced(self, digest: str) -> bool:
        """False, of the copy on this machine; the server decides about its own."""
        return False

    def give_back(self, lease: Lease, outcome: Outcome = Outcome.YIELDED) -> None:
        self._end(lease, outcome)

    def postpone(self, lease: Lease, message: str) -> None:
        self._end(lease, Outcome.STORAGE, message=message[:MAX_MESSAGE_LENGTH])

    def fail(self, lease: Lease, code: str, message: str, *, final: bool) -> None:
        self._end(lease, Outcome.FAILED, code=code, message=message[:MAX_MESSAGE_LENGTH], final=final)

    def policy(self, lease: Lease) -> Policy:
        """The policy of the server. Keys and banks of its guards are read on this machine."""
        text = str(self.connection.call("GET", self.path(lease, "policy"))["text"])
        if self._policy is None or self._policy[0] != text:
            self._policy = text, policies.compiled(policies.read(text))
        return self._policy[1]

    def block(self, lease: Lease, blocked: ClipBlocked, pictures: MediaFile | None) -> None:
        self._write(lease, "block", protocol.Block.of(blocked, pictures))

    def is_approved(self, lease: Lease) -> bool:
        return self.connection.call("GET", self.path(lease, "approval"))["approved"] is True

    def acknowledge_cancel(self, lease: Lease) -> None:
        self._end(lease, Outcome.CANCELLED)

    def finish(
        self,
        lease: Lease,
        files: Mapping[str, MediaFile],
        provenance: Mapping[str, Any],
        retention: float,
        *,
        claim_next: bool = False,
        measured: runs.Measured | None = None,
        fingerprint: Fingerprint | None = None,  # the server makes its own, of the file
    ) -> Lease | None:
        """How long the files are kept is a setting of the server's."""
        began = self._clock()
        body = {
            "files": {
                role: {"digest": file.digest, "media_type": file.media_type, "bytes": file.bytes}
                for role, file in files.items()
            },
            "provenance": dict(provenance),
            "claim_next": claim_next,
            "measured": None if measured is None else Measurement.of(measured),
        }
        answer = self._write(lease, "finish", body)
        return self._hold(read_lease(answer, lease.worker_id, lease.host), began)

    def authority(self, lease: Lease) -> Authority:
        """The authority of the server: it signs, and no key travels."""
        address = self.path(lease, "signer")
        signer = parse(protocol.Signer, self.connection.call("GET", address), what="the signer")

        def sign(data: bytes) -> bytes:
            body = {"data": base64.b64encode(data).decode()}
            return base64.b64decode(self._write(lease, "sign", body)["signature"])

        return Authority(signer.certificates.encode(), signer.roots.encode(), sign)

    # Of the files of the job

    def confirm(self) -> None:
        """Ask whether the lease still holds, if there was no sign of it for longer than it lasts.

        Raises:
            LeaseLost: another worker may have the job.
            ServerAway: there is no answer.
        """
        if self.lease is not None and self._clock() - self._confirmed_at > self.lease_seconds:
            log.warning("the lease was not renewed in time; the server is asked whether it still holds")
            self._renew(self.lease, self._beat)

    def path(self, lease: Lease, end: str) -> str:
        """The address of something of a leased job, behind /v1/workers."""
        return f"/{lease.worker_id}/jobs/{lease.job.id}/{lease.epoch}/{end}"

    def _hold(self, lease: Lease | None, began: float) -> Lease | None:
        if lease is not None:
            self.lease, self._confirmed_at = lease, began
            self._beat = {"stage": "start", "progress": 0, "preview": lease.job.preview, "ran_for": 0.0}
            self.on_lease(lease)
        return lease

    def _renew(self, lease: Lease, beat: dict[str, Any]) -> HeartbeatReply:
        self._beat, began = beat, self._clock()
        seconds = min(MAX_BEAT_SECONDS, self.lease_seconds)
        answer = self.connection.call("POST", self.path(lease, "heartbeat"), beat, seconds)
        self._confirmed_at = began
        return HeartbeatReply(cancel=bool(answer.get("cancel")), preempt=bool(answer.get("preempt")))

    def _end(self, lease: Lease, outcome: Outcome, **more: Any) -> None:
        self._write(lease, "end", {"outcome": outcome.value, **more})

    def _write(self, lease: Lease, end: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.confirm()
        return self.connection.call("POST", self.path(lease, end), body)
