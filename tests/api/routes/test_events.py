"""The stream of a project: every change, once, also after a gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from hinode.api.middleware import authentication
from hinode.api.streams import feed, stream
from hinode.jobs import changes
from hinode.request import MediaFile
from tests.api.conftest import CheckError, Server

EVENTS = "/v1/events"


class Told(NamedTuple):
    """An event that arrived."""

    id: str
    kind: str
    data: dict[str, Any]


def read(response: httpx.Response) -> Iterator[Told]:
    """The events of a stream, and an event without a kind for an id that comes alone."""
    assert response.status_code == 200
    text = ""
    for part in response.iter_text():
        *blocks, text = (text + part).split("\n\n")
        for block in blocks:
            if not block.startswith(":"):
                lines = dict(line.split(": ", 1) for line in block.split("\n"))
                yield Told(lines["id"], lines.get("event", ""), json.loads(lines.get("data", "{}")))


def until(events: Iterator[Told], kind: str) -> list[Told]:
    """The events up to the next one of a kind."""
    told = []
    for event in events:
        told.append(event)
        if event.kind == kind:
            break
    return told


@pytest.fixture
def server(fresh_server: Server) -> Server:
    """A server whose streams look for something new all the time."""
    fresh_server.context.event_seconds = 0.001
    return fresh_server


def kinds(told: list[Told]) -> list[str]:
    """Without the changes of documents, which come with some of the others."""
    return [event.kind for event in told if event.kind not in ("library.changed", "storyboard.changed")]


def test_the_life_of_a_video(server: Server) -> None:
    context = server.context
    context.forecast.remaining = lambda job, now: 7.5  # type: ignore[method-assign]
    context.store.register_worker("here", 1)
    before = server.create()
    server.client.post(f"/v1/videos/{before['id']}/cancel")
    other = server.other_project()
    with server.client.stream("GET", EVENTS) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["cache-control"] == "no-store"
        events = read(response)
        assert next(events).kind == ""  # where it is
        server.client.post(
            "/v1/videos", json={"prompt": "a bee", "size": "64x36", "seconds": "1"}, headers=other
        )
        video = server.create()
        first = until(events, "queue.changed")
        assert kinds(first) == ["video.queued", "queue.changed"]
        assert first[0].data == video
        worker = context.store.register_worker("there", 2)
        until(events, "queue.changed")
        lease = None
        while lease is None or lease.job.id != video["id"]:
            lease = context.store.claim(worker, host="there")
        assert kinds(until(events, "queue.changed")) == ["video.progress", "queue.changed"]
        context.store.heartbeat(lease, stage="sample", progress=40, preview=2, slice_seconds=15, ran_for=0)
        progress, preview = until(events, "video.preview")
        values = {"id": video["id"], "status": "in_progress", "progress": 40, "stage": "sample"}
        assert progress.data == {**values, "eta_seconds": 7.5}
        assert preview.data == {
            "id": video["id"],
            "number": 2,
            "url": f"/v1/videos/{video['id']}/preview?number=2",
        }
        context.store.finish(lease, {"video": MediaFile("0" * 64, "video/mp4", 1)}, {}, 60.0)
        end = until(events, "queue.changed")
        assert kinds(end) == ["video.completed", "queue.changed"]
        assert end[0].data == server.client.get(f"/v1/videos/{video['id']}").json()
        server.client.delete(f"/v1/videos/{video['id']}")
        [deleted] = until(events, "video.deleted")
        assert deleted.data == {"id": video["id"]}
        for action in ("pause", "resume"):
            server.client.post(f"/v1/queue/{action}")
            assert kinds(until(events, "queue.changed")) == ["queue.changed"]
        context.stopping.set()
        assert list(events) == []


def test_replay_after_a_gap(server: Server) -> None:
    with server.client.stream("GET", EVENTS) as response:
        events = read(response)
        server.create()
        last = until(events, "queue.changed")[-1]
    missed = server.create()
    server.client.post(f"/v1/videos/{server.create()['id']}/cancel")
    server.client.post("/v1/queue/pause")
    with server.client.stream("GET", EVENTS, headers={"last-event-id": last.id}) as response:
        events = read(response)
        replayed = until(events, "queue.changed")
        assert kinds(replayed) == ["video.queued", "video.failed", "queue.changed"]
        first = next(event for event in replayed if event.kind == "video.queued")
        assert first.data == missed
        server.create()  # and it goes on
        told = until(events, "queue.changed")
        assert kinds(told) == ["video.queued", "queue.changed"]
        ids = [event.id for event in (*replayed, *told)]
        assert len(set(ids)) == len(ids)
    # Whoever got only a part of it gets all of it.
    with server.client.stream("GET", EVENTS, params={"after": first.id}) as response:
        assert kinds(until(read(response), "queue.changed"))[:2] == ["video.queued", "video.failed"]
    with server.client.stream("GET", EVENTS, params={"after": told[-1].id}) as response:
        assert next(read(response)).kind == ""  # nothing happened


@pytest.mark.parametrize("after", ["nonsense", "0-0-0", "999999999999999-1-1"])
def test_resync_after_too_long(server: Server, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    monkeypatch.setattr(changes, "MAX_CHANGED", 2)
    for _ in range(3):
        server.create()
    with server.client.stream("GET", EVENTS, params={"after": after}) as response:
        events = read(response)
        first = next(events)
        assert (first.kind, first.data) == ("resync", {})
        server.create()
        assert kinds(until(events, "queue.changed")) == ["video.queued", "queue.changed"]
    with server.client.stream("GET", EVENTS, params={"after": first.id}) as response:
        assert kinds(until(read(response), "queue.changed")) == ["video.queued", "queue.changed"]


def test_one_look_feeds_all_streams(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = server.context.feed
    with (
        server.client.stream("GET", EVENTS) as one,
        server.client.stream("GET", EVENTS) as two,
        server.client.stream("GET", f"/v1/videos/{server.create()['id']}/events") as three,
    ):
        streams = [read(one), read(two)]
        server.context.event_seconds = 0.05
        before = looks.looks
        for _ in range(5):
            server.create()
            for events in streams:
                assert "video.queued" in kinds(until(events, "queue.changed"))
        assert looks.looks - before <= 15  # each waits for one of them, and not each for its own
        assert three.status_code == 200
        # A client that does not read is told to read everything again.
        monkeypatch.setattr(feed, "MAX_BACKLOG", 0)
        server.create()
        assert kinds(until(streams[0], "resync")) == ["resync"]
    for _ in range(1000):
        if not looks._followed:
            break
        server.client.get("/v1/queue")
    assert not looks._followed


def test_the_end_of_the_key_and_silence(
    server: Server, monkeypatch: pytest.MonkeyPatch, check_error: CheckError
) -> None:
    monkeypatch.setattr(authentication, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    head = server.client.head(EVENTS)
    assert (head.status_code, head.content) == (200, b"")
    with server.client.stream("GET", EVENTS) as response:
        texts = response.iter_text()
        assert next(texts).startswith("retry: 3000\nid: ")
        assert next(texts) == ": keep-alive\n\n"
        server.context.tenants.revoke(server.key_id)
        assert set(texts) <= {": keep-alive\n\n"}
    check_error(server.client.get(EVENTS), 401)
