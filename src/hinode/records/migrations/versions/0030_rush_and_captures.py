"""rush and captures: jobs that are paid for to go first; on PostgreSQL, cheaper holds and captures

Jobs in a rush are of the class of previews, which servers of the version before know, too.

The rules of a posting and their sentences are those of 0027. Its function looked a hold up by its id and its
accounts together. A session plans that once, as a rule while the table is small, and may then read every
transfer of the lot for each capture, more with each one. This one looks it up by its id and compares the
rest.

`ledger_place` and `ledger_resolve` do what `holds.py` does in one statement on SQLite. PostgreSQL would plan
that statement each time, and keeps the plans of a function.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
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
        SELECT * INTO before FROM ledger_transfers WHERE id = NEW.hold_id;
        {
    _refuse(
        "NOT FOUND OR before.kind <> 'hold' OR before.debit_id <> NEW.debit_id "
        "OR before.credit_id <> NEW.credit_id OR before.amount < NEW.amount",
        "a resolution has the accounts of its hold and takes no more",
    )
}
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

_PLACE = """
CREATE FUNCTION ledger_place(
    hold varchar, owner varchar, price bigint, unit varchar, moment double precision,
    job varchar, taker varchar
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    rest bigint := price;
    lots varchar[] := '{}';
    parts bigint[] := '{}';
BEGIN
    FOR lot IN
        SELECT id, balance - pending AS available FROM ledger_accounts
        WHERE kind = 'lot' AND project_id = owner AND currency = unit
            AND balance - pending > 0 AND (expires_at IS NULL OR expires_at > moment)
        ORDER BY priority, expires_at IS NULL, expires_at, id FOR UPDATE
    LOOP
        lots := lots || lot.id;
        parts := parts || least(lot.available, rest);
        rest := rest - least(lot.available, rest);
        EXIT WHEN rest = 0;
    END LOOP;
    IF rest > 0 OR EXISTS (SELECT FROM ledger_transfers WHERE chain = hold)
        OR NOT EXISTS (SELECT FROM ledger_accounts WHERE id = taker) THEN
        RETURN;
    END IF;
    FOR number IN 1 .. cardinality(lots) LOOP
        INSERT INTO ledger_transfers
            (id, chain, kind, debit_id, credit_id, amount, currency, at, project_id, job_id)
        VALUES (hold || '/' || lpad((number - 1)::text, greatest(3, length((number - 1)::text)), '0'),
            hold, 'hold', lots[number], taker, parts[number], unit, moment, owner, job);
        RETURN NEXT parts[number];
    END LOOP;
END $$
"""
_RESOLVE = """
CREATE FUNCTION ledger_resolve(hold varchar, price bigint, release varchar, moment double precision)
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    leg ledger_transfers%ROWTYPE;
    part bigint;
    rest bigint := price;
BEGIN
    IF EXISTS (
        SELECT FROM ledger_transfers AS ends JOIN ledger_transfers AS legs ON legs.id = ends.hold_id
        WHERE legs.chain = hold
    ) THEN
        RETURN;
    END IF;
    FOR leg IN SELECT * FROM ledger_transfers WHERE chain = hold ORDER BY id LOOP
        part := least(rest, leg.amount);
        INSERT INTO ledger_transfers
            (id, chain, kind, debit_id, credit_id, amount, currency, at, hold_id, project_id, job_id)
        VALUES (leg.id || '/end', hold || '/end', CASE WHEN rest > 0 THEN 'capture' ELSE release END,
            leg.debit_id, leg.credit_id, part, leg.currency, moment, leg.id, leg.project_id, leg.job_id);
        rest := rest - part;
        RETURN NEXT part;
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("rush", sa.Boolean(), nullable=False, server_default=sa.false()))
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        for function in (_APPLY, _PLACE, _RESOLVE):
            connection.exec_driver_sql(function.replace("%", "%%"))
