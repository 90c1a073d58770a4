"""The fields of bodies: every encoding of them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hinode.api.requests import models
from tests.api.conftest import SMALL, CheckError, Server


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"prompt": "a kite", "seconds": "1", "size": SMALL, "steps": None, "profile": ""}},
        {"json": {"prompt": "a kite", "seconds": 1, "size": SMALL}},
        {"data": {"prompt": "a kite", "seconds": "1", "size": SMALL, "input_reference": ""}},
        {"files": {"prompt": (None, "a kite"), "seconds": (None, "1"), "size": (None, SMALL)}},
        {"content": json.dumps({"prompt": "a kite", "seconds": 1.0, "size": SMALL})},
    ],
    ids=["json", "json-number", "form", "multipart", "no-content-type"],
)
def test_every_encoding_is_the_same_request(server: Server, body: dict[str, Any]) -> None:
    response = server.client.post("/v1/videos", **body)
    assert response.status_code == 200, response.text
    video = response.json()
    assert (video["prompt"], video["seconds"], video["size"]) == ("a kite", "1", SMALL)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"prompt": None}, "prompt", "prompt is missing"),
        ({"prompt": ""}, "prompt", "prompt is missing"),
        ({"prompt": "  "}, "prompt", "empty"),
        ({"prompt": "x" * 32_001}, "prompt", "32,001"),
        ({"prompt": 5}, "prompt", "is 5; give text"),
        ({"prompt": ["a"]}, "prompt", "a list"),
        ({"prompt": "\ud800"}, "prompt", "readable"),
        ({"seconds": "soon"}, "seconds", "soon"),
        ({"seconds": "0"}, "seconds", "is 0; give more than 0"),
        ({"seconds": -4}, "seconds", "give more than 0"),
        ({"seconds": 121}, "seconds", "at most 120"),
        ({"seconds": True}, "seconds", "true"),
        ({"size": "big"}, "size", "width x height"),
        ({"size": "63x36"}, "size", "even"),
        ({"size": "9999999x2"}, "size", "out of range"),
        ({"model": "sora-1"}, "model", "there is no model"),
        ({"model": "\x00"}, "model", "there is no model"),
        ({"n": 11}, "n", "10 at most"),
        ({"n": 0}, "n", "1 or more"),
        ({"n": 1.5}, "n", "whole number"),
        ({"seed": -1}, "seed", "0 or more"),
        ({"seed": 2**63}, "seed", "at most"),
        ({"seed": 2**63 - 1, "n": 2}, "seed", "out of range"),
        ({"fps": 61}, "fps", "frames per second"),
        ({"steps": 1000}, "steps", "steps"),
        ({"profile": "draft"}, "profile", "no profile 'draft'"),
        ({"profile": 7}, "profile", "7"),
        ({"negative_prompt": {"a": 1}}, "negative_prompt", "an object"),
        ({"sound": "loud"}, "sound", "give true or false"),
        ({"sound": 1}, "sound", "give true or false"),
        ({"input_reference": 7}, "input_reference", "give an object"),
        ({"input_reference": {}}, "input_reference", "exactly one of them"),
        ({"input_reference": {"file_id": "file-1", "image_url": "x"}}, "input_reference", "exactly one"),
        ({"characters": "nobody"}, "characters", "no character"),
        ({"characters": [{"id": "a"}] * 3}, "characters", "2 at most"),
        ({"characters": [{}]}, "characters.1.id", "is missing"),
    ],
)
def test_invalid_fields_are_refused_in_one_sentence(
    server: Server, check_error: CheckError, fields: dict[str, Any], param: str, words: str
) -> None:
    body = {"prompt": "a red kite", "size": SMALL, "seconds": "1", **fields}
    response = server.client.post("/v1/videos", content=json.dumps(body))
    error = check_error(response, 404 if words == "no character" else 400, param)
    assert words.lower() in error["message"].lower()
    assert error["type"] == "invalid_request_error"
    assert server.client.get("/v1/videos").json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "param", "nearest"),
    [
        ({"promt": "a kite"}, "promt", "prompt"),
        ({"secconds": 4}, "secconds", "seconds"),
        (
            {"input_reference": {"image_uri": "https://example.com/a.png"}},
            "input_reference.image_uri",
            "image_url",
        ),
        ({"keyframes": [{"at": 1, "file_id": "file-1", "att": 2}]}, "keyframes.1.att", "at"),
        ({"path": [{"seconds": 0, "x": 0.5, "y": 0.5, "yy": 1}]}, "path.1.yy", "y"),
        ({"\0": 1}, "\\x00", None),
        ({"quality": "high"}, "quality", None),
    ],
)
def test_unknown_fields_are_refused_and_the_nearest_known_one_is_named(
    server: Server, check_error: CheckError, fields: dict[str, Any], param: str, nearest: str | None
) -> None:
    body = {"prompt": "a red kite", "size": SMALL, "seconds": "1", **fields}
    error = check_error(server.client.post("/v1/videos", content=json.dumps(body)), 400, param)
    assert error["code"] == "unknown_parameter"
    assert (f"the nearest known field is {nearest}" if nearest else "leave it out") in error["message"]


def test_unknown_fields_of_forms_are_refused(server: Server, check_error: CheckError) -> None:
    body = {"prompt": "a kite", "input_reference[image_uri]": "https://example.com/a.png"}
    error = check_error(server.client.post("/v1/videos", data=body), 400, "input_reference.image_uri")
    assert error["code"] == "unknown_parameter"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("edits", {"video": "video_1", "size": SMALL}),
        ("extensions", {"video": "video_1", "seconds": 1, "keyframes": []}),
        ("video_1/remix", {"seconds": 8}),
        ("loops", {"strength": 0.5}),
        ("retakes", {"video": "video_1", "curve": "smooth"}),
        ("storyboards", {"shots": [{"prompt": "x", "seconds": 1}], "input_reference": "x"}),
    ],
)
def test_fields_that_an_operation_does_not_have_are_refused(
    server: Server, check_error: CheckError, path: str, fields: dict[str, Any]
) -> None:
    body = {"prompt": "a kite", **fields}
    response = server.client.post(f"/v1/videos/{path}", json=body)
    assert check_error(response, 400, list(fields)[-1])["code"] == "unknown_parameter"


def test_fields_that_clients_send_and_that_change_nothing_are_accepted(server: Server) -> None:
    # LiteLLM's proxy for OpenAI's videos: multipart, with the name of its caller's user.
    litellm = {"model": "sora-2", "prompt": "a kite", "seconds": "1", "size": SMALL, "user": "u-1"}
    parts = {name: (None, value) for name, value in litellm.items()}
    response = server.client.post("/v1/videos", files=parts)
    assert response.status_code == 200, response.text
    assert set(models.IGNORED_FIELDS) == {"user"}, "each has a test with the client that sends it"


def test_a_prompt_of_the_maximum_length(server: Server) -> None:
    assert server.create(prompt="ü" * 32_000)["prompt"] == "ü" * 32_000


def test_booleans_as_text(server: Server) -> None:
    for word in ("true", "false"):
        response = server.client.post("/v1/videos", data={"prompt": "a kite", "size": SMALL, "sound": word})
        assert response.status_code == 200, response.text
    models = server.client.get("/v1/models").json()["data"]
    assert {model["sound"] for model in models if model["engine"] == "testcard"} == {True}
