"""The databases that other tests are given: real, their own, with every table."""

from __future__ import annotations

import sqlalchemy as sa

from hinode.records.database import Database
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
