"""Workers on a real Ray of this machine: they are started, drained, killed and found again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.postgres import PostgreSQL
from benchmarks.serving import ServerHarness
from benchmarks.torture import summary, torture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DRIVER = "hinode.jobs.capacity.ray.driver"
SECONDS = 120.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerHarness]:
    environment = {"HINODE_LEASE_SECONDS": "3", "HINODE_TESTCARD_STEP_SECONDS": "0.05"}
    harness = ServerHarness(
        tmp_path / "home", workers=2, environment=environment, options=("--executor", "ray")
    )
    try:
        yield harness
    finally:
        harness.kill()


def test_clips_are_made_and_nothing_is_left_behind(server: ServerHarness) -> None:
    server.start()
    key = server.key("ray")
    videos = [server.submit(key, steps=10) for _ in range(6)]
    assert {server.finished_video(key, video)["status"] for video in videos} == {"completed"}
    below = psutil.Process(server.process.pid if server.process else 0).children(recursive=True)
    assert server.stop() == 0
    _, left = psutil.wait_procs(below, timeout=SECONDS)
    assert [process.name() for process in left] == []


def test_a_driver_that_is_killed_finds_its_workers_again(server: ServerHarness) -> None:
    server.start()
    key = server.key("ray")
    first = server.submit(key, steps=10)
    assert server.finished_video(key, first)["status"] == "completed"
    workers = {process.pid for process in server.workers_running()}
    (driver,) = server.parts_running(DRIVER)
    driver.kill()
    server.wait_for(lambda: "found workers of an earlier driver" in server.log.read_text(), SECONDS)
    assert workers <= {process.pid for process in server.workers_running()}
    second = server.submit(key, steps=10)
    assert server.finished_video(key, second)["status"] == "completed"


def test_a_run_is_saved_when_the_server_stops_and_goes_on_afterwards(server: ServerHarness) -> None:
    server.start()
    key = server.key("ray")
    video = server.submit(key, seconds="4", steps=200)
    server.wait_for(lambda: server.video(key, video)["progress"] > 5, SECONDS)
    assert server.stop() == 0
    server.start()
    assert server.video(key, video)["progress"] > 0
    server.wait_for(lambda: server.video(key, video)["status"] == "completed", SECONDS)
    assert server.finished_video(key, video)["status"] == "completed"


def test_the_server_never_imports_ray() -> None:
    program = (
        "import sys, hinode.api.serving.serve, hinode.jobs.capacity.ray.executor\n"
        "sys.exit(any(name.partition('.')[0] == 'ray' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def lose_nothing(home: Path, url: str = "") -> None:
    report = torture(home, database_url=url, cycles=10, lease_seconds=3.0, seed=11, executor="ray")
    print("\n".join(summary(report)))
    assert report.problems == []
    assert report.cycles == 10


def test_nothing_is_lost_on_sqlite_when_parts_of_ray_are_killed(tmp_path: Path) -> None:
    lose_nothing(tmp_path / "home")


def test_nothing_is_lost_on_postgresql_when_parts_of_ray_are_killed(
    tmp_path: Path, postgres: PostgreSQL
) -> None:
    lose_nothing(tmp_path / "home", postgres.create())
