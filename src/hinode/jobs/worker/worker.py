"""A worker: it claims a job, carries it out, and claims the next."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Collection

from hinode import directing, logs
from hinode import engines as installed
from hinode.background import backoff
from hinode.engines.protocol import Engine
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.job import Lease
from hinode.jobs.periodic import LOG_AGAIN_SECONDS
from hinode.jobs.states import Outcome
from hinode.jobs.worker.attempt import Attempt
from hinode.jobs.worker.service import LOCAL, UNREACHABLE, JobService, Pace, ServerAway
from hinode.settings import Settings

log = logging.getLogger(__name__)

FIRST_IDLE, MAX_IDLE = 0.05, 0.5
"""Seconds between two looks at the queue: right after a job, and after a long time without one."""

DATABASE_PAUSE = DISK_PAUSE = 2.0
MAX_PAUSE = 15.0
"""Between two tries while a server is away; beside a database it stays the first one."""
TOUCH_SECONDS = 15.0
MAX_UNEXPECTED_ERRORS = 3
"""In a row; then the worker ends, because its process, or its GPU, may be at fault."""


class Worker:
    """Carries out jobs one after another. The engine that it used last, with its model, stays in memory."""

    def __init__(
        self,
        store: JobService,
        objects: Objects,
        settings: Settings,
        *,
        host: str | None = None,
        engines: Collection[str] | None = None,
        engine: Callable[[str, Settings], Engine] = directing.get,
        pace: Pace = LOCAL,
    ) -> None:
        """
        Args:
            host: its host; the workers of one host fail a job only once between them. By default each
                process counts for itself.
            engines: names of the engines that it may run, by default all that are installed.
            engine: makes the engine of a name.
            pace: how often it asks.

        Raises:
            DatabaseError, ServerAway: the jobs cannot be reached.
        """
        self.store = store
        self.objects = objects
        self.settings = settings
        self.pace = pace
        self.host = host or f"{platform.node() or 'localhost'}/{os.getpid()}"
        self.engines = tuple(installed.names() if engines is None else engines)
        self.unexpected_errors = 0
        self.id = store.register_worker(self.host, os.getpid(), self.engines)
        self._make_engine = engine
        self._engine: tuple[str, Engine] | None = None
        self._resident: tuple[str, ...] = ()
        self._touched_at = time.monotonic()
        self._entered_resident: tuple[str, ...] = ()
        self._disk_error = False  # the last attempt could not write its files
        self._log_again_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Carry out jobs until `stop` is set, or until this process cannot be trusted any more."""
        lease: Lease | None = None
        idle = failures = 0
        # A job that was claimed before `stop` was set is given back by its attempt.
        while lease or not (stop.is_set() or self.unexpected_errors >= MAX_UNEXPECTED_ERRORS):
            try:
                if lease is None and not self._can_write():
                    self._touch()
                    stop.wait(DISK_PAUSE)
                    continue
                lease = lease or self._claim()
                if lease is not None:
                    lease, idle = self._carry_out(lease, stop, claim_next=True), 0
                    failures = 0
                    continue
                self._touch()
            except UNREACHABLE as error:
                log.warning("%s", error)
                lease, failures = None, failures + 1
                longest = MAX_PAUSE if isinstance(error, ServerAway) else DATABASE_PAUSE
                stop.wait(backoff(failures, first=DATABASE_PAUSE, maximum=longest))
                continue
            idle, failures = idle + 1, 0
            longest = MAX_IDLE if self.pace.idle is None else self.pace.idle
            stop.wait(backoff(idle, first=FIRST_IDLE, maximum=longest, factor=1.5))

    def run_one(self, stop: threading.Event | None = None) -> bool:
        """Carry out the job that is next, and return whether there was one.

        When `stop` is set, the job is given back after its current step.

        Raises:
            DatabaseError, ServerAway: the jobs cannot be reached.
        """
        lease = self._claim()
        if lease is not None:
            self._carry_out(lease, stop or threading.Event(), claim_next=False)
        return lease is not None

    def _claim(self) -> Lease | None:
        return self.store.claim(self.id, host=self.host, engines=self.engines, resident=self._resident)

    def _can_write(self) -> bool:
        """Whether files can be written, which is only asked after an attempt that could not."""
        if self._disk_error:
            try:
                self.objects.check()
            except StoreError as error:
                if time.monotonic() >= self._log_again_at:
                    log.error("no job is claimed: %s", error)
                    self._log_again_at = time.monotonic() + LOG_AGAIN_SECONDS
                return False
            log.info("files can be written again")
            self._disk_error = False
        return True

    def _carry_out(self, lease: Lease, stop: threading.Event, *, claim_next: bool) -> Lease | None:
        """Carry out a claimed job, and return the lease on the next one, if it was claimed too."""
        parts = lease, self.store, self.objects, self.settings
        attempt = Attempt(*parts, stop=stop, claim_next=claim_next, pace=self.pace)
        with logs.about(job_id=lease.job.id, worker_id=self.id):
            log.info("claimed", extra={"epoch": lease.epoch, "step": lease.job.checkpoint_step})
            outcome = attempt.carry_out(self._get_engine)
        self.unexpected_errors = self.unexpected_errors + 1 if attempt.unexpected_error else 0
        if attempt.device_error:
            log.error("this process cannot use its accelerator any more, and another one takes its place")
            self.unexpected_errors = MAX_UNEXPECTED_ERRORS
        self._disk_error = attempt.disk_error
        if outcome in (Outcome.COMPLETED, Outcome.YIELDED):
            self._resident = (f"{lease.job.engine}/{lease.job.model}",)
        return attempt.next_lease

    def _get_engine(self, name: str) -> Engine:
        if self._engine is None or self._engine[0] != name:
            self._engine = None  # first, so that two models need not fit into memory
            self._resident = ()
            self._engine = name, self._make_engine(name, self.settings)
        return self._engine[1]

    def _touch(self) -> None:
        changed = self._resident != self._entered_resident
        if changed or time.monotonic() - self._touched_at >= TOUCH_SECONDS:
            self._touched_at, self._entered_resident = time.monotonic(), self._resident
            self.store.touch_worker(self.id, self._resident)
