"""One driver at a time for an installation, however many servers start one."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from filelock import FileLock, Timeout

from hinode.records.database import Database, DatabaseError
from hinode.records.tables import instances
from hinode.settings import Settings

PAUSE = 2.0


def instance(database: Database) -> str:
    """The id of the installation, which a server enters before it starts a driver.

    Raises:
        DatabaseError: the database cannot be reached, or no server was ever started on it.
    """
    with database.read() as connection:
        name = connection.scalar(sa.select(instances.c.id))
    if name is None:
        raise DatabaseError("no server was started on this database yet", "start one with: hinode serve")
    return str(name)


@contextmanager
def lead(settings: Settings, database: Database, stop: threading.Event) -> Iterator[bool]:
    """Wait until no other driver leads; the block then leads. False if `stop` was set first.

    On PostgreSQL it is a lock of a session, which ends with its connection; on SQLite one of a file.
    """
    if database.sqlite:
        (settings.home / "ray").mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(settings.home / "ray" / "driver.lock")
        leads = False
        while not (leads or stop.is_set()):
            try:
                lock.acquire(timeout=PAUSE)
                leads = True
            except Timeout:
                continue
        try:
            yield leads
        finally:
            lock.release()
        return
    key = zlib.crc32(f"driver {instance(database)}".encode())
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # its end is that of the session, and a pool would keep it and the lock
        query = sa.select(sa.func.pg_try_advisory_lock(key))
        while not (leads := bool(connection.scalar(query))) and not stop.wait(PAUSE):
            pass
        yield leads
