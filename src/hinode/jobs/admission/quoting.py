"""The quotes of a server: what a request takes and costs, kept as an offer to its project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from statistics import fmean
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode import engines
from hinode.jobs.job import Draft
from hinode.jobs.scheduling.forecast import Forecast
from hinode.jobs.scheduling.live_workers import live
from hinode.jobs.states import Priority
from hinode.money.books import prices
from hinode.money.books.costs import CostBook
from hinode.money.books.entries import MissingPrice
from hinode.money.meters import usage
from hinode.money.meters.usage import Power
from hinode.money.pricing import Pricing, Tariff
from hinode.money.quoting import offers
from hinode.money.quoting.breakdown import itemise
from hinode.money.quoting.quotes import Alternative
from hinode.records import ids
from hinode.records.tables import projects
from hinode.request import parse_size
from hinode.trust.audit.texts import OperatorText


class QuoteDesk:
    """Makes the offers of one database. Safe to use from several threads."""

    def __init__(
        self,
        forecast: Forecast,
        pricing: Pricing,
        costs: OperatorText[CostBook],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            forecast: predicts times.
            pricing: the operator's prices.
            costs: the operator's costs.
            clock: gives seconds since 1970.
        """
        self.forecast = forecast
        self.pricing = pricing
        self.costs = costs
        self.clock = clock

    def quote(self, drafts: Sequence[Draft]) -> dict[str, Any]:
        """The quote of jobs of one request, which are not submitted, in JSON values. It is kept under its id
        as an offer.

        Raises:
            AboveMaximum: the price is above what the request allows.
            PriceBookError: the price book cannot be read.
            HinodeError: as for `Quotes.predict`.
        """
        now, draft = self.clock(), drafts[0]
        assert draft.terms is not None, "the drafts of a request have its terms"
        quoted = self.forecast.quote(drafts)
        request, name = draft.request, f"{draft.request.engine}/{draft.request.model}"
        tariff = self.pricing.tariff()
        each = tariff.price_or_none(name, request.size, request.seconds, now, draft.priority.name)
        price = None if each is None else each * len(drafts)
        offers.check_maximum(draft.terms, price)
        today = datetime.fromtimestamp(now, UTC).date()
        book = replace(tariff.book(), where=f"{prices.FILE} of this server")  # no path of this machine
        with self.forecast.database.read() as connection:
            hosts, power = _hosts(connection, draft, now), usage.power(connection, name)
        content = itemise(
            quoted,
            price=price,
            price_of=partial(_price, tariff, priority=draft.priority, n=len(drafts), now=now),
            usd_per_hour=self._hourly(hosts, today) if hosts else None,
            power=power or Power(),
            comparison=prices.compare(book, name, request, today),
        )
        quote_id, hashes = ids.make("quote_", now), (draft.request_hash or "", draft.terms)
        with self.forecast.database.write() as connection:
            until = offers.keep(connection, quote_id, draft.project_id, *hashes, price, content, now)
        return {**content, "id": quote_id, "valid_until": int(until)}

    def _hourly(self, hosts: Sequence[str], today: date) -> float | None:
        """What an hour of hosts costs, in the mean; None if a price is missing."""
        book = self.costs.current()
        with suppress(MissingPrice):
            return fmean(book.host(host, today).usual for host in hosts)
        return None


def _price(tariff: Tariff, other: Alternative, *, priority: Priority, n: int, now: float) -> int | None:
    size = parse_size(other.size)
    each = tariff.price_or_none(other.model, size, other.seconds, now, priority.name)
    return None if each is None else n * each


def _hosts(connection: Connection, draft: Draft, now: float) -> Sequence[str]:
    """The hosts of live workers that can do a job; none for a project that pays: what its clips cost the
    operator is not for it."""
    billing = connection.scalar(sa.select(projects.c.billing).where(projects.c.id == draft.project_id))
    if billing or engines.is_external(draft.request.engine):
        return ()
    return [
        host
        for host, able in live(connection, now, draft.project_id).items()
        if able is None or draft.request.engine in able
    ]
