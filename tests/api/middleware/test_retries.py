"""Requests that are sent again: with an idempotency key, and by client libraries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.api.limits import Buckets, RateLimitStatus
from hinode.jobs.admission import idempotency
from hinode.jobs.admission.idempotency import Rejections
from hinode.records.database import Database, DatabaseError
from tests.api.conftest import SMALL, CheckError, Clock, Server

BODY = {"prompt": "a", "size": SMALL}


def test_a_key_of_a_deleted_video(server: Server, check_error: CheckError) -> None:
    headers = {"Idempotency-Key": "one"}
    video = server.client.post("/v1/videos", json=BODY, headers=headers).json()
    server.run_jobs()
    assert server.client.delete(f"/v1/videos/{video['id']}").status_code == 200
    response = server.client.post("/v1/videos", json=BODY, headers=headers)
    assert "deleted" in check_error(response, 404, "Idempotency-Key")["message"]
    assert server.client.get("/v1/videos").json()["data"] == []


def ask(server: Server, tries: int, **changes: Any) -> Any:
    headers = {"x-stainless-retry-count": str(tries)}
    return server.client.post("/v1/videos", json={**BODY, **changes}, headers=headers)


def fill_the_quota(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.context.tenants.change_limits(server.project_id, lambda limits: replace(limits, max_queued=1))


def use_up_the_rate(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = server.context.tenants.create_key("limited", project=server.project_id, requests_per_minute=100)
    server.client.headers["authorization"] = f"Bearer {limited.key}"
    assert ask(server, 0).status_code == 200  # by this key
    monkeypatch.setattr(Buckets, "take", lambda self, key, rate: RateLimitStatus(rate, 0, 60.0, 1.0))


def lose_the_database(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def write(self: Database) -> Iterator[Any]:
        raise DatabaseError("it cannot be reached", "wait")
        yield

    monkeypatch.setattr(Database, "write", write)


@pytest.fixture
def other_process(server: Server) -> Iterator[Server]:
    """An application of another process on the same database."""
    context = server.context
    again = Context(context.settings, context.store.database, context.clock)
    with TestClient(create_app(again), headers=server.client.headers) as client:
        yield replace(server, client=client, context=again)


@pytest.mark.parametrize("trouble", [fill_the_quota, use_up_the_rate, lose_the_database])
def test_a_retry_of_a_rejected_try_is_not_answered_with_an_older_video(
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


def test_a_retry_that_reaches_another_process_is_not_answered_with_an_older_video(
    server: Server, other_process: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = ask(server, 0).json()["id"]
    fill_the_quota(server, monkeypatch)
    assert ask(server, 0).status_code == 429
    server.context.tenants.change_limits(server.project_id, lambda limits: replace(limits, max_queued=None))
    newer = ask(other_process, 1).json()["id"]
    assert newer != older
    assert ask(server, 2).json()["id"] == newer


def test_a_retry_of_an_answer_that_was_lost_gets_it(
    server: Server, other_process: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_quota(server, monkeypatch)
    video = ask(server, 0).json()["id"]
    assert ask(server, 1).json()["id"] == video
    assert ask(server, 0, prompt="a longer one").status_code == 429
    assert ask(other_process, 2).json()["id"] == video


def test_rejections_are_stored_as_long_as_a_retry_can_arrive(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejections = Rejections(database, clock)
    first, began = f"{1:064x}", clock.now
    for fingerprint, at in ((first, began + 2), (f"{2:064x}", began + 3), (first, began + 1)):
        rejections.add(fingerprint, at)
        rejections.flush()
    other = Rejections(database, clock)
    assert other.last(first) == began + 2, "the latest of them"
    assert other.last(f"{3:064x}") == 0
    clock.now += idempotency.RETRY_WINDOW + 10
    rejections.add(f"{3:064x}", clock.now)
    rejections.flush()
    assert [other.last(f"{number:064x}") > 0 for number in (1, 2, 3)] == [False, False, True]


def test_rejections_that_cannot_be_written_wait_within_bounds(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_PENDING", 2)
    database = server.context.store.database
    rejections = Rejections(database, clock)
    with pytest.MonkeyPatch.context() as patch:
        lose_the_database(server, patch)
        for name in "abc":
            rejections.add(name, clock.now)
            rejections.flush()
        assert [rejections.last(name) > 0 for name in "abc"] == [True, True, False]
    rejections.flush()
    assert [Rejections(database, clock).last(name) > 0 for name in "abc"] == [True, True, False]


@pytest.mark.parametrize("path", ["remix", "extensions"])
def test_a_source_that_is_deleted_during_the_request(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    video = server.render()["id"]
    context = server.context
    os.utime(context.objects.path(context.store.artifacts(video)["video"].digest), (0, 0))
    monkeypatch.setattr(context.objects, "clock", time.time)
    submit = context.store.submit

    def meanwhile(*args: Any, **more: Any) -> Any:
        assert context.store.delete(server.project_id, video) is not None
        referenced = context.store.digests()
        submitted = submit(*args, **more)
        context.objects.sweep(referenced, 3600)
        return submitted

    monkeypatch.setattr(context.store, "submit", meanwhile)
    if path == "remix":
        response = server.client.post(f"/v1/videos/{video}/remix", json={"prompt": "a blue kite"})
    else:
        body = {"prompt": "it sinks", "video": {"id": video}, "seconds": "1"}
        response = server.client.post("/v1/videos/extensions", json=body)
    assert response.status_code == 200, response.text
    assert server.run_jobs() == 1
    video = server.client.get(f"/v1/videos/{response.json()['id']}").json()
    assert video["status"] == "completed", video["error"]
