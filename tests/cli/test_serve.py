"""A real `hinode serve` process, from its first start to its last, with and without violence."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.serving import HOST, Server

PATIENCE = 60.0
STEP = {
    "HINODE_TESTCARD_STEP_SECONDS": "0.25",
    "HINODE_LEASE_SECONDS": "2",
    "HINODE_CHECKPOINT_SECONDS": "0.2",
}


@pytest.fixture
def server(tmp_path: Path) -> Any:
    made = Server(tmp_path / "home", environment=STEP)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One that is only looked at, and to which nothing is done."""
    with Server(tmp_path_factory.mktemp("steady")) as made:
        yield made


def until(happened: Callable[[], Any], server: Server) -> Any:
    """Look again and again until something has happened."""
    end = time.monotonic() + PATIENCE
    while not (answer := happened()):
        assert time.monotonic() < end, server.last_words()
        time.sleep(0.02)
    return answer


def submit(server: Server, key: str, **more: Any) -> str:
    status, body = server.request(
        "POST", "/v1/videos", key=key, body={"prompt": "a kite", "seconds": "1", "size": "64x64", **more}
    )
    assert status == 200, body
    return json.loads(body)["id"]


def video(server: Server, key: str, video_id: str) -> dict[str, Any]:
    status, body = server.request("GET", f"/v1/videos/{video_id}", key=key)
    assert status == 200, body
    return json.loads(body)


def finished(server: Server, key: str, video_id: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        now = video(server, key, video_id)
        return now if now["status"] not in ("queued", "in_progress") else None

    return until(over, server)


def running(server: Server, key: str, video_id: str) -> dict[str, Any]:
    """Wait until the job has been under way for some steps."""

    def under_way() -> dict[str, Any] | None:
        now = video(server, key, video_id)
        return now if now["status"] == "in_progress" and now["progress"] > 20 else None

    return until(under_way, server)


def log_lines(server: Server) -> list[dict[str, Any]]:
    lines = server.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def told(server: Server) -> str:
    """What it has said to the person."""
    lines = server.log.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("{"))


def test_the_first_start_prints_a_key_that_makes_a_video(server: Server) -> None:
    server.start()
    until(lambda: "Stop it with" in told(server), server)
    assert f"Sora's API at {server.base_url}" in told(server)
    assert "other machines" not in told(server)
    (key,) = re.findall(r"OPENAI_API_KEY=(sk-hinode-\w+)", told(server))
    done = finished(server, key, submit(server, key))
    assert (done["status"], done["progress"], done["error"]) == ("completed", 100, None)
    status, content = server.request("GET", f"/v1/videos/{done['id']}/content", key=key)
    assert status == 200
    assert content[4:8] == b"ftyp"
    assert server.stop() == 0
    assert key not in json.dumps(log_lines(server))
    server.start()
    until(lambda: told(server).count("Stop it with") == 2, server)
    assert told(server).count("sk-hinode-") == 1
    assert server.stop() == 0
    (listed,) = json.loads(server.command("keys", "list", "--json"))
    assert listed["last_used_at"] is not None


