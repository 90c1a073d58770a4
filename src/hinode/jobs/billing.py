"""Money of jobs: the hold of a job at its admission and its budgets, and what is captured at its end.

Both happen in the transaction that changes the job. So no job of a billed project is without a hold, and no
hold outlives its job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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
from hinode.money.ledger.credit import expire_lots
from hinode.money.pricing import CURRENCY, Tariff
from hinode.money.quoting import offers
from hinode.money.quoting.offers import Terms
from hinode.records.database import Database
from hinode.records.prepared import Prepared
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

    def book_expired(self) -> int:
        """Book credit that expired, of all projects, and return the number of lots; see `expire_lots`."""
        with self._database.write() as connection:
            return expire_lots(connection, self._clock())


@dataclass(frozen=True)
class Charge:
    """What a job is charged at its admission.

    Attributes:
        price: in micro-units; None if nothing is charged.
        billing: whether the project pays it from its credit.
        subjects: whom and what budgets are for.
        limited: whether budgets apply.
    """

    price: int | None
    billing: bool = False
    subjects: Mapping[Scope, str] = field(default_factory=dict)
    limited: bool = False

    @property
    def agreed(self) -> int | None:
        """The price that the project pays; None if its clips are free."""
        return self.price if self.billing else None


def agree(
    connection: Connection,
    project: sa.RowMapping,
    drafts: Sequence[Draft],
    tariff: Tariff | None,
    now: float,
) -> list[Charge]:
    """What each draft is charged; the terms of their requests are checked. Nothing is written.

    Raises:
        OfferRefused: the terms of a request do not hold.
        MissingPrice: the operator's price book has no price for a model.
        PriceBookError: the price book cannot be read.
    """
    billing = bool(project["billing"])
    if tariff is None:  # of probes, which cost nobody anything
        if billing:
            raise RuntimeError("jobs of a billed project were submitted without a price book")
        return [Charge(None) for _ in drafts]
    charges = []
    for draft in drafts:
        subjects = _subjects(connection, project, draft)
        limited = bool(budgets.applicable(connection, subjects))
        price = tariff.price(draft.request, now, draft.priority.name) if billing or limited else None
        charges.append(Charge(price, billing, subjects, limited))
    _check_terms(connection, project["id"], drafts, charges, tariff, now)
    return charges


def place_holds(
    connection: Connection, project_id: str, job_ids: Sequence[str], charges: Sequence[Charge], now: float
) -> None:
    """Charge the price of each new job to the budgets that apply to it, and hold it in the credit of a
    project whose clips are paid for.

    Raises:
        InsufficientCredit: the project has less credit.
        OverBudget: a budget does not allow it.
    """
    for job_id, charge in zip(job_ids, charges, strict=True):
        if charge.price and charge.limited:
            for budget in budgets.charge(connection, job_id, charge.subjects, charge.price, now):
                _warn(connection, project_id, budget, now)
        if charge.price and charge.billing:
            holds.place(connection, job_id, project_id, charge.price, CURRENCY, now, job_id=job_id)


def settle_delivered(connection: Connection, job: Job, now: float) -> int | None:
    """Capture the hold of a job whose clip was delivered; returns what was captured in micro-units, or None
    if the project does not pay for its clips."""
    return _capture(connection, job, 100, now)


def settle_ended(connection: Connection, job: Job, status: Status, now: float) -> int | None:
    """Release the hold of a job that ended without a clip, and give its budgets back what it did not cost.

    A job that its owner cancelled pays for the part that was made; what fails costs its owner nothing.
    Returns the same as `settle_delivered`.
    """
    worked = job.progress if job.started_at is not None else 0
    share = worked if status is Status.CANCELLED else 0
    charged = _capture(connection, job, share, now)
    budgets.settle(connection, job.id, share, worked)
    return charged


_CHARGED = Prepared("UPDATE jobs SET charged = :charged WHERE id = :job")


def _check_terms(
    connection: Connection,
    project_id: str,
    drafts: Sequence[Draft],
    charges: Sequence[Charge],
    tariff: Tariff,
    now: float,
) -> None:
    """Check the terms of each request among the drafts once."""
    checked: set[Terms] = set()
    for draft, charge in zip(drafts, charges, strict=True):
        terms, request = draft.terms, draft.request
        if terms is None or not terms.limited or terms in checked:
            continue
        checked.add(terms)
        price = charge.price
        if price is None:  # nothing is charged, but the client was told a price
            name = f"{request.engine}/{request.model}"
            price = tariff.price_or_none(name, request.size, request.seconds, now, draft.priority.name)
        offers.check(connection, project_id, terms, None if price is None else terms.count * price, now)


def _capture(connection: Connection, job: Job, share: int, now: float) -> int | None:
    """Capture a share of the hold of a job in percent, and enter it in the job."""
    hold = holds.find(connection, job.id)
    if hold is None and job.price is None:
        return None
    # A price of nought needs no hold.
    charged = 0 if hold is None else holds.capture(connection, job.id, hold.amount * share // 100, now)
    _CHARGED.run(connection, job=job.id, charged=charged)
    return charged


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
