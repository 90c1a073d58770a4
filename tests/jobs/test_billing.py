"""Jobs of a project that pays for its clips: held at the start, settled at the end, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs.batches.batches import Batches
from hinode.jobs.billing import Credit
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.job import Lease, OverQuota
from hinode.jobs.states import Outcome, Priority
from hinode.jobs.store import Store
from hinode.money import budgets
from hinode.money.books.entries import MissingPrice
from hinode.money.books.operator import OperatorBooks
from hinode.money.budgets import OverBudget, Period, Scope
from hinode.money.free_use import NotFree, UnreadableRules
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind, balance, operator_account
from hinode.money.ledger.audit import audit
from hinode.money.ledger.holds import InsufficientCredit
from hinode.money.pricing import Pricing
from hinode.records.database import Database
from hinode.records.tables import events, jobs, projects
from tests.jobs.batches.test_batches import Wire, line
from tests.jobs.service import DAY, FILES, START, Clock, add_projects, draft

pytestmark = pytest.mark.both_databases

DOLLAR = 1_000_000
PRICES = """
version: 2027-01-01
prices:
  - name: testcard/testcard
    provider: us
    usd_per_second: {"720": 0.1}
    source: own price list
    mark: own
    date: 2026-11-01
"""


class Service:
    """A billed project, `proj_1`, with credit for five clips of 40 cents, and a free one."""

    def __init__(self, database: Database, home: Path) -> None:
        add_projects(database)
        self.home, self.database, self.clock = home, database, Clock()
        (home / "prices.yaml").write_text(PRICES)
        books = OperatorBooks(database, home, self.clock)
        self.store = Store(database, self.clock, pricing=Pricing(books.prices, books.free_use))
        with database.write() as connection:
            connection.execute(sa.update(projects).where(projects.c.id == "proj_1").values(billing=True))
            credit.add_credit(connection, "pay_1", "proj_1", 2 * DOLLAR, "USD", Kind.PAYMENTS, START - 1)

    def claim(self) -> Lease:
        lease = self.store.claim(self.store.register_worker("here", 1), host="here")
        assert lease is not None
        return lease

    def amounts(self) -> tuple[int, int, int]:
        """Available and pending of the project, and the revenue."""
        state = Credit(self.database, self.clock).of("proj_1")
        with self.database.read() as connection:
            report = audit(connection)
            assert report.findings == []
            assert report.sound
            return state.available, state.pending, balance(connection, operator_account(Kind.REVENUE, "USD"))


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(database, tmp_path)


def test_a_clip_is_held_and_then_captured(service: Service) -> None:
    service.store.submit([draft()] * 2)
    assert service.amounts() == (1_200_000, 800_000, 0)
    lease = service.claim()
    service.store.finish(lease, FILES, {}, 3600.0)
    service.store.fail(service.claim(), "broken", "it broke", final=True)
    assert service.amounts() == (1_600_000, 0, 400_000)


def test_what_is_cancelled_pays_for_the_part_that_was_made(service: Service) -> None:
    made, waiting = (service.store.submit([draft(prompt=name)]).jobs[0] for name in ("a", "b"))
    service.store.cancel("proj_1", waiting.id)
    assert service.amounts() == (1_600_000, 400_000, 0)
    lease = service.claim()
    assert lease.job.id == made.id
    service.store.heartbeat(lease, stage="sample", progress=25, preview=0, slice_seconds=60.0, ran_for=1.0)
    service.store.cancel("proj_1", made.id)
    service.store.give_back(lease, Outcome.CANCELLED)
    assert service.amounts() == (1_900_000, 0, 100_000)


def test_credit_that_expired_is_booked_once(service: Service) -> None:
    with service.database.write() as connection:
        ends = {"expires_at": START + 60}
        credit.add_credit(connection, "gift", "proj_1", DOLLAR, "USD", Kind.GRANTS, START, **ends)
    ledger = Credit(service.database, service.clock)
    assert ledger.book_expired() == 0
    service.store.submit([draft()])  # sets 40 cents of the gift aside
    service.clock.now += 61
    assert [ledger.book_expired() for _ in range(2)] == [1, 0]
    with service.database.read() as connection:
        assert balance(connection, operator_account(Kind.EXPIRED, "USD")) == 600_000
    assert service.amounts()[0] == 2 * DOLLAR


def test_nothing_is_admitted_without_credit_and_a_free_project_needs_none(service: Service) -> None:
    with pytest.raises(InsufficientCredit, match="lacks"):
        service.store.submit([draft()] * 6)
    service.store.submit([draft()] * 5)
    with pytest.raises(InsufficientCredit):
        service.store.submit([draft()])
    service.store.submit([draft("proj_2")] * 3)
    with service.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(jobs)) == 8
    assert service.amounts() == (0, 2 * DOLLAR, 0)


def test_a_model_without_a_price_is_refused_by_name_and_nought_is_free(service: Service) -> None:
    other = replace(draft().request, model="dear")
    with pytest.raises(MissingPrice, match="testcard/dear"):
        service.store.submit([replace(draft(), request=other)])
    free = PRICES.replace("testcard/testcard", "testcard/dear").replace("0.1}", "0}")
    (service.home / "prices.yaml").write_text(PRICES + free.partition("prices:")[2])
    service.store.submit([replace(draft(), request=other)])
    assert service.amounts() == (2 * DOLLAR, 0, 0)


def test_lines_of_a_batch_that_are_not_paid_for_are_refused(service: Service) -> None:
    objects = Objects(service.home / "store")
    uploads = Uploads(service.database, objects, service.clock)
    batches = Batches(service.store, objects, uploads, Wire(), service.clock)
    with objects.temporary() as path:
        path.write_text("\n".join(line(number) for number in range(7)))
        upload = uploads.create(
            "proj_1", purpose="batch", filename="in.jsonl", media_type="text/plain", path=path
        )
    request = {"endpoint": "/v1/videos", "completion_window": "24h", "input_file_id": upload.id}
    batch = batches.create("proj_1", "key_1", **request)[0]
    for _ in range(8):
        batches.advance(service.clock())
    current = batches.get("proj_1", batch.id)
    assert current is not None
    assert (current.admitted, current.failed) == (7, 2)
    assert service.amounts() == (0, 2 * DOLLAR, 0)


def put_budget(service: Service, scope: Scope, subject: str, **limits: int | None) -> None:
    values = {"soft": None, "hard": None, **limits}
    with service.database.write() as connection:
        budgets.put(
            connection,
            f"budget_{scope}",
            scope,
            subject,
            Period.DAY,
            soft=values["soft"],
            hard=values["hard"],
            now=START,
        )


def charged(service: Service) -> dict[str, int]:
    with service.database.read() as connection:
        return {budget.scope.value: budget.amount for budget in budgets.every(connection, service.clock())}


def test_every_budget_that_applies_is_checked_by_one_statement(service: Service) -> None:
    put_budget(service, Scope.INSTALLATION, "", hard=5 * DOLLAR)
    put_budget(service, Scope.PROJECT, "proj_2", hard=DOLLAR)
    put_budget(service, Scope.KEY, "key_1", hard=10 * DOLLAR, soft=DOLLAR)
    put_budget(service, Scope.MODEL, "testcard/other", hard=1)
    service.store.submit([draft("proj_2")] * 2)
    with pytest.raises(OverBudget, match=r"project proj_2, 1\.00 USD a day, does not cover 0\.40 USD"):
        service.store.submit([draft("proj_2")])
    assert charged(service) == {"installation": 800_000, "project": 800_000, "key": 800_000, "model": 0}
    service.store.submit([draft("proj_1")])
    with service.database.read() as connection:
        warnings = connection.execute(sa.select(events.c.type).where(events.c.type.like("budget.%")))
        assert [row.type for row in warnings] == ["budget.soft_limit_passed"]
    service.clock.now += DAY
    assert charged(service)["project"] == 0
    service.store.submit([draft("proj_2")])


def test_what_a_job_did_not_cost_goes_back_to_its_budgets(service: Service) -> None:
    put_budget(service, Scope.INSTALLATION, "", hard=DOLLAR)
    waiting = service.store.submit([draft("proj_2")] * 2).jobs[1]
    lease = service.claim()
    service.store.cancel("proj_2", waiting.id)
    service.clock.now += DAY  # its window is the one in which it was charged
    service.store.finish(lease, FILES, {}, 3600.0)
    service.clock.now -= DAY
    assert charged(service) == {"installation": 400_000}


def test_many_clients_at_one_budget(service: Service) -> None:
    put_budget(service, Scope.ORGANISATION, "org_1", hard=4 * DOLLAR)

    def admit(number: int) -> bool:
        try:
            service.store.submit([draft("proj_2", f"prompt {number}")])
        except OverBudget:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(admit, range(24))) == 10


@pytest.mark.parametrize(
    ("scope", "subject", "limits", "reason"),
    [
        (Scope.KEY, "key_1", {}, "no limit"),
        (Scope.KEY, "key_1", {"hard": -1}, "negative"),
        (Scope.KEY, "key_1", {"hard": 10**15}, "above"),
        (Scope.KEY, "key_1", {"hard": 1, "soft": 2}, "above the hard"),
        (Scope.KEY, "", {"hard": 1}, "no subject"),
        (Scope.FREE, "proj_1", {"hard": 1}, "has a subject"),
    ],
)
def test_a_wrong_budget_is_refused(
    service: Service, scope: Scope, subject: str, limits: dict[str, int], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        put_budget(service, scope, subject, **limits)


def test_free_use_ends_by_itself_at_the_limit_of_loss_and_paid_use_goes_on(service: Service) -> None:
    put_budget(service, Scope.FREE, "", hard=DOLLAR)
    service.store.submit([draft("proj_2")] * 2)
    lease = service.claim()
    with pytest.raises(OverBudget, match=r"gives away, 1\.00 USD a day, is used up; ask"):
        service.store.submit([draft("proj_2")])
    service.store.submit([draft("proj_1")])
    assert charged(service) == {"free": 800_000}
    # What failed was lost as far as it was made, though nobody pays for it.
    service.store.heartbeat(lease, stage="sample", progress=50, preview=0, slice_seconds=60.0, ran_for=1.0)
    service.store.fail(lease, "broken", "it broke", final=True)
    assert charged(service) == {"free": 600_000}
    service.store.submit([draft("proj_2")])
    service.clock.now += DAY
    service.store.submit([draft("proj_2")] * 2)


def rows(service: Service) -> Sequence[Any]:
    with service.database.read() as connection:
        return connection.execute(sa.select(jobs.c.project_id, jobs.c.request)).all()


def test_the_policy_of_free_use(service: Service) -> None:
    rules = service.home / "free.yaml"
    fast = replace(draft("proj_2"), request=replace(draft().request, profile="draft"))
    rules.write_text("profiles: [draft]\nclips_a_day: 2\nidle_only: true\n")
    with pytest.raises(NotFree, match="the profile default is not free on this server; ask for draft"):
        service.store.submit([draft("proj_2")])
    job = service.store.submit([fast]).jobs[0]
    assert job.priority is Priority.BATCH
    with pytest.raises(OverQuota, match="only when they are idle"):
        service.store.submit([fast])
    service.store.finish(service.claim(), FILES, {}, 3600.0)
    service.store.submit([fast])
    service.store.finish(service.claim(), FILES, {}, 3600.0)
    with pytest.raises(OverQuota, match="2 clips a day are free, and 2 are made or waiting") as error:
        service.store.submit([fast])
    assert 0 < error.value.retry_after <= DAY
    assert service.store.submit([draft("proj_1")]).jobs[0].priority is Priority.INTERACTIVE
    marked = {row.project_id: row.request.get("visible_mark", False) for row in rows(service)}
    assert marked == {"proj_1": False, "proj_2": True}
    rules.write_text("visible_mark: false\n")
    again = replace(fast, request=replace(fast.request, visible_mark=True))  # as a remix takes it over
    assert "visible_mark" not in service.store.submit([again]).jobs[0].request
    rules.write_text("clips: 2\n")
    with pytest.raises(UnreadableRules, match="clips"):
        service.store.submit([fast])
