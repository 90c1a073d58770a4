"""Codes, budgets, credit and numbers of invoices when several processes want them at once, or are killed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hinode.money import budgets, promotions
from hinode.money.budgets import Period, Scope
from hinode.money.invoices.records import Invoices
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind, lots
from hinode.money.ledger.audit import audit
from hinode.records.database import Database
from hinode.records.tables import invoice_lines, invoice_series, organisations, projects
from tests.money.racing import (
    CLIENTS,
    CODE,
    DOLLAR,
    NOW,
    bill_at_once,
    charge,
    hold,
    race,
    redeem,
)

LIMIT = 10

pytestmark = [pytest.mark.slow, pytest.mark.both_databases]


def test_a_code_is_redeemed_as_often_as_it_may_be(database: Database, database_url: str) -> None:
    with database.write() as connection:
        promotions.create(connection, DOLLAR, "USD", 1.0, code=CODE, max_uses=LIMIT)
    outcomes = race(database_url, redeem)
    assert outcomes == [""] * LIMIT + ["invalid_promo_code"] * (CLIENTS - LIMIT)
    with database.read() as connection:
        counts = [len(lots(connection, f"proj_{number}")) for number in range(CLIENTS // 2)]
        assert sorted(counts) == [0] * (CLIENTS // 2 - LIMIT) + [1] * LIMIT
        assert [code.uses for code in promotions.every(connection)] == [LIMIT]
        assert audit(connection).sound


def test_exactly_as_many_jobs_are_admitted_as_the_credit_pays(database: Database, database_url: str) -> None:
    with database.write() as connection:
        credit.add_credit(connection, "pay", "proj_1", LIMIT * DOLLAR, "USD", Kind.PAYMENTS, 1.0)
    assert race(database_url, hold) == [""] * LIMIT + ["insufficient_credit"] * (CLIENTS - LIMIT)
    with database.read() as connection:
        assert [lot.available for lot in lots(connection, "proj_1")] == [0]
        assert audit(connection).sound


def test_no_budget_is_passed_and_what_comes_back_is_counted_once(
    database: Database, database_url: str
) -> None:
    with database.write() as connection:
        for name, scope, subject, limit in (
            ("budget_1", Scope.PROJECT, "proj_1", LIMIT),
            ("budget_2", Scope.INSTALLATION, "", LIMIT + 5),
        ):
            budgets.put(connection, name, scope, subject, Period.DAY, soft=None, hard=limit * DOLLAR, now=1.0)
    outcomes = race(database_url, charge)
    admitted = outcomes.count("")
    assert set(outcomes) == {"", "budget_exceeded"}
    # Each of the sixteen that cost nothing makes room for another one if it comes early enough.
    assert LIMIT <= admitted <= LIMIT + CLIENTS // 4
    with database.read() as connection:
        spent = {budget.id: budget.amount for budget in budgets.every(connection, NOW)}
        charges = connection.exec_driver_sql(
            "SELECT budget_id, count(*), sum(amount) FROM budget_charges GROUP BY budget_id"
        ).all()
    assert {name: total for name, _, total in charges} == spent
    assert {count for _, count, _ in charges} == {admitted}
    assert spent["budget_1"] == spent["budget_2"] <= LIMIT * DOLLAR


def test_numbers_of_invoices_have_no_gaps_after_processes_were_killed(
    database: Database, database_url: str
) -> None:
    names = [f"proj_{number}" for number in range(16)]
    desk = Invoices(database, lambda: NOW)
    with database.write() as connection:
        connection.execute(organisations.insert().values(id="org_1", name="one", created_at=1.0))
        for name in names:
            values = {"id": name, "organisation_id": "org_1", "name": name, "created_at": 1.0}
            connection.execute(projects.insert().values(values))
            credit.add_credit(connection, f"pay_{name}", name, DOLLAR, "USD", Kind.PAYMENTS, NOW)
    for name in names:
        desk.set_recipient(name, name, "1 Hill Road", "")
    # One dies at its third invoice while the other bills on; then both again, and the other one dies.
    assert bill_at_once(database_url, [(names[:8], 2), (names[8:12], None)]) == [-9, 0]
    assert bill_at_once(database_url, [(names[2:8], None), (names[12:], 0)]) == [0, -9]
    assert bill_at_once(database_url, [(names[12:14], None), (names[14:], None)]) == [0, 0]
    issued = desk.every()
    assert sorted(entry.id for entry in issued) == [f"2026-{number:05d}" for number in range(1, 17)]
    assert sorted(entry.project_id for entry in issued) == sorted(names)
    with database.read() as connection:
        assert connection.scalars(sa.select(invoice_series.c.last)).all() == [16]
        assert connection.scalar(sa.select(sa.func.count()).select_from(invoice_lines)) == 16