def test_every_log_line_is_json_and_says_what_it_is_about(steady: Server) -> None:
    key = steady.key("logs")
    video_id = submit(steady, key, prompt="a secret kite")
    finished(steady, key, video_id)

    def about(line: dict[str, Any]) -> bool:
        return line.get("job_id") == video_id and line["message"] == "attempt ended"

    until(lambda: any(map(about, log_lines(steady))), steady)
    lines = log_lines(steady)
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any("request_id" in line for line in lines)
    assert not [line for line in lines if line["level"] in ("warning", "error")]
    assert key not in str(lines)
    assert "secret kite" not in str(lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_what_is_under_way_and_the_next_start_goes_on(server: Server, number: int) -> None:
    server.start()
    key = server.key("test")
    video_id = submit(server, key)
    before = running(server, key, video_id)
    assert server.process is not None
    workers = server.workers_running()
    assert workers
    server.process.send_signal(number)
    assert server.process.wait(PATIENCE) == 0, server.last_words()
    assert not [worker for worker in workers if worker.is_running()]
    assert log_lines(server)[-1]["message"] == "stopped"
    (job,) = json.loads(server.command("jobs", "list", "--json"))
    assert job["status"] == "queued"
    assert job["progress"] >= before["progress"]
    server.start()
    assert video(server, key, video_id)["progress"] >= before["progress"]
    assert finished(server, key, video_id)["status"] == "completed"
    resumed = [line for line in log_lines(server) if line["message"] == "claimed"]
    assert [line["epoch"] for line in resumed] == [1, 2]
    assert resumed[1]["step"] > 0


def test_killing_the_server_loses_nothing(server: Server) -> None:
    server.start()
    key = server.key("test")
    ids = [submit(server, key) for _ in range(2)]
    running(server, key, ids[0])
    workers = server.workers_running()
    server.kill_parent()
    gone = [worker for worker in workers if worker.is_running()]
    psutil.wait_procs(gone, PATIENCE)
    assert not [worker for worker in workers if worker.is_running()]
    server.start()
    assert [finished(server, key, video_id)["status"] for video_id in ids] == ["completed"] * 2


def test_a_killed_worker_is_replaced_and_its_job_goes_on(server: Server) -> None:
    server.start()
    key = server.key("test")
    video_id = submit(server, key)
    running(server, key, video_id)
    (worker,) = server.workers_running()
    worker.kill()
    assert finished(server, key, video_id)["status"] == "completed"
    (other,) = server.workers_running()
    assert other.pid != worker.pid


def test_workers_may_be_started_apart(server: Server) -> None:
    server.workers = 0
    server.start()
    key = server.key("test")
    video_id = submit(server, key)
    assert server.workers_running() == []
    with subprocess.Popen(
        [sys.executable, "-m", "hinode", "worker", "--engine", "testcard"],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as worker:
        assert finished(server, key, video_id)["status"] == "completed"
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=PATIENCE)
    assert (worker.returncode, said) == (0, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_the_server_itself_never_loads_torch(steady: Server) -> None:
    key = steady.key("torch")
    assert steady.request("GET", "/v1/models", key=key)[0] == 200
    assert finished(steady, key, submit(steady, key))["status"] == "completed"
    assert steady.process is not None
    assert "torch" not in Path(f"/proc/{steady.process.pid}/maps").read_text()


def serve(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hinode", "serve", *words],
        env=server.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_a_taken_port_is_one_plain_sentence(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = serve(server, "--port", str(port))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: port {port} is taken by another program; stop that, or choose another: --port {port + 1}\n"
    )
    assert not server.home.exists()


@pytest.mark.parametrize(
    ("words", "environment", "status", "says"),
    [
        (["--host", "no such host"], {}, 2, "there is no address 'no such host'"),
        (["--host", "192.0.2.1", "--port", "0"], {}, 1, "is not an address of this machine"),
        (["--port", "0"], {"HINODE_DATABASE_URL": "mysql://x/y"}, 2, "is not one that Hinode can use"),
        (["--port", "0"], {"HINODE_DATABASE_URL": "postgresql://127.0.0.1:1/x"}, 1, "cannot be used"),
        (["--port", "0"], {"HINODE_HOME": "/dev/null/home"}, 1, "choose another folder with HINODE_HOME"),
        (["--port", "0"], {"HINODE_MODELS": "sora-2"}, 2, "HINODE_MODELS has 'sora-2' in it"),
        (["--port", "70000"], {}, 2, "65535"),
    ],
)
def test_what_cannot_be_served_ends_at_once(
    server: Server, words: list[str], environment: dict[str, str], status: int, says: str
) -> None:
    server.environment |= environment
    result = serve(server, *words)
    assert (result.returncode, result.stdout) == (status, "")
    assert says in result.stderr
    assert "Traceback" not in result.stderr
