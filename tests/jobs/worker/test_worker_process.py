"""Workers as the processes that they are: told to end, killed, left alone, and what becomes of their jobs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft, Job
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker.worker import Worker
from hinode.records.database import Database
from hinode.request import Request
from hinode.settings import Settings
from tests.videos import shown_by

PATIENCE = 120.0

PROGRAM = """
import os, sys
from hinode import logs
from hinode.jobs.worker.process import main
from hinode.settings import Settings
logs.start()
sys.exit(main(Settings.from_environment(os.environ), attached=sys.argv[1] == "attached"))
"""

CARD = Request("a red balloon", 64, 48, seconds=0.5, seed=3, engine="testcard", model="testcard", steps=40)
GENERATED = Request(
    "a red balloon over the sea", 64, 64, seconds=0.5, seed=3, engine="native", model="book", steps=4
)


class Fleet:
    """A database on disk, and worker processes on it."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, checkpoint_seconds=0.1, threads=1, device="cpu")
        self.database = Database(self.settings.database_url)
        self.store = Store(self.database)
        self.project = Tenants(self.database, time.time).create_project("films").id
        self.processes: list[subprocess.Popen[str]] = []

    def submit(self, request: Request) -> str:
        return self.store.submit([Draft(self.project, None, request, "sora-2")]).jobs[0].id

    def job(self, job_id: str) -> Job:
        job = self.store.job(self.project, job_id)
        assert job is not None
        return job

    def start(
        self, *, attached: bool = True, step_seconds: float = 0.05
    ) -> tuple[subprocess.Popen[str], str]:
        """A worker process, and its identity if it is attached."""
        environment = {
            **os.environ,
            "HINODE_HOME": str(self.settings.home),
            "HINODE_CHECKPOINT_SECONDS": "0.1",
            "HINODE_TESTCARD_STEP_SECONDS": str(step_seconds),
            "HINODE_THREADS": "1",
            "HINODE_DEVICE": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "attached" if attached else "alone"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.processes.append(process)
        if not attached:
            return process, ""
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())["worker"]

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.01)

    def until_step(self, job_id: str, step: int) -> None:
        self.until(lambda: self.job(job_id).checkpoint_step >= step)

    def finish(self, job_id: str) -> str:
        """Carry out the job here, undisturbed; returns what its video shows; see `shown_by`."""
        assert Worker(self.store, Objects(self.settings.store), self.settings).run_one()
        assert self.job(job_id).status is Status.COMPLETED
        return self.shown(job_id)

    def shown(self, job_id: str) -> str:
        digest = self.store.artifacts(job_id)["video"].digest
        return shown_by(Objects(self.settings.store).path(digest))

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            wait_for(process)
        self.database.close()


@pytest.fixture
def fleet(sqlite_template: Path, tmp_path: Path) -> Iterator[Fleet]:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "hinode.db")
    fleet = Fleet(home)
    yield fleet
    fleet.close()


def wait_for(process: subprocess.Popen[str]) -> int:
    status = process.wait(PATIENCE)
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()
    return status


def close_pipe(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def terminate(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    # As a service manager and the parent do, one after the other.
    process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("end", [close_pipe, terminate])
def test_an_attached_worker_saves_its_job_and_ends(fleet: Fleet, end: Callable[[Any], None]) -> None:
    job_id = fleet.submit(CARD)
    process, worker = fleet.start()
    assert worker.startswith("worker_")
    fleet.until_step(job_id, 2)
    process.send_signal(signal.SIGINT)  # Ctrl-C is for its parent
    end(process)
    assert wait_for(process) == 0
    job = fleet.job(job_id)
    assert (job.status, job.crashes) == (Status.QUEUED, 0)
    assert 2 <= job.checkpoint_step < 40
    again = fleet.submit(CARD)
    assert fleet.finish(job_id) == fleet.finish(again)


def test_a_worker_of_its_own_ends_with_ctrl_c(fleet: Fleet) -> None:
    job_id = fleet.submit(CARD)
    process, _ = fleet.start(attached=False)
    fleet.until_step(job_id, 2)
    process.send_signal(signal.SIGINT)
    assert wait_for(process) == 0
    assert fleet.job(job_id).status is Status.QUEUED


@pytest.mark.slow
@pytest.mark.parametrize(("request_", "steps"), [(CARD, (5, 12)), (GENERATED, (2,))])
def test_a_video_whose_workers_were_killed_is_the_same_to_the_bit(
    fleet: Fleet, request_: Request, steps: tuple[int, ...]
) -> None:
    job_id = fleet.submit(request_)
    for step in steps:
        process, worker = fleet.start()
        fleet.until_step(job_id, step)
        process.kill()
        wait_for(process)
        fleet.store.lost(worker)
        assert fleet.job(job_id).status is Status.QUEUED
    again = fleet.submit(request_)
    assert fleet.job(job_id).checkpoint_step >= steps[-1]
    assert fleet.finish(job_id) == fleet.finish(again)
