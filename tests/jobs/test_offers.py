"""Offers: a quote that is accepted holds or is refused, and what a job used is entered with its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hinode.jobs.job import Draft
from hinode.jobs.metering import DayTeller
from hinode.jobs.states import Priority
from hinode.jobs.webhooks.endpoints import Endpoints
from hinode.money.meters import days, focus, usage
from hinode.money.meters.days import DailyMeters, Kind
from hinode.money.quoting import offers
from hinode.money.quoting.offers import (
    AboveMaximum,
    AnotherRequest,
    OfferRefused,
    PriceChanged,
    QuoteExpired,
    Terms,
    UnknownQuote,
)
from hinode.outbound import Outbound
from hinode.records.database import Database
from hinode.records.tables import events, jobs, quotes
from tests.jobs.service import DAY, FILES, START, draft
from tests.jobs.test_billing import DOLLAR, PRICES, Service

pytestmark = pytest.mark.both_databases

PRICE = 400_000  # of a clip of `draft`


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(database, tmp_path)


def offer(service: Service, project: str = "proj_1", price: int | None = PRICE, count: int = 1) -> str:
    """A quote that was given to a project."""
    name = f"quote_{project}"
    with service.database.write() as connection:
        offers.keep(connection, name, project, "", Terms("digest", count), price, {}, service.clock())
    return name


def asked(*, project: str = "proj_1", **terms: Any) -> Draft:
    return draft(project, terms=Terms(**{"digest": "digest", **terms}))


def test_a_valid_quote_is_billed_at_its_price(service: Service) -> None:
    name = offer(service, price=2 * PRICE, count=2)
    accepted = service.store.submit([asked(quote_id=name, count=2)] * 2).jobs
    assert [job.price for job in accepted] == [PRICE, PRICE]
    assert service.amounts() == (2 * DOLLAR - 2 * PRICE, 2 * PRICE, 0)
    service.store.finish(service.claim(), FILES, {}, 3600.0)
    assert service.amounts() == (2 * DOLLAR - 2 * PRICE, PRICE, PRICE)


def expire(service: Service) -> None:
    # The clock of the database decides, which no test can set.
    with service.database.write() as connection:
        connection.execute(quotes.update().values(valid_until=1.0))


def raise_price(service: Service) -> None:
    (service.home / "prices.yaml").write_text(PRICES.replace("0.1}", "0.125}"))


@pytest.mark.parametrize(
    ("terms", "change", "error", "words"),
    [
        ({}, expire, QuoteExpired, "has expired"),
        ({"digest": "of another"}, None, AnotherRequest, "is for another request"),
        ({}, raise_price, PriceChanged, "the price is 0.50 USD now, and the quote .* was for 0.40 USD"),
        ({"quote_id": "quote_none"}, None, UnknownQuote, "there is no quote"),
        ({"quote_id": None, "max_cost": PRICE - 1}, None, AboveMaximum, "0.40 USD, above the max_cost"),
    ],
)
def test_what_does_not_hold_is_refused_before_anything_is_held(
    service: Service,
    terms: dict[str, Any],
    change: Callable[[Service], None] | None,
    error: type[OfferRefused],
    words: str,
) -> None:
    name = offer(service)
    if change is not None:
        change(service)
    with pytest.raises(error, match=words):
        service.store.submit([asked(**{"quote_id": name, **terms})])
    assert service.amounts() == (2 * DOLLAR, 0, 0)
    with service.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(jobs)) == 0


def test_a_quote_belongs_to_its_project_and_a_maximum_counts_for_all_videos(service: Service) -> None:
    name = offer(service, "proj_2")
    with pytest.raises(UnknownQuote):
        service.store.submit([asked(quote_id=name)])
    # The clips of this project are free, and their price is the one that it was told.
    assert service.store.submit([asked(project="proj_2", quote_id=name)]).jobs[0].price is None
    with pytest.raises(AboveMaximum):
        service.store.submit([asked(max_cost=3 * PRICE - 1, count=3)] * 3)
    service.store.submit([asked(max_cost=3 * PRICE, count=3)] * 3)


def test_work_without_hurry_may_cost_half(service: Service) -> None:
    (service.home / "prices.yaml").write_text(PRICES + "factors: {batch: 0.5}\n")
    (job,) = service.store.submit([replace(draft(), priority=Priority.BATCH)]).jobs
    assert job.price == PRICE // 2
    assert service.amounts()[1] == PRICE // 2


def subscribe(service: Service) -> None:
    endpoints = Endpoints(service.database, Outbound(allow_private=True), service.clock)
    endpoints.create("proj_1", name="meters", url="http://127.0.0.1:1/", event_types=["usage.recorded"])


USED = {
    "hardware": "an engine test",
    "stages": {"sample": {"seconds": 2, "cpu_seconds": 1.5, "energy_wh": 0.01, "energy_method": "measured"}},
}


def test_what_a_job_used_is_entered_once_and_told(service: Service) -> None:
    subscribe(service)
    service.store.submit([draft()])
    service.store.finish(service.claim(), FILES, {"usage": USED, "seed": 1}, 3600.0)
    service.clock.now += 1
    service.store.submit([draft("proj_2")])
    service.store.finish(service.claim(), FILES, {"usage": {"stages": -1}}, 3600.0)
    service.clock.now += 1
    service.store.submit([draft()])
    service.store.fail(service.claim(), "broken", "it broke", final=True)
    with service.database.read() as connection:
        known, unknown, failed = usage.records(connection, START, START + 3)
        query = sa.select(events.c.data).where(events.c.type == "usage.recorded").order_by(events.c.id)
        told = connection.scalars(query).first()
        power = usage.power(connection, "testcard/testcard")
        totals = usage.totals(connection)
    assert (known.charged, known.seconds, known.energy_wh, known.energy_method) == (
        PRICE,
        4.0,
        0.01,
        "measured",
    )
    assert (known.cpu_seconds, known.gpu_seconds, known.stored_bytes) == (1.5, None, 21)
    assert (unknown.charged, unknown.cpu_seconds, unknown.energy_method) == (None, None, "none")
    assert (failed.status, failed.seconds, failed.charged) == ("failed", 0.0, 0)
    assert told is not None
    assert [event["id"].partition(":")[2] for event in told["events"]] == [
        "sample:cpu_seconds",
        "sample:energy_wh",
        "store:stored_bytes",
        "deliver:output_seconds",
    ]
    assert power is not None
    assert (round(power.watts or 0), power.method) == (18, "measured")
    assert (totals.cpu_seconds, dict(totals.energy_wh)) == (1.5, {"measured": 0.01})


def test_daily_meters_add_up(service: Service) -> None:
    meters = DailyMeters(service.database, service.clock)
    for _ in range(2):
        meters.add("proj_1", Kind.SERVED, 700)
        meters.add("proj_2", Kind.SCREENED)
        meters.flush()
    with service.database.read() as connection:
        assert usage.totals(connection).days == {"served_bytes": 1400, "screening_calls": 2}
        today = list(days.records(connection, START - DAY, START + 1))
    assert [(record.project_id, record.quantity) for record in today] == [("proj_1", 1400), ("proj_2", 2)]
    subscribe(service)
    teller = DayTeller(service.database, service.clock)
    for passed in (0.0, DAY, 60.0):  # a day is told once, when it is over
        service.clock.now += passed
        teller.tell()
    with service.database.read() as connection:
        (told,) = connection.scalars(sa.select(events.c.data)).all()
    assert told["id"] == f"proj_1:{today[0].day}:served_bytes"
    assert told["events"][0]["data"] == {"quantity": 1400, "unit": "By", "day": today[0].day}
    assert len(focus.table([], today).splitlines()) == 3
