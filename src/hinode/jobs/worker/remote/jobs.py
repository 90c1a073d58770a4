"""The jobs of a server as a worker process opens them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hinode.errors import BadInput
from hinode.jobs.fleet.tokens import PREFIX
from hinode.jobs.worker.process import Jobs
from hinode.jobs.worker.remote.cache import Cache
from hinode.jobs.worker.remote.connection import Connection
from hinode.jobs.worker.remote.service import RemoteService
from hinode.jobs.worker.remote.transfer import Transfer
from hinode.jobs.worker.service import Pace
from hinode.settings import Settings

MAX_PROCESSES = 256
"""Workers over HTTP on one machine that share a home."""
PACE = Pace(beat=1.0, idle=2.0, away=threading.TIMEOUT_MAX)
"""A finished clip waits for the server as long as it takes: there is nothing else to do for it."""


@contextmanager
def remote_jobs(settings: Settings, server: str, token: str) -> Iterator[Jobs]:
    """The jobs of a server, with copies of their files in a folder of this process in `HINODE_HOME`.

    Args:
        settings: of this machine.
        server: address of the server.
        token: from `hinode workers add`.

    Raises:
        BadInput: that is not the token of a worker, or not the address of a server.
    """
    if not token:
        remedy = "make one there with `hinode workers add --name NAME`, and set HINODE_WORKER_TOKEN to it"
        raise BadInput("a worker of a server needs a token", remedy, field="token")
    if not (token.startswith(PREFIX) and token.isascii() and token.isprintable()):
        remedy = f"give what `hinode workers add` printed, {PREFIX}…"
        raise BadInput("that is not the token of a worker", remedy, field="token")
    connection = Connection(server, token)
    try:
        with _folder(settings.home / "worker") as folder:
            service = RemoteService(connection)
            cache = Cache(folder, Transfer(connection, service), max_bytes=settings.store_cache_bytes)
            service.on_lease = cache.begin
            yield service, cache, PACE
    finally:
        connection.close()


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """A folder that no other process uses. It is removed at the end, or, of a process that was killed, by the
    next one."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(MAX_PROCESSES):
        lock = FileLock(parent / f"{number}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        folder = parent / str(number)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
        return
    raise BadInput(
        f"{MAX_PROCESSES} workers have {parent} in use", "set HINODE_HOME to another", field="home"
    )
