"""The way into the database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hinode.errors import BadInput
from hinode.records.database import Database, DatabaseError, parse
from hinode.records.tables import metadata, organisations

ROW = {"id": "org_1", "name": "o", "created_at": 1.0}


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(organisations.c.id)))


def test_migrations_make_exactly_the_tables(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    database.upgrade()
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_processes_that_start_together_make_the_tables_once(empty_database_url: str) -> None:
    problems: list[BaseException] = []

    def start() -> None:
        database = Database(empty_database_url)
        try:
            database.upgrade()
            assert names(database) == []
        except BaseException as error:
            problems.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_new_sqlite_file_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself would not wait with changing into WAL mode."""
    path = tmp_path / "h.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE t (x)")
    ending = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    ending.start()
    database = Database(f"sqlite:///{path}")
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    ending.join()
    database.close()
    other.close()


def test_a_transaction_happens_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(organisations.insert(), ROW)
        raise RuntimeError
    assert names(database) == []
    with database.write() as connection:
        connection.execute(organisations.insert(), ROW)
    assert names(database) == ["org_1"]


def test_writers_wait_for_each_other(database: Database) -> None:
    """Each reads and then writes; without the lock at the beginning SQLite would refuse one of them."""

    def add(start: int) -> None:
        for number in range(start, start + 20):
            with database.write() as connection:
                connection.scalar(sa.select(sa.func.count()).select_from(organisations))
                connection.execute(organisations.insert(), {**ROW, "id": f"org_{number}"})

    threads = [threading.Thread(target=add, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 80


def test_sqlite_is_set_up_to_survive_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'h.db'}")
    with database.read() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    database.close()


def test_a_damaged_database_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    path.write_bytes(bytes(range(256)) * 80)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseError, match=r"h\.db is damaged: file is not a database; restore it from a"):
        database.upgrade()
    path.write_bytes(b"")
    database.upgrade()
    database.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8 * 4096)
    with pytest.raises(DatabaseError, match="is damaged"):
        names(database)
    database.close()


def test_only_the_owner_can_read_a_database(tmp_path: Path) -> None:
    (tmp_path / "h.db").touch(mode=0o644)
    database = Database(f"sqlite:///{tmp_path / 'h.db'}")
    database.upgrade()
    with database.write() as connection:
        connection.execute(organisations.insert().values(**ROW))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"h.db": 0o600, "h.db-wal": 0o600, "h.db-shm": 0o600}
    database.close()


def test_a_database_that_another_process_holds_cannot_be_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinode.records.database.READY_SECONDS", 0.05)
    database.check_writable()
    if database.sqlite:
        with database.write(), pytest.raises(DatabaseError, match="locked"):
            database.check_writable()
        monkeypatch.setattr("hinode.records.database.MIN_FREE_BYTES", 1 << 60)
        with pytest.raises(DatabaseError, match="the disk is full"):
            database.check_writable()


def test_a_newer_database_is_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer version"):
        database.upgrade()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://a/b", "sqlite://", "redis://x"])
def test_other_urls_are_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(BadInput, match="database URL") as refusal:
        parse(url)
    assert refusal.value.field == "HINODE_DATABASE_URL"


def test_passwords_are_not_shown() -> None:
    database = Database("postgresql://me:secret@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseError, match="cannot be used") as refusal, database.read():
        pass
    assert "secret" not in str(refusal.value)
    database.close()


def test_postgres_urls_may_be_written_short() -> None:
    assert parse("postgres://h/n").drivername == parse("postgresql://h/n").drivername == "postgresql+psycopg"
