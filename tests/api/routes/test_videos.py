"""Videos through the API, as Sora's clients ask for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import SMALL, CheckError, Clock, Server

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


def test_unknown_parameters_of_addresses_are_refused(server: Server, check_error: CheckError) -> None:
    error = check_error(server.client.get("/v1/videos", params={"limt": 2}), 400, "limt")
    assert error["code"] == "unknown_parameter"
    assert "the nearest known parameter is limit" in error["message"]
    check_error(server.client.get("/v1/videos/video_0", params={"expand": "all"}), 400, "expand")
    assert server.client.get("/healthz", params={"cache": "buster"}).status_code == 200


def test_a_parameter_of_an_address_with_two_values_is_refused(
    server: Server, check_error: CheckError
) -> None:
    error = check_error(server.client.get("/v1/videos?limit=1&limit=2"), 400, "limit")
    assert error["message"] == "limit is there twice, with two values; send it once."
    assert server.client.get("/v1/videos?limit=1&limit=1").status_code == 200


def test_several_videos_of_one_request(server: Server) -> None:
    video = server.create(n="3", seed=7)
    assert [other["seed"] for other in video["videos"]] == [7, 8, 9]
    assert video["id"] == video["videos"][0]["id"]
    assert len({other["id"] for other in video["videos"]}) == 3
    assert "videos" not in server.client.get(f"/v1/videos/{video['id']}").json()


def test_answers_have_the_fields_of_hinode(server: Server) -> None:
    video = server.create(seed=3, fps=12, steps=4, negative_prompt="rain")
    for name, value in {"seed": 3, "fps": 12, "steps": 4, "negative_prompt": "rain"}.items():
        assert video[name] == value
    video = server.render(seed=3, steps=4)
    assert video["making"]["engine"] == "testcard"
    assert video["making"]["native_size"] == SMALL


@pytest.mark.parametrize(("sound", "format"), [(True, "stereo, 48000 Hz"), (False, None), (None, None)])
def test_sound_on_request(server: Server, sound: bool | None, format: str | None) -> None:
    video = server.render(sound=sound)
    assert video["making"]["sound"] == format
    content = server.client.get(f"/v1/videos/{video['id']}/content").content
    assert (b"mp4a" in content) == bool(sound)
    for variant in ("thumbnail", "spritesheet"):
        path = f"/v1/videos/{video['id']}/content?variant={variant}"
        assert server.client.get(path).status_code == 200
    longer = server.client.post(
        "/v1/videos/extensions", json={"video": {"id": video["id"]}, "prompt": "it lands", "seconds": 1}
    ).json()
    server.run_jobs()
    extended = server.client.get(f"/v1/videos/{longer['id']}").json()
    assert extended["making"]["sound"] == format


def test_a_finished_video(server: Server, clock: Clock) -> None:
    video = server.render()
    assert video["status"] == "completed"
    assert video["progress"] == 100
    assert video["created_at"] <= video["completed_at"] <= clock.now
    assert video["expires_at"] - video["completed_at"] == server.context.settings.retention_seconds


def test_get_has_a_polling_interval(server: Server) -> None:
    response = server.client.get(f"/v1/videos/{server.create()['id']}")
    assert 100 <= int(response.headers["openai-poll-after-ms"]) <= 10_000
    assert server.run_jobs() == 1
    response = server.client.get(f"/v1/videos/{response.json()['id']}")
    assert response.json()["status"] == "completed"
    assert "openai-poll-after-ms" not in response.headers


@pytest.mark.parametrize("name", ["video_0", "a", "%00", "video_%F0%9F%98%80", "x" * 100])
def test_unknown_videos(server: Server, check_error: CheckError, name: str) -> None:
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/content"),
        ("GET", "/events"),
    ):
        error = check_error(server.client.request(method, f"/v1/videos/{name}{path}"), 404, "video_id")
        assert error["code"] == "not_found"
    check_error(server.client.post(f"/v1/videos/{name}/remix", json={"prompt": "x"}), 404, "video_id")


def test_other_projects_see_nothing(server: Server, check_error: CheckError) -> None:
    video = server.render()
    headers = server.other_project()
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/content")):
        response = server.client.request(method, f"/v1/videos/{video['id']}{path}", headers=headers)
        check_error(response, 404, "video_id")
    assert server.client.get("/v1/videos", headers=headers).json()["data"] == []
    edit = {"prompt": "x", "video": {"id": video["id"]}}
    check_error(server.client.post("/v1/videos/edits", json=edit, headers=headers), 404, "video")


def test_paging_as_the_sdk_does_it(server: Server) -> None:
    ids = [server.create(prompt=str(number))["id"] for number in range(5)]
    listed: list[str] = []
    query: dict[str, Any] = {"limit": 2, "order": "asc"}
    while True:
        page = server.client.get("/v1/videos", params=query).json()
        assert page["object"] == "list"
        assert page["first_id"] == page["data"][0]["id"]
        assert page["last_id"] == page["data"][-1]["id"]
        listed += [video["id"] for video in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]
    assert listed == ids
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
def test_invalid_list_parameters(
    server: Server, check_error: CheckError, query: dict[str, Any], param: str
) -> None:
    check_error(server.client.get("/v1/videos", params=query), 400, param)


def test_cancel_a_queued_video(server: Server) -> None:
    video = server.create()
    cancelled = server.client.post(f"/v1/videos/{video['id']}/cancel").json()
    assert cancelled["status"] == "failed"
    assert cancelled["error"] == {"code": "cancelled", "message": cancelled["error"]["message"]}
    again = server.client.post(f"/v1/videos/{video['id']}/cancel").json()
    assert again["status"] == "failed"
    assert server.run_jobs() == 0


def test_cancel_leaves_a_finished_video_alone(server: Server) -> None:
    video = server.render()
    assert server.client.post(f"/v1/videos/{video['id']}/cancel").json()["status"] == "completed"


def test_delete(server: Server, check_error: CheckError) -> None:
    waiting = server.create()["id"]
    response = server.client.delete(f"/v1/videos/{waiting}", headers={"content-type": "application/json"})
    check_error(response, 409)
    assert response.headers["x-should-retry"] == "false"
    server.run_jobs()
    deletion = server.client.delete(f"/v1/videos/{waiting}").json()
    assert deletion == {"id": waiting, "object": "video.deleted", "deleted": True}
    check_error(server.client.get(f"/v1/videos/{waiting}"), 404, "video_id")
    check_error(server.client.delete(f"/v1/videos/{waiting}"), 404, "video_id")


def test_idempotency_key(server: Server, check_error: CheckError) -> None:
    headers = {"Idempotency-Key": "one"}
    body = {"prompt": "a", "size": SMALL, "n": 2}
    first = server.client.post("/v1/videos", json=body, headers=headers)
    second = server.client.post("/v1/videos", json={**body, "n": "2"}, headers=headers)
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    other = server.client.post("/v1/videos", json={**body, "prompt": "b"}, headers=headers)
    check_error(other, 400, "Idempotency-Key")
    for bad in ("", "x" * 256):
        response = server.client.post("/v1/videos", json=body, headers={"Idempotency-Key": bad})
        check_error(response, 400, "Idempotency-Key")
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


def test_more_jobs_than_the_quota(server: Server, check_error: CheckError) -> None:
    server.context.tenants.change_limits(server.project_id, lambda limits: replace(limits, max_queued=1))
    server.create()
    response = server.client.post("/v1/videos", json={"prompt": "a", "size": SMALL})
    error = check_error(response, 429)
    assert error["code"] == "rate_limit_exceeded"
    assert int(response.headers["retry-after"]) >= 1


def test_previews_run_first_and_are_small(server: Server, check_error: CheckError) -> None:
    for priority in ("batch", "interactive", "preview"):
        assert server.create(priority=priority)["priority"] == priority
    server.run_jobs(limit=1)
    page = server.client.get("/v1/videos").json()["data"]
    assert [video["priority"] for video in page if video["status"] == "completed"] == ["preview"]
    response = server.client.post(
        "/v1/videos", json={"prompt": "a kite", "size": "1280x720", "seconds": 1, "priority": "preview"}
    )
    check_error(response, 400, "priority")
    check_error(
        server.client.post("/v1/videos", json={"prompt": "a kite", "priority": "now"}), 400, "priority"
    )
