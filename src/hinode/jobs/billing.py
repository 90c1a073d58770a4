"""Money of jobs: the hold of a job at its admission, and what is captured of it at its end.

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
from hinode.money.ledger import accounts, holds
from hinode.money.ledger.accounts import Account
from hinode.money.pricing import CURRENCY, Pricing
from hinode.records.database import Database
from hinode.records.tables import projects


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
    """Hold the price of each new job of a project whose clips are paid for.

    Raises:
        InsufficientCredit: the project has less credit.
        MissingPrice: the operator's price book has no price for a model.
        BadInput: the price book cannot be read.
    """
    if not project["billing"]:
        return
    if pricing is None:
        raise RuntimeError("a job of a billed project was submitted without a price book")
    for job_id, draft in zip(job_ids, drafts, strict=True):
        if price := pricing.price(draft.request, now):
            holds.place(connection, job_id, project["id"], price, CURRENCY, now, job_id=job_id)


def settle_delivered(connection: Connection, job: Job, now: float) -> None:
    """Capture the hold of a job whose clip was delivered."""
    hold = holds.find(connection, job.id)
    if hold is not None:
        holds.capture(connection, job.id, hold.amount, now)


def settle_ended(connection: Connection, job: Job, status: Status, now: float) -> None:
    """Release the hold of a job that ended without a clip.

    A job that its owner cancelled pays for the part that was made; what fails costs nothing.
    """
    hold = holds.find(connection, job.id)
    if hold is None:
        return
    cancelled = status is Status.CANCELLED and job.started_at is not None
    holds.capture(connection, job.id, hold.amount * job.progress // 100 if cancelled else 0, now)
