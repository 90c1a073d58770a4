"""The connection to the database, SQLite or PostgreSQL: migrations and transactions."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.pool import QueuePool

from hinode.errors import BadInput, HinodeError
from hinode.records.hints import HintListener, HintSender, take_notes

BUSY_SECONDS = 30
CHECKPOINT_PAGES = 4000  # of 4 KiB
DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
READY_SECONDS, MIN_FREE_BYTES = 1.0, 1 << 20


_LAST = "hinode.last"


class DatabaseError(HinodeError):
    """The database cannot be reached, or this version cannot use it."""

    code = "database"


class Database:
    """A pool of connections and the two kinds of transaction. Safe to use from several threads.

    SQLite runs in WAL mode with `synchronous=FULL`, because with less a power cut could lose an accepted job.
    A writing transaction takes the write lock at its beginning, because one that begins by reading could
    fail half way. PostgreSQL runs at its default level, read committed.
    """

    def __init__(self, url: str, *, connections: int = 8) -> None:
        """
        Args:
            url: such as sqlite:////var/lib/hinode/hinode.db or postgresql://user:password@host/name.
            connections: number of connections that stay open.

        Raises:
            BadInput: Hinode cannot use such a database.
        """
        self.url = parse(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_size": connections, "max_overflow": 8, "poolclass": QueuePool}
        if self.sqlite:
            # `_transaction` begins transactions, not the driver.
            options["connect_args"] = {
                "timeout": BUSY_SECONDS,
                "isolation_level": None,
                "check_same_thread": False,
            }
        else:
            options["pool_pre_ping"] = True
            # A pooler in transaction mode gives each transaction another connection, without the statements
            # that were prepared on this one.
            options["connect_args"] = {"prepare_threshold": None}
        try:
            self.engine: Engine = sa.create_engine(self.url, **options)
        except ModuleNotFoundError as error:
            message = "the driver for PostgreSQL is not installed"
            remedy = "install it with: pip install 'hinode[postgres]'"
            raise BadInput(message, remedy, field="HINODE_DATABASE_URL") from error
        assert self.engine.dialect.dbapi is not None
        self._driver: Any = self.engine.dialect.dbapi
        if self.sqlite:
            sa.event.listen(self.engine, "connect", _prepare)
        self._hints = HintSender(self.engine)

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that may write. It commits when the block ends and rolls back when it raises.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        return self._transaction("BEGIN IMMEDIATE")

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state of the database and does not write.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        return self._transaction("BEGIN")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                take_notes(connection)  # of a transaction that was rolled back
                connection.info.pop(_LAST, None)
                with connection.begin():
                    if self.sqlite:
                        driver = connection.connection.driver_connection
                        assert isinstance(driver, sqlite3.Connection)
                        driver.execute(begin)
                    yield connection
                    for act in connection.info.pop(_LAST, ()):
                        act()
                hints = take_notes(connection)
            if hints and not self.sqlite:
                self._hints.send(hints)
        except OperationalError as error:
            raise self.unreachable(error.orig) from error
        except self._driver.OperationalError as error:  # of a statement that the driver ran (`Prepared`)
            raise self.unreachable(error) from error
        except (DriverError, sqlite3.DatabaseError) as error:
            cause = getattr(error, "orig", error)
            if getattr(cause, "sqlite_errorcode", None) not in DAMAGED:
                raise
            message = f"the database {self.url.database} is damaged: {cause}"
            raise DatabaseError(message, "restore it from a backup") from error

    def listener(self, receive: Callable[[str], None], *, attempts: int | None = None) -> HintListener | None:
        """What receives the hints of all processes, to be started; None on SQLite, which has none.

        Args:
            receive: called with the id of a project, in a thread of the listener.
            attempts: see `HintListener`.
        """
        return None if self.sqlite else HintListener(self.engine, self._hints, receive, attempts=attempts)

    def check_writable(self) -> None:
        """See that a writing transaction can begin within a second, and that there is space for it.

        Raises:
            DatabaseError: it cannot.
        """
        if not self.sqlite:
            with self._transaction("BEGIN") as connection:
                connection.exec_driver_sql("SELECT txid_current()")  # a standby has none to give
            return
        path = Path(self.url.database or "")
        try:
            with closing(sqlite3.connect(path, timeout=READY_SECONDS, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            if shutil.disk_usage(path.parent).free < MIN_FREE_BYTES:
                raise OSError("the disk is full")
        except (sqlite3.Error, OSError) as error:
            raise self.unreachable(error) from error

    def upgrade(self) -> None:
        """Create the tables, or migrate them to this version; safe to call at every start, of several
        processes at once, and while others use the database.

        Raises:
            DatabaseError: the database is newer than this version can use, cannot be reached, or other
                transactions hold the locks that a migration needs.
        """
        from hinode.records.upgrades import upgrade  # Alembic takes long to import

        if self.sqlite and self.url.database:
            _make_private(Path(self.url.database))
        upgrade(self)

    def is_current(self) -> bool:
        """Whether this version can use its tables; False for older ones, or for no tables.

        Raises:
            DatabaseError: it is newer than this version can use, or cannot be reached.
        """
        from hinode.records.upgrades import is_usable

        with self.read() as connection:
            return is_usable(connection)

    def is_newer(self) -> bool:
        """Whether its tables are those of a newer version.

        Raises:
            DatabaseError: it cannot be reached.
        """
        from hinode.records.upgrades import is_newer

        with self.read() as connection:
            return is_newer(connection)

    def skew(self) -> float:
        """Seconds by which its clock is ahead of the one of this machine."""
        if self.sqlite:
            return 0.0
        with self.read() as connection:
            before = time.time()
            return clock_of(connection, before) - (before + time.time()) / 2

    def close(self) -> None:
        """Close every connection."""
        self._hints.stop()
        self.engine.dispose()

    def unreachable(self, error: BaseException | None) -> DatabaseError:
        """The error for a connection that failed, with the reason in the driver's words."""
        where = self.url.render_as_string(hide_password=True)
        reason = " ".join(str(error).split())[:300]
        remedy = "free some space on its disk" if reason.endswith("full") else "check that it is running"
        return DatabaseError(f"the database {where} cannot be used: {reason}", remedy)


