"""A worker as a process: signals, and the parent whose child it may be."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from types import FrameType

from hinode import logs
from hinode.errors import HinodeError
from hinode.jobs.executors import kill_group
from hinode.jobs.files.objects import Objects
from hinode.jobs.store import Store
from hinode.jobs.worker.worker import MAX_UNEXPECTED_ERRORS, Worker
from hinode.records.database import Database
from hinode.settings import Settings

log = logging.getLogger(__name__)

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
) -> int:
    """Run a `Worker` until SIGTERM or SIGINT, or, if attached, until standard input ends.

    The current job is saved after its current step and given back. If not attached, a second signal ends the
    process at once. An attached worker is the child of a server: it announces its id on standard output as
    one line, {"worker": "worker_…"}, leaves SIGINT to its parent, has a low priority, and dies with its
    parent.

    Returns: the exit status: 0, or 1 if this process cannot be trusted any more and should be replaced.

    Raises:
        DatabaseError: the database cannot be reached, or is of a newer version.
        StoreError: the disk of the store is not there.
    """
    stop = threading.Event()
    _handle_signals(stop, attached=attached)
    if attached:
        if hasattr(os, "nice"):
            os.nice(NICENESS)
        _watch_parent(stop)
    database = Database(settings.database_url, connections=4)
    try:
        database.upgrade()
        store = Store(database, lease_seconds=settings.lease_seconds)
        objects = Objects(settings.store)
        if store.has_files():
            objects.check_mounted()
        worker = Worker(store, objects, settings, host=host, engines=engines)
        if attached:
            print(json.dumps({"worker": worker.id}), flush=True)
        with logs.about(worker_id=worker.id):
            log.info("worker started", extra={"host": worker.host, "engines": ",".join(worker.engines)})
            worker.run(stop)
            try:
                store.end_worker(worker.id)
            except HinodeError as error:
                log.warning("%s", error)
            log.info("worker ended")
        return 1 if worker.unexpected_errors >= MAX_UNEXPECTED_ERRORS else 0
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
