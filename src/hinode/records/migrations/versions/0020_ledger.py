"""ledger: accounts and transfers in double entry, with the rules of a posting as triggers

A trigger, and not the code of the service, applies a transfer to the balances. So a balance cannot differ
from its transfers, whatever process writes, and a transfer that breaks a rule aborts its transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_PLAIN = "NEW.kind IN ('post', 'reversal')"
_RESOLUTION = "NEW.kind IN ('capture', 'void', 'expiry')"

_RULES = {
    "the accounts have other currencies": """
        (SELECT count(*) FROM ledger_accounts
         WHERE id IN (NEW.debit_id, NEW.credit_id) AND currency = NEW.currency) <> 2""",
    "only an account with a minimum can be held from": """
        NEW.kind = 'hold' AND
        (SELECT minimum FROM ledger_accounts WHERE id = NEW.debit_id) IS NULL""",
    "nothing is taken from a lot that has expired": """
        NEW.kind = 'hold' AND EXISTS
        (SELECT 1 FROM ledger_accounts WHERE id = NEW.debit_id AND expires_at <= NEW.at)""",
    "a resolution has the accounts of its hold and takes no more": f"""
        {_RESOLUTION} AND NOT EXISTS
        (SELECT 1 FROM ledger_transfers AS hold WHERE hold.id = NEW.hold_id AND hold.kind = 'hold'
         AND hold.debit_id = NEW.debit_id AND hold.credit_id = NEW.credit_id
         AND NEW.amount <= hold.amount)""",
    "a reversal goes the other way and takes back no more than is left": """
        NEW.kind = 'reversal' AND NOT EXISTS
        (SELECT 1 FROM ledger_transfers AS original
         WHERE original.id = NEW.original_id AND original.kind IN ('post', 'capture')
         AND original.debit_id = NEW.credit_id AND original.credit_id = NEW.debit_id
         AND original.amount >= NEW.amount + coalesce(
            (SELECT sum(amount) FROM ledger_transfers
             WHERE original_id = original.id AND id <> NEW.id), 0))""",
}
"""What is true of a transfer that is refused, by the rule that it breaks."""

_PENDING = f"""
    CASE WHEN NEW.kind = 'hold' THEN NEW.amount
         WHEN {_RESOLUTION} THEN -(SELECT amount FROM ledger_transfers WHERE id = NEW.hold_id)
         ELSE 0 END"""
_MOVED = f"CASE WHEN {_PLAIN} OR NEW.kind = 'capture' THEN NEW.amount ELSE 0 END"

_APPLY = f"""
    UPDATE ledger_accounts SET balance = balance - {_MOVED}, pending = pending + {_PENDING}
        WHERE id = NEW.debit_id AND minimum IS NOT NULL;
    UPDATE ledger_accounts SET balance = balance + {_MOVED}
        WHERE id = NEW.credit_id AND minimum IS NOT NULL AND {_MOVED} > 0;
