"""The priority rush: paid for at its own price, before other jobs, and shared by those who pay for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from hinode.jobs.scheduling.project_queue import ProjectQueue
from hinode.jobs.scheduling.schedule import POLICY
from hinode.jobs.states import Priority, Status
from hinode.money.free_use import NotFree
from hinode.money.ledger import credit
from hinode.money.ledger.accounts import Kind
from hinode.records.database import Database
from hinode.records.tables import projects
from tests.jobs.service import FILES, START, draft
from tests.jobs.test_billing import DOLLAR, PRICES, Service

pytestmark = pytest.mark.both_databases

RUSH = Priority.RUSH


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    """Two projects that pay."""
    service = Service(database, tmp_path)
    with database.write() as connection:
        connection.execute(projects.update().where(projects.c.id == "proj_2").values(billing=True))
        for name in ("proj_1", "proj_2"):
            credit.add_credit(connection, f"more_{name}", name, 50 * DOLLAR, "USD", Kind.PAYMENTS, START - 1)
    return service


def test_a_rush_is_held_and_captured_at_its_price(service: Service) -> None:
    available, _, _ = service.amounts()
    [job] = service.store.submit([draft(priority=RUSH)]).jobs
    assert (job.priority, job.price) == (RUSH, 800_000)
    assert service.amounts() == (available - 800_000, 800_000, 0)
    service.store.finish(service.claim(), FILES, {}, 3600.0)
    assert service.amounts() == (available - 800_000, 0, 800_000)
    (service.home / "prices.yaml").write_text(PRICES + "factors: {rush: 3, batch: 0.5}\n")
    assert service.store.submit([draft(priority=RUSH)]).jobs[0].price == 1_200_000


def test_a_project_that_does_not_pay_has_no_rush(service: Service) -> None:
    with service.database.write() as connection:
        connection.execute(projects.update().where(projects.c.id == "proj_2").values(billing=False))
    with pytest.raises(NotFree, match="rush is paid for"):
        service.store.submit([draft("proj_2", priority=RUSH)])
    assert service.store.counts().jobs == {}


def test_a_rush_goes_before_jobs_that_wait_longer(service: Service) -> None:
    normal = service.store.submit([draft("proj_2")]).jobs[0]
    service.clock.now += 5
    batch = service.store.submit([draft(priority=Priority.BATCH)]).jobs[0]
    rush, other = service.store.submit([draft(priority=RUSH), draft(priority=RUSH, prompt="b")]).jobs
    assert service.store.counts().jobs[Status.QUEUED, RUSH] == 2
    queue = ProjectQueue(service.database, service.clock)
    queue.move("proj_1", other.id, rush.id)
    assert [entry.job.id for entry in queue.view("proj_1", 9).waiting] == [other.id, rush.id, batch.id]
    claims = [service.claim().job for _ in range(4)]
    assert [job.id for job in claims] == [other.id, rush.id, normal.id, batch.id]
    assert claims[0].priority is RUSH


def test_those_in_a_rush_share_and_nobody_waits_for_ever(service: Service) -> None:
    normal = service.store.submit([draft("proj_2", prompt="normal")]).jobs[0]
    service.store.submit([draft(priority=RUSH, prompt=f"rush {number}") for number in range(8)])
    service.store.submit([draft("proj_2", priority=RUSH, prompt=f"rush {number}") for number in range(2)])
    claims = [service.claim().job for _ in range(4)]
    assert Counter(job.project_id for job in claims) == {"proj_1": 2, "proj_2": 2}
    assert {job.priority for job in claims} == {RUSH}
    service.clock.now += POLICY.ageing + 1
    service.store.submit([draft(priority=RUSH, prompt="late")])
    with service.database.write() as connection:  # the workers of those that run are alive
        connection.execute(
            sa.text("UPDATE jobs SET lease_until = lease_until + 10000 WHERE status = 'running'")
        )
    last = [service.claim().job.id for _ in range(2)]
    assert normal.id in last
