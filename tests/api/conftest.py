"""A server in this process: the real application on a real SQLite file, and a worker called by hand.

The tests of a module share the application; each has a project and a key of its own.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI
from PIL import Image
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.jobs.worker.worker import Worker
from hinode.records.database import Database
from hinode.settings import Settings
from hinode.trust.verification.detection import Detection, Verdict

ALIASES = {"sora-2": "testcard/testcard", "sora-2-pro": "testcard/testcard"}
SIZE = (64, 36)
SMALL = "64x36"


class Clock:
    """Seconds since 1970 as a test sets them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@dataclass
class Server:
    """A project of an application: a client with its key, and the context behind the application."""

    client: TestClient
    context: Context
    project_id: str
    key: str
    key_id: str

    def run_jobs(self, limit: int = 20) -> int:
        """Run the queued jobs, `limit` at most; returns how many there were."""
        worker = Worker(self.context.store, self.context.objects, self.context.settings)
        count = 0
        while count < limit and worker.run_one():
            count += 1
        return count

    def create(self, **fields: Any) -> dict[str, Any]:
        """Submit a small video."""
        body = {"prompt": "a red kite", "size": SMALL, "seconds": "1", **fields}
        response = self.client.post("/v1/videos", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def render(self, **fields: Any) -> dict[str, Any]:
        """Submit a small video, and run its job."""
        video = self.create(**fields)
        self.run_jobs()
        result = self.client.get(f"/v1/videos/{video['id']}").json()
        assert result["status"] == "completed", result
        return dict(result)

    def openai(self, key: str | None = None) -> OpenAI:
        """The client of OpenAI's API, with the key of this server or another."""
        return OpenAI(
            api_key=key or self.key,
            base_url="http://testserver/v1",
            http_client=self.client,
            max_retries=0,
        )

    def other_project(self) -> dict[str, str]:
        """Headers with the key of another project."""
        name = f"other than {self.project_id}"
        self.context.tenants.create_project(name)
        key = self.context.tenants.create_key("other", project=name).key
        return {"authorization": f"Bearer {key}"}


def picture(
    size: tuple[int, int] = SIZE, kind: str = "PNG", mode: str = "RGB", color: Any = 0, **more: Any
) -> bytes:
    """The bytes of a picture file of one colour; `more` goes to its encoder."""
    target = io.BytesIO()
    Image.new(mode, size, color).save(target, kind, **more)
    return target.getvalue()


@contextmanager
def running(home: Path, template: Path, clock: Callable[[], float]) -> Iterator[tuple[Context, TestClient]]:
    """An application whose models are all the test card."""
    home.mkdir()
    shutil.copy(template, home / "hinode.db")
    settings = Settings(home=home, aliases=ALIASES, threads=1, device="cpu")
    database = Database(settings.database_url)
    context = Context(settings, database, clock)
    # A process for each search takes seconds; test_detect starts some.
    context.verification._detect = lambda path: Detection(Verdict.UNREADABLE, "")
    try:
        with TestClient(create_app(context)) as client:
            yield context, client
    finally:
        database.close()


def new_project(context: Context, client: TestClient) -> Server:
    """A new project; the client sends its key, which has every scope, from now on."""
    name = f"project {len(context.tenants.projects())}"
    project = context.tenants.create_project(name)
    context.consents.confirm(project.id, "test")
    created = context.tenants.create_key("test", project=name)
    client.headers["authorization"] = f"Bearer {created.key}"
    return Server(client, context, project.id, created.key, created.id)


@pytest.fixture(scope="module")
def module_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module", autouse=True)
def _probe_in_this_process(probe_in_this_process: None) -> None:
    """Each test of the API probes in this process."""


@pytest.fixture(scope="module")
def application(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, module_clock: Clock
) -> Iterator[tuple[Context, TestClient]]:
    """The application that the tests of a module share."""
    with running(tmp_path_factory.mktemp("api") / "home", sqlite_template, module_clock) as parts:
        yield parts


@pytest.fixture
def clock(module_clock: Clock) -> Clock:
    return module_clock


@pytest.fixture
def server(application: tuple[Context, TestClient]) -> Iterator[Server]:
    """A new project in the application of the module."""
    server = new_project(*application)
    yield server
    context = server.context
    for job in context.store.jobs(server.project_id, after=None, limit=100, descending=True)[0]:
        if not job.final:
            context.store.cancel(server.project_id, job.id)


@pytest.fixture
def fresh_server(tmp_path: Path, sqlite_template: Path, clock: Clock) -> Iterator[Server]:
    """An application for one test, which reads or changes the state of all of it."""
    with running(tmp_path / "home", sqlite_template, clock) as parts:
        yield new_project(*parts)


CheckError = Callable[..., dict[str, Any]]


@pytest.fixture
def check_error() -> CheckError:
    """Checks that a response is an error of four keys and one sentence, and returns it."""

    def check(response: httpx.Response, status: int, param: str | None = None) -> dict[str, Any]:
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert not error["message"][0].islower() or error["message"].startswith(param or "?")
        assert error["message"].endswith((".", "!", "?"))
        assert error["param"] == param, error
        assert response.headers["x-request-id"].startswith("req_")
        return dict(error)

    return check
