"""The economics of a server for its operator: its books, its prices, its limit of loss, and its load."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from hinode.errors import BadInput
from hinode.money import budgets
from hinode.money.books import costs, prices
from hinode.money.books.costs import CostBook
from hinode.money.books.entries import MissingPrice, Stale
from hinode.money.books.operator import OperatorBooks
from hinode.money.books.prices import PriceBook
from hinode.money.budgets import Budget, Period, Scope
from hinode.money.economics import records, revenue
from hinode.money.economics.records import Books
from hinode.money.economics.report import HOUR, Report, report
from hinode.money.free_use import FreeUse, UnreadableRules
from hinode.records.database import Database

LOAD_SECONDS = 7 * 86_400.0
"""The load is measured over so long."""


@dataclass(frozen=True)
class Measured:
    """The load of the last days.

    Attributes:
        arrivals: clips in an hour.
        variation: squared coefficient of variation of the seconds of a clip, of the class with most clips.
        seconds: mean seconds of a delivered clip, by class of hardware.
    """

    arrivals: float
    variation: float
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class PriceLists:
    """The price books and the cost books, with the entries that hold and are old.

    Attributes:
        own: prices that the operator sells at; `listed` are those of providers.
        faults: what is wrong with an own book, by "prices" and "costs"; it counts as one without entries.
        costs: what hardware and providers cost the operator; `market` are rents.
    """

    own: PriceBook
    listed: PriceBook
    costs: CostBook
    market: CostBook
    faults: Mapping[str, str]
    on: date

    def as_json(self) -> dict[str, Any]:
        """The books in plain JSON values."""

        def book(
            entries: Sequence[Any], stale: Sequence[Stale], version: str, name: str = ""
        ) -> dict[str, Any]:
            values = [entry.model_dump(mode="json") for entry in entries]
            sentences = [str(entry) for entry in stale]
            fault = self.faults.get(name, "")
            return {"version": version, "entries": values, "stale": sentences, "fault": fault}

        return {
            "object": "economics.books",
            "prices": book(self.own.prices, self.own.stale(self.on), self.own.version, "prices"),
            "list_prices": book(self.listed.prices, self.listed.stale(self.on), self.listed.version),
            "costs": book(
                [*self.costs.hardware, *self.costs.providers],
                self.costs.stale(self.on),
                self.costs.version,
                "costs",
            ),
            "market_costs": book(
                [*self.market.hardware, *self.market.providers],
                self.market.stale(self.on),
                self.market.version,
            ),
        }


class Economics:
    """The economics of one server. Safe to use from several threads."""

    def __init__(self, database: Database, books: OperatorBooks, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self.books = books
        self._clock = clock

    def report(self, since: float, until: float) -> Report:
        """The report of a period, in seconds since 1970, with the revenue of the ledger.

        Raises:
            MissingPrice: a host or a provider has no price in the cost book.
            BadInput: the cost book cannot be read.
        """
        own = self.books.costs.current()
        with self._database.read() as connection:
            books = records.read(connection, since, until)
            income = revenue.read(connection, since, until)
        return report(books, own, income)

    def limits(self) -> list[Budget]:
        """The budgets of the whole server: of free use, which is the limit of loss, and of everything."""
        with self._database.read() as connection:
            every = budgets.every(connection, self._clock())
        return [budget for budget in every if budget.scope in budgets.WHOLE]

    def free_use(self) -> FreeUse:
        """The policy of free use; raises UnreadableRules if it cannot be read."""
        try:
            return self.books.free_use.current()
        except BadInput as error:
            raise UnreadableRules(str(error), error.remedy) from error

    def set_loss_limit(self, budget_id: str, period: Period, hard: int | None) -> None:
        """Set the limit of loss of a period, in micro-units, or remove it.

        Args:
            budget_id: of a new budget.

        Raises:
            BadInput: the limit is out of range.
        """
        now = self._clock()
        with self._database.write() as connection:
            if hard is not None:
                budgets.put(connection, budget_id, Scope.FREE, "", period, soft=None, hard=hard, now=now)
                return
            for budget in budgets.every(connection, now):
                if budget.scope is Scope.FREE and budget.period is period:
                    budgets.remove(connection, budget.id)

    def price_lists(self) -> PriceLists:
        """The price and cost books."""
        own, bought, faults = PriceBook("2000-01-01", ()), CostBook("2000-01-01"), {}
        try:
            own = self.books.prices.current()
        except BadInput as error:
            faults["prices"] = str(error)
        try:
            bought = self.books.costs.current()
        except BadInput as error:
            faults["costs"] = str(error)
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        return PriceLists(own, prices.listed(), bought, costs.market(), faults, today)

    def gaps(self, since: float, until: float) -> list[str]:
        """What has no price in the cost book for a period, in seconds since 1970.

        Raises:
            BadInput: the cost book cannot be read.
        """
        own = self.books.costs.current()
        with self._database.read() as connection:
            return gaps(records.read(connection, since, until), own)

    def load(self) -> Measured:
        """The load of the last week.

        Raises:
            MissingPrice: a host is in no class of the cost book.
        """
        now, book = self._clock(), self.books.costs.current()
        with self._database.read() as connection:
            books = records.read(connection, now - LOAD_SECONDS, now)
        return measure(books, book)


def measure(books: Books, book: CostBook) -> Measured:
    """The load in the books of a period; see `Economics.load` for errors."""
    classes: dict[str, list[float]] = {}
    for clip in books.clips:
        if clip.delivered and clip.attempts and not clip.provider:
            day = datetime.fromtimestamp(clip.created_at, UTC).date()
            name = book.host(clip.attempts[-1].host, day).hardware
            classes.setdefault(name, []).append(clip.work_seconds)
    means = {name: statistics.fmean(seconds) for name, seconds in classes.items()}
    most = max(classes, key=lambda name: len(classes[name]), default=None)
    variation = 1.0
    if most is not None and len(classes[most]) > 1 and means[most]:
        variation = statistics.variance(classes[most]) / means[most] ** 2
    return Measured(len(books.clips) * HOUR / (books.until - books.since), variation, means)


def gaps(books: Books, costs: CostBook) -> list[str]:
    """What has no price in the cost book, such as "an hour of the host gpu-7", each of it once."""
    hosts = {(attempt.host, _day(attempt.started_at)) for clip in books.clips for attempt in clip.attempts}
    hosts |= {(time.host, _day(books.until)) for time in books.workers}
    providers = {(clip.provider, _day(clip.created_at)) for clip in books.clips if clip.delivered}
    providers |= {
        (name, _day(clip.created_at)) for clip in books.clips for name, usd in clip.losses if usd is None
    }
    names: dict[str, None] = {}
    for find, keys in ((costs.host, hosts), (costs.provider, providers)):
        for name, day in sorted(keys):
            if name:
                try:
                    find(name, day)
                except MissingPrice as error:
                    names[error.name] = None
    return list(names)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
