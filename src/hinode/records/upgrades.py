"""Upgrades of a database to the tables of this version, while servers of this and other versions use it.

On PostgreSQL one process migrates, under an advisory lock. The others ask for that lock again and again and
never wait in it, because a session that waits has a snapshot, for which a concurrent index build would wait.
Each migration is a transaction, and waits at most `LOCK_SECONDS` for the lock of a table: requests queue
behind that wait. After it they go on, and the migration is tried again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from hinode.background import backoff
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import schema_revisions

MIGRATIONS = Path(__file__).with_name("migrations")
ADVISORY_LOCK = 4815162342
LOCK_SECONDS = 0.5
PATIENCE_SECONDS = 600.0
FIRST_PAUSE, MAX_PAUSE = 1.0, 5.0
LOCK_STATES = ("55P03", "40P01")
"""SQLSTATE of a lock that was not available in time, and of a deadlock."""

log = logging.getLogger(__name__)


def upgrade(database: Database, *, patience: float = PATIENCE_SECONDS) -> None:
    """Create the tables, or migrate them to this version. A newer database that states that this version can
    use it stays as it is.

    Args:
        database: open.
        patience: seconds for which locks are tried.

    Raises:
        DatabaseError: it is newer and this version cannot use it, the locks were not available in time, or
            the database cannot be reached.
    """
    with database.read() as connection:
        if is_usable(connection):
            return
    if database.sqlite:
        with database.write() as connection:
            _migrate(connection)
        return
    try:
        with database.engine.connect() as connection:
            try:
                _migrate_with_retries(connection, patience)
            finally:
                connection.invalidate()  # its advisory lock and its settings end with it
    except OperationalError as error:
        raise database.unreachable(error.orig) from error


def is_usable(connection: Connection) -> bool:
    """Whether the tables are those of this version, or newer ones that this version can use; False for older
    ones, or none.

    Raises:
        DatabaseError: this version cannot use them.
    """
    versions = _versions()
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision == versions.get_current_head():
        return True
    if revision is None or knows(revision):
        return False
    oldest = None
    if sa.inspect(connection).has_table(schema_revisions.name):
        column = schema_revisions.c.oldest_compatible
        oldest = connection.scalar(sa.select(column).where(schema_revisions.c.revision == revision))
    if oldest is None or not knows(oldest):
        raise _newer()
    return True


def is_newer(connection: Connection) -> bool:
    """Whether the last migration is one that this version does not know."""
    revision = MigrationContext.configure(connection).get_current_revision()
    return revision is not None and not knows(revision)


def knows(revision: str) -> bool:
    """Whether a migration is one of this version."""
    return any(script.revision == revision for script in _versions().walk_revisions())


def create_index_concurrently(name: str, table: str, columns: Sequence[str], *, where: str = "") -> None:
    """Create an index of a large table in a migration, while others write to the table.

    On PostgreSQL the build is no part of a transaction, so the migration does nothing else.

    Args:
        name: of the index.
        table: name of the table.
        columns: their names.
        where: a condition in SQL, for an index of the rows that meet it.
    """
    condition = sa.text(where) if where else None
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.create_index(name, table, columns, sqlite_where=condition)
        return
    with context.autocommit_block():
        # Nobody queues behind a build that waits for older transactions.
        op.execute(f"SET lock_timeout = {int(1000 * PATIENCE_SECONDS)}")
        # A build that did not end left an index that is not valid.
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, postgresql_where=condition)
        op.execute(f"SET lock_timeout = {int(1000 * LOCK_SECONDS)}")


def _newer() -> DatabaseError:
    message = "the database was made by a newer version of Hinode"
    return DatabaseError(message, "upgrade Hinode on this machine")


def _versions() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _migrate_with_retries(connection: Connection, patience: float) -> None:
    end = time.monotonic() + patience
    locked, failures = False, 0
    while True:
        try:
            connection.exec_driver_sql(f"SET lock_timeout = {int(1000 * LOCK_SECONDS)}")
            connection.commit()
            locked = locked or _lock(connection)
            if locked:
                _migrate(connection)
                connection.commit()
                return
            reason = "another process migrates the database"
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in LOCK_STATES:
                raise
            connection.rollback()
            reason = f"the migration waits for a lock; {_oldest_transaction(connection)}"
        connection.rollback()
        if time.monotonic() >= end:
            remedy = "wait until it ends or end it, and start again"
            raise DatabaseError(f"{reason}, and {patience:g} s were not enough", remedy)
        log.warning("%s", reason)
        failures += 1
        time.sleep(backoff(failures, first=FIRST_PAUSE, maximum=MAX_PAUSE))


def _lock(connection: Connection) -> bool:
    has_lock = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})").scalar_one()
    connection.commit()
    return bool(has_lock)


def _migrate(connection: Connection) -> None:
    if is_usable(connection):  # another process was faster
        return
    if connection.dialect.name == "postgresql":
        connection.rollback()  # else Alembic would run all migrations in the transaction of the question
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise _newer() from error


def _oldest_transaction(connection: Connection) -> str:
    """A sentence about the transaction that most likely has the lock."""
    row = connection.exec_driver_sql(
        "SELECT pid, application_name, extract(epoch FROM clock_timestamp() - xact_start) AS seconds"
        " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1"
    ).first()
    if row is None:
        return "no transaction is open now"
    name = f" ({row.application_name})" if row.application_name else ""
    return f"the oldest transaction is that of process {row.pid}{name}, open for {row.seconds:.0f} s"
