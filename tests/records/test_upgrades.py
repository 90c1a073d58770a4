"""Upgrades while others use the database: locks, several processes, versions beside each other."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.migrations import add_migrations, open_transaction
from benchmarks.postgres import PostgreSQL
from hinode.records import upgrades
from hinode.records.database import Database, DatabaseError

COLUMN = 'op.add_column("jobs", sa.Column("test_only", sa.Integer(), nullable=False, server_default="7"))'
INDEX = 'create_index_concurrently("ix_jobs_test_only", "jobs", ["test_only"], where="test_only > 3")'

Version = Callable[..., Any]


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """Call it with statements to let this process have one further migration for each."""
    folder = shutil.copytree(upgrades.MIGRATIONS, tmp_path / "migrations")

    def add(*statements: str, oldest: str = "") -> None:
        add_migrations(folder, statements, oldest=oldest)
        monkeypatch.setattr(upgrades, "MIGRATIONS", folder)

    return add


@pytest.fixture
def previous(empty_database_url: str) -> Iterator[Database]:
    """A database with the tables of this version, before `next_version` adds migrations."""
    database = Database(empty_database_url)
    database.upgrade()
    yield database
    database.close()


@pytest.mark.both_databases
def test_this_version_serves_on_tables_of_a_later_one_that_only_adds(
    previous: Database, next_version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        this = upgrades.MIGRATIONS
        next_version(COLUMN, INDEX)
        previous.upgrade()
        later.setattr(upgrades, "MIGRATIONS", this)
        assert (previous.is_current(), previous.is_newer()) == (True, True)
        previous.upgrade()  # as the restart of a worker does
    indexes = {index["name"] for index in sa.inspect(previous.engine).get_indexes("jobs")}
    assert "ix_jobs_test_only" in indexes


@pytest.mark.both_databases
def test_this_version_refuses_tables_of_a_later_one_that_removes(
    previous: Database, next_version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        this = upgrades.MIGRATIONS
        next_version(COLUMN, 'op.drop_table("rejections")', oldest="9001")
        previous.upgrade()
        later.setattr(upgrades, "MIGRATIONS", this)
        for use in (previous.upgrade, previous.is_current):
            with pytest.raises(DatabaseError, match="newer version"):
                use()


@pytest.fixture
def server(postgres: PostgreSQL) -> Iterator[Database]:
    """A PostgreSQL database with the tables of this version."""
    database = Database(postgres.create())
    database.upgrade()
    yield database
    database.close()


def url_of(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_a_migration_that_cannot_have_its_locks_names_who_has_them(
    server: Database, next_version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_version(COLUMN)
    monkeypatch.setattr(upgrades, "LOCK_SECONDS", 0.05)
    with (
        open_transaction(url_of(server), "pg_dump"),
        pytest.raises(DatabaseError, match=r"process \d+ \(pg_dump\), open for"),
    ):
        upgrades.upgrade(server, patience=0.0)
    with server.read() as connection:
        assert not upgrades.is_usable(connection)
    server.upgrade()
    assert server.is_current()


@pytest.mark.slow
def test_servers_that_start_together_behind_an_open_transaction_migrate_once(
    server: Database, next_version: Version, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The transaction stays open until a request was answered."""
    next_version(COLUMN, INDEX)
    monkeypatch.setattr(upgrades, "LOCK_SECONDS", 0.1)
    problems: list[BaseException] = []

    def start() -> None:
        database = Database(server.url.render_as_string(hide_password=False))
        try:
            database.upgrade()
            assert database.is_current()
        except BaseException as error:
            problems.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    with open_transaction(url_of(server)):
        for thread in threads:
            thread.start()
        for reason in ("waits for a lock", "another process migrates"):
            while not any(reason in line for line in caplog.messages):
                assert problems == []
                threads[0].join(0.01)
        with server.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET status = status")
    for thread in threads:
        thread.join()
    assert problems == []


def test_an_index_whose_build_did_not_end_is_built_again(server: Database, next_version: Version) -> None:
    next_version(COLUMN)
    server.upgrade()
    with server.write() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_jobs_test_only ON jobs (test_only)")
        connection.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_jobs_test_only'::regclass"
        )
    next_version(COLUMN, INDEX)
    server.upgrade()
    with server.read() as connection:
        valid = connection.exec_driver_sql(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_jobs_test_only'::regclass"
        )
        assert valid.scalar_one()
