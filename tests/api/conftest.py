"""A server in this process: the real application on a real SQLite file, and a worker called by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.jobs.worker.worker import Worker
from hinode.settings import Settings

ALIASES = {"sora-2": "testcard/testcard", "sora-2-pro": "testcard/testcard"}
SMALL = "64x36"


@dataclass
class Server:
    """The client's side, and what a test may want to see behind it."""

    client: TestClient
    context: Context
    project_id: str
    key: str

    def work(self, most: int = 20) -> int:
        """Carry out the jobs that wait; returns how many there were."""
        worker = Worker(self.context.store, self.context.objects, self.context.settings)
        count = 0
        while count < most and worker.run_one():
            count += 1
        return count

    def create(self, **fields: Any) -> dict[str, Any]:
        """Ask for a small video."""
        answer = self.client.post(
            "/v1/videos",
            json={"prompt": "a red kite", "size": SMALL, "seconds": "1", **fields},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def finished(self, **fields: Any) -> dict[str, Any]:
        """A small video that is finished."""
        video = self.create(**fields)
        self.work()
        done = self.client.get(f"/v1/videos/{video['id']}").json()
        assert done["status"] == "completed", done
        return dict(done)


class Clock:
    """Seconds since 1970 as a test wants them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """A server with one project and a key that may do everything; its models are all the test card."""
    settings = Settings(home=tmp_path / "home", aliases=ALIASES, threads=1, device="cpu")
    with Context.open(settings, clock) as context:
        made = context.tenants.create_key("test")
        identity = context.tenants.authenticate(made.key)
        assert identity is not None
        with TestClient(create_app(context), headers={"authorization": f"Bearer {made.key}"}) as client:
            yield Server(client, context, identity.project_id, made.key)


@pytest.fixture
def refused() -> Callable[..., dict[str, Any]]:
    """Checks that an answer is an error of four keys and one sentence, and returns it."""

    def check(answer: httpx.Response, status: int, param: str | None = None) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"][0] == error["message"][0].upper()
        assert error["message"].endswith((".", "!", "?"))
        assert error["param"] == param, error
        assert answer.headers["x-request-id"].startswith("req_")
        return dict(error)

    return check