"""

_FIXED = ("id", "kind", "project_id", "currency", "minimum", "priority", "created_at")
"""Columns of an account that never change."""


def upgrade() -> None:
    _create_tables()
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for statement in _sqlite() if sqlite else _postgresql():
        connection.exec_driver_sql(statement)


def _create_tables() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.String(96), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("project_id", sa.String(64)),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("pending", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("minimum", sa.BigInteger()),
        sa.Column("priority", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("expires_at", sa.Float(53)),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.CheckConstraint("pending >= 0", name="ck_ledger_accounts_pending"),
        sa.CheckConstraint(
            "minimum IS NULL OR balance - pending >= minimum", name="ck_ledger_accounts_minimum"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_accounts"),
    )
    _index("ix_ledger_accounts_lots", ["project_id", "currency", "priority", "expires_at"], "kind = 'lot'")
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(160), nullable=False),
        sa.Column("chain", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("debit_id", sa.String(96), nullable=False),
        sa.Column("credit_id", sa.String(96), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("hold_id", sa.String(160)),
        sa.Column("original_id", sa.String(160)),
        sa.Column("project_id", sa.String(64)),
        sa.Column("job_id", sa.String(64)),
        sa.Column("note", sa.Text()),
        sa.Column("at", sa.Float(53), nullable=False),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_ledger_transfers_{column}_{table}")
            for column, table in (
                ("debit_id", "ledger_accounts"),
                ("credit_id", "ledger_accounts"),
                ("hold_id", "ledger_transfers"),
                ("original_id", "ledger_transfers"),
            )
        ),
        sa.CheckConstraint("debit_id <> credit_id", name="ck_ledger_transfers_accounts"),
        sa.CheckConstraint(
            "amount > 0 OR (amount = 0 AND kind IN ('void', 'expiry'))", name="ck_ledger_transfers_amount"
        ),
        sa.CheckConstraint("amount < 1000000000000000", name="ck_ledger_transfers_maximum"),
        sa.CheckConstraint(
            "kind IN ('post', 'hold', 'capture', 'void', 'expiry', 'reversal')",
            name="ck_ledger_transfers_kind",
        ),
        sa.CheckConstraint(
            "(hold_id IS NOT NULL) = (kind IN ('capture', 'void', 'expiry'))",
            name="ck_ledger_transfers_hold",
        ),
        sa.CheckConstraint(
            "(original_id IS NOT NULL) = (kind = 'reversal')", name="ck_ledger_transfers_original"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transfers"),
    )
    op.create_index("ix_ledger_transfers_chain", "ledger_transfers", ["chain"])
    op.create_index("ix_ledger_transfers_debit_id", "ledger_transfers", ["debit_id", "at"])
    op.create_index("ix_ledger_transfers_credit_id", "ledger_transfers", ["credit_id", "at"])
    for column, prefix in (("hold_id", "uq"), ("original_id", "ix"), ("job_id", "ix")):
        where = f"{column} IS NOT NULL"
        _index(f"{prefix}_ledger_transfers_{column}", [column], where, "ledger_transfers")


def _index(name: str, columns: list[str], where: str, table: str = "ledger_accounts") -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=name.startswith("uq"),
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _sqlite() -> list[str]:
    rules = "\n".join(
        f"SELECT RAISE(ABORT, 'ledger: {rule}') WHERE {condition};" for rule, condition in _RULES.items()
    )
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _FIXED)
    never = "BEGIN SELECT RAISE(ABORT, 'ledger: {}'); END"
    return [
        f"CREATE TRIGGER ledger_apply AFTER INSERT ON ledger_transfers BEGIN {rules} {_APPLY} END",
        "CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger_transfers "
        + never.format("a transfer never changes"),
        "CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_transfers "
        + never.format("a transfer is never deleted"),
        f"CREATE TRIGGER ledger_fixed BEFORE UPDATE ON ledger_accounts WHEN {changed} "
        + never.format("an account keeps its identity"),
        "CREATE TRIGGER ledger_empty BEFORE INSERT ON ledger_accounts "
        "WHEN NEW.balance <> 0 OR NEW.pending <> 0 " + never.format("an account begins empty"),
    ]


def _postgresql() -> list[str]:
    # Two reversals of one transfer, or a reversal beside another, wait here for each other.
    lock = "PERFORM 1 FROM ledger_transfers WHERE id = NEW.original_id FOR UPDATE;"
    raise_ = "RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'ledger: {}';"
    rules = "\n".join(
        f"IF {condition} THEN {raise_.format(rule)} END IF;" for rule, condition in _RULES.items()
    )
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _FIXED)
    balances = "OLD.balance <> NEW.balance OR OLD.pending <> NEW.pending"
    function = "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $${}$$"
    call = "FOR EACH ROW {} EXECUTE FUNCTION {}()"
    return [
        function.format(
            "ledger_apply",
            f"BEGIN IF NEW.kind = 'reversal' THEN {lock} END IF; {rules} {_APPLY} RETURN NULL; END",
        ),
        function.format("ledger_refuse_transfer", f"BEGIN {raise_.format('a transfer never changes')} END"),
        function.format(
            "ledger_refuse_account",
            f"BEGIN {raise_.format('only transfers change a balance, and nothing changes an account')} END",
        ),
        f"CREATE TRIGGER ledger_apply AFTER INSERT ON ledger_transfers {call.format('', 'ledger_apply')}",
        "CREATE TRIGGER ledger_immutable BEFORE UPDATE OR DELETE ON ledger_transfers "
        + call.format("", "ledger_refuse_transfer"),
        "CREATE TRIGGER ledger_fixed BEFORE UPDATE ON ledger_accounts "
        + call.format(f"WHEN ({changed})", "ledger_refuse_account"),
        # The trigger of a transfer is one level deep; a statement of a client is at none.
        "CREATE TRIGGER ledger_balances BEFORE UPDATE ON ledger_accounts "
        + call.format(f"WHEN (pg_trigger_depth() = 0 AND ({balances}))", "ledger_refuse_account"),
        "CREATE TRIGGER ledger_empty BEFORE INSERT ON ledger_accounts "
        + call.format("WHEN (NEW.balance <> 0 OR NEW.pending <> 0)", "ledger_refuse_account"),
    ]
