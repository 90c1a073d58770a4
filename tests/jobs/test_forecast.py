"""The schedule played ahead: as a pure function, and with the jobs of both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.jobs.files.objects import Objects
from hinode.jobs.scheduling.forecast import Backlog, Forecast, Slot, Waiting, play
from hinode.jobs.scheduling.schedule import Lane, Tenant, lane_key
from hinode.jobs.states import Priority
from hinode.jobs.store import Store
from hinode.money.quoting.predict import Span
from hinode.money.quoting.quotes import Quotes
from hinode.records.database import Database
from hinode.records.tables import projects
from hinode.settings import Settings
from tests.jobs.service import Clock, add_projects, draft

NOW = 1_800_000_000.0


def tenant(project: str = "proj_1", *, running: int = 0, maximum: int | None = None) -> dict[str, Tenant]:
    return {project: Tenant(project, 0.0, NOW, 1.0, running, maximum)}


def waiting(
    count: int, project: str = "proj_1", engine: str = "native", seconds: float = 10
) -> list[Waiting]:
    key = lane_key(project, Priority.INTERACTIVE, engine, "a model")
    return [
        Waiting(f"{project} {engine} {n}", Lane.of(key, NOW - 100 + n, 0.0), Span(seconds, 1.3 * seconds))
        for n in range(count)
    ]


def starts(jobs: list[Waiting], slots: list[Slot], tenants: dict[str, Tenant]) -> list[float]:
    result = play(jobs, slots, tenants, NOW)
    return [round(result[job.id].p50, 3) for job in jobs if job.id in result]


def test_jobs_start_as_workers_become_free() -> None:
    assert starts(waiting(3), [Slot()], tenant()) == [0, 10, 20]
    assert starts(waiting(4), [Slot(), Slot()], tenant()) == [0, 0, 10, 10]
    busy = Slot(Span(4, 6), None, "proj_1")
    assert starts(waiting(3), [busy, Slot()], tenant(running=1)) == [0, 4, 10]
    spans = play(waiting(5), [Slot()], tenant(), NOW)
    spreads = [span.p90 - span.p50 for span in spans.values()]
    assert spreads == pytest.approx([3 * number**0.5 for number in range(5)])


def test_a_cap_keeps_a_project_from_other_workers() -> None:
    assert starts(waiting(3), [Slot(), Slot()], tenant(maximum=1)) == pytest.approx([0, 10, 20])
    assert starts(waiting(3), [Slot(), Slot()], tenant(maximum=0)) == []


def test_a_worker_starts_what_it_can_run() -> None:
    jobs = [*waiting(2), *waiting(1, engine="diffusers")]
    assert starts(jobs, [Slot(engines=frozenset({"native"}))], tenant()) == [0, 10]


def test_projects_take_turns() -> None:
    jobs = [*waiting(4), *waiting(1, "proj_2")]
    assert starts(jobs, [Slot()], {**tenant(), **tenant("proj_2")})[-1] == 10


@pytest.mark.both_databases
def test_the_jobs_of_a_database(database: Database, tmp_path: Path) -> None:
    clock = Clock()
    add_projects(database)
    store = Store(database, clock)
    quotes = Quotes(Settings(home=tmp_path), database, clock)
    forecast = Forecast(database, Objects(tmp_path / "store", clock), quotes, clock)
    jobs = store.submit([draft() for _ in range(3)]).jobs
    worker = store.register_worker("a host", 1)
    lease = store.claim(worker, host="a host")
    assert lease is not None
    assert lease.job.id == jobs[0].id
    left = forecast.remaining(lease.job, clock())
    assert left is not None
    assert left > 0
    found = forecast.starts(clock())
    assert found.keys() == {jobs[1].id, jobs[2].id}
    assert found[jobs[1].id].p50 == pytest.approx(left)
    assert found[jobs[2].id].p50 == pytest.approx(2 * left, rel=0.01)
    quote = forecast.quote([draft()])
    assert quote.queue_wait.p50 == pytest.approx(3 * left, abs=0.02)


@pytest.mark.both_databases
def test_the_backlog_is_what_more_workers_could_do(database: Database, tmp_path: Path) -> None:
    clock = Clock()
    add_projects(database)
    with database.write() as connection:
        connection.execute(projects.update().where(projects.c.id == "proj_2").values(max_running=2))
    store = Store(database, clock)
    quotes = Quotes(Settings(home=tmp_path), database, clock)
    forecast = Forecast(database, Objects(tmp_path / "store", clock), quotes, clock)
    assert forecast.backlog() == Backlog({}, {})
    store.submit([draft() for _ in range(3)])
    store.submit([draft("proj_2") for _ in range(9)])
    worker = store.register_worker("a host", 1)
    lease = store.claim(worker, host="a host")
    assert lease is not None
    assert lease.job.project_id == "proj_1"
    one = quotes.predict(draft().request).eta.p50
    backlog = forecast.backlog()
    assert backlog.waiting == {"testcard/testcard": pytest.approx((2 + 2) * one)}  # two of nine may run
    assert backlog.running[worker].whole == pytest.approx(one)
    assert 0 < backlog.running[worker].left <= 1.01 * one
