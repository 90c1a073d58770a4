"""Real servers and real workers over HTTP: killed, suspended, sent away, and what becomes of their jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.audit import contents
from benchmarks.distant import DistantWorkers
from benchmarks.serving import TRUST_SECRET, ServerHarness
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft, Job
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker.worker import Worker
from hinode.records.database import Database
from hinode.request import Request
from hinode.settings import Settings

pytestmark = pytest.mark.slow

PATIENCE = 60.0
LEASE = 3.0
CARD = Request("a red balloon", 64, 48, seconds=0.5, seed=3, engine="testcard", model="testcard", steps=40)
ENVIRONMENT = {
    "HINODE_LEASE_SECONDS": str(LEASE),
    "HINODE_CHECKPOINT_SECONDS": "0.1",
    "HINODE_TESTCARD_STEP_SECONDS": "0.05",
}


@dataclass
class Studio:
    """A server without workers of its own, its database, and a project."""

    server: ServerHarness
    store: Store
    project: str
    home: Path

    def workers(self, name: str, count: int = 1) -> DistantWorkers:
        workers = DistantWorkers(self.server, self.home / name, count, ENVIRONMENT)
        workers.add(name=name)
        return workers

    def submit(self) -> str:
        return self.store.submit([Draft(self.project, None, CARD, "sora-2")]).jobs[0].id

    def job(self, job_id: str) -> Job:
        job = self.store.job(self.project, job_id)
        assert job is not None
        return job

    def until_step(self, job_id: str, step: int) -> Job:
        return self.server.wait_for(
            lambda: job if (job := self.job(job_id)).checkpoint_step >= step else None, PATIENCE
        )

    def finished(self, job_id: str) -> Job:
        self.server.wait_for(lambda: self.job(job_id).final, PATIENCE)
        assert self.job(job_id).status is Status.COMPLETED, self.job(job_id).error_message
        return self.job(job_id)

    def check(self, job_id: str) -> None:
        """Its files are those of a local worker that nothing disturbs, and whole."""
        again = self.submit()
        objects = Objects(self.server.home / "store")
        settings = Settings(home=self.server.home, threads=1, device="cpu", trust_secret=TRUST_SECRET)
        assert Worker(self.store, objects, settings, host="local").run_one()
        files, expected = self.store.artifacts(job_id), self.store.artifacts(again)
        store = self.server.home / "store"
        assert expected.keys() == {"video", "thumbnail", "spritesheet"}
        assert contents(store, {role: file.digest for role, file in files.items()}) == contents(
            store, {role: file.digest for role, file in expected.items()}
        )


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    home = tmp_path / "home"
    with ServerHarness(home, workers=0, environment=ENVIRONMENT) as server:
        database = Database(f"sqlite:///{home / 'hinode.db'}")
        project = Tenants(database, time.time).project(None).id
        yield Studio(server, Store(database), project, tmp_path)
        database.close()


def test_a_worker_at_an_address_makes_the_same_clip(studio: Studio) -> None:
    job_id = studio.submit()
    workers = studio.workers("attic")
    with workers:
        studio.finished(job_id)
        listed = studio.server.command("workers", "list")
        assert "attic" in listed
        assert workers.token not in listed
        assert workers.stop() == [0], workers.last_words()
    assert workers.token not in workers.last_words()
    studio.check(job_id)


def test_a_worker_that_is_killed_is_followed_by_another(studio: Studio) -> None:
    job_id = studio.submit()
    with studio.workers("attic") as workers:
        studio.until_step(job_id, 3)
        workers.kill()  # and another process starts
        job = studio.finished(job_id)
    assert job.epoch >= 2
    studio.check(job_id)


@pytest.mark.parametrize("away", [0.0, 2 * LEASE])
def test_a_worker_outlives_its_server(studio: Studio, away: float) -> None:
    # That it goes on with the same lease is tested where no clock runs: tests/jobs/fleet.
    job_id = studio.submit()
    with studio.workers("attic") as workers:
        studio.until_step(job_id, 3)
        before = workers.pids()
        studio.server.kill()
        time.sleep(away)  # longer than the lease: what is tested is that time passes
        studio.server.start()
        studio.finished(job_id)
        assert workers.pids() == before, workers.last_words()
    studio.check(job_id)


def test_a_removed_worker_loses_its_job_at_once(studio: Studio) -> None:
    job_id = studio.submit()
    attic, office = studio.workers("attic"), studio.workers("office")
    with attic:
        studio.until_step(job_id, 3)
        with office:
            assert studio.server.command("workers", "remove", "attic").startswith("removed wtoken_")
            assert studio.finished(job_id).epoch >= 2
            studio.server.wait_for(lambda: not attic.pids(), PATIENCE)
    assert "does not exist or was removed; make one with `hinode workers add`" in attic.last_words()
    assert "Traceback" not in attic.last_words()
    studio.check(job_id)


def test_a_worker_that_slept_lets_its_job_go(studio: Studio) -> None:
    job_id = studio.submit()
    attic, office = studio.workers("attic"), studio.workers("office")
    with attic:
        studio.until_step(job_id, 3)
        (pid,) = attic.pids()
        attic.suspend(pid)
        with office:
            ended = studio.finished(job_id)
            assert ended.epoch >= 2
            office.stop()
        attic.wake(pid)
        studio.finished(studio.submit())
        assert attic.pids() == [pid]
    assert studio.job(job_id) == ended
    studio.check(job_id)
