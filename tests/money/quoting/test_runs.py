"""Runs in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from hinode.engines.protocol import Cost
from hinode.money.quoting import runs as recorded_runs
from hinode.money.quoting.predict import Run, Work
from hinode.money.quoting.runs import Kind
from hinode.records.database import Database
from hinode.records.tables import runs

pytestmark = pytest.mark.both_databases

HERE, THERE = "a processor", "another processor"


def kind(profile: str = "draft", hardware: str = HERE) -> Kind:
    return Kind("native", "book", hardware, profile)


def run(seconds: float) -> Run:
    return Run(Work(Cost(5000, 3, 3, 2**33), 2**34), {"sample": seconds})


def test_the_last_runs_of_a_kind_are_kept(database: Database) -> None:
    def record(profile: str) -> None:
        for number in range(recorded_runs.MAX_RUNS // 2 + 5):
            with database.write() as connection:
                recorded_runs.record(connection, (kind(profile), run(number)), 1.0)

    with ThreadPoolExecutor() as pool:
        list(pool.map(record, ("draft", "draft", "best")))
    with database.write() as connection:
        recorded_runs.record(connection, (kind(), run(1000)), 1.0)
        own, related = recorded_runs.recorded(connection, "native", "book", "draft")
        kept = connection.scalar(sa.select(sa.func.count()).select_from(runs))
    assert len(own) == recorded_runs.MAX_RUNS
    assert own[0] == run(1000)
    assert related == []
    assert kept == recorded_runs.MAX_RUNS + recorded_runs.MAX_RUNS // 2 + 5


def test_only_runs_of_the_present_hardware_count(database: Database) -> None:
    with database.write() as connection:
        for number in range(3):
            recorded_runs.record(connection, (kind(hardware=THERE), run(number)), 1.0)
        for number in range(4):
            recorded_runs.record(connection, (kind("best"), run(number)), 1.0)
        own, related = recorded_runs.recorded(connection, "native", "book", "draft")
        assert own == []
        assert related == [run(3), run(2), run(1), run(0)]
        assert recorded_runs.recorded(connection, "native", "other", "") == ([], [])
