"""Downloads: every variant, parts of it, and nothing at all for who has it already."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from hinode.media.writing import convert
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


def test_every_format(server: Server, check_error: CheckError) -> None:
    video = server.render(prompt='a red kite: "über" \n ../the <sea>', seed=3)
    path = f"/v1/videos/{video['id']}/content"

    def download(kind: str) -> Any:
        response = server.client.get(path, params={"format": kind})
        assert response.status_code == 200, response.text
        assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()}"'
        kept, name = response.headers["content-disposition"].split("; ")
        assert kept == "attachment"
        endings.append(unquote(name).rpartition("kite")[2])
        return response

    endings: list[str] = []
    frames = video["making"]["frames"]
    assert download("mp4").content == server.client.get(path).content
    for kind in ("gif", "webp"):
        first, again = download(kind), download(kind)
        assert first.headers["content-type"] == f"image/{kind}"
        assert first.content == again.content
        image = Image.open(io.BytesIO(first.content))
        assert (image.format, image.size) == (kind.upper(), (64, 36))
        # A picture that does not change is one frame in these.
        times = []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            times.append(image.info["duration"])
        assert sum(times) == 1000
    archive = zipfile.ZipFile(io.BytesIO(download("png").content))
    names = [f"{number:04}.png" for number in range(1, frames + 1)]
    assert archive.namelist() == [*names, "frames.sha256", "frames.sha256.c2pa"]
    pictures = [Image.open(io.BytesIO(archive.read(name))) for name in names]
    assert pictures[0].info["Description"].startswith("Made by")  # the words of the MP4 go with it
    tail = f" über the sea {video['id'][-6:]}."
    assert endings == [f"{tail}{kind}" for kind in ("mp4", "gif", "gif", "webp", "webp", "zip")]
    roles = server.context.store.artifacts(video["id"])
    assert {"video.gif", "video.webp", "video.png"} < set(roles)  # made once, and kept as long
    for number in (0, 1, frames // 2, frames - 1):
        response = server.client.get(f"/v1/videos/{video['id']}/frames/{number}")
        assert response.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(response.content)).tobytes() == pictures[number].tobytes()
        seen = {"if-none-match": response.headers["etag"]}
        assert server.client.get(response.url.path, headers=seen).status_code == 304
    message = check_error(server.client.get(f"/v1/videos/{video['id']}/frames/{frames}"), 404, "number")
    assert message["message"] == f"This video has no frame {frames}; its last one is {frames - 1}."
    check_error(server.client.get(f"/v1/videos/{video['id']}/frames/-1"), 400, "number")
    check_error(server.client.get(path, params={"format": "poem"}), 400, "format")
    check_error(server.client.get(path, params={"format": "gif", "variant": "thumbnail"}), 400, "format")


def test_what_is_too_large_to_convert(
    server: Server, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/videos/{server.render()['id']}/content"
    monkeypatch.setitem(convert.MAX_PIXELS, "gif", 64 * 36 * 3)
    error = check_error(server.client.get(path, params={"format": "gif"}), 400, "format")
    assert "cut it to 3 frames" in error["message"]
    check_error(
        server.client.get(path, params={"format": "gif"}, headers=server.other_project()), 404, "video_id"
    )


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_wrong_methods(server: Server, check_error: CheckError, method: str) -> None:
    check_error(server.client.request(method, "/v1/videos/video_0/content"), 405)
