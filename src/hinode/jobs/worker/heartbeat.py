"""The heartbeat of a job that is being worked on: it renews the lease and brings the service's replies."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from hinode.background import backoff
from hinode.jobs.job import HeartbeatReply, Lease, LeaseLost
from hinode.jobs.worker.service import UNREACHABLE, JobService

log = logging.getLogger(__name__)

MIN_INTERVAL = 0.1
"""Seconds between two heartbeats at least. A step that takes longer is always followed by one, so that a job
is stopped after the step in which this was decided."""


class Heartbeat:
    """Beats from a thread of its own, and after every step from the thread that works.

    The first renews the lease during a step that takes minutes; the second makes cancelling prompt.
    """

    def __init__(
        self,
        store: JobService,
        lease: Lease,
        *,
        slice_seconds: float,
        interval: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            slice_seconds: time that a job runs before it can be preempted.
            interval: seconds between two heartbeats at least, by default `MIN_INTERVAL`.
            clock: gives seconds.
        """
        self.store = store
        self.lease = lease
        self.slice_seconds = slice_seconds
        self.clock = clock
        self.interval = MIN_INTERVAL if interval is None else interval
        self._failures = 0  # heartbeats in a row without an answer
        self._progress = ("start", 0, lease.job.preview)  # stage, percent, number of previews
        self._first_step_at: float | None = None
        self._reply = HeartbeatReply()
        self._lost: LeaseLost | None = None
        self._last = clock()
        self._beating = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def check(self, stage: str, progress: int, preview: int) -> HeartbeatReply:
        """Report the stage, the progress (0 to 100) and the number of previews; returns the last reply.

        Raises:
            LeaseLost: another worker may have the job.
        """
        self._progress = (stage, progress, preview)
        if stage == "sample" and self._first_step_at is None:
            self._first_step_at = self.clock()
        if self.clock() - self._last >= self._pause():
            self._beat()
        if self._lost is not None:
            raise self._lost
        return self._reply

    def _renew(self) -> None:
        while self._lost is None and not self._over.wait(self.store.lease_seconds / 4):
            self._beat()

    def _pause(self) -> float:
        """Seconds until the next heartbeat after a step: while nobody answers, steps do not wait for it."""
        if not self._failures:
            return self.interval
        return backoff(self._failures, first=max(self.interval, 0.5), maximum=self.store.lease_seconds / 4)

    def _beat(self) -> None:
        with self._beating:
            stage, progress, preview = self._progress
            ran_for = 0.0 if self._first_step_at is None else self.clock() - self._first_step_at
            try:
                self._reply = self.store.heartbeat(
                    self.lease,
                    stage=stage,
                    progress=progress,
                    preview=preview,
                    slice_seconds=self.slice_seconds,
                    ran_for=ran_for,
                )
                self._failures = 0
            except LeaseLost as error:
                self._lost = error
            except UNREACHABLE as error:
                self._failures += 1
                # The fencing token decides in the end, and the job may be finished before another worker
                # claims it.
                log.warning("a heartbeat failed: %s", error, extra={"job_id": self.lease.job.id})
            except Exception:  # the next one may succeed, and without any the lease would expire
                log.exception("a heartbeat failed", extra={"job_id": self.lease.job.id})
            self._last = self.clock()
