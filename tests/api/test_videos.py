"""Videos through the API, as Sora's clients ask for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hinode.engines.native import catalog

from .conftest import SMALL, Clock, Server

Refused = Callable[..., dict[str, Any]]

SORA_FIELDS = {
    "id",
    "object",
    "model",
    "status",
    "progress",
    "created_at",
    "completed_at",
    "expires_at",
    "prompt",
    "size",
    "seconds",
    "remixed_from_video_id",
    "error",
}


def test_create_by_json_has_every_field(server: Server, clock: Clock) -> None:
    video = server.create(seconds=2)
    assert set(video) >= SORA_FIELDS
    assert video["id"].startswith("video_")
    assert video["object"] == "video"
    assert video["model"] == "sora-2"
    assert video["status"] == "queued"
    assert video["progress"] == 0
    assert video["created_at"] == int(clock.now)
    assert video["prompt"] == "a red kite"
    assert (video["size"], video["seconds"]) == (SMALL, "2")
    for absent in ("completed_at", "expires_at", "remixed_from_video_id", "error"):
        assert video[absent] is None


def test_defaults_are_sora_s(server: Server) -> None:
    video = server.client.post("/v1/videos", json={"prompt": "a kite"}).json()
    assert (video["model"], video["seconds"], video["size"]) == ("sora-2", "4", "720x1280")


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"prompt": "a kite", "seconds": "1", "size": SMALL, "unknown": {"deep": [1]}}},
        {"json": {"prompt": "a kite", "seconds": 1, "size": SMALL, "user": None}},
        {"data": {"prompt": "a kite", "seconds": "1", "size": SMALL, "unknown": "x"}},
        {"files": {"prompt": (None, "a kite"), "seconds": (None, "1"), "size": (None, SMALL)}},
        {"content": json.dumps({"prompt": "a kite", "seconds": 1.0, "size": SMALL})},
    ],
    ids=["json", "json-number", "form", "multipart", "no-content-type"],
)
def test_every_encoding_is_the_same_request(server: Server, body: dict[str, Any]) -> None:
    answer = server.client.post("/v1/videos", **body)
    assert answer.status_code == 200, answer.text
    video = answer.json()
    assert (video["prompt"], video["seconds"], video["size"]) == ("a kite", "1", SMALL)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"prompt": None}, "prompt", "no prompt"),
        ({"prompt": "  "}, "prompt", "empty"),
        ({"prompt": "x" * 32_001}, "prompt", "32,001"),
        ({"prompt": 5}, "prompt", "'5'"),
        ({"prompt": ["a"]}, "prompt", "a list"),
        ({"prompt": "\ud800"}, "prompt", "readable"),
        ({"seconds": "soon"}, "seconds", "soon"),
        ({"seconds": "0"}, "seconds", "0 seconds"),
        ({"seconds": -4}, "seconds", "cannot be made"),
        ({"seconds": 121}, "seconds", "at most 120"),
        ({"seconds": True}, "seconds", "true"),
        ({"size": "big"}, "size", "width x height"),
        ({"size": "63x36"}, "size", "even"),
        ({"size": "9999999x2"}, "size", "out of range"),
        ({"model": "sora-1"}, "model", "there is no model"),
        ({"model": "\x00"}, "model", "there is no model"),
        ({"n": 11}, "n", "1 to 10"),
        ({"n": 0}, "n", "1 to 10"),
        ({"n": 1.5}, "n", "whole number"),
        ({"seed": -1}, "seed", "out of range"),
        ({"seed": 2**63}, "seed", "out of range"),
        ({"seed": 2**63 - 1, "n": 2}, "seed", "out of range"),
        ({"fps": 61}, "fps", "frames per second"),
        ({"steps": 1000}, "steps", "steps"),
        ({"profile": "draft"}, "profile", "no profile 'draft'"),
        ({"profile": 7}, "profile", "7"),
        ({"negative_prompt": {"a": 1}}, "negative_prompt", "an object"),
        ({"sound": "loud"}, "sound", "give true or false"),
        ({"sound": 1}, "sound", "give true or false"),
        ({"input_reference": 7}, "input_reference", "one image"),
        ({"input_reference": {}}, "input_reference", "one image"),
        ({"input_reference": {"file_id": "file-1", "image_url": "x"}}, "input_reference", "one image"),
        ({"characters": "nobody"}, "characters", "no character"),
        ({"characters": [{"id": "a"}] * 3}, "characters", "2 at most"),
        ({"characters": [{"name": "a"}]}, "characters", "does not name"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    server: Server, refused: Refused, fields: dict[str, Any], param: str, words: str
) -> None:
    body = {"prompt": "a red kite", "size": SMALL, "seconds": "1", **fields}
    answer = server.client.post("/v1/videos", content=json.dumps(body))
    error = refused(answer, 404 if words == "no character" else 400, param)
    assert words.lower() in error["message"].lower()
    assert error["type"] == "invalid_request_error"
    assert server.client.get("/v1/videos").json()["data"] == []


def test_the_longest_prompt(server: Server) -> None:
    assert server.create(prompt="ü" * 32_000)["prompt"] == "ü" * 32_000


def test_several_at_once(server: Server) -> None:
    video = server.create(n="3", seed=7)
    assert [other["seed"] for other in video["videos"]] == [7, 8, 9]
    assert video["id"] == video["videos"][0]["id"]
    assert len({other["id"] for other in video["videos"]}) == 3
    assert "videos" not in server.client.get(f"/v1/videos/{video['id']}").json()


def test_additions_come_back(server: Server) -> None:
    video = server.create(seed=3, fps=12, steps=4, negative_prompt="rain")
    for name, value in {"seed": 3, "fps": 12, "steps": 4, "negative_prompt": "rain"}.items():
        assert video[name] == value
    done = server.finished(seed=3, steps=4)
    assert done["making"]["engine"] == "testcard"
    assert done["making"]["native_size"] == SMALL


@pytest.mark.parametrize(("sound", "heard"), [(True, "stereo, 48000 Hz"), (False, None), (None, None)])
def test_sound_is_had_for_the_asking(server: Server, sound: bool | None, heard: str | None) -> None:
    done = server.finished(sound=sound)
    assert done["making"]["sound"] == heard
    content = server.client.get(f"/v1/videos/{done['id']}/content").content
    assert (b"mp4a" in content) == bool(sound)
    for variant in ("thumbnail", "spritesheet"):
        path = f"/v1/videos/{done['id']}/content?variant={variant}"
        assert server.client.get(path).status_code == 200
    longer = server.client.post(
        "/v1/videos/extensions", json={"video": {"id": done["id"]}, "prompt": "it lands", "seconds": 1}
    ).json()
    server.work()
    made = server.client.get(f"/v1/videos/{longer['id']}").json()
    assert made["making"]["sound"] == heard


def test_forms_say_it_in_words(server: Server) -> None:
    for word in ("true", "false"):
        answer = server.client.post("/v1/videos", data={"prompt": "a kite", "size": SMALL, "sound": word})
        assert answer.status_code == 200, answer.text
    (model,) = [one for one in server.client.get("/v1/models").json()["data"] if one["engine"] == "testcard"][
        :1
    ]
    assert model["sound"] is True


def test_a_finished_video(server: Server, clock: Clock) -> None:
    done = server.finished()
    assert done["status"] == "completed"
    assert done["progress"] == 100
    assert done["created_at"] <= done["completed_at"] <= clock.now
    assert done["expires_at"] - done["completed_at"] == server.context.settings.retention_seconds


def test_get_tells_when_to_ask_again(server: Server) -> None:
    answer = server.client.get(f"/v1/videos/{server.create()['id']}")
    assert 100 <= int(answer.headers["openai-poll-after-ms"]) <= 10_000
    assert server.work() == 1
    answer = server.client.get(f"/v1/videos/{answer.json()['id']}")
    assert answer.json()["status"] == "completed"
    assert "openai-poll-after-ms" not in answer.headers


@pytest.mark.parametrize("name", ["video_0", "a", "%00", "video_%F0%9F%98%80", "x" * 100])
def test_there_is_no_such_video(server: Server, refused: Refused, name: str) -> None:
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/content"),
        ("GET", "/events"),
    ):
        error = refused(server.client.request(method, f"/v1/videos/{name}{path}"), 404, "video_id")
        assert error["code"] == "not_found"
    refused(server.client.post(f"/v1/videos/{name}/remix", json={"prompt": "x"}), 404, "video_id")


def test_other_projects_see_nothing(server: Server, refused: Refused) -> None:
    video = server.finished()
    server.context.tenants.create_project("others")
    other = server.context.tenants.create_key("other", project="others")
    headers = {"authorization": f"Bearer {other.key}"}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/content")):
        answer = server.client.request(method, f"/v1/videos/{video['id']}{path}", headers=headers)
        refused(answer, 404, "video_id")
    assert server.client.get("/v1/videos", headers=headers).json()["data"] == []
    edit = {"prompt": "x", "video": {"id": video["id"]}}
    refused(server.client.post("/v1/videos/edits", json=edit, headers=headers), 404, "video")


def test_paging_as_the_sdk_does_it(server: Server) -> None:
    ids = [server.create(prompt=str(number))["id"] for number in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2, "order": "asc"}
    while True:
        page = server.client.get("/v1/videos", params=query).json()
        assert page["object"] == "list"
        assert page["first_id"] == page["data"][0]["id"]
        assert page["last_id"] == page["data"][-1]["id"]
        seen += [video["id"] for video in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]
    assert seen == ids
    newest = server.client.get("/v1/videos").json()
    assert [video["id"] for video in newest["data"]] == ids[::-1]
    empty = server.client.get("/v1/videos", params={"limit": 0}).json()
    assert (empty["data"], empty["first_id"], empty["last_id"], empty["has_more"]) == ([], None, None, True)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 101}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "video_0"}, "after"),
        ({"after": "\x00"}, "after"),
    ],
)
def test_lists_that_cannot_be(server: Server, refused: Refused, query: dict[str, Any], param: str) -> None:
    refused(server.client.get("/v1/videos", params=query), 400, param)


def test_cancel_while_it_waits(server: Server) -> None:
    video = server.create()
    cancelled = server.client.post(f"/v1/videos/{video['id']}/cancel").json()
    assert cancelled["status"] == "failed"
    assert cancelled["error"] == {"code": "cancelled", "message": cancelled["error"]["message"]}
    again = server.client.post(f"/v1/videos/{video['id']}/cancel").json()
    assert again["status"] == "failed"
    assert server.work() == 0


def test_cancel_leaves_a_finished_video_alone(server: Server) -> None:
    video = server.finished()
    assert server.client.post(f"/v1/videos/{video['id']}/cancel").json()["status"] == "completed"


def test_delete(server: Server, refused: Refused) -> None:
    waiting = server.create()["id"]
    answer = server.client.delete(f"/v1/videos/{waiting}", headers={"content-type": "application/json"})
    refused(answer, 409)
    assert answer.headers["x-should-retry"] == "false"
    server.work()
    gone = server.client.delete(f"/v1/videos/{waiting}").json()
    assert gone == {"id": waiting, "object": "video.deleted", "deleted": True}
    refused(server.client.get(f"/v1/videos/{waiting}"), 404, "video_id")
    refused(server.client.delete(f"/v1/videos/{waiting}"), 404, "video_id")


def test_remix(server: Server) -> None:
    source = server.finished(seconds=2)
    for body in ({"json": {"prompt": "at night"}}, {"data": {"prompt": "at night"}}):
        remix = server.client.post(f"/v1/videos/{source['id']}/remix", **body).json()
        assert remix["remixed_from_video_id"] == source["id"]
        assert (remix["prompt"], remix["seconds"], remix["size"]) == ("at night", "2", SMALL)
    assert server.work() == 2
    assert server.client.get(f"/v1/videos/{remix['id']}").json()["status"] == "completed"


@pytest.mark.parametrize(
    "body",
    [
        lambda name: {"json": {"prompt": "blue", "video": {"id": name}}},
        lambda name: {"json": {"prompt": "blue", "video": name}},
        lambda name: {"data": {"prompt": "blue", "video[id]": name}},
        lambda name: {"files": {"prompt": (None, "blue"), "video[id]": (None, name)}},
        lambda name: {"files": {"prompt": (None, "blue"), "video": (None, json.dumps({"id": name}))}},
    ],
)
def test_edit_by_id(server: Server, body: Callable[[str], dict[str, Any]]) -> None:
    source = server.finished(model="sora-2-pro", seconds=2)
    answer = server.client.post("/v1/videos/edits", **body(source["id"]))
    assert answer.status_code == 200, answer.text
    edit = answer.json()
    assert (edit["operation"], edit["model"], edit["seconds"]) == ("edit", "sora-2-pro", "2")
    assert edit["source_video_id"] == source["id"]
    assert server.work() == 1
    assert server.client.get(f"/v1/videos/{edit['id']}").json()["status"] == "completed"


def test_edit_of_a_file(server: Server, refused: Refused) -> None:
    source = server.finished(seconds=2)
    mp4 = server.client.get(f"/v1/videos/{source['id']}/content").content
    edit = server.client.post(
        "/v1/videos/edits",
        data={"prompt": "blue", "model": "sora-2"},
        files={"video": ("../../etc/passwd", mp4, "video/mp4")},
    )
    assert edit.status_code == 200, edit.text
    assert (edit.json()["seconds"], edit.json()["size"]) == ("2", SMALL)
    assert server.work() == 1
    for broken in (b"", b"not a video", mp4[:200], b"#EXTM3U\nfile:///etc/passwd\n", mp4[:8] + b"\0" * 900):
        answer = server.client.post(
            "/v1/videos/edits", data={"prompt": "blue"}, files={"video": ("a.mp4", broken)}
        )
        refused(answer, 400, "video")


def test_extend_gives_the_whole(server: Server, refused: Refused) -> None:
    source = server.finished(seconds=2)
    named = {"prompt": "on and on", "video": {"id": source["id"]}}
    extended = server.client.post("/v1/videos/extensions", json={**named, "seconds": "4"}).json()
    assert (extended["operation"], extended["seconds"]) == ("extend", "6")
    assert extended["remixed_from_video_id"] is None
    assert server.work() == 1
    refused(server.client.post("/v1/videos/extensions", json=named), 400, "seconds")
    for seconds in (0, -1, 119, "x"):
        answer = server.client.post("/v1/videos/extensions", json={**named, "seconds": seconds})
        refused(answer, 400, "seconds")


def test_extensions_have_an_end(server: Server, refused: Refused) -> None:
    last = server.finished(seconds="0.2")["id"]

    def extend(seconds: str = "0.2") -> Any:
        body = {"prompt": "on and on", "video": {"id": last}, "seconds": seconds}
        return server.client.post("/v1/videos/extensions", json=body)

    assert "at most" in refused(extend("119.9"), 400, "seconds")["message"]
    for _ in range(6):
        last = extend().json()["id"]
        assert server.work() == 1
    assert "6 times" in refused(extend(), 400, "video")["message"]
    # What is made from it anew can be extended again.
    last = server.client.post(f"/v1/videos/{last}/remix", json={"prompt": "at night"}).json()["id"]
    assert server.work() == 1
    assert extend().status_code == 200


def test_a_source_that_is_not_there_or_not_ready(server: Server, refused: Refused) -> None:
    waiting = server.create()["id"]
    refused(
        server.client.post("/v1/videos/edits", json={"prompt": "x", "video": {"id": waiting}}), 400, "video"
    )
    refused(server.client.post(f"/v1/videos/{waiting}/remix", json={"prompt": "x"}), 400, "video_id")
    refused(server.client.post("/v1/videos/edits", json={"prompt": "x", "video": {"id": "\0"}}), 404, "video")
    refused(server.client.post("/v1/videos/edits", json={"prompt": "x"}), 400, "video")
    refused(server.client.post("/v1/videos/edits", json={"prompt": "x", "video": {}}), 400, "video")


def test_the_source_may_go_while_the_edit_waits(server: Server) -> None:
    source = server.finished()
    edit = server.client.post(f"/v1/videos/{source['id']}/remix", json={"prompt": "night"}).json()
    server.client.delete(f"/v1/videos/{source['id']}")
    server.context.objects.sweep(server.context.store.digests(), -3600.0)
    server.work()
    assert server.client.get(f"/v1/videos/{edit['id']}").json()["status"] == "completed"


def test_an_engine_that_cannot(server: Server, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "CONTROL_REFERENCES", catalog.BASIC_REFERENCES)  # as a model without control
    answer = server.client.post("/v1/videos/loops", json={"prompt": "night", "model": "native/nano"})
    error = refused(answer, 400, "model")
    assert error["code"] == "operation_not_supported"
    answer = server.client.post(
        "/v1/videos",
        json={"prompt": "x", "model": "native/nano", "last_frame_reference": {"image_url": "http://[bad"}},
    )
    refused(answer, 400, "last_frame_reference")


def test_idempotency_key(server: Server, refused: Refused) -> None:
    headers = {"Idempotency-Key": "one"}
    body = {"prompt": "a", "size": SMALL, "n": 2}
    first = server.client.post("/v1/videos", json=body, headers=headers)
    second = server.client.post("/v1/videos", json={**body, "n": "2"}, headers=headers)
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    other = server.client.post("/v1/videos", json={**body, "prompt": "b"}, headers=headers)
    refused(other, 400, "Idempotency-Key")
    for bad in ("", "x" * 256):
        answer = server.client.post("/v1/videos", json=body, headers={"Idempotency-Key": bad})
        refused(answer, 400, "Idempotency-Key")
    assert len(server.client.get("/v1/videos").json()["data"]) == 2


def test_a_retry_of_the_sdk_is_the_same_request(server: Server) -> None:
    body = {"prompt": "a", "size": SMALL}

    def ask(tries: str, **changes: Any) -> str:
        headers = {"x-stainless-retry-count": tries}
        return str(server.client.post("/v1/videos", json={**body, **changes}, headers=headers).json()["id"])

    first = ask("0")
    assert ask("1") == first
    assert ask("2") == first
    assert ask("0") != first
    assert ask("1", prompt="b") != first
    assert ask("nonsense") != first


def test_quota(server: Server, refused: Refused) -> None:
    server.context.tenants.change_limits(server.project_id, lambda limits: replace(limits, most_queued=1))
    server.create()
    answer = server.client.post("/v1/videos", json={"prompt": "a", "size": SMALL})
    error = refused(answer, 429)
    assert error["code"] == "rate_limit_exceeded"
    assert int(answer.headers["retry-after"]) >= 1


def test_previews_go_first_and_are_small(server: Server, refused: Refused) -> None:
    for priority in ("batch", "interactive", "preview"):
        assert server.create(priority=priority)["priority"] == priority
    server.work(most=1)
    page = server.client.get("/v1/videos").json()["data"]
    assert [video["priority"] for video in page if video["status"] == "completed"] == ["preview"]
    answer = server.client.post(
        "/v1/videos", json={"prompt": "a kite", "size": "1280x720", "seconds": 1, "priority": "preview"}
    )
    refused(answer, 400, "priority")
    refused(server.client.post("/v1/videos", json={"prompt": "a kite", "priority": "now"}), 400, "priority")
