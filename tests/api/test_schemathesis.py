"""schemathesis makes up requests from our own OpenAPI, right ones and wrong ones: none may break the server.

It also holds every answer against what the page promises: its status, its media type, its shape.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hinode.api.app import create_app
from hinode.api.streams import stream
from tests.api.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
"""It takes seconds for each of more than a hundred operations."""

EXAMPLES = 15
"""Requests of each kind, right ones and wrong ones, for each operation."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def existing(fresh_server: Server) -> dict[str, str]:
    """The id of an entry for each parameter of an address, so that some random requests find one."""
    client = fresh_server.client

    def create(path: str, **more: Any) -> str:
        response = client.post(path, **more)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    video = fresh_server.render()["id"]
    film = client.get(f"/v1/videos/{video}/content").content
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/videos", "body": {"prompt": "x"}}'
    file = create("/v1/files", data={"purpose": "batch"}, files={"file": ("l.jsonl", line)})
    character = {"data": {"name": "Momo"}, "files": {"video": ("c.mp4", film)}}
    batch = {"input_file_id": file, "endpoint": "/v1/videos", "completion_window": "24h"}
    hook = {"name": "n", "url": "https://8.8.8.8/hook", "event_types": ["video.completed"]}
    return {
        "video_id": video,
        "character_id": create("/v1/videos/characters", **character),
        "file_id": file,
        "batch_id": create("/v1/batches", json=batch),
        "collection_id": create("/v1/collections", json={"name": "Trailer"}),
        "archive_id": create("/v1/library/archives", json={"ids": [video]}),
        "webhook_endpoint_id": create("/v1/webhook_endpoints", json=hook),
        "model": "sora-2",
    }


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are made up too: every name leads to this machine, where nothing may be fetched from."""

    def resolve(host: object, port: Any, *rest: object, **more: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port or 0)))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture(autouse=True)
def _streams_that_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def follow(*arguments: object) -> AsyncIterator[None]:
        for event in ():
            yield event

    monkeypatch.setattr(stream, "follow", follow)


def test_no_request_breaks_the_server(
    fresh_server: Server, existing: dict[str, str], subtests: pytest.Subtests
) -> None:
    api = schemathesis.openapi.from_asgi("/openapi.json", create_app(fresh_server.context))
    headers = {"authorization": f"Bearer {fresh_server.key}"}
    tried = 0
    for result in api.get_all_operations():
        operation = result.ok()
        for mode in MODES:
            with subtests.test(operation=operation.label, mode=mode.name):
                try:
                    requests = operation.as_strategy(generation_mode=mode)
                    _try(requests, headers, existing)
                except Unsatisfiable:  # a path without parameters cannot be asked for wrongly
                    continue
                tried += 1
    assert tried > 30


def _try(
    requests: SearchStrategy[schemathesis.Case],
    headers: dict[str, str],
    existing: dict[str, str],
) -> None:
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
            if name in existing and zlib.crc32(f"{case.query}{case.body}".encode("utf-8", "replace")) % 3:
                case.path_parameters[name] = existing[name]
        case.call_and_validate(headers=headers, checks=CHECKS)

    holds()
