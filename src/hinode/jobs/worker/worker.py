"""The process that makes the videos: it claims a job, carries it out, and claims the next."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import FrameType

from hinode import directing, logs
from hinode import engines as installed
from hinode.engines.protocol import Engine
from hinode.errors import HinodeError
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Lease
from hinode.jobs.states import Outcome
from hinode.jobs.store import Store
from hinode.jobs.worker.attempt import Attempt
from hinode.records.database import Database, DatabaseError
from hinode.settings import Settings

log = logging.getLogger(__name__)

Clock = Callable[[], float]

FIRST_IDLE, MAX_IDLE = 0.05, 0.5
"""Seconds between two looks at the queue: right after a job, and after a long time without one."""

DATABASE_PAUSE = 2.0
SEEN_SECONDS = 15.0
MAX_FAULTS = 3
"""Unforeseen errors in a row after which a worker ends: its process, or its GPU, may be the one at fault."""

NICENESS = 5
STANDARD_INPUT = 0
GRACE_SECONDS = 30.0
"""How long a worker whose parent is gone may take to save its run and end."""


class Worker:
    """Carries out jobs one after another. The engine that it used last, with its model, stays in memory."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        settings: Settings,
        *,
        host: str | None = None,
        engines: Collection[str] | None = None,
        engine: Callable[[str, Settings], Engine] = directing.get,
        clock: Clock = time.monotonic,
    ) -> None:
        """
        Args:
            store: the jobs.
            objects: the files.
            settings: of this process.
            host: what it counts as when it comes to failures: workers of one host fail a job only once
                between them. By default each process counts for itself.
            engines: names of the engines that it may run, by default all that are installed.
            engine: makes the engine of a name.
            clock: seconds since any moment.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        self.store = store
        self.objects = objects
        self.settings = settings
        self.host = host or f"{platform.node() or 'localhost'}/{os.getpid()}"
        self.engines = tuple(installed.names() if engines is None else engines)
        self.clock = clock
        self.faults = 0
        self.id = store.enrol(self.host, os.getpid(), self.engines)
        self._make_engine = engine
        self._engine: tuple[str, Engine] | None = None
        self._resident: tuple[str, ...] = ()
        self._seen_at = clock()

    def run(self, stop: threading.Event) -> None:
        """Carry out jobs until `stop` is set, or until this process cannot be trusted any more."""
        idle = FIRST_IDLE
        while not stop.is_set() and self.faults < MAX_FAULTS:
            try:
                busy = self.run_one(stop)
                if not busy:
                    self._be_seen()
            except DatabaseError as error:
                log.warning("%s", error)
                stop.wait(DATABASE_PAUSE)
                continue
            idle = FIRST_IDLE if busy else min(1.5 * idle, MAX_IDLE)
            if not busy:
                stop.wait(idle)

    def run_one(self, stop: threading.Event | None = None) -> bool:
        """Carry out the job that is most due, if there is one.

        Args:
            stop: when it is set the job is given back after its current step.

        Returns:
            Whether there was one.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        lease = self.store.claim(self.id, host=self.host, engines=self.engines, resident=self._resident)
        if lease is None:
            return False
        with logs.about(job_id=lease.job.id, worker_id=self.id):
            log.info("claimed", extra={"epoch": lease.epoch, "step": lease.job.checkpoint_step})
            self._attempt(lease, stop or threading.Event())
        return True

    def _attempt(self, lease: Lease, stop: threading.Event) -> None:
        attempt = Attempt(lease, self.store, self.objects, self.settings, stop=stop, clock=self.clock)
        outcome = attempt.carry_out(self._engine_called)
        self.faults = self.faults + 1 if attempt.broke else 0
        model = f"{lease.job.engine}/{lease.job.model}"
        if outcome in (Outcome.COMPLETED, Outcome.YIELDED) and self._resident != (model,):
            self._resident = (model,)
            self.store.seen(self.id, self._resident)

    def _engine_called(self, name: str) -> Engine:
        if self._engine is None or self._engine[0] != name:
            self._engine = None  # first, so that two models need not fit into memory
            self._resident = ()
            self._engine = name, self._make_engine(name, self.settings)
        return self._engine[1]

    def _be_seen(self) -> None:
        if self.clock() - self._seen_at >= SEEN_SECONDS:
            self._seen_at = self.clock()
            self.store.seen(self.id, self._resident)


def main(
    settings: Settings,
    *,
    attached: bool = False,
    host: str | None = None,
    engines: Collection[str] | None = None,
) -> int:
    """Be a worker until told to end: by SIGTERM, by SIGINT, or, if attached, by the end of standard input.

    A job at hand is saved after its current step and given back. If not attached, a second signal ends the
    process at once.
    The caller has started the log.

    Args:
        settings: of this process.
        attached: whether this is the child of a server. Then its identity is announced on standard output as
            one line, {"worker": "worker_…"}; SIGINT is left to the parent; it yields to other processes; and
            if the parent dies, so does it.
        host: see `Worker`.
        engines: see `Worker`.

    Returns:
        The status to exit with: 0, or 1 if this process cannot be trusted any more and should be replaced.

    Raises:
        DatabaseError: the database cannot be reached, or is of a newer version.
    """
    stop = threading.Event()
    _heed_signals(stop, attached=attached)
    if attached:
        _be_niced()
        _heed_parent(stop)
    database = Database(settings.database_url, connections=4)
    try:
        database.upgrade()
        store = Store(database, lease_seconds=settings.lease_seconds)
        worker = Worker(store, Objects(settings.store), settings, host=host, engines=engines)
        if attached:
            print(json.dumps({"worker": worker.id}), flush=True)
        with logs.about(worker_id=worker.id):
            log.info("worker started", extra={"host": worker.host, "engines": ",".join(worker.engines)})
            worker.run(stop)
            try:
                store.stopped(worker.id)
            except HinodeError as error:
                log.warning("%s", error)
            log.info("worker ended")
        return 1 if worker.faults >= MAX_FAULTS else 0
    finally:
        database.close()


def _heed_signals(stop: threading.Event, *, attached: bool) -> None:
    """Set `stop` at the first signal, and unless attached, end at the second.

    A child does not, for it may be told twice: by its parent, and by what tells all processes of a service at
    once. Its parent ends it if it takes too long.

    The signals are heard by a thread over a socket and not in a handler: a handler waits for the main thread,
    which may be in the midst of a long computation, or of waiting for `stop` itself.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        with heard, told:
            heard.recv(1)
            log.info("asked to end; the job at hand is saved and given back")
            stop.set()
            while heard.recv(1):
                if not attached:
                    os._exit(1)

    def nothing(number: int, frame: FrameType | None) -> None:
        pass

    signal.signal(signal.SIGTERM, nothing)
    signal.signal(signal.SIGINT, signal.SIG_IGN if attached else nothing)
    threading.Thread(target=listen, name="signals", daemon=True).start()


def _heed_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input ends, which it does with the process at its other end, however that
    died; and do not outlive it for long."""

    def listen() -> None:
        with suppress(OSError):
            while os.read(STANDARD_INPUT, 4096):
                pass
        stop.set()
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=listen, name="parent", daemon=True).start()


def _be_niced() -> None:
    if hasattr(os, "nice"):
        os.nice(NICENESS)
