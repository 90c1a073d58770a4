"""Characters: added from a short video, listed, named in prompts, forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from hinode.api.context import Context

from .conftest import SMALL, Refused, Server, new_project


@pytest.fixture(scope="module")
def mp4(application: tuple[Context, TestClient]) -> bytes:
    server = new_project(*application)
    return server.client.get(f"/v1/videos/{server.finished()['id']}/content").content


def add(server: Server, mp4: bytes, name: str = "Mossy") -> Any:
    return server.client.post(
        "/v1/videos/characters", data={"name": name}, files={"video": ("m.mp4", mp4, "video/mp4")}
    )


def test_the_life_of_a_character(mp4: bytes, server: Server, refused: Refused) -> None:
    mossy = add(server, mp4).json()
    assert mossy["id"].startswith("char_")
    assert mossy["name"] == "Mossy"
    assert isinstance(mossy["created_at"], int)
    path = f"/v1/videos/characters/{mossy['id']}"
    assert server.client.get(path).json() == mossy
    fern = add(server, mp4, "Fern").json()
    listed = server.client.get("/v1/videos/characters", params={"limit": 1}).json()
    assert (listed["data"], listed["has_more"], listed["last_id"]) == ([fern], True, fern["id"])
    after = {"after": fern["id"]}
    assert server.client.get("/v1/videos/characters", params=after).json()["data"] == [mossy]
    assert server.client.delete(path).json() == {
        "id": mossy["id"],
        "object": "character.deleted",
        "deleted": True,
    }
    refused(server.client.get(path), 404, "character_id")
    refused(server.client.delete(path), 404, "character_id")
    refused(server.client.get("/v1/videos/characters", params={"after": "char_0"}), 400, "after")


def test_characters_in_a_video(mp4: bytes, server: Server, refused: Refused) -> None:
    mossy, fern = add(server, mp4).json()["id"], add(server, mp4, "Fern").json()["id"]
    body = {"prompt": "Mossy meets Fern", "size": SMALL, "seconds": "1"}
    responses = [
        server.client.post("/v1/videos", json={**body, "characters": [{"id": mossy}, {"id": fern}]}),
        server.client.post("/v1/videos", data={**body, "characters[][id]": [mossy, fern]}),
        server.client.post("/v1/videos", data={**body, "characters[0][id]": mossy}),
        server.client.post("/v1/videos", json={**body, "characters": [mossy]}),
    ]
    assert [response.status_code for response in responses] == [200] * 4, responses[0].text
    assert server.work() == 4
    for response in responses:
        assert server.client.get(f"/v1/videos/{response.json()['id']}").json()["status"] == "completed"
    nameless = {**body, "prompt": "mossy stones", "characters": [{"id": mossy}]}
    error = refused(server.client.post("/v1/videos", json=nameless), 400, "prompt")
    assert "Mossy" in error["message"]
    refused(server.client.post("/v1/videos", json={**body, "characters": ["char_0"]}), 404, "characters")


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb", "\u202eoy"])
def test_names_that_cannot_be(mp4: bytes, server: Server, refused: Refused, name: str) -> None:
    refused(add(server, mp4, name), 400, "name")


def test_videos_that_cannot_be(server: Server, refused: Refused) -> None:
    refused(add(server, b"no video"), 400, "video")
    refused(server.client.post("/v1/videos/characters", data={"name": "a"}), 400, "video")
    refused(server.client.post("/v1/videos/characters", json={"name": "a", "video": "x"}), 400, "video")


def test_the_longest_name(server: Server, mp4: bytes) -> None:
    assert add(server, mp4, "ü" * 80).json()["name"] == "ü" * 80
