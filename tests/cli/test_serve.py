"""A real `hinode serve` process: started, used, stopped, killed and started again."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from benchmarks.serving import HOST, WAIT_SECONDS, ServerHarness
from hinode import cli, logs
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.tenants.tenants import Tenants
from hinode.records.database import Database
from hinode.settings import Settings

SLOW_STEPS = {
    "HINODE_TESTCARD_STEP_SECONDS": "0.05",
    "HINODE_LEASE_SECONDS": "2",
    "HINODE_CHECKPOINT_SECONDS": "0.1",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHarness]:
    """A server that runs as long as the tests of this module, and is never stopped by one of them."""
    with ServerHarness(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[ServerHarness]:
    """A server that is not started yet; its videos take long enough to interrupt them."""
    server = ServerHarness(tmp_path / "home", environment=SLOW_STEPS)
    yield server
    server.kill()


def wait_until_running(server: ServerHarness, key: str, video_id: str) -> dict[str, Any]:
    """Wait until some steps of a video are done."""

    def running_video() -> dict[str, Any] | None:
        video = server.video(key, video_id)
        return video if video["status"] == "in_progress" and video["progress"] > 20 else None

    return server.wait_for(running_video)


def log_lines(server: ServerHarness) -> list[dict[str, Any]]:
    lines = server.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def announcement(server: ServerHarness) -> str:
    """What the server printed for a person."""
    lines = server.log.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("{"))


def test_the_first_start_prints_a_key_that_makes_a_video(server: ServerHarness) -> None:
    server.wait_for(lambda: "Stop it with" in announcement(server))
    assert f"Sora's API at {server.base_url}" in announcement(server)
    assert "other machines" not in announcement(server)
    (key,) = re.findall(r"OPENAI_API_KEY=(sk-hinode-\w+)", announcement(server))
    video = server.finished_video(key, server.submit(key))
    assert (video["status"], video["progress"], video["error"]) == ("completed", 100, None)
    status, content = server.request("GET", f"/v1/videos/{video['id']}/content", key=key)
    assert status == 200
    assert content[4:8] == b"ftyp"
    assert key not in json.dumps(log_lines(server))


def test_every_log_line_is_json_and_says_what_it_is_about(server: ServerHarness) -> None:
    key = server.key("logs")
    video_id = server.submit(key, prompt="a secret kite")
    server.finished_video(key, video_id)

    def attempt_is_logged() -> bool:
        return any(
            line.get("job_id") == video_id and line["message"] == "attempt ended"
            for line in log_lines(server)
        )

    server.wait_for(attempt_is_logged)
    lines = log_lines(server)
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any("request_id" in line for line in lines)
    assert not [line for line in lines if line["level"] in ("warning", "error")]
    assert key not in str(lines)
    assert "secret kite" not in str(lines)


def test_the_printed_link_signs_in_once(server: ServerHarness) -> None:
    server.wait_for(lambda: "Stop it with" in announcement(server))
    printed = re.findall(r"(http://\S+)/#token=(\w+)", announcement(server))
    assert printed
    base, _, again = server.command("link").strip().partition("/#token=")
    assert {base} == {url for url, _ in printed} == {server.origin}
    tokens = [printed[-1][1], again]
    body = [{"token": token} for token in tokens]
    evil = {"Host": f"127.0.0.1.nip.io:{server.port}"}
    assert server.request("POST", "/v1/session", body=body[0], headers=evil)[0] == 421
    for once in body:
        assert server.request("GET", "/v1/session")[0] == 200
        status, answer = server.request("POST", "/v1/session", body=once)
        assert (status, json.loads(answer)["role"]) == (200, "owner")
        assert server.request("POST", "/v1/session", body=once)[0] == 401
    lines = json.dumps(log_lines(server))
    assert "signed in" in lines
    assert [token for token in tokens if token in lines] == []


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_the_server_itself_never_loads_torch(server: ServerHarness) -> None:
    key = server.key("torch")
    assert server.request("GET", "/v1/models", key=key)[0] == 200
    assert server.finished_video(key, server.submit(key))["status"] == "completed"
    assert server.process is not None
    assert "torch" not in Path(f"/proc/{server.process.pid}/maps").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_running_job_and_the_next_start_continues_it(
    slow_server: ServerHarness, number: int
) -> None:
    server = slow_server
    server.start()
    server.wait_for(lambda: "Stop it with" in announcement(server))
    (key,) = re.findall(r"OPENAI_API_KEY=(sk-hinode-\w+)", announcement(server))
    video_id = server.submit(key, steps=20)
    before = wait_until_running(server, key, video_id)
    assert server.process is not None
    workers = server.workers_running()
    assert workers
    server.process.send_signal(number)
    assert server.process.wait(WAIT_SECONDS) == 0, server.last_words()
    assert not [worker for worker in workers if worker.is_running()]
    assert log_lines(server)[-1]["message"] == "stopped"
    server.start()
    assert server.video(key, video_id)["progress"] >= before["progress"]
    assert server.finished_video(key, video_id)["status"] == "completed"
    claims = [line for line in log_lines(server) if line["message"] == "claimed"]
    assert [claim["epoch"] for claim in claims] == [1, 2]
    assert claims[1]["step"] > 0
    server.wait_for(lambda: announcement(server).count("Stop it with") == 2)
    assert announcement(server).count("sk-hinode-") == 1


@pytest.mark.slow
def test_killing_the_server_loses_nothing(slow_server: ServerHarness) -> None:
    slow_server.start()
    key = slow_server.key("test")
    ids = [slow_server.submit(key, steps=20) for _ in range(2)]
    wait_until_running(slow_server, key, ids[0])
    workers = slow_server.workers_running()
    slow_server.kill_parent()
    psutil.wait_procs([worker for worker in workers if worker.is_running()], WAIT_SECONDS)
    assert not [worker for worker in workers if worker.is_running()]
    slow_server.start()
    statuses = [slow_server.finished_video(key, video_id)["status"] for video_id in ids]
    assert statuses == ["completed"] * 2


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_job_continues(slow_server: ServerHarness) -> None:
    slow_server.start()
    key = slow_server.key("test")
    video_id = slow_server.submit(key, steps=20)
    wait_until_running(slow_server, key, video_id)
    (worker,) = slow_server.workers_running()
    worker.kill()
    assert slow_server.finished_video(key, video_id)["status"] == "completed"
    (replacement,) = slow_server.workers_running()
    assert replacement.pid != worker.pid


@pytest.mark.slow
def test_workers_may_be_started_apart(slow_server: ServerHarness) -> None:
    slow_server.workers = 0
    slow_server.start()
    key = slow_server.key("test")
    video_id = slow_server.submit(key, steps=20)
    assert slow_server.workers_running() == []
    with subprocess.Popen(
        [sys.executable, "-m", "hinode", "worker", "--engine", "testcard"],
        env=slow_server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as worker:
        assert slow_server.finished_video(key, video_id)["status"] == "completed"
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=WAIT_SECONDS)
    assert (worker.returncode, output) == (0, b"")
    assert slow_server.stop() == 0
    (listed,) = json.loads(slow_server.command("keys", "list", "--json"))[-1:]
    assert listed["last_used_at"] is not None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for commands in this process, whose logging stays as pytest set it up."""
    monkeypatch.setenv("HINODE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(logs, "start", lambda: None)
    return tmp_path / "home"


def test_a_port_in_use_is_one_plain_sentence(home: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(cli.app, ["serve", "--port", str(port)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: port {port} is taken by another program; stop that, or choose another: --port {port + 1}\n"
    )
    assert not home.exists()


def test_a_store_that_is_not_mounted_is_not_made_anew(home: Path) -> None:
    settings = Settings(home=home)
    database = Database(settings.database_url)
    database.upgrade()
    project = Tenants(database, time.time).create_project("films")
    file = home / "a.png"
    file.write_bytes(b"picture")
    objects = Objects(settings.store)
    Uploads(database, objects).create(project.id, purpose="vision", filename="", media_type="", path=file)
    database.close()
    settings.store.rename(home / "elsewhere")
    settings.store.mkdir()
    result = CliRunner().invoke(cli.app, ["serve", "--port", "0"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "store is empty, and the database names files in it; check its disk" in result.stderr
    assert list(settings.store.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "environment", "status", "message"),
    [
        (["serve", "--host", "no such host"], {}, 2, "there is no address 'no such host'"),
        (["serve", "--host", "192.0.2.1", "--port", "0"], {}, 1, "is not an address of this machine"),
        (
            ["serve", "--port", "0"],
            {"HINODE_DATABASE_URL": "mysql://x/y"},
            2,
            "is not one that Hinode can use",
        ),
        (
            ["serve", "--port", "0"],
            {"HINODE_DATABASE_URL": "postgresql://127.0.0.1:1/x"},
            1,
            "cannot be used",
        ),
        (["serve", "--port", "0"], {"HINODE_HOME": "/dev/null/home"}, 1, "another folder with HINODE_HOME"),
        (["serve", "--port", "0"], {"HINODE_MODELS": "sora-2"}, 2, "HINODE_MODELS is 'sora-2'"),
        (["serve", "--port", "0"], {"HINODE_MODELS": "sora-2=nope"}, 2, "there is no model 'nope'"),
        (["serve", "--port", "70000"], {}, 2, "65535"),
        (["worker", "--engine", "sora"], {}, 2, "there is no engine 'sora'"),
    ],
)
def test_what_cannot_be_served_ends_at_once(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    environment: dict[str, str],
    status: int,
    message: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli.app, words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
