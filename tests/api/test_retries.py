"""Requests that are made again: by a client's promise, and by client libraries of themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hinode.api.limits import Buckets, RateLimitStatus
from hinode.api.middleware import retries
from hinode.api.middleware.retries import RejectedRequests
from hinode.records.database import DatabaseError

from .conftest import SMALL, Server

BODY = {"prompt": "a", "size": SMALL}


def test_a_key_of_a_deleted_video(server: Server, refused: Callable[..., dict[str, Any]]) -> None:
    headers = {"Idempotency-Key": "one"}
    video = server.client.post("/v1/videos", json=BODY, headers=headers).json()
    server.work()
    assert server.client.delete(f"/v1/videos/{video['id']}").status_code == 200
    answer = server.client.post("/v1/videos", json=BODY, headers=headers)
    assert "deleted" in refused(answer, 404, "Idempotency-Key")["message"]
    assert server.client.get("/v1/videos").json()["data"] == []


def ask(server: Server, tries: int, **changes: Any) -> Any:
    headers = {"x-stainless-retry-count": str(tries)}
    return server.client.post("/v1/videos", json={**BODY, **changes}, headers=headers)


def fill_the_quota(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.context.tenants.change_limits(server.project_id, lambda limits: replace(limits, max_queued=1))


def use_up_the_rate(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made = server.context.tenants.create_key("limited", requests_per_minute=100)
    server.client.headers["authorization"] = f"Bearer {made.key}"
    assert ask(server, 0).status_code == 200  # by this key
    monkeypatch.setattr(Buckets, "take", lambda self, key, rate: RateLimitStatus(rate, 0, 60.0, 1.0))


def lose_the_database(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(*args: Any, **more: Any) -> Any:
        raise DatabaseError("it is away", "wait")

    monkeypatch.setattr(server.context.store, "submit", submit)


@pytest.mark.parametrize("trouble", [fill_the_quota, use_up_the_rate, lose_the_database])
def test_a_retry_of_what_was_refused_is_not_answered_with_an_older_video(
    server: Server, trouble: Callable[[Server, pytest.MonkeyPatch], None]
) -> None:
    before = {ask(server, 0).json()["id"]}
    with pytest.MonkeyPatch.context() as patch:
        trouble(server, patch)
        before |= {video["id"] for video in server.client.get("/v1/videos").json().get("data", [])}
        assert [ask(server, tries).status_code in (429, 503) for tries in (0, 1)] == [True, True]
    server.context.tenants.change_limits(server.project_id, lambda limits: replace(limits, max_queued=None))
    before |= {video["id"] for video in server.client.get("/v1/videos").json()["data"]}
    newer, again = ask(server, 2).json()["id"], ask(server, 3).json()["id"]
    assert newer not in before
    assert again == newer, "now there is one that its first try could have made"
    older = ask(server, 1, prompt="another length").json()["id"]
    assert older not in before
    assert ask(server, 2, prompt="another length").json()["id"] == older


def test_a_retry_of_what_was_answered_and_lost_still_finds_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_quota(server, monkeypatch)
    video = ask(server, 0).json()["id"]
    assert ask(server, 1).json()["id"] == video
    assert ask(server, 0, prompt="a longer one").status_code == 429
    assert ask(server, 2).json()["id"] == video


def test_what_is_remembered_of_refused_tries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "MAX_ENTRIES", 2)
    refused = RejectedRequests()
    for number, name in enumerate("abac", start=1):
        refused.note((name, "POST /v1/videos", "9"), float(number))
    assert [refused.since((name, "POST /v1/videos", "9")) for name in "abc"] == [3.0, 0.0, 4.0]
    assert refused.since(("a", "POST /v1/videos", "8")) == 0.0


@pytest.mark.parametrize("path", ["remix", "extensions"])
def test_a_source_that_is_deleted_and_swept_while_it_is_asked_for(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    video = server.finished()["id"]
    context = server.context
    os.utime(context.objects.path(context.store.artifacts(video)["video"].digest), (0, 0))
    monkeypatch.setattr(context.objects, "clock", time.time)
    submit = context.store.submit

    def meanwhile(*args: Any, **more: Any) -> Any:
        assert context.store.delete(server.project_id, video) is not None
        wanted = context.store.digests()
        answer = submit(*args, **more)
        context.objects.sweep(wanted, 3600)
        return answer

    monkeypatch.setattr(context.store, "submit", meanwhile)
    if path == "remix":
        answer = server.client.post(f"/v1/videos/{video}/remix", json={"prompt": "a blue kite"})
    else:
        body = {"prompt": "it sinks", "video": {"id": video}, "seconds": "1"}
        answer = server.client.post("/v1/videos/extensions", json=body)
    assert answer.status_code == 200, answer.text
    assert server.work() == 1
    made = server.client.get(f"/v1/videos/{answer.json()['id']}").json()
    assert made["status"] == "completed", made["error"]
