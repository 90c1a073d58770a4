"""Downloads: every variant, parts of it, and nothing at all for who has it already."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from PIL import Image

from tests.api.conftest import CheckError, Clock, Server


def test_every_variant(server: Server) -> None:
    path = f"/v1/videos/{server.render()['id']}/content"
    accept = {"accept": "application/binary"}
    video = server.client.get(path, headers=accept)
    assert video.headers["content-type"] == "video/mp4"
    assert video.content[4:8] == b"ftyp"
    assert video.headers["etag"] == f'"{hashlib.sha256(video.content).hexdigest()}"'
    for variant, kind in {"thumbnail": "WEBP", "spritesheet": "JPEG"}.items():
        response = server.client.get(path, params={"variant": variant}, headers=accept)
        assert response.headers["content-type"] == f"image/{kind.lower()}"
        assert Image.open(io.BytesIO(response.content)).format == kind
    assert server.client.head(path).headers["content-length"] == str(len(video.content))
    assert server.client.head(path).content == b""


def test_ranges(server: Server, check_error: CheckError) -> None:
    path = f"/v1/videos/{server.render()['id']}/content"
    whole = server.client.get(path)
    size = len(whole.content)

    def part(header: str, **more: str) -> Any:
        return server.client.get(path, headers={"range": header, **more})

    assert whole.headers["accept-ranges"] == "bytes"
    for header, first, last in (
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, size - 1),
        ("bytes=-5", size - 5, size - 1),
        (f"bytes=5-{size + 50}", 5, size - 1),
    ):
        response = part(header)
        assert response.status_code == 206, header
        assert response.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert response.content == whole.content[first : last + 1]
    for header in ("bytes=9-0", "bytes=a-b", "lines=1-2", "bytes=", "bytes=-", "bytes=0-1,4-5", "x" * 3000):
        assert part(header).status_code == 200, header
        assert part(header).content == whole.content
    for header in (f"bytes={size}-", "bytes=-0"):
        assert "after the end of the file" in check_error(part(header), 416)["message"]
        assert part(header).headers["content-range"] == f"bytes */{size}"
    assert part("bytes=0-9", **{"if-range": whole.headers["etag"]}).status_code == 206
    assert part("bytes=0-9", **{"if-range": '"another"'}).status_code == 200


def test_not_modified(server: Server) -> None:
    path = f"/v1/videos/{server.render()['id']}/content"
    etag = server.client.get(path).headers["etag"]
    for header in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        response = server.client.get(path, headers={"if-none-match": header})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert server.client.get(path, headers={"if-none-match": '"x"'}).status_code == 200


def test_videos_without_a_file(server: Server, check_error: CheckError, clock: Clock) -> None:
    waiting = server.create()["id"]
    response = server.client.get(f"/v1/videos/{waiting}/content")
    assert check_error(response, 409)["code"] == "video_in_progress"
    assert response.headers["x-should-retry"] == "false"
    server.client.post(f"/v1/videos/{waiting}/cancel")
    assert check_error(server.client.get(f"/v1/videos/{waiting}/content"), 404)["code"] == "video_failed"
    rendered = server.render()["id"]
    check_error(
        server.client.get(f"/v1/videos/{rendered}/content", params={"variant": "poem"}), 400, "variant"
    )
    clock.now += server.context.settings.retention_seconds + 1
    server.context.store.expire()
    error = check_error(server.client.get(f"/v1/videos/{rendered}/content"), 404, "video_id")
    assert error["code"] == "video_expired"
    assert server.client.get(f"/v1/videos/{rendered}").json()["status"] == "completed"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_wrong_methods(server: Server, check_error: CheckError, method: str) -> None:
    check_error(server.client.request(method, "/v1/videos/video_0/content"), 405)
