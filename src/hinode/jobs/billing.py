"""Money of jobs: the hold of a job at its admission and its budgets, and what is captured at its end.

Both happen in the transaction that changes the job. So no job of a billed project is without a hold, and no
hold outlives its job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Draft, Job
from hinode.jobs.states import Status
from hinode.jobs.tenants.tenant import is_session
from hinode.jobs.webhooks import outbox
from hinode.money import budgets
from hinode.money.budgets import Budget, Scope
from hinode.money.ledger import accounts, holds
from hinode.money.ledger.accounts import Account
from hinode.money.pricing import CURRENCY, Pricing
from hinode.records.database import Database
from hinode.records.tables import projects, sessions

SOFT_LIMIT = "budget.soft_limit_passed"
"""The event that the soft limit of a budget was passed, sent once for each window."""


@dataclass(frozen=True)
class ProjectCredit:
    """The credit of a project.

    Attributes:
        billing: whether its clips are paid for from it.
        lots: those that have not expired, in the order in which they burn.
    """

    billing: bool
    currency: str
    lots: Sequence[Account]

    @property
    def available(self) -> int:
        """What can be spent, in micro-units."""
        return sum(lot.available for lot in self.lots)

    @property
    def pending(self) -> int:
        """What is set aside for clips that are not finished, in micro-units."""
        return sum(lot.pending for lot in self.lots)


class Credit:
    """The credit of the projects of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self._clock = clock

    def of(self, project_id: str) -> ProjectCredit:
        """The credit of a project that exists."""
        now = self._clock()
        with self._database.read() as connection:
            billing = connection.scalar(sa.select(projects.c.billing).where(projects.c.id == project_id))
            lots = accounts.lots(connection, project_id, CURRENCY)
        return ProjectCredit(bool(billing), CURRENCY, [lot for lot in lots if lot.is_open(now)])


def place_holds(
    connection: Connection,
    project: sa.RowMapping,
    job_ids: Sequence[str],
    drafts: Sequence[Draft],
    pricing: Pricing | None,
    now: float,
) -> None:
    """Charge the price of each new job to the budgets that apply to it, and hold it in the credit of a
    project whose clips are paid for.

    Raises:
        InsufficientCredit: the project has less credit.
        OverBudget: a budget does not allow it.
        MissingPrice: the operator's price book has no price for a model.
        BadInput: the price book cannot be read.
    """
    billing = bool(project["billing"])
    if pricing is None:  # of probes, which cost nobody anything
        if billing:
            raise RuntimeError("jobs of a billed project were submitted without a price book")
        return
    for job_id, draft in zip(job_ids, drafts, strict=True):
        subjects = _subjects(connection, project, draft)
        limited = budgets.applicable(connection, subjects)
        if not billing and not limited:
            continue
        price = pricing.price(draft.request, now)
        if price and limited:
            for budget in budgets.charge(connection, job_id, subjects, price, now):
                _warn(connection, project["id"], budget, now)
        if price and billing:
            holds.place(connection, job_id, project["id"], price, CURRENCY, now, job_id=job_id)


def settle_delivered(connection: Connection, job: Job, now: float) -> None:
    """Capture the hold of a job whose clip was delivered."""
    hold = holds.find(connection, job.id)
    if hold is not None:
        holds.capture(connection, job.id, hold.amount, now)


def settle_ended(connection: Connection, job: Job, status: Status, now: float) -> None:
    """Release the hold of a job that ended without a clip, and give its budgets back what it did not cost.

    A job that its owner cancelled pays for the part that was made; what fails costs its owner nothing.
    """
    worked = job.progress if job.started_at is not None else 0
    share = worked if status is Status.CANCELLED else 0
    hold = holds.find(connection, job.id)
    if hold is not None:
        holds.capture(connection, job.id, hold.amount * share // 100, now)
    budgets.settle(connection, job.id, share, worked)


def _subjects(connection: Connection, project: sa.RowMapping, draft: Draft) -> dict[Scope, str]:
    """Whom and what the budgets of a job are for."""
    subjects = {
        Scope.PROJECT: str(project["id"]),
        Scope.ORGANISATION: str(project["organisation_id"]),
        Scope.MODEL: f"{draft.request.engine}/{draft.request.model}",
    }
    if not project["billing"]:
        subjects[Scope.FREE] = Scope.FREE.value
    if draft.key_id is not None and is_session(draft.key_id):
        person = sa.select(sessions.c.user_id).where(sessions.c.id == draft.key_id)
        subjects[Scope.USER] = connection.scalar(person) or ""
    elif draft.key_id is not None:
        subjects[Scope.KEY] = draft.key_id
    return subjects


def _warn(connection: Connection, project_id: str, budget: Budget, now: float) -> None:
    begins = int(budget.period.begins_at(now))
    data = {"id": budget.id, "scope": budget.scope.value, "subject": budget.subject, "soft": budget.soft}
    once = f"{budget.id}:{begins}:soft"
    outbox.emit(connection, project_id, SOFT_LIMIT, data, once=once, now=now)
