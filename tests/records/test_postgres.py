"""The databases that other tests are given: real, their own, with every table."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from benchmarks.postgres import PostgreSQL
from hinode.records.database import Database, DatabaseError
from hinode.records.prepared import Prepared
from hinode.records.tables import metadata, organisations


def test_a_database_has_every_table_and_no_row(database: Database) -> None:
    assert set(sa.inspect(database.engine).get_table_names()) >= set(metadata.tables)
    with database.read() as connection:
        assert connection.execute(sa.select(organisations)).all() == []
    with database.write() as connection:  # the next test must not see it
        connection.execute(organisations.insert().values(id="org_1", name="a", created_at=0.0))


def test_a_database_is_the_tests_own(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(sa.select(organisations)).all() == []


def test_postgresql_is_real_and_an_empty_one_can_be_brought_up_to_date(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    assert sa.inspect(database.engine).get_table_names() == []
    database.upgrade()
    with database.read() as connection:
        version = "select sqlite_version()" if database.sqlite else "show server_version"
        assert int(str(connection.exec_driver_sql(version).scalar()).split(".")[0]) >= 3
    database.close()


def test_a_connection_that_breaks_under_a_prepared_statement_is_one_sentence(postgres: PostgreSQL) -> None:
    statement = Prepared("SELECT :number + 1")
    database = Database(postgres.create())
    with database.write() as connection:
        assert list(statement.run(connection, number=1)) == [(2,)]
    with pytest.raises(DatabaseError, match="cannot be used"), database.write() as connection:
        (process,) = connection.execute(sa.text("SELECT pg_backend_pid()")).one()
        with database.write() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:process)"), {"process": process})
        statement.run(connection, number=1)
    with database.read() as connection:  # over another connection
        assert list(statement.run(connection, number=2)) == [(3,)]
    database.close()
