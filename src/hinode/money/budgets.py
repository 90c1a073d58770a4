"""Budgets: how much may be spent in a day, a month or in all.

A budget belongs to an owner or a thing: an API key, a person, a project, an organisation, a model, or the
whole installation. That of free use is the operator's limit of loss: the jobs of projects that do not pay are
charged to it, and when it is used up they end by themselves. A job is charged to every budget that applies to
it, by one statement that checks all of them; at its end what it did not cost is given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError
from hinode.money.amounts import check_amount, format_amount
from hinode.records.prepared import Prepared
from hinode.records.rows import first_row, from_row
from hinode.records.tables import budget_windows, budgets


class Scope(StrEnum):
    """What a budget is for."""

    KEY = "key"
    USER = "user"
    PROJECT = "project"
    ORGANISATION = "organisation"
    MODEL = "model"
    INSTALLATION = "installation"
    FREE = "free"


WHOLE = (Scope.INSTALLATION, Scope.FREE)
"""Scopes without a subject."""


class Period(StrEnum):
    """How long a window is; days and months are those of UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"

    def begins_at(self, now: float) -> float:
        """When the window of a moment began; both are seconds since 1970."""
        moment = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return {
            Period.DAY: moment.timestamp(),
            Period.MONTH: moment.replace(day=1).timestamp(),
            Period.TOTAL: 0.0,
        }[self]


class OverBudget(HinodeError):
    """A budget does not allow the job."""

    code = "budget_exceeded"


@dataclass(frozen=True)
class Budget:
    """A budget, with amounts in micro-units.

    Attributes:
        subject: the id of a key, person, project or organisation; "engine/model"; "" for the installation and
            for free use.
        soft: beyond it an event is sent.
        hard: beyond it nothing is admitted.
        amount: what is charged to the present window.
    """

    id: str
    scope: Scope
    subject: str
    period: Period
    soft: int | None
    hard: int | None
    created_at: float
    amount: int = 0


def put(
    connection: Connection,
    budget_id: str,
    scope: Scope,
    subject: str,
    period: Period,
    *,
    soft: int | None,
    hard: int | None,
    now: float,
) -> None:
    """Set a budget, in the place of the one of the same scope, subject and period.

    Raises:
        BadInput: neither limit is there, a limit is out of range, or the soft one is above the hard one.
    """
    for field, limit in (("soft", soft), ("hard", hard)):
        if limit is not None:
            check_amount(limit, field)
    if soft is None and hard is None:
        raise BadInput("the budget has no limit", "set --soft, --hard or both", field="hard")
    if soft is not None and hard is not None and soft > hard:
        raise BadInput("the soft limit is above the hard one", "choose a lower one", field="soft")
    if scope in WHOLE and subject:
        raise BadInput(f"the budget of the scope {scope} has a subject", "leave it out", field="subject")
    if scope not in WHOLE and not subject:
        raise BadInput("the budget has no subject", "name a key, project or model", field="subject")
    same = sa.and_(
        budgets.c.scope == scope.value, budgets.c.subject == subject, budgets.c.period == period.value
    )
    if connection.execute(budgets.update().where(same).values(soft=soft, hard=hard)).rowcount:
        return
    connection.execute(
        budgets.insert().values(
            id=budget_id,
            scope=scope.value,
            subject=subject,
            period=period.value,
            soft=soft,
            hard=hard,
            created_at=now,
        )
    )


def remove(connection: Connection, budget_id: str) -> None:
    """Remove a budget and its windows; raises BadInput if there is none."""
    if not connection.execute(budgets.delete().where(budgets.c.id == budget_id)).rowcount:
        message = f"there is no budget {budget_id!r}"
        raise BadInput(message, "see `hinode budgets list`", field="budget")


def every(connection: Connection, now: float) -> list[Budget]:
    """All budgets with what is charged to their present windows, by scope and subject."""
    query = sa.select(budgets).order_by(budgets.c.scope, budgets.c.subject, budgets.c.period)
    rows = connection.execute(query).mappings().all()
    return [_with_amount(connection, row, now) for row in rows]


def of_subjects(
    connection: Connection, subjects: Mapping[Scope, Sequence[str] | sa.Select[Any]], now: float
) -> list[Budget]:
    """The budgets of these owners and things, with what is charged to their present windows.

    Args:
        subjects: names of some, or a query for them, by scope.
    """
    mine = sa.or_(
        *(
            sa.and_(budgets.c.scope == scope.value, budgets.c.subject.in_(names))
            for scope, names in subjects.items()
        )
    )
    query = sa.select(budgets).where(mine).order_by(budgets.c.scope, budgets.c.period)
    rows = connection.execute(query).mappings().all()
    return [_with_amount(connection, row, now) for row in rows]


def applicable(connection: Connection, subjects: Mapping[Scope, str]) -> list[Budget]:
    """The budgets that a job is charged to, by id, without their amounts.

    Args:
        subjects: the owner and the model of the job, by scope; with `Scope.FREE` if nobody pays for it.
    """
    columns = ("id", "scope", "subject", "period", "soft", "hard", "created_at")
    rows = [dict(zip(columns, row, strict=True)) for row in _APPLICABLE.run(connection, **_values(subjects))]
    return [from_row(Budget, row, **_enums(row), amount=0) for row in rows]


