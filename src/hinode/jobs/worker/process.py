"""A worker as a process: signals, and the parent whose child it may be."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType

from hinode import logs
from hinode.background import backoff
from hinode.errors import HinodeError
from hinode.jobs.executors import kill_group
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.stores import open_store
from hinode.jobs.screening.gate import Gate
from hinode.jobs.screening.policies import Policies
from hinode.jobs.store import Store
from hinode.jobs.worker.service import LOCAL, JobService, Pace, ServerAway
from hinode.jobs.worker.worker import MAX_PAUSE, MAX_UNEXPECTED_ERRORS, Worker
from hinode.records.database import Database
from hinode.settings import Settings
from hinode.trust.provenance.sharing import share

log = logging.getLogger(__name__)

Jobs = tuple[JobService, Objects, Pace]
"""What a worker works on, where its files are, and how often it asks."""

NICENESS = 5
STANDARD_INPUT = 0
GRACE_SECONDS = 30.0
"""How long a worker whose parent is gone may take to save its run and end."""


def main(
    settings: Settings,
    *,
    attached: bool = False,
    host: str | None = None,
    engines: Collection[str] | None = None,
    jobs: AbstractContextManager[Jobs] | None = None,
) -> int:
    """Run a `Worker` until SIGTERM or SIGINT, or, if attached, until standard input ends.

    The current job is saved after its current step and given back. If not attached, a second signal ends the
    process at once. An attached worker is the child of a server: it announces its id on standard output as
    one line, {"worker": "worker_…"}, leaves SIGINT to its parent, has a low priority, and dies with its
    parent.

    `jobs` are those that it works on, by default those in the database of the settings.

    Returns: the exit status: 0, or 1 if this process cannot be trusted any more and should be replaced.

    Raises:
        DatabaseError: the database cannot be reached, or is of a newer version.
        StoreError: the store cannot be used.
        WorkerRefused: the server of the jobs does not accept this worker.
    """
    stop = threading.Event()
    _handle_signals(stop, attached=attached)
    if attached:
        if hasattr(os, "nice"):
            os.nice(NICENESS)
        _watch_parent(stop)
    with jobs or _open(settings, attached) as (service, objects, pace):
        parts = service, objects, settings
        worker = _start(lambda: Worker(*parts, host=host, engines=engines, pace=pace), stop)
        if worker is None:
            return 0
        if attached:
            print(json.dumps({"worker": worker.id}), flush=True)
        with logs.about(worker_id=worker.id):
            log.info("worker started", extra={"host": worker.host, "engines": ",".join(worker.engines)})
            worker.run(stop)
            try:
                service.end_worker(worker.id)
            except HinodeError as error:
                log.warning("%s", error)
            log.info("worker ended")
        return 1 if worker.unexpected_errors >= MAX_UNEXPECTED_ERRORS else 0


def _start(make: Callable[[], Worker], stop: threading.Event) -> Worker | None:
    """A worker, as soon as its server is there; None if it is to end before."""
    failures = 0
    while not stop.is_set():
        try:
            return make()
        except ServerAway as error:
            failures += 1
            log.warning("%s", error)
            stop.wait(backoff(failures, first=1.0, maximum=MAX_PAUSE))
    return None


@contextmanager
def _open(settings: Settings, attached: bool) -> Iterator[Jobs]:
    """The jobs in the database of the settings."""
    database = Database(settings.database_url, connections=4)
    try:
        database.upgrade()
        share(database, settings)
        policies = Policies(database, settings.policy, time.time)
        gate = Gate(database, time.time, policies.current)
        store = Store(database, lease_seconds=settings.lease_seconds, gate=gate)
        objects = open_store(settings)
        if store.has_files():
            objects.check_mounted()
        if not attached:  # else the server has done so
            objects.try_out()
        yield store, objects, LOCAL
    finally:
        database.close()


def _handle_signals(stop: threading.Event, *, attached: bool) -> None:
    """Set `stop` at the first signal, and unless attached, end at the second.

    A child may get two signals, one from its parent and one from what ends all processes of a service.
    A thread receives the signals over a socket. A handler would have to wait for the main thread, which may
    be in the middle of a long computation, or of waiting for `stop` itself.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        with receiver, sender:
            receiver.recv(1)
            log.info("asked to end; the current job is saved and given back")
            stop.set()
            while receiver.recv(1):
                if not attached:
                    os._exit(1)

    def ignore(number: int, frame: FrameType | None) -> None:
        pass

    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGINT, signal.SIG_IGN if attached else ignore)
    threading.Thread(target=listen, name="signals", daemon=True).start()


def _watch_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input ends, which it does when the parent dies, and do not outlive it for
    long."""

    def listen() -> None:
        with suppress(OSError):
            while os.read(STANDARD_INPUT, 4096):
                pass
        stop.set()
        time.sleep(GRACE_SECONDS)
        if os.name == "posix" and os.getpgrp() == os.getpid():
            kill_group(os.getpid())
        os._exit(1)

    threading.Thread(target=listen, name="parent", daemon=True).start()
