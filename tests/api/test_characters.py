"""Characters: added from a short video, listed, named in prompts, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import SMALL, Server

Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def mp4(server: Server) -> bytes:
    return server.client.get(f"/v1/videos/{server.finished()['id']}/content").content


def add(server: Server, mp4: bytes, name: str = "Mossy") -> Any:
    return server.client.post(
        "/v1/videos/characters", data={"name": name}, files={"video": ("m.mp4", mp4, "video/mp4")}
    )


def test_the_life_of_a_character(server: Server, refused: Refused, mp4: bytes) -> None:
    made = add(server, mp4).json()
    assert made["id"].startswith("char_")
    assert made["name"] == "Mossy"
    assert isinstance(made["created_at"], int)
    path = f"/v1/videos/characters/{made['id']}"
    assert server.client.get(path).json() == made
    other = add(server, mp4, "Fern").json()
    listed = server.client.get("/v1/videos/characters", params={"limit": 1}).json()
    assert (listed["data"], listed["has_more"], listed["last_id"]) == ([other], True, other["id"])
    after = {"after": other["id"]}
    assert server.client.get("/v1/videos/characters", params=after).json()["data"] == [made]
    assert server.client.delete(path).json() == {
        "id": made["id"],
        "object": "character.deleted",
        "deleted": True,
    }
    refused(server.client.get(path), 404, "character_id")
    refused(server.client.delete(path), 404, "character_id")
    refused(server.client.get("/v1/videos/characters", params={"after": "char_0"}), 400, "after")


def test_characters_in_a_video(server: Server, refused: Refused, mp4: bytes) -> None:
    mossy, fern = add(server, mp4).json()["id"], add(server, mp4, "Fern").json()["id"]
    body = {"prompt": "Mossy meets Fern", "size": SMALL, "seconds": "1"}
    answers = [
        server.client.post("/v1/videos", json={**body, "characters": [{"id": mossy}, {"id": fern}]}),
        server.client.post("/v1/videos", data={**body, "characters[][id]": [mossy, fern]}),
        server.client.post("/v1/videos", data={**body, "characters[0][id]": mossy}),
        server.client.post("/v1/videos", json={**body, "characters": [mossy]}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4, answers[0].text
    assert server.work() == 4
    for answer in answers:
        assert server.client.get(f"/v1/videos/{answer.json()['id']}").json()["status"] == "completed"
    nameless = {**body, "prompt": "mossy stones", "characters": [{"id": mossy}]}
    error = refused(server.client.post("/v1/videos", json=nameless), 400, "prompt")
    assert "Mossy" in error["message"]
    refused(server.client.post("/v1/videos", json={**body, "characters": ["char_0"]}), 404, "characters")


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb", "\u202eoy"])
def test_names_that_cannot_be(server: Server, refused: Refused, mp4: bytes, name: str) -> None:
    refused(add(server, mp4, name), 400, "name")


def test_videos_that_cannot_be(server: Server, refused: Refused) -> None:
    refused(add(server, b"no video"), 400, "video")
    refused(server.client.post("/v1/videos/characters", data={"name": "a"}), 400, "video")
    refused(server.client.post("/v1/videos/characters", json={"name": "a", "video": "x"}), 400, "video")


def test_the_longest_name(server: Server, mp4: bytes) -> None:
    assert add(server, mp4, "ü" * 80).json()["name"] == "ü" * 80
