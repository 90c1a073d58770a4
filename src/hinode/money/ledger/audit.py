"""The audit of the ledger: what the triggers ensure, counted again from the rows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

_MOVES = "kind IN ('post', 'capture', 'reversal')"

_BALANCES = f"""
    SELECT accounts.id FROM ledger_accounts AS accounts LEFT JOIN
        (SELECT account, sum(amount) AS balance FROM
            (SELECT credit_id AS account, amount FROM ledger_transfers WHERE {_MOVES}
             UNION ALL SELECT debit_id, -amount FROM ledger_transfers WHERE {_MOVES}) AS legs
         GROUP BY account) AS totals ON totals.account = accounts.id
    WHERE accounts.minimum IS NOT NULL AND accounts.balance <> coalesce(totals.balance, 0)
"""
_PENDING = """
    SELECT accounts.id FROM ledger_accounts AS accounts LEFT JOIN
        (SELECT holds.debit_id AS account, sum(holds.amount) AS pending FROM ledger_transfers AS holds
         LEFT JOIN ledger_transfers AS ends ON ends.hold_id = holds.id
         WHERE holds.kind = 'hold' AND ends.id IS NULL GROUP BY holds.debit_id) AS totals
        ON totals.account = accounts.id
    WHERE accounts.minimum IS NOT NULL AND accounts.pending <> coalesce(totals.pending, 0)
"""
_MINIMUM = "SELECT id FROM ledger_accounts WHERE balance - pending < minimum OR pending < 0"
_ENDS = """
    SELECT holds.id FROM ledger_transfers AS holds JOIN ledger_transfers AS ends ON ends.hold_id = holds.id
    WHERE holds.kind <> 'hold' OR ends.amount > holds.amount OR ends.debit_id <> holds.debit_id
        OR ends.credit_id <> holds.credit_id
    UNION SELECT hold_id FROM ledger_transfers WHERE hold_id IS NOT NULL
    GROUP BY hold_id HAVING count(*) > 1
"""
_REVERSALS = """
    SELECT originals.id FROM ledger_transfers AS originals JOIN
        (SELECT original_id, sum(amount) AS amount FROM ledger_transfers
         WHERE original_id IS NOT NULL GROUP BY original_id) AS backs ON backs.original_id = originals.id
    WHERE backs.amount > originals.amount
"""
_CURRENCIES = """
    SELECT transfers.id FROM ledger_transfers AS transfers
    JOIN ledger_accounts AS accounts ON accounts.id IN (transfers.debit_id, transfers.credit_id)
    WHERE accounts.currency <> transfers.currency
"""
_PARTS = """
    SELECT holds.chain FROM ledger_transfers AS holds
    LEFT JOIN ledger_transfers AS ends ON ends.hold_id = holds.id WHERE holds.kind = 'hold'
    GROUP BY holds.chain HAVING count(ends.id) NOT IN (0, count(*))
"""
_JOBS = """
    SELECT holds.chain FROM ledger_transfers AS holds
    LEFT JOIN ledger_transfers AS ends ON ends.hold_id = holds.id
    WHERE holds.kind = 'hold' AND holds.job_id IS NOT NULL AND ends.id IS NULL AND NOT EXISTS
        (SELECT 1 FROM jobs WHERE jobs.id = holds.job_id AND jobs.status IN ('queued', 'running'))
"""

CHECKS = {
    "the balance differs from the transfers": _BALANCES,
    "the pending amount differs from the open holds": _PENDING,
    "the account is below its minimum": _MINIMUM,
    "the hold has a wrong resolution, or two": _ENDS,
    "more was taken back than was posted": _REVERSALS,
    "an account of the transfer has another currency": _CURRENCIES,
    "the hold is resolved in part": _PARTS,
    "the hold is open, and its job is not": _JOBS,
}
MAX_FINDINGS = 100


@dataclass(frozen=True)
class Finding:
    """A row that breaks a rule: the rule, and the id of an account, a transfer or a chain."""

    rule: str
    id: str


@dataclass(frozen=True)
class Audit:
    """What an audit read and found.

    Attributes:
        postings: number of transfers.
        sums: of all accounts of a currency, in micro-units; each is 0 in sound books.
        findings: at most 100 of each rule.
    """

    postings: int
    sums: dict[str, int]
    findings: list[Finding]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not any(self.sums.values())


def audit(connection: Connection) -> Audit:
    """Check all books, in one state of the database."""
    findings = [
        Finding(rule, str(row[0]))
        for rule, query in CHECKS.items()
        for row in connection.exec_driver_sql(f"{query} LIMIT {MAX_FINDINGS}")
    ]
    # Lots by their running balances, the operator's accounts by their transfers: a sum of both that is 0
    # says that neither has money that the other lacks.
    lots = "SELECT currency, balance AS amount FROM ledger_accounts WHERE minimum IS NOT NULL"
    sides = " UNION ALL ".join(
        f"SELECT transfers.currency, {sign}transfers.amount FROM ledger_transfers AS transfers "
        f"JOIN ledger_accounts AS accounts ON accounts.id = transfers.{side}_id "
        f"WHERE accounts.minimum IS NULL AND transfers.{_MOVES}"
        for side, sign in (("credit", ""), ("debit", "-"))
    )
    total = f"SELECT currency, sum(amount) FROM ({lots} UNION ALL {sides}) AS legs GROUP BY currency"
    sums = {str(currency): int(amount) for currency, amount in connection.exec_driver_sql(total)}
    postings = connection.exec_driver_sql("SELECT count(*) FROM ledger_transfers").scalar_one()
    return Audit(int(postings), sums, findings)
