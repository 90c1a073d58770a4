"""Checks of what outlives the processes: database and store. They change neither, besides a trial file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hinode.doctor.installation import Installation
from hinode.jobs.files.cached import CachedObjects
from hinode.jobs.files.s3 import S3Remote
from hinode.jobs.files.stores import open_store
from hinode.jobs.store import Store
from hinode.records.database import Database, DatabaseError
from hinode.records.hints import PROOF_SECONDS
from hinode.settings import Settings

MAX_SKEW = 2.0
"""Seconds between the clocks of two machines; leases last 15 by default."""


def check_database(installation: Installation) -> str:
    """It can be written, and has the tables of this version."""
    with closing(Database(installation.settings.database_url)) as database:
        if _is_new(database):
            return "made at the first start"
        database.check_writable()
        if not database.is_current():
            return f"{_name(database)}, migrated at the next start"
        if database.is_newer():
            return f"{_name(database)}, with the tables of a newer version, which this one can use"
        return f"{_name(database)}, with the tables of this version"


def check_clock(installation: Installation) -> str:
    """The database's clock and ours agree."""
    with closing(Database(installation.settings.database_url)) as database:
        if database.sqlite:
            return "the database is on this machine"
        skew = database.skew()
        if abs(skew) > MAX_SKEW:
            message = f"the clock of the database differs by {skew:+.1f} s from the one of this machine"
            raise DatabaseError(message, "set both by NTP")
        return f"{skew:+.3f} s from the database's"


def check_notifications(installation: Installation) -> str:
    """A notification of the database arrives."""
    with closing(Database(installation.settings.database_url)) as database:
        listener = database.listener(lambda project_id: None, attempts=1)
        if listener is None:
            return "SQLite needs none"
        database.check_writable()
        listener.start()
        try:
            arrives = listener.wait_until_proven(PROOF_SECONDS)
        finally:
            listener.stop()
    if not arrives:
        message = "notifications of the database do not arrive, as through a pooler in transaction mode"
        remedy = "let HINODE_DATABASE_URL name the database itself, or a pool in session mode"
        raise DatabaseError(message, remedy)
    return "LISTEN and NOTIFY work"


def check_store(installation: Installation) -> str:
    """Files can be written, and are read back as they were written."""
    settings = installation.settings
    objects = open_store(settings)
    if _has_files(settings):
        objects.check_mounted()
    if not isinstance(objects, CachedObjects):
        if not objects.root.exists():
            return f"{objects.root}, made at the first start"
        objects.check()
        return f"{objects.root} can be written"
    objects.check()
    objects.try_out()
    remote = objects.remote
    signed = isinstance(remote, S3Remote) and any((remote.try_public(), remote.try_uploads()))
    return f"{remote.name} reads back what is written" + (", signed addresses work" if signed else "")


def _is_new(database: Database) -> bool:
    return database.sqlite and not Path(database.url.database or "").exists()


def _has_files(settings: Settings) -> bool:
    with closing(Database(settings.database_url)) as database:
        return not _is_new(database) and database.is_current() and Store(database).has_files()


def _name(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)
