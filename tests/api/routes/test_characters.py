"""Characters: added from a short video, listed, named in prompts, forgotten."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from hinode.api.context import Context
from tests.api.conftest import SMALL, CheckError, Server, new_project, picture


@pytest.fixture(scope="module")
def mp4(application: tuple[Context, TestClient]) -> bytes:
    server = new_project(*application)
    return server.client.get(f"/v1/videos/{server.render()['id']}/content").content


def add(server: Server, mp4: bytes, name: str = "Mossy") -> Any:
    return server.client.post(
        "/v1/videos/characters", data={"name": name}, files={"video": ("m.mp4", mp4, "video/mp4")}
    )


def test_create_list_and_delete_a_character(mp4: bytes, server: Server, check_error: CheckError) -> None:
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
    check_error(server.client.get(path), 404, "character_id")
    check_error(server.client.delete(path), 404, "character_id")
    check_error(server.client.get("/v1/videos/characters", params={"after": "char_0"}), 400, "after")


def test_characters_in_a_video(mp4: bytes, server: Server, check_error: CheckError) -> None:
    mossy, fern = add(server, mp4).json()["id"], add(server, mp4, "Fern").json()["id"]
    body = {"prompt": "Mossy meets Fern", "size": SMALL, "seconds": "1"}
    responses = [
        server.client.post("/v1/videos", json={**body, "characters": [{"id": mossy}, {"id": fern}]}),
        server.client.post("/v1/videos", data={**body, "characters[][id]": [mossy, fern]}),
        server.client.post("/v1/videos", data={**body, "characters[0][id]": mossy}),
        server.client.post("/v1/videos", json={**body, "characters": [mossy]}),
    ]
    assert [response.status_code for response in responses] == [200] * 4, responses[0].text
    assert server.run_jobs() == 4
    for response in responses:
        assert server.client.get(f"/v1/videos/{response.json()['id']}").json()["status"] == "completed"
    nameless = {**body, "prompt": "mossy stones", "characters": [{"id": mossy}]}
    error = check_error(server.client.post("/v1/videos", json=nameless), 400, "prompt")
    assert "Mossy" in error["message"]
    check_error(server.client.post("/v1/videos", json={**body, "characters": ["char_0"]}), 404, "characters")


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb", "\u202eoy"])
def test_invalid_names(mp4: bytes, server: Server, check_error: CheckError, name: str) -> None:
    check_error(add(server, mp4, name), 400, "name")


def test_invalid_videos(server: Server, check_error: CheckError) -> None:
    check_error(add(server, b"no video"), 400, "video")
    check_error(server.client.post("/v1/videos/characters", data={"name": "a"}), 400, "video")
    check_error(server.client.post("/v1/videos/characters", json={"name": "a", "video": "x"}), 400, "video")


def test_a_name_of_the_maximum_length(server: Server, mp4: bytes) -> None:
    assert add(server, mp4, "ü" * 80).json()["name"] == "ü" * 80


def test_characters_from_words_a_picture_and_a_frame(server: Server, check_error: CheckError) -> None:
    video = server.render()["id"]
    path = "/v1/characters"
    words = server.client.post(path, json={"name": "Pip", "description": "a red balloon"}).json()
    frame = server.client.post(path, json={"name": "Kit", "video_id": video, "frame": 3}).json()
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    image = server.client.post(path, json={"name": "Fox", "image": {"image_url": url}}).json()
    assert [entry["kind"] for entry in (words, frame, image)] == ["words", "picture", "picture"]
    check_error(server.client.post(path, json={"name": "x"}), 400, "description")
    check_error(server.client.post(path, json={"name": "x", "video_id": video, "frame": 99}), 400, "frame")
    for character in (
        frame,
        image,
        add(server, server.client.get(f"/v1/videos/{video}/content").content).json(),
    ):
        portrait = server.client.get(f"{path}/{character['id']}/picture")
        assert (portrait.status_code, portrait.content[:4]) == (200, b"\x89PNG")
    check_error(server.client.get(f"{path}/{words['id']}/picture"), 404, "character_id")
    changed = server.client.patch(f"{path}/{words['id']}", json={"notes": "<b>"}).json()
    assert (changed["notes"], changed["name"]) == ("<b>", "Pip")
    assert server.client.patch(f"{path}/{words['id']}", json={"notes": ""}).json()["notes"] == ""
    made = server.create(prompt="The @Pip flies", characters=[words["id"]])
    assert made["prompt"] == "The red balloon flies"
    document = {"shots": [{"id": "a", "frames": 5, "prompt": "Pip", "characters": [words["id"]]}]}
    board = server.client.post("/v1/storyboards", json={"document": document}).json()["id"]
    uses = server.client.get(f"{path}/{words['id']}/uses").json()
    assert [entry["id"] for entry in uses["videos"]] == [made["id"]]
    assert [entry["id"] for entry in uses["storyboards"]] == [board]
    check_error(
        server.client.get(f"{path}/{words['id']}/uses", headers=server.other_project()), 404, "character_id"
    )
