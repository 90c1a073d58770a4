"""Copies of a whole database: one consistent state, taken while others write, and put into an empty place."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from hinode.output import replace_file
from hinode.records.database import Database, DatabaseError, parse
from hinode.records.upgrades import knows

FORMATS = {"sqlite": "a SQLite file", "postgresql": "a dump of PostgreSQL"}
MAX_MESSAGE = 500


def backend(url: str) -> str:
    """The kind of the database of a URL: one of `FORMATS`; raises BadInput for any other."""
    return parse(url).get_backend_name()


def copy(url: str, target: Path) -> None:
    """Write the present state of a database into a new file.

    Raises:
        DatabaseError: there is no database, it is damaged, or it cannot be read.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        _copy_sqlite(Path(parsed.database or ""), target)
    else:
        _run("pg_dump", parsed, "--format=custom", f"--file={target}")


def check_empty(url: str) -> None:
    """See that nothing is where a database is to be restored.

    Raises:
        DatabaseError: something is, or that cannot be found out.
    """
    parsed = parse(url)
    remedy = "restore into an empty one: name it with HINODE_DATABASE_URL, or move the old one away"
    if parsed.get_backend_name() == "sqlite":
        # A log beside a file that is gone would be replayed into the restored one.
        path = Path(parsed.database or "")
        names = [path.name + suffix for suffix in ("", "-wal", "-journal")]
        taken = next((name for name in names if path.with_name(name).exists()), None)
        if taken is not None:
            raise DatabaseError(f"there is a database at {path.with_name(taken)}", remedy)
        return
    with closing(Database(url)) as database, database.read() as connection:
        if sa.inspect(connection).get_table_names():
            where = database.url.render_as_string(hide_password=True)
            raise DatabaseError(f"the database {where} has tables", remedy)


def restore(source: Path, url: str) -> None:
    """Put a copy where `check_empty` found nothing; it is there whole or not at all.

    Raises:
        DatabaseError: it cannot be restored.
        OutputError: the file cannot be written.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replace_file(path, durable=True) as part:
            shutil.copyfile(source, part)
            part.chmod(0o600)  # it holds the secrets of webhooks
        return
    _run("pg_restore", parsed, "--single-transaction", "--exit-on-error", str(source))
    with closing(Database(url)) as database, database.write() as connection:
        # Numbers of transactions: those of the old server may be far ahead of the new one's (jobs.changes).
        connection.exec_driver_sql("UPDATE jobs SET changed = 0 WHERE changed >= txid_current()")


def revision(url: str) -> str:
    """The last migration of a database.

    Raises:
        DatabaseError: it cannot be read, or has no tables of Hinode.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        _check_there(Path(parsed.database or ""))
    with closing(Database(url)) as database, database.read() as connection:
        if "alembic_version" not in sa.inspect(connection).get_table_names():
            where = database.url.render_as_string(hide_password=True)
            raise DatabaseError(f"the database {where} has no tables of Hinode", "start the server once")
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def check_revision(revision: str) -> None:
    """Raise DatabaseError if this version has no such migration."""
    if not knows(revision):
        raise DatabaseError(
            "the backup was made by a newer version of Hinode", "upgrade Hinode on this machine"
        )


def _check_there(path: Path) -> None:
    if not path.is_file():  # SQLite would make one
        remedy = "set HINODE_HOME and HINODE_DATABASE_URL as the server has them"
        raise DatabaseError(f"there is no database at {path}", remedy)


def _copy_sqlite(path: Path, target: Path) -> None:
    _check_there(path)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as target_file:
            source.backup(target_file)
            problem = target_file.execute("PRAGMA quick_check(1)").fetchone()[0]
            target_file.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    except sqlite3.Error as error:
        raise DatabaseError(f"the database {path} cannot be copied: {error}", "check its disk") from error
    if problem != "ok":
        raise DatabaseError(f"the database {path} is damaged: {problem}", "restore it from a backup")


def _run(program: str, url: URL, *words: str) -> None:
    """Run a client program of PostgreSQL on a database; the password is not on its command line."""
    if shutil.which(program) is None:
        remedy = "install the client programs of PostgreSQL, of the server's version or newer"
        raise DatabaseError(f"the program {program} is not installed", remedy)
    environment = dict(os.environ)
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    where = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    command = [program, "--no-owner", "--no-privileges", f"--dbname={where}", *words]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if done.returncode:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())[:MAX_MESSAGE]
        raise DatabaseError(f"{program} failed: {reason}", "check that the database is running")
