"""The heartbeat of a job that is being worked on: it keeps the lease and brings back what is ordered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from hinode.jobs.job import HeartbeatReply, Lease, LeaseLost
from hinode.jobs.store import Store
from hinode.records.database import DatabaseError

log = logging.getLogger(__name__)

SOON = 0.1
"""Seconds between two heartbeats at the least. A step that takes longer is always followed by one, so that an
order is heard after the step in which it was given."""


class Heartbeat:
    """Beats from a thread of its own, and after every step from the thread that works.

    The first keeps the lease through a step that takes minutes; the second makes cancelling prompt.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        *,
        slice_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            store: where the lease is.
            lease: the lease to keep.
            slice_seconds: how long a job runs before it may have to give way.
            clock: seconds since any moment.
        """
        self.store = store
        self.lease = lease
        self.slice_seconds = slice_seconds
        self.clock = clock
        self._now = ("start", 0, lease.job.preview)  # stage, progress, number of previews
        self._steps_since: float | None = None
        self._orders = HeartbeatReply()
        self._lost: LeaseLost | None = None
        self._last = clock()
        self._beating = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def check(self, stage: str, progress: int, preview: int) -> HeartbeatReply:
        """Say how far the job is, and hear what is ordered.

        Args:
            stage: name of the stage that it is in.
            progress: 0 to 100.
            preview: how many previews there were so far.

        Raises:
            LeaseLost: the job was taken away.
        """
        self._now = (stage, progress, preview)
        if stage == "sample" and self._steps_since is None:
            self._steps_since = self.clock()
        if self.clock() - self._last >= SOON:
            self._beat()
        if self._lost is not None:
            raise self._lost
        return self._orders

    def _keep(self) -> None:
        while self._lost is None and not self._over.wait(self.store.lease_seconds / 4):
            self._beat()

    def _beat(self) -> None:
        with self._beating:
            stage, progress, preview = self._now
            ran_for = 0.0 if self._steps_since is None else self.clock() - self._steps_since
            try:
                self._orders = self.store.heartbeat(
                    self.lease,
                    stage=stage,
                    progress=progress,
                    preview=preview,
                    slice_seconds=self.slice_seconds,
                    ran_for=ran_for,
                )
            except LeaseLost as error:
                self._lost = error
            except DatabaseError as error:
                # The token decides in the end, and the work may well be done before somebody else takes it.
                log.warning("no heartbeat: %s", error, extra={"job_id": self.lease.job.id})
            self._last = self.clock()
