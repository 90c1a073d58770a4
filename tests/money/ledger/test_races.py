"""Many clients at one account, and processes that are killed while they post."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ledger import REFUSALS, WEIGHTS, operate, torture
from hinode.money.ledger import credit, holds
from hinode.money.ledger.accounts import Kind, balance, lots, operator_account
from hinode.money.ledger.audit import audit
from hinode.records.database import Database

DOLLAR = 1_000_000
CLIENTS, CLIPS = 64, 10


@pytest.mark.both_databases
def test_exactly_as_many_are_admitted_as_there_is_credit_for(database: Database) -> None:
    with database.write() as connection:
        for name, amount in (("gift", 3 * DOLLAR + DOLLAR // 2), ("pay", 6 * DOLLAR + DOLLAR // 2)):
            credit.add_credit(connection, name, "proj_1", amount, "USD", Kind.PAYMENTS, 1.0)

    def admit(number: int) -> bool:
        try:
            with database.write() as connection:
                holds.place(connection, f"video_{number}", "proj_1", DOLLAR, "USD", 2.0)
        except holds.InsufficientCredit:
            return False
        return True

    with ThreadPoolExecutor(CLIENTS) as pool:
        admitted = sum(pool.map(admit, range(CLIENTS)))
    assert admitted == CLIPS
    with database.read() as connection:
        assert [lot.available for lot in lots(connection, "proj_1")] == [0, 0]
        assert audit(connection).sound


@pytest.fixture(scope="module")
def shared_database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("ledger") / "hinode.db")
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@settings(max_examples=25)
@given(st.lists(st.sampled_from(list(WEIGHTS)), min_size=5, max_size=60), st.integers(0, 1000))
def test_any_sequence_of_operations_leaves_sound_books(
    shared_database: Database, names: list[str], seed: int
) -> None:
    with shared_database.engine.connect() as connection, connection.begin() as transaction:
        for index, name in enumerate(names):
            for _ in range(2):  # the second time it posts nothing
                before = audit(connection).postings
                with connection.begin_nested() as point:
                    try:
                        operate(connection, name, seed, index)
                    except REFUSALS:
                        point.rollback()
            assert audit(connection).postings == before
        report = audit(connection)
        assert report.sound
        out = {kind: balance(connection, operator_account(kind, "USD")) for kind in Kind if kind != Kind.LOT}
        left = sum(lot.balance for number in range(12) for lot in lots(connection, f"proj_{number}", "USD"))
        assert sum(out.values()) + left == 0
        assert out[Kind.REVENUE] >= 0
        transaction.rollback()


@pytest.mark.slow
@pytest.mark.both_databases
def test_books_are_sound_after_processes_were_killed(database_url: str) -> None:
    result = torture(database_url, operations=10_000, processes=2, seed=7, life=3.0)
    assert result.kills > 3
    assert result.failures == 0
    assert result.accepted > result.operations / 3
    assert result.report.findings == []
    assert result.report.sound
