"""Recorded books: read from both databases, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.money.books.costs import CostBook, HourlyPrice, ProviderPrice
from hinode.money.books.entries import MissingPrice
from hinode.money.economics import records
from hinode.money.economics.charts import books_chart
from hinode.money.economics.records import Attempt, Books, ClipRecord, Payment, WorkerTime
from hinode.money.economics.report import clip_cost, report
from hinode.money.economics.revenue import Revenue
from hinode.money.economics.revenue import read as read_revenue
from hinode.money.ledger import credit, holds
from hinode.money.ledger.accounts import Kind
from hinode.records.database import Database
from hinode.records.tables import (
    attempts,
    collection_items,
    collections,
    jobs,
    library,
    organisations,
    parents,
    projects,
    workers,
)

HOUR, DAY = 3600.0, 86_400.0
START = 1_790_000_000.0  # a Monday of 2026
COSTS = CostBook(
    "2026-09",
    [
        HourlyPrice(hardware="h200", usd_per_hour=3.6, hosts=("gpu-*",), source="invoice", date="2026-01"),
        HourlyPrice(hardware="cpu", usd_per_hour=0.36, hosts=("cpu-*",), source="invoice", date="2026-01"),
    ],
    [ProviderPrice(provider="fal", usd_per_second=0.05, source="price list", date="2026-01")],
)


def clip(number: int, tenant: str = "a", **values: object) -> ClipRecord:
    entry = ClipRecord(
        id=f"video_{number}",
        tenant=tenant,
        model="native/book",
        seconds=10.0,
        created_at=START + number * HOUR,
        status="completed",
        idea=str(number),
        attempts=(Attempt("gpu-1", START, START + 100.0),),
        stages={"sample": 80.0, "encode": 20.0},
    )
    return replace(entry, **values)  # type: ignore[arg-type]


def test_the_cost_of_a_clip_is_that_of_every_attempt_and_of_the_provider() -> None:
    tries = (Attempt("gpu-1", START, START + 100.0), Attempt("cpu-1", START, START + 1000.0))
    assert clip_cost(clip(1, attempts=tries), COSTS) == pytest.approx(0.1 + 0.1)
    assert clip_cost(clip(1, attempts=tries[:1], provider="fal"), COSTS) == pytest.approx(0.1 + 0.5)
    vain = clip(1, attempts=(), provider="fal", losses=(("fal", None), ("other", 0.3)))
    assert clip_cost(vain, COSTS) == pytest.approx(0.5 + 0.5 + 0.3)
    late = (Attempt("gpu-1/42", START, START + 100.0),)
    assert clip_cost(clip(1, attempts=late), COSTS) == pytest.approx(0.1)
    with pytest.raises(MissingPrice, match="an hour of the host other"):
        clip_cost(clip(1, attempts=(Attempt("other", START, START + 1.0),)), COSTS)


def test_a_report_adds_up() -> None:
    clips = [
        clip(1, accepted=True),
        clip(2, idea="1", attempts=(Attempt("gpu-1", START, START + 100.0),) * 2),  # a take of the first
        clip(3, "b", status="failed", stages={}),
        clip(4, "b", status="cancelled", attempts=(), stages={}),
        clip(5, "b", provider="fal", attempts=()),
    ]
    books = Books(
        START, START + 40 * DAY, clips, {"a": START + HOUR, "b": START}, [WorkerTime("gpu-1", 1000, 400)]
    )
    payments = [
        Payment("a", START + DAY, 3.0),  # a pack
        Payment("b", START + DAY, 1.0, "video_5"),
        Payment("c", START + 41 * DAY, 100.0),  # later
    ]
    result = report(books, COSTS, Revenue(payments, granted=0.5))
    assert (result.clips, result.delivered, result.accepted, result.cancelled) == (5, 3, 1, 1)
    assert result.total.cost == pytest.approx(0.1 + 0.2 + 0.1 + 0.0 + 0.5)
    assert result.idle_cost == pytest.approx(0.6)
    assert (result.utilisation, result.reroll_rate) == (0.4, pytest.approx(1 / 3))
    assert result.total.revenue == 4.0
    assert result.margin == pytest.approx(4.0 - 1.5)
    assert result.per(result.accepted) == pytest.approx((1.5, 4.0, 2.5))
    assert result.per(0) is None
    assert result.break_even_price == pytest.approx(1.5 / 30.0)
    assert result.conversion == 1.0
    assert result.break_even_conversion == pytest.approx(1.5 / (2.0 * 2))
    assert {name: margin.revenue for name, margin in result.by["clip"].items() if margin.revenue} == {
        "video_1": 1.5,
        "video_2": 1.5,
        "video_5": 1.0,
    }
    for group in result.by.values():
        assert sum(margin.cost for margin in group.values()) == pytest.approx(result.total.cost)
        assert sum(margin.revenue for margin in group.values()) == pytest.approx(4.0)
    assert set(result.by["hardware"]) == {"h200", "fal", "none"}
    assert sum(result.stages.values()) == pytest.approx(result.total.cost)
    assert result.stages == pytest.approx({"provider": 0.5, "lost": 0.2, "sample": 0.16, "encode": 0.04})
    assert result.as_json()["per"]["clip"]["cost"] == pytest.approx(0.5)
    (cohort,) = result.cohorts
    assert (cohort.accounts, cohort.activations, cohort.acceptances, cohort.payers) == (2, 2, 1, 2)
    assert cohort.returns == {1: (0, 2), 7: (0, 2), 30: (0, 2)}
    assert [name for name, _ in result.worst(2)] == ["video_3", "video_4"]
    assert len(result.days) == 40
    assert (result.days[0].cost, result.days[1].revenue) == (pytest.approx(0.9), 4.0)
    assert "polyline" in books_chart(result.days)
    assert "polyline" in books_chart(result.days[:1])


def test_days_that_are_not_over_say_nothing_of_who_returned() -> None:
    clips = [clip(0, "a"), clip(26, "a")]
    books = Books(START, START + 2 * DAY, clips, {"a": START, "b": START + DAY})
    (cohort,) = report(books, COSTS).cohorts
    assert cohort.returns == {1: (1, 1), 7: (0, 0), 30: (0, 0)}


def test_empty_books_come_to_nothing() -> None:
    result = report(Books(START, START + DAY), COSTS)
    assert (result.cost, result.margin) == (0.0, 0.0)
    assert (result.utilisation, result.reroll_rate, result.break_even_price) == (None, None, None)
    assert (result.conversion, result.break_even_conversion) == (None, None)


@pytest.mark.both_databases
def test_books_are_read_from_the_tables(database: Database) -> None:
    job = {
        "project_id": "proj_1",
        "request": {"prompt": "a  red kite", "seed": 1},
        "operation": "generate",
        "engine": "native",
        "model": "book",
        "requested_model": "sora-2",
        "seconds": 4.0,
        "priority": 1,
        "lane": "x",
        "status": "completed",
        "created_at": START + 1.0,
        "queued_at": START + 1.0,
        "provenance": {
            "stage_seconds": {"sample": 3.0},
            "provider": "fal",
            "losses": [{"provider": "other", "job": "x", "reason": "y", "price": 0.3}],
        },
    }
    worker = {"host": "gpu-1", "pid": 1, "resident": [], "last_seen_at": START + 60.0}
    with database.write() as connection:
        connection.execute(organisations.insert(), {"id": "org_1", "name": "o", "created_at": START})
        owner = {"id": "proj_1", "organisation_id": "org_1", "name": "p", "created_at": START}
        connection.execute(projects.insert(), owner)
        for number in range(5):
            more = {"request": {"prompt": "a red kite", "seed": 2}} if number else {}
            late = {"created_at": START + 2 * DAY} if number == 4 else {}
            connection.execute(jobs.insert(), {**job, **more, **late, "id": f"video_{number}"})
        tries = [
            {"job_id": "video_0", "epoch": 1, "started_at": START + 2.0, "ended_at": START + 5.0},
            {"job_id": "video_0", "epoch": 2, "started_at": START + 10.0, "ended_at": None},
            {"job_id": "video_4", "epoch": 1, "started_at": START + DAY + 1.0, "ended_at": None},
        ]
        for attempt in tries:
            connection.execute(attempts.insert(), {**attempt, "worker_id": "w", "host": "gpu-1"})
        for number, name in ((0, "favourite"), (1, "notes")):
            row = {"job_id": f"video_{number}", "project_id": "proj_1", "changed_at": START}
            connection.execute(library.insert(), {**row, name: True if name == "favourite" else "x"})
        connection.execute(
            parents.insert(), {"job_id": "video_4", "parent_id": "video_2", "operation": "remix"}
        )
        group = {
            "id": "coll_1",
            "project_id": "proj_1",
            "name": "c",
            "created_at": START,
            "changed_at": START,
        }
        connection.execute(collections.insert(), group)
        connection.execute(collection_items.insert(), {"collection_id": "coll_1", "job_id": "video_3"})
        connection.execute(workers.insert(), {**worker, "id": "w", "started_at": START - 30.0})
    with database.read() as connection:
        books = records.read(connection, START, START + DAY)
    assert [entry.id for entry in books.clips] == ["video_0", "video_1", "video_2", "video_3"]
    first = books.clips[0]
    assert first.attempts[0] == Attempt("gpu-1", START + 2.0, START + 5.0)
    assert first.attempts[1].ended_at == START + DAY
    assert (first.tenant, first.model, first.provider) == ("proj_1", "native/book", "fal")
    assert (first.stages, first.losses) == ({"sample": 3.0}, (("other", 0.3),))
    assert [entry.accepted for entry in books.clips] == [True, False, True, True]
    assert len({entry.idea for entry in books.clips}) == 1
    assert books.accounts == {"proj_1": START}
    assert books.workers == (WorkerTime("gpu-1", 60.0, 60.0),)


def test_payments_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "payments.yaml"
    path.write_text("payments:\n  - {tenant: proj_1, at: 1790000000, usd: 9.99}\n")
    assert records.read_payments(path) == [Payment("proj_1", START, 9.99)]
    path.write_text("payments:\n  - {tenant: proj_1, at: 1790000000}\n")
    with pytest.raises(BadInput, match="usd is missing"):
        records.read_payments(path)


@pytest.mark.both_databases
def test_revenue_is_what_the_ledger_captured_of_credit_that_was_bought(database: Database) -> None:
    dollar = 1_000_000
    with database.write() as connection:
        credit.add_credit(connection, "gift", "proj_1", dollar, "USD", Kind.GRANTS, START)
        credit.add_credit(
            connection, "old", "proj_1", dollar, "USD", Kind.PAYMENTS, START, expires_at=START + 9
        )
        credit.add_credit(connection, "pay", "proj_1", 9 * dollar, "USD", Kind.PAYMENTS, START)
        for number, price in ((1, 2), (2, 3), (3, 1)):
            name = f"video_{number}"
            holds.place(connection, name, "proj_1", price * dollar, "USD", START + 10, job_id=name)
        holds.capture(connection, "video_1", 2 * dollar, START + 11)  # half of it is a present
        holds.capture(connection, "video_2", 2 * dollar, START + 12)
        holds.refund(connection, "video_2", "again", dollar // 2, START + 13)
        holds.void(connection, "video_3", START + 14)
        credit.expire_lots(connection, START + 15)
        credit.take_back(connection, "pay", "bank", 8 * dollar, START + 16, disputed=True)
    with database.read() as connection:
        revenue = read_revenue(connection, START, START + DAY)
        assert read_revenue(connection, START + 12, START + 13).payments == [
            Payment("proj_1", START + 12, 2.0, "video_2")
        ]
    assert revenue.granted == 1.0
    assert revenue.payments == [
        Payment("proj_1", START + 11, 1.0, "video_1"),
        Payment("proj_1", START + 12, 2.0, "video_2"),
        Payment("proj_1", START + 13, -0.5, "video_2"),
        Payment("proj_1", START + 15, 1.0),
        Payment("proj_1", START + 16, -1.5),
    ]
