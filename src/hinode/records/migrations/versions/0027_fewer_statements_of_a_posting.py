"""fewer statements of a posting: on PostgreSQL, the trigger of a transfer reads each row once

The rules and their sentences are those of 0020. Its function evaluates each rule as a query of its own, eight
for a transfer; this one needs two for a hold and three for a capture.
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def _refuse(condition: str, rule: str) -> str:
    return (
        f"IF {condition} THEN "
        f"RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'ledger: {rule}'; END IF;"
    )


_APPLY = f"""
CREATE OR REPLACE FUNCTION ledger_apply() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    debit ledger_accounts%ROWTYPE;
    credit ledger_accounts%ROWTYPE;
    before ledger_transfers%ROWTYPE;
    moved bigint := 0;
    held bigint := 0;
BEGIN
    SELECT * INTO debit FROM ledger_accounts WHERE id = NEW.debit_id;
    SELECT * INTO credit FROM ledger_accounts WHERE id = NEW.credit_id;
    {
    _refuse(
        "debit.currency IS DISTINCT FROM NEW.currency OR credit.currency IS DISTINCT FROM NEW.currency",
        "the accounts have other currencies",
    )
}
    IF NEW.kind = 'hold' THEN
        {_refuse("debit.minimum IS NULL", "only an account with a minimum can be held from")}
        {_refuse("debit.expires_at <= NEW.at", "nothing is taken from a lot that has expired")}
        held := NEW.amount;
    ELSIF NEW.kind IN ('capture', 'void', 'expiry') THEN
        SELECT * INTO before FROM ledger_transfers WHERE id = NEW.hold_id AND kind = 'hold'
            AND debit_id = NEW.debit_id AND credit_id = NEW.credit_id AND amount >= NEW.amount;
        {_refuse("NOT FOUND", "a resolution has the accounts of its hold and takes no more")}
        held := -before.amount;
    ELSIF NEW.kind = 'reversal' THEN
        -- Two reversals of one transfer, or a reversal beside another, wait here for each other.
        SELECT * INTO before FROM ledger_transfers WHERE id = NEW.original_id FOR UPDATE;
        {
    _refuse(
        "NOT FOUND OR before.kind NOT IN ('post', 'capture') "
        "OR before.debit_id <> NEW.credit_id OR before.credit_id <> NEW.debit_id "
        "OR before.amount < NEW.amount + coalesce((SELECT sum(amount) FROM ledger_transfers "
        "WHERE original_id = NEW.original_id AND id <> NEW.id), 0)",
        "a reversal goes the other way and takes back no more than is left",
    )
}
    END IF;
    IF NEW.kind IN ('post', 'reversal', 'capture') THEN
        moved := NEW.amount;
    END IF;
    IF debit.minimum IS NOT NULL THEN
        UPDATE ledger_accounts SET balance = balance - moved, pending = pending + held
            WHERE id = NEW.debit_id;
    END IF;
    IF credit.minimum IS NOT NULL AND moved > 0 THEN
        UPDATE ledger_accounts SET balance = balance + moved WHERE id = NEW.credit_id;
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(_APPLY.replace("%", "%%"))