def at_end(connection: Connection, act: Callable[[], object]) -> None:
    """Call `act` when the block of a transaction of a `Database` has ended, before it commits; an error in it
    rolls the transaction back. For what takes a lock that has to be the last one."""
    connection.info.setdefault(_LAST, []).append(act)


def clock_of(connection: Connection, now: float) -> float:
    """Seconds since 1970 by the clock of a database that has one; SQLite has not, and gets `now`."""
    if connection.dialect.name == "sqlite":
        return now
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())


def parse(url: str) -> URL:
    """Read a database URL; `postgres://` and `postgresql://` mean the psycopg driver.

    Raises:
        BadInput: it is no URL, or of another database.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        backend = ""
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database:
        # Up to 2.0, SQLAlchemy does not unquote the path.
        return parsed.set(database=unquote(url.partition("?")[0].partition("///")[2]))
    message = "the database URL is not one that Hinode can use"
    remedy = "write sqlite:////path/to/hinode.db or postgresql://user:password@host/name"
    raise BadInput(message, remedy, field="HINODE_DATABASE_URL")


def _make_private(path: Path) -> None:
    """Make a database file that only its owner can read, or one that is there such: it holds the secrets of
    webhooks. The files beside it get its mode from SQLite."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    with suppress(PermissionError):  # it belongs to another user
        for file in path.parent.glob(f"{path.name}*"):
            file.chmod(file.stat().st_mode & 0o700)


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    # Pages go from the log into the database file this seldom: each time costs two more flushes, and a page
    # that changed often since the last time is written once.
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Bring the file into WAL mode, in which it stays. SQLite does not wait for another process that does the
    same to a new file, but fails at once."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the rest says why
            if not busy or time.monotonic() >= end:
                raise
            time.sleep(0.01)
