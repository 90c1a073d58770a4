"""A real `hinode serve` as upstream, which may be cancelled, stopped or killed midway."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import ROOT, ServerHarness
from hinode import pipeline
from hinode.engines.remote.engine import RemoteEngine
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker.worker import Worker
from hinode.records.database import Database
from hinode.request import Request
from hinode.settings import Settings
from tests.marking import MARKING
from tests.sounds import clicks, correlation, read_sound
from tests.videos import read_video

PATIENCE = 120.0
SLOW = {"HINODE_TESTCARD_STEP_SECONDS": "0.25", "HINODE_LEASE_SECONDS": "2"}
REQUEST = Request("a kite", 64, 64, seconds=1.0, fps=8.0, seed=3, engine="remote", model="card", steps=20)


class UpstreamServer:
    """A real server and a key for it."""

    def __init__(self, home: Path) -> None:
        self.server = ServerHarness(home, environment=SLOW)
        self.server.start()
        self.key = self.server.key("downstream")

    def videos(self) -> list[dict[str, Any]]:
        status, body = self.server.request("GET", "/v1/videos", key=self.key)
        assert status == 200
        return list(json.loads(body)["data"])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpstreamServer]:
    upstream = UpstreamServer(tmp_path_factory.mktemp("first"))
    yield upstream
    upstream.server.kill()


def configure(home: Path, *upstreams: UpstreamServer) -> dict[str, str]:
    """Write the file; returns the environment with the keys."""
    home.mkdir(parents=True, exist_ok=True)
    keys, text = {}, ""
    for number, upstream in enumerate(upstreams, start=1):
        keys[f"KEY_{number}"] = upstream.key
        text += f"""
