"""The ledger: what it posts, what it refuses, and that nothing is posted twice."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hinode.errors import BadInput
from hinode.money.amounts import format_amount, parse_amount, round_amount
from hinode.money.ledger import credit, holds
from hinode.money.ledger.accounts import Kind, balance, lots, operator_account
from hinode.money.ledger.audit import audit
from hinode.money.ledger.transfers import LedgerError
from hinode.records.database import Database
from hinode.records.tables import ledger_accounts, ledger_transfers

pytestmark = pytest.mark.both_databases

DOLLAR = 1_000_000
REVENUE = operator_account(Kind.REVENUE, "USD")


def fund(
    database: Database,
    credit_id: str,
    amount: int,
    source: Kind = Kind.PAYMENTS,
    expires_at: float | None = None,
) -> None:
    with database.write() as connection:
        credit.add_credit(connection, credit_id, "proj_1", amount, "USD", source, 1.0, expires_at=expires_at)


def available(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {lot.id: lot.available for lot in lots(connection, "proj_1")}


def check_sound(database: Database) -> None:
    with database.read() as connection:
        report = audit(connection)
    assert report.findings == []
    assert report.sound


def test_a_hold_is_captured_in_part_and_the_rest_is_free_again(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    for _ in range(2):  # a retry posts nothing
        with database.write() as connection:
            hold = holds.place(connection, "video_1", "proj_1", 4 * DOLLAR, "USD", 2.0)
        assert hold.captured is None
        assert available(database) == {"lot:pay_1": 6 * DOLLAR}
    for _ in range(2):
        with database.write() as connection:
            assert holds.capture(connection, "video_1", 3 * DOLLAR, 3.0) == 3 * DOLLAR
        assert available(database) == {"lot:pay_1": 7 * DOLLAR}
    with database.read() as connection:
        assert balance(connection, REVENUE) == 3 * DOLLAR
    check_sound(database)


def test_a_capture_is_never_more_than_the_hold(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    with database.write() as connection:
        holds.place(connection, "video_1", "proj_1", DOLLAR, "USD", 2.0)
        assert holds.capture(connection, "video_1", 5 * DOLLAR, 3.0) == DOLLAR
    check_sound(database)


def test_grants_burn_first_and_then_what_expires_first(database: Database) -> None:
    fund(database, "pay_late", DOLLAR, expires_at=90.0)
    fund(database, "pay_ever", DOLLAR)
    fund(database, "pay_soon", DOLLAR, expires_at=50.0)
    fund(database, "gift", DOLLAR, Kind.GRANTS)
    with database.write() as connection:
        holds.place(connection, "video_1", "proj_1", 2 * DOLLAR + DOLLAR // 2, "USD", 2.0)
    assert available(database) == {
        "lot:gift": 0,
        "lot:pay_soon": 0,
        "lot:pay_late": DOLLAR // 2,
        "lot:pay_ever": DOLLAR,
    }


def test_expired_credit_is_unspendable_at_that_instant_and_a_hold_pins_its_lots(database: Database) -> None:
    fund(database, "pay_1", 2 * DOLLAR, expires_at=10.0)
    with database.write() as connection:
        holds.place(connection, "video_1", "proj_1", DOLLAR, "USD", 9.9)
    with pytest.raises(holds.InsufficientCredit) as error, database.write() as connection:
        holds.place(connection, "video_2", "proj_1", DOLLAR, "USD", 10.0)
    assert error.value.shortfall == DOLLAR
    with database.write() as connection:
        assert credit.expire_lots(connection, 11.0) == 1
        assert holds.capture(connection, "video_1", DOLLAR // 2, 12.0) == DOLLAR // 2
        assert credit.expire_lots(connection, 13.0) == 1  # what the hold gave back
        assert credit.expire_lots(connection, 14.0) == 0
        assert balance(connection, operator_account(Kind.EXPIRED, "USD")) == DOLLAR + DOLLAR // 2
    check_sound(database)


def test_a_refund_and_a_dispute_touch_their_own_lot_and_happen_once(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    fund(database, "pay_2", 10 * DOLLAR)
    with database.write() as connection:
        holds.place(connection, "video_1", "proj_1", 8 * DOLLAR, "USD", 2.0)
        holds.capture(connection, "video_1", 8 * DOLLAR, 3.0)
    with pytest.raises(BadInput, match=r"at most 2\.00 USD"), database.write() as connection:
        credit.take_back(connection, "pay_1", "refund", 3 * DOLLAR, 4.0, disputed=False)
    for _ in range(2):
        with database.write() as connection:
            loss = credit.take_back(connection, "pay_1", "dispute", 9 * DOLLAR, 4.0, disputed=True)
        assert loss == 7 * DOLLAR
    assert available(database) == {"lot:pay_1": 0, "lot:pay_2": 10 * DOLLAR}
    with pytest.raises(BadInput, match=r"at most 1\.00 USD"), database.write() as connection:
        credit.take_back(connection, "pay_1", "dispute 2", 2 * DOLLAR, 5.0, disputed=True)
    with database.read() as connection:
        assert balance(connection, operator_account(Kind.LOSSES, "USD")) == -7 * DOLLAR
        assert balance(connection, operator_account(Kind.PAYMENTS, "USD")) == -11 * DOLLAR
    check_sound(database)


def test_a_captured_clip_is_refunded_once_to_its_lots(database: Database) -> None:
    fund(database, "gift", DOLLAR, Kind.GRANTS)
    fund(database, "pay_1", DOLLAR)
    with database.write() as connection:
        holds.place(connection, "video_1", "proj_1", 2 * DOLLAR, "USD", 2.0)
        holds.capture(connection, "video_1", 2 * DOLLAR, 3.0)
    for _ in range(2):
        with database.write() as connection:
            holds.refund(connection, "video_1", "reroll", DOLLAR + 1, 4.0)
        assert available(database) == {"lot:gift": 1, "lot:pay_1": DOLLAR}
    with pytest.raises(LedgerError, match="less was captured"), database.write() as connection:
        holds.refund(connection, "video_1", "again", DOLLAR, 5.0)
    check_sound(database)


def test_another_posting_under_a_known_id_is_refused(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    with pytest.raises(LedgerError, match="other transfers"):
        fund(database, "pay_1", 11 * DOLLAR)
    with database.write() as connection:
        holds.place(connection, "video_1", "proj_1", DOLLAR, "USD", 2.0)
    with pytest.raises(LedgerError, match="another hold"), database.write() as connection:
        holds.place(connection, "video_1", "proj_1", 2 * DOLLAR, "USD", 2.0)
    with database.write() as connection:
        holds.void(connection, "video_1", 3.0)
    with pytest.raises(LedgerError, match="resolved once"), database.write() as connection:
        holds.capture(connection, "video_1", DOLLAR, 4.0)
    check_sound(database)


def wrong_postings() -> dict[str, str]:
    """Statements that a faulty program, or a person at a prompt, could send."""
    row = (
        "INSERT INTO ledger_transfers (id, chain, kind, debit_id, credit_id, amount, currency, at{}) VALUES "
    )
    plain = row.format("")
    return {
        "overdraft": f"{plain} ('x', 'x', 'post', 'lot:pay_1', 'revenue:USD', 99000000, 'USD', 1)",
        "negative": f"{plain} ('x', 'x', 'post', 'lot:pay_1', 'revenue:USD', -1, 'USD', 1)",
        "overflow": f"{plain} ('x', 'x', 'post', 'payments:USD', 'lot:pay_1', 1000000000000000, 'USD', 1)",
        "currency": f"{plain} ('x', 'x', 'post', 'lot:pay_1', 'revenue:USD', 1, 'EUR', 1)",
        "same account": f"{plain} ('x', 'x', 'post', 'lot:pay_1', 'lot:pay_1', 1, 'USD', 1)",
        "no account": f"{plain} ('x', 'x', 'post', 'lot:pay_1', 'nowhere', 1, 'USD', 1)",
        "hold of revenue": f"{plain} ('x', 'x', 'hold', 'revenue:USD', 'lot:pay_1', 1, 'USD', 1)",
        "hold of expired": f"{plain} ('x', 'x', 'hold', 'lot:old', 'revenue:USD', 1, 'USD', 9)",
        "capture alone": f"{plain} ('x', 'x', 'capture', 'lot:pay_1', 'revenue:USD', 1, 'USD', 1)",
        "second capture": row.format(", hold_id")
        + "('x', 'x', 'capture', 'lot:pay_1', 'revenue:USD', 1, 'USD', 1, 'video_1/000')",
        "large capture": row.format(", hold_id")
        + "('x', 'x', 'capture', 'lot:pay_1', 'revenue:USD', 1000001, 'USD', 1, 'video_2/000')",
        "large reversal": row.format(", original_id")
        + "('x', 'x', 'reversal', 'revenue:USD', 'lot:pay_1', 1000001, 'USD', 1, 'video_1/000/end')",
        "changed transfer": "UPDATE ledger_transfers SET amount = 1",
        "deleted transfer": "DELETE FROM ledger_transfers",
        "changed account": "UPDATE ledger_accounts SET currency = 'EUR'",
        "rich account": "INSERT INTO ledger_accounts (id, kind, currency, balance, created_at) "
        "VALUES ('x', 'lot', 'USD', 1, 1)",
    }


def test_a_wrong_posting_is_impossible(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    fund(database, "old", DOLLAR, expires_at=5.0)
    with database.write() as connection:
        for name in ("video_1", "video_2"):
            holds.place(connection, name, "proj_1", DOLLAR, "USD", 6.0)
        holds.capture(connection, "video_1", DOLLAR, 7.0)
    accepted = []
    for name, statement in wrong_postings().items():
        try:
            with database.write() as connection:
                connection.exec_driver_sql(statement)
            accepted.append(name)
        except DBAPIError:
            pass
    assert accepted == []
    check_sound(database)


def test_the_audit_names_a_balance_that_was_changed(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    with database.write() as connection:
        change = sa.update(ledger_accounts).values(balance=11 * DOLLAR)
        change = change.where(ledger_accounts.c.id == "lot:pay_1")
        if not database.sqlite:  # its trigger would refuse it
            connection.exec_driver_sql("ALTER TABLE ledger_accounts DISABLE TRIGGER USER")
        connection.execute(change)
        if not database.sqlite:
            connection.exec_driver_sql("ALTER TABLE ledger_accounts ENABLE TRIGGER USER")
        report = audit(connection)
    assert [(finding.id, finding.rule) for finding in report.findings] == [
        ("lot:pay_1", "the balance differs from the transfers")
    ]
    assert report.sums == {"USD": DOLLAR}


def test_a_transaction_that_fails_posts_nothing(database: Database) -> None:
    fund(database, "pay_1", 10 * DOLLAR)
    with pytest.raises(RuntimeError), database.write() as connection:
        holds.place(connection, "video_1", "proj_1", DOLLAR, "USD", 2.0)
        raise RuntimeError
    with database.read() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(ledger_transfers))
    assert count == 1
    assert available(database) == {"lot:pay_1": 10 * DOLLAR}


@pytest.mark.parametrize(
    ("text", "amount"), [("12.50", 12_500_000), ("0.000001", 1), ("7", 7_000_000), (" 0 ", 0)]
)
def test_amounts_are_read(text: str, amount: int) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "1e3", "-1", "1.0000001", "1,50", "nan", "9999999999", "١٢"])
def test_amounts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_amount(text, "price")
    assert error.value.field == "price"


def test_amounts_are_rounded_once_to_the_even_one() -> None:
    half = Fraction(1, 2_000_000)
    assert [round_amount(n * half) for n in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
    assert round_amount(Fraction(2, 3)) == 666_667
    assert [format_amount(n, "USD") for n in (0, 12_500_000, 1, -70_000)] == [
        "0.00 USD",
        "12.50 USD",
        "0.000001 USD",
        "-0.07 USD",
    ]


def test_a_capture_costs_the_same_however_many_there_were(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database, database.write() as connection:
        credit.add_credit(connection, "pay", "proj_1", DOLLAR, "USD", Kind.PAYMENTS, 1.0)

        def rows_read(first: int, count: int) -> int:
            query = (
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
                "WHERE relname = 'ledger_transfers'"
            )
            before = connection.exec_driver_sql(query).scalar_one()
            for number in range(first, first + count):
                holds.place(connection, f"video_{number}", "proj_1", 2, "USD", 2.0)
                holds.capture(connection, f"video_{number}", 1, 3.0)
            return int(connection.exec_driver_sql(query).scalar_one() - before)

        rows_read(0, 20)  # the plans stay from now on
        few = rows_read(20, 20)
        rows_read(40, 200)
        assert few == rows_read(240, 20) < 20 * 20
