"""schemathesis makes up requests from our own OpenAPI, right ones and wrong ones: none may break the server.

It also holds every answer against what the page promises: its status, its media type, its shape.
"""

from __future__ import annotations

import io
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.jobs.worker.worker import Worker
from hinode.settings import Settings

EXAMPLES = 12  # of each kind for each operation
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ALIASES = {"sora-2": "testcard/testcard"}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    home: Path = tmp_path_factory.mktemp("schemathesis")
    with Context.open(Settings(home=home, aliases=ALIASES, threads=1, device="cpu")) as opened:
        yield opened


@pytest.fixture(scope="module")
def key(context: Context) -> str:
    return context.tenants.create_key("schemathesis").key


@pytest.fixture(scope="module")
def known(context: Context, key: str) -> dict[str, str]:
    """One of each thing that a path can name, so that made-up requests also meet what is there."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 36)).save(picture, "PNG")
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": {"prompt": "x"}}'
    # Not in a `with` block: at its end the application would shut down what the tests go on to use.
    client = TestClient(create_app(context), headers={"authorization": f"Bearer {key}"})

    def made(path: str, **more: Any) -> str:
        answer = client.post(path, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    video = made("/v1/videos", json={"prompt": "a kite", "size": "64x36", "seconds": "1"})
    Worker(context.store, context.objects, context.settings).run_one()
    film = client.get(f"/v1/videos/{video}/content")
    file = made("/v1/files", data={"purpose": "batch"}, files={"file": ("l.jsonl", line)})
    hook = {"name": "n", "url": "https://8.8.8.8/hook", "event_types": ["video.completed"]}
    return {
        "video_id": video,
        "character_id": made(
            "/v1/videos/characters", data={"name": "Momo"}, files={"video": ("c.mp4", film.content)}
        ),
        "file_id": file,
        "batch_id": made(
            "/v1/batches",
            json={"input_file_id": file, "endpoint": "/v1/videos", "completion_window": "24h"},
        ),
        "webhook_endpoint_id": made("/v1/webhook_endpoints", json=hook),
        "model": "sora-2",
    }


@pytest.fixture(scope="module")
def api(context: Context) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(context))


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are made up too: every name leads to this machine, where nothing may be fetched from."""

    def here(host: object, port: Any, *rest: object, **more: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port or 0)))]

    monkeypatch.setattr(socket, "getaddrinfo", here)


def test_no_request_breaks_the_server(
    api: Any, key: str, known: dict[str, str], subtests: pytest.Subtests
) -> None:
    seen = 0
    for found in api.get_all_operations():
        operation = found.ok()
        for mode in MODES:
            with subtests.test(operation=operation.label, mode=mode.name):
                try:
                    requests = operation.as_strategy(generation_mode=mode)
                    _try(requests, {"authorization": f"Bearer {key}"}, known)
                except Unsatisfiable:  # a path without parameters cannot be asked for wrongly
                    continue
                seen += 1
    assert seen > 30


def _try(requests: SearchStrategy[schemathesis.Case], headers: dict[str, str], known: dict[str, str]) -> None:
    @given(case=requests)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: schemathesis.Case) -> None:
        for name in case.path_parameters or {}:
            if name in known and zlib.crc32(f"{case.query}{case.body}".encode("utf-8", "replace")) % 3:
                case.path_parameters[name] = known[name]
        case.call_and_validate(headers=headers, checks=CHECKS)

    holds()