[[upstream]]
name = "u{number}"
dialect = "hinode"
url = "{upstream.server.base_url}"
key_env = "KEY_{number}"
models = {{card = "testcard/testcard"}}
priority = {number}
poll_seconds = 0.1
lost_seconds = 1
"""
    (home / "upstreams.toml").write_text(text)
    return keys


def wait_until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


@pytest.mark.slow
def test_a_remote_clip_has_the_frames_of_a_local_one(first: UpstreamServer, tmp_path: Path) -> None:
    from hinode.engines.testcard.engine import TestcardEngine

    keys = configure(tmp_path, first)
    engine = RemoteEngine(Settings(tmp_path), variable=keys.get)
    run = engine.start(dataclasses.replace(REQUEST, width=128, height=96, steps=4))
    done = [progress.done for progress in run if progress.stage == "sample"]
    clip = run.clip()
    request = dataclasses.replace(run.request, engine="testcard", model="testcard")
    local = TestcardEngine(Settings(tmp_path)).start(request)
    list(local)
    assert done == sorted(done)
    pipeline.finish(request, local.clip(), tmp_path / "local.mp4", "mp4", marking=MARKING)
    assert (clip.frames == read_video(tmp_path / "local.mp4").frames).all()
    assert clip.provenance.read_as.endswith("made by u1 with testcard/testcard")
    assert clip.provenance.steps == 4


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, [0.0]), (2.1, [0.0, 1.0, 2.0])])
def test_a_remote_clip_has_the_sound_of_a_local_one(
    first: UpstreamServer, tmp_path: Path, seconds: float, expected: list[float]
) -> None:
    from hinode.engines.testcard.engine import TestcardEngine

    keys = configure(tmp_path, first)
    engine = RemoteEngine(Settings(tmp_path), variable=keys.get)
    assert engine.capabilities("card").sound
    request = dataclasses.replace(REQUEST, steps=2, seconds=seconds, sound=True)
    run = engine.start(request)
    list(run)
    clip = run.clip()
    assert clip.sound is not None
    assert (clip.sound.rate, clip.sound.channels) == (48000, 2)
    local = TestcardEngine(Settings(tmp_path)).start(
        dataclasses.replace(request, engine="testcard", model=None)
    )
    list(local)
    original = local.clip().sound
    assert original is not None
    assert correlation(clip.sound.samples, original.samples) > 0.98
    result = pipeline.finish(request, clip, tmp_path / "here.mp4", "mp4", marking=MARKING)
    samples, rate = read_sound(tmp_path / "here.mp4")
    assert (result.sound, samples.shape) == ("stereo, 48000 Hz", (2, round(seconds * 48000)))
    assert clicks(samples, rate) == pytest.approx(expected, abs=0.001)


@pytest.mark.slow
def test_generate_from_the_command_line(first: UpstreamServer, tmp_path: Path) -> None:
    keys = configure(tmp_path / "home", first)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HINODE_")},
        **keys,
        "PYTHONPATH": str(ROOT / "src"),
        "HINODE_HOME": str(tmp_path / "home"),
    }
    words = [
        "kite",
        "--engine",
        "remote",
        "--model",
        "card",
        "--size",
        "64x64",
        "--seconds",
        "1",
        "--steps",
        "2",
    ]
    process = subprocess.run(
        [sys.executable, "-m", "hinode", "generate", *words, "--json", "-o", str(tmp_path / "a.mp4")],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    report = json.loads(process.stdout)
    assert (report["engine"], report["model"], report["steps"]) == ("remote", "card", 2)
    assert len(read_video(tmp_path / "a.mp4").frames) == report["frames"]
    assert first.key not in process.stdout + process.stderr
    # A command that is interrupted cancels its job.
    child = subprocess.Popen(
        [sys.executable, "-m", "hinode", "generate", *words[:-1], "200", "-q", "-o", str(tmp_path / "b.mp4")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(
        lambda: any(video["steps"] == 200 and video["status"] == "in_progress" for video in first.videos())
    )
    child.send_signal(signal.SIGTERM)
    assert child.wait(PATIENCE) == 143
    assert wait_until(lambda: all(video["status"] != "in_progress" for video in first.videos()))
    (video,) = [video for video in first.videos() if video["steps"] == 200]
    assert video["error"]["code"] == "cancelled"


@pytest.mark.slow
def test_a_server_in_front_of_a_server(first: UpstreamServer, tmp_path: Path) -> None:
    keys = configure(tmp_path / "front", first)
    with ServerHarness(
        tmp_path / "front", environment={**keys, "HINODE_MODELS": "sora-2=remote/card"}
    ) as front:
        key = front.key("person")
        body = {"prompt": "a kite", "size": "64x64", "seconds": "1", "seed": 9, "steps": 2}
        status, answer = front.request("POST", "/v1/videos", key=key, body=body)
        assert status == 200, answer
        name = json.loads(answer)["id"]

        def finished() -> Any:
            video = json.loads(front.request("GET", f"/v1/videos/{name}", key=key)[1])
            return video if video["status"] in ("completed", "failed") else None

        video = wait_until(finished)
        assert video["status"] == "completed", front.last_words()
        assert (video["making"]["engine"], video["making"]["steps"]) == ("remote", 2)
        status, content = front.request("GET", f"/v1/videos/{name}/content", key=key)
        assert (status, content[4:8]) == (200, b"ftyp")
        models = json.loads(front.request("GET", "/v1/models", key=key)[1])["data"]
        assert "card" in {model["id"] for model in models}
        assert first.key not in front.log.read_text()


class JobHarness:
    """Jobs of this machine that the remote engine carries out."""

    def __init__(self, template: Path, home: Path, keys: dict[str, str]) -> None:
        self.database = Database(f"sqlite:///{shutil.copy(template, home / 'jobs.db')}")
        self.settings = Settings(home=home, checkpoint_seconds=0.0)
        self.store = Store(self.database)
        self.project = Tenants(self.database, time.time).create_project("films").id
        self.keys = keys

    def submit(self) -> str:
        return self.store.submit([Draft(self.project, None, REQUEST, "card")]).jobs[0].id

    def job(self, name: str) -> Any:
        return self.store.job(self.project, name)

    def work(self, stop: threading.Event | None = None) -> threading.Thread:
        """A worker that does one job, in a thread."""
        engine = RemoteEngine(self.settings, variable=self.keys.get)
        worker = Worker(
            self.store,
            Objects(self.settings.store),
            self.settings,
            host="here",
            engine=lambda name, settings: engine,
        )
        thread = threading.Thread(target=worker.run_one, args=(stop,), daemon=True)
        thread.start()
        return thread


@pytest.fixture
def jobs(sqlite_template: Path, tmp_path: Path, first: UpstreamServer) -> Iterator[JobHarness]:
    harness = JobHarness(sqlite_template, tmp_path, configure(tmp_path, first))
    yield harness
    harness.database.close()


def test_a_cancelled_job_is_cancelled_on_the_server(jobs: JobHarness, first: UpstreamServer) -> None:
    name = jobs.submit()
    thread = jobs.work()
    wait_until(lambda: jobs.job(name).progress > 10)
    jobs.store.cancel(jobs.project, name)
    thread.join(PATIENCE)
    assert jobs.job(name).status is Status.CANCELLED
    newest = first.videos()[0]
    assert newest["cancel_requested"]
    wait_until(lambda: first.videos()[0]["status"] == "failed")
    assert first.videos()[0]["error"]["code"] == "cancelled"


@pytest.mark.slow
def test_a_stopped_worker_leaves_the_job_running_on_the_server(
    jobs: JobHarness, first: UpstreamServer
) -> None:
    before = len(first.videos())
    name, stop = jobs.submit(), threading.Event()
    thread = jobs.work(stop)
    wait_until(lambda: jobs.job(name).progress > 10)
    stop.set()
    thread.join(PATIENCE)
    assert jobs.job(name).status is Status.QUEUED
    assert first.videos()[0]["status"] == "in_progress"
    jobs.work().join(PATIENCE)
    assert jobs.job(name).status is Status.COMPLETED
    assert len(first.videos()) == before + 1


@pytest.mark.slow
def test_an_upstream_killed_midway_is_replaced(
    jobs: JobHarness, first: UpstreamServer, tmp_path: Path
) -> None:
    doomed = UpstreamServer(tmp_path / "doomed")
    try:
        jobs.keys.update(configure(tmp_path, doomed, first))
        before = len(first.videos())
        name = jobs.submit()
        thread = jobs.work()
        wait_until(lambda: jobs.job(name).progress > 20)
        doomed.server.kill()
        thread.join(PATIENCE)
    finally:
        doomed.server.kill()
    job = jobs.job(name)
    assert (job.status, job.error_code) == (Status.COMPLETED, None)
    assert job.provenance["read_as"].endswith("made by u2 with testcard/testcard")
    assert len(first.videos()) == before + 1
