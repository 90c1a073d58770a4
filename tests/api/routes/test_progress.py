"""Streams of events: every change until the end, with previews."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from PIL import Image

from hinode.api.middleware import authentication
from hinode.request import MediaFile
from tests.api.conftest import CheckError, Server, picture


def events(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in text.strip().split("\n\n"):
        if block.startswith(":"):
            continue
        kind, data = block.removeprefix("retry: 3000\n").split("\n")
        yield kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_video_that_has_ended(server: Server) -> None:
    video = server.render()
    response = server.client.get(f"/v1/videos/{video['id']}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert list(events(response.text)) == [("video.completed", video)]
    waiting = server.create()["id"]
    server.client.post(f"/v1/videos/{waiting}/cancel")
    [(kind, data)] = events(server.client.get(f"/v1/videos/{waiting}/events").text)
    assert (kind, data["error"]["code"]) == ("video.failed", "cancelled")


@pytest.fixture
def server(fresh_server: Server) -> Server:
    """A server whose streams look for something new all the time."""
    fresh_server.context.event_seconds = 0.001
    return fresh_server


def test_events_from_the_queue_to_the_end(server: Server) -> None:
    video = server.create()
    store, objects = server.context.store, server.context.objects
    worker = store.register_worker("here", 1)
    lease = store.claim(worker, host="here")
    assert lease is not None
    objects.put_preview(video["id"], picture((8, 8), "WEBP"))
    store.heartbeat(lease, stage="sample", progress=40, preview=1, slice_seconds=15, ran_for=0)
    following = threading.Event()

    def finish() -> None:
        following.wait(20)
        store.finish(lease, {"video": MediaFile("0" * 64, "video/mp4", 1)}, {}, 60.0)

    ending = threading.Thread(target=finish)
    ending.start()
    with server.client.stream("GET", f"/v1/videos/{video['id']}/events") as response:
        following.set()
        stream = list(events("".join(response.iter_text())))
    ending.join()
    kinds = [kind for kind, _ in stream]
    assert kinds[-1] == "video.completed"
    assert stream[-1][1]["progress"] == 100
    if "video.preview" in kinds:  # the stream may have come too late for it
        url = stream[kinds.index("video.preview")][1]["image_url"]
        assert url.startswith("data:image/webp;base64,")
        body = base64.b64decode(url.partition(",")[2])
        assert Image.open(io.BytesIO(body)).size == (8, 8)


def test_streams_end_when_the_server_stops(server: Server) -> None:
    video = server.create()
    server.context.stopping.set()
    stream = list(events(server.client.get(f"/v1/videos/{video['id']}/events").text))
    assert [kind for kind, _ in stream] == ["video.progress"]


def test_a_project_follows_so_many_videos_at_once(server: Server, check_error: CheckError) -> None:
    address, streams = f"/v1/videos/{server.create()['id']}/events", server.context.streams
    server.context.stopping.set()
    assert server.client.head(address).headers["content-type"].startswith("text/event-stream")
    with ExitStack() as stack:
        for _ in range(streams.max_per_project):
            stack.enter_context(streams.acquire(server.project_id))
        response = server.client.get(address)
        assert check_error(response, 429)["code"] == "too_many_streams"
        assert response.headers["retry-after"] == "10"
        with streams.acquire("another project"):
            pass
    assert server.client.get(address).status_code == 200
    with ExitStack() as stack:  # streams that ended are not counted
        for _ in range(streams.max_per_project):
            stack.enter_context(streams.acquire(server.project_id))


def test_a_stream_ends_when_the_key_is_revoked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "CACHE_SECONDS", 0.0)
    with server.client.stream("GET", f"/v1/videos/{server.create()['id']}/events") as response:
        texts = response.iter_text()
        assert "video.progress" in next(texts)
        server.context.tenants.revoke(server.key_id)
        assert list(texts) == []


def test_the_preview(server: Server, check_error: CheckError) -> None:
    video = server.create()
    address = f"/v1/videos/{video['id']}/preview"
    assert check_error(server.client.get(address), 404, "video_id")["code"] == "no_preview"
    server.context.objects.put_preview(video["id"], picture((8, 8), "WEBP"))
    response = server.client.get(address, params={"number": 3})
    assert Image.open(io.BytesIO(response.content)).size == (8, 8)
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["cache-control"] == "no-store"
    check_error(server.client.get(address, headers=server.other_project()), 404, "video_id")
    server.client.post(f"/v1/videos/{video['id']}/cancel")
    check_error(server.client.get(address), 404, "video_id")
    path = f"/v1/videos/{server.render()['id']}"
    thumbnail = server.client.get(f"{path}/content", params={"variant": "thumbnail"})
    assert server.client.get(f"{path}/preview").content == thumbnail.content