def charge(
    connection: Connection, job_id: str, subjects: Mapping[Scope, str], price: int, now: float
) -> list[Budget]:
    """Charge the price of a job to every budget that applies, or to none.

    Args:
        job_id: of the new job.
        subjects: see `applicable`.
        price: in micro-units.
        now: seconds since 1970, by the clock of the database.

    Returns: budgets whose soft limit this job passes.

    Raises:
        OverBudget: a hard limit does not allow it. The transaction must then be rolled back.
    """
    begins = {f"{period.value}_begins": period.begins_at(now) for period in Period}
    rows = _CHARGE.run(connection, **_values(subjects), **begins, price=price)
    charged = {row[0]: row for row in rows}
    passed = []
    for budget in applicable(connection, subjects):
        if budget.id not in charged:
            raise _over(budget, price)
        _, begins_at, amount = charged[budget.id]
        _ENTER.run(connection, job=job_id, budget=budget.id, begins=begins_at, price=price)
        if budget.soft is not None and amount > budget.soft >= amount - price:
            passed.append(replace(budget, amount=amount))
    return passed


def _over(budget: Budget, price: int) -> OverBudget:
    limit = f"{format_amount(budget.hard or 0)} USD a {budget.period}"
    if budget.period is Period.TOTAL:
        limit = f"{format_amount(budget.hard or 0)} USD in all"
    remedy = "ask whoever runs this server for more, or wait for the next period"
    if budget.scope is Scope.FREE:
        message = f"what this server gives away, {limit}, is used up"
        return OverBudget(message, "ask whoever runs it for credit, or wait for the next period")
    name = f"the budget of the {budget.scope} {budget.subject}".rstrip()
    return OverBudget(f"{name}, {limit}, does not cover {format_amount(price)} USD more", remedy)


def settle(connection: Connection, job_id: str, percent: int, worked: int) -> None:
    """Give back what a job did not cost, at its end.

    Args:
        percent: of what it was charged that its owner owes.
        worked: of it that was made, whatever the owner owes: so much of free use is lost.
    """
    for budget_id, scope, begins_at, charged in _CHARGES.run(connection, job=job_id):
        part = worked if scope == Scope.FREE else percent
        if rest := charged - charged * part // 100:
            values = {"job": job_id, "budget": budget_id, "begins": begins_at, "rest": rest}
            _GIVE_BACK.run(connection, **values)
            _REDUCE.run(connection, **values)


_MATCHES = " OR ".join(
    f"(scope = '{scope.value}' AND subject = :{scope.value} AND subject <> '')"
    for scope in Scope
    if scope not in WHOLE
)
_APPLIES = f"(scope = 'installation' OR (scope = 'free' AND :free = 'free') OR {_MATCHES})"
_HARD = "(SELECT hard FROM budgets WHERE budgets.id = budget_windows.budget_id)"

# In the order of ids: two transactions that charge the same budgets never wait for each other in a circle.
_CHARGE = Prepared(
    f"""
    INSERT INTO budget_windows (budget_id, begins_at, amount)
    SELECT id, CASE period WHEN 'day' THEN CAST(:day_begins AS double precision)
        WHEN 'month' THEN CAST(:month_begins AS double precision) ELSE :total_begins END,
        CAST(:price AS bigint)
    FROM budgets WHERE {_APPLIES} AND (hard IS NULL OR hard >= :price) ORDER BY id
    ON CONFLICT (budget_id, begins_at) DO UPDATE SET amount = budget_windows.amount + excluded.amount
    WHERE {_HARD} IS NULL OR budget_windows.amount + excluded.amount <= {_HARD}
    RETURNING budget_id, begins_at, amount
    """
)
_APPLICABLE = Prepared(
    f"SELECT id, scope, subject, period, soft, hard, created_at FROM budgets WHERE {_APPLIES} ORDER BY id"
)
_ENTER = Prepared(
    "INSERT INTO budget_charges (job_id, budget_id, begins_at, amount) "
    "VALUES (:job, :budget, :begins, :price)"
)
_CHARGES = Prepared(
    "SELECT budget_id, scope, begins_at, amount FROM budget_charges "
    "JOIN budgets ON budgets.id = budget_id WHERE job_id = :job ORDER BY budget_id"
)
_GIVE_BACK = Prepared(
    "UPDATE budget_windows SET amount = amount - :rest WHERE budget_id = :budget AND begins_at = :begins"
)
_REDUCE = Prepared(
    "UPDATE budget_charges SET amount = amount - :rest WHERE job_id = :job AND budget_id = :budget"
)


def _values(subjects: Mapping[Scope, str]) -> dict[str, str]:
    return {scope.value: subjects.get(scope, "") for scope in Scope if scope is not Scope.INSTALLATION}


def _enums(row: Mapping[str, Any] | sa.RowMapping) -> dict[str, Any]:
    return {"scope": Scope(row["scope"]), "period": Period(row["period"])}


def _with_amount(connection: Connection, row: sa.RowMapping, now: float) -> Budget:
    window = sa.select(budget_windows.c.amount).where(
        budget_windows.c.budget_id == row["id"],
        budget_windows.c.begins_at == Period(row["period"]).begins_at(now),
    )
    present = first_row(connection, window)
    return from_row(Budget, row, **_enums(row), amount=0 if present is None else int(present["amount"]))
