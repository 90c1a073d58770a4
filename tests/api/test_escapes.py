"""Images that unpack to gigabytes, and names that lead out of the store, sent to a real server."""

from __future__ import annotations

import base64
import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.api.malicious_files import jpeg, mp4, png, webp
from tests.api.raw_client import (
    CREATE,
    MARK,
    MEGABYTE,
    PROMPT,
    RawClient,
    check_files,
    field,
    file,
    raw_client,
    rejection,
)

__all__ = ["raw_client"]

pytestmark = pytest.mark.slow

# Images that unpack to far more than their size


LONG_TEXT = b"Comment\0\0" + zlib.compress(b"x" * 300 * MEGABYTE, 9)
IMAGES: dict[str, Callable[[], bytes]] = {
    "2.5 gigapixels of PNG": lambda: png(50_000, 50_000),
    "a PNG as wide as can be": lambda: png(2**31 - 1, 1, rows=0),
    "a PNG of no size": lambda: png(0, 0, rows=0),
    "a PNG with a text of 300 MB": lambda: png(1280, 720, (b"zTXt", LONG_TEXT)),
    "a PNG with a profile of 300 MB": lambda: png(1280, 720, (b"iCCP", LONG_TEXT)),
    "a PNG without its end": lambda: png(1280, 720)[:-60],
    "a JPEG of 4 gigapixels": lambda: jpeg(65_500, 65_500),
    "a WebP of 268 megapixels": lambda: webp(16_384, 16_384),
    "a GIF": lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0" * 20,
    "an SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="1280" height="720"/>',
    "nothing": lambda: b"",
    "noise": lambda: bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_that_unpack_to_far_more_than_their_size(raw_client: RawClient, name: str) -> None:
    image = IMAGES[name]()
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    fields = {"prompt": PROMPT, "size": "1280x720", "input_reference_fit": "crop"}
    with raw_client.memory_below(100 * MEGABYTE):
        parts = [field(key, value) for key, value in fields.items()]
        answers = [
            raw_client.post_form(CREATE, *parts, file("input_reference", image)),
            raw_client.post_json(CREATE, {**fields, "input_reference": {"image_url": url}}),
        ]
    for answer in answers:
        if name.startswith("a PNG with a"):  # the text may be ignored or refused, but is not unpacked
            assert answer.status == 200 or rejection(answer, 400)
        else:
            rejection(answer, 400, 413)
    check_files(raw_client)


@pytest.mark.parametrize("frames", [15_000_000, 60_000_000])
def test_a_video_of_millions_of_frames_in_a_kilobyte(raw_client: RawClient, frames: int) -> None:
    bomb = file("video", mp4(frames), "a.mp4", "video/mp4")
    with raw_client.memory_below(50 * MEGABYTE):
        for path, text in (("/v1/videos/characters", "name"), ("/v1/videos/edits", "prompt")):
            answer = raw_client.post_form(path, field(text, PROMPT), bomb)
            assert "video" in rejection(answer, 400)
    check_files(raw_client)


# Names that lead out of the store


def escapes(raw_client: RawClient) -> list[str]:
    up = "../" * 12
    return [
        f"../{MARK}",
        f"{up}{tempfile.gettempdir()}/{MARK}.png",
        f"..\\..\\{MARK}.png",
        f"{tempfile.gettempdir()}/{MARK}.png",
        str(raw_client.folder / "a" / f"{MARK}.png"),
        f"C:\\{MARK}.png",
        f"a/../../{MARK}",
        f"{MARK}\0.png",
        f"....//....//{MARK}",
        f"%2e%2e%2f{MARK}",
        f"~/{MARK}",
        f"{MARK}:stream",
        "..",
        ".",
        "/",
        "x" * 5_000 + MARK,
    ]


def test_file_names_lead_nowhere(raw_client: RawClient) -> None:
    image = png(1280, 720)
    movie = b"\0\0\0\x18ftypmp42" + bytes(200)
    for name in escapes(raw_client):
        answer = raw_client.post_form(
            CREATE,
            field("prompt", PROMPT),
            field("size", "1280x720"),
            file("input_reference", image, name),
        )
        assert answer.status == 200 or rejection(answer, 400)
        for path, text in (
            ("/v1/videos/edits", field("prompt", PROMPT)),
            ("/v1/videos/characters", field("name", name)),
        ):
            rejection(raw_client.post_form(path, text, file("video", movie, name)), 400)
        answer = raw_client.post_form("/v1/files", field("purpose", "vision"), file("file", image, name))
        if answer.status == 200:
            stored = json.loads(answer.body)["filename"]
            assert "/" not in stored
            assert "\\" not in stored
            assert len(stored) <= 255
        else:
            rejection(answer, 400)
    check_files(raw_client)


def test_ids_lead_nowhere(raw_client: RawClient) -> None:
    for name in escapes(raw_client):
        word = quote(name, safe="")
        for path in (
            f"/v1/videos/{word}",
            f"/v1/videos/{word}/content",
            f"/v1/videos/{word}/events",
            f"/v1/videos/characters/{word}",
            f"/v1/files/{word}/content",
            f"/v1/batches/{word}",
            f"/v1/models/{word}",
            f"/v1/videos?after={word}",
            f"/v1/videos/video_1/content?variant={word}",
        ):
            answer = raw_client.request("GET", path)
            # A name such as ".." may be resolved on the way, to a list for example; it is never a file.
            assert answer.status == 200 or rejection(answer, 400, 404, 405), path
            if answer.status == 200:
                assert json.loads(answer.body)["object"] == "list", path
        for body in (
            {"prompt": PROMPT, "model": name},
            {"prompt": PROMPT, "input_reference": {"file_id": name}},
            {"prompt": PROMPT, "video": {"id": name}, "seconds": "4"},
            {"prompt": PROMPT, "characters": [{"id": name}]},
        ):
            path = "/v1/videos/extensions" if "video" in body else CREATE
            rejection(raw_client.post_json(path, body), 400, 404)
        rejection(raw_client.post_json("/v1/batches", {"input_file_id": name, "endpoint": CREATE}), 400, 404)
    check_files(raw_client)


def test_the_raw_path_leads_nowhere(raw_client: RawClient) -> None:
    for path in (
        "/../../../../etc/passwd",
        "/docs/../../../../etc/passwd",
        "/static/../../../../../etc/passwd",
        "/v1/videos/../../../../etc/passwd",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/v1/videos/%00",
        "/v1/videos/%ff%fe",
    ):
        answer = raw_client.request("GET", path)
        rejection(answer)
        assert b"root:" not in answer.body
