"""Images as first frames: of the right size or made so, and of no other kind than they say."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile
from starlette.testclient import TestClient

from hinode.api.app import create_app
from hinode.api.context import Context
from hinode.api.requests import inputs, pictures
from hinode.api.requests.values import ImageReference
from hinode.errors import BadInput
from hinode.jobs.job import OverQuota
from hinode.media import pictures as media_pictures
from hinode.parsing import parse
from hinode.registry import entries

from .conftest import SMALL, Refused, Server

SIZE = (64, 36)


def picture(size: tuple[int, int] = SIZE, kind: str = "PNG", mode: str = "RGB", **more: Any) -> bytes:
    target = io.BytesIO()
    Image.new(mode, size).save(target, kind, **more)
    return target.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is far larger than its file."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000))


def upload(server: Server, image: bytes, **fields: str) -> Any:
    data = {"prompt": "a kite", "size": SMALL, "seconds": "1", **fields}
    return server.client.post(
        "/v1/videos", data=data, files={"input_reference": ("../x.png", image, "image/png")}
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_of_the_right_size(server: Server, kind: str) -> None:
    assert upload(server, picture(kind=kind)).status_code == 200
    assert server.work() == 1
    video = server.client.get("/v1/videos").json()["data"][0]
    assert video["status"] == "completed"


@pytest.mark.parametrize(
    "reference",
    [
        lambda url: {"json": {"input_reference": {"image_url": url}}},
        lambda url: {"json": {"input_reference": url}},
        lambda url: {"data": {"input_reference[image_url]": url}},
        lambda url: {"files": {"input_reference[image_url]": (None, url)}},
    ],
)
def test_data_urls(server: Server, reference: Callable[[str], dict[str, Any]]) -> None:
    body = reference("data:image/png;base64," + base64.b64encode(picture()).decode())
    fields = {"prompt": "a kite", "size": SMALL, "seconds": "1"}
    if "files" in body:
        body["data"] = fields
    else:
        next(iter(body.values())).update(fields)
    response = server.client.post("/v1/videos", **body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "reference",
    [
        lambda url: {"json": {"last_frame_reference": {"image_url": url}}},
        lambda url: {"data": {"last_frame_reference[image_url]": url}},
        lambda url: {"files": {"last_frame_reference": ("x.png", picture((200, 300)), "image/png")}},
    ],
)
def test_an_image_to_end_with(server: Server, reference: Callable[[str], dict[str, Any]]) -> None:
    body = reference("data:image/png;base64," + base64.b64encode(picture((200, 300))).decode())
    fields = {"prompt": "a kite", "size": SMALL, "seconds": "1", "input_reference_fit": "crop"}
    body.setdefault("json" if "json" in body else "data", {}).update(fields)
    response = server.client.post("/v1/videos", **body)
    assert response.status_code == 200, response.text
    job = server.context.store.job(server.project_id, response.json()["id"])
    assert job is not None
    assert [reference["role"] for reference in job.request["references"]] == ["last_frame"]
    assert server.work() == 1
    assert server.client.get(f"/v1/videos/{job.id}").json()["status"] == "completed"


@pytest.mark.parametrize(
    "value", [7, {"file_id": "file-0"}, {"image_url": "data:"}, "http://127.0.0.1/a.png"]
)
def test_a_broken_image_to_end_with_is_named(server: Server, refused: Refused, value: object) -> None:
    body = {"prompt": "a kite", "size": SMALL, "last_frame_reference": value}
    status = 404 if value == {"file_id": "file-0"} else 400
    refused(server.client.post("/v1/videos", json=body), status, "last_frame_reference")


def test_a_model_that_needs_pictures_refuses_requests_without(fresh_server: Server, refused: Refused) -> None:
    server = fresh_server
    home = server.context.settings.home
    weights = home / "weights.safetensors"
    weights.write_bytes(b"")
    files = {str(weights): hashlib.sha256(b"").hexdigest()}
    values = ("diffusers", "wan2.1-flf2v", str(home), "", files, "best", (), "Apache-2.0")
    entries.save(entries.Entry("ends", *values), home)
    about = server.client.get("/v1/models/ends").json()
    assert about["required_references"] == about["references"] == ["first_frame", "last_frame"]
    body = {"prompt": "a kite", "size": SMALL, "model": "ends", "seconds": 1}
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    error = refused(server.client.post("/v1/videos", json=body), 400, "input_reference")
    assert "draws from an image as first frame and there is none" in error["message"]
    first = {**body, "input_reference": url}
    error = refused(server.client.post("/v1/videos", json=first), 400, "last_frame_reference")
    assert "an image as last frame" in error["message"]
    assert server.client.get("/v1/videos").json()["data"] == []
    response = server.client.post("/v1/videos", json={**first, "last_frame_reference": url})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("url", ["data:", "data:image/png,abc", "data:image/png;base64,%%%", "data:;base64,"])
def test_broken_data_urls(server: Server, refused: Refused, url: str) -> None:
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"image_url": url}}
    refused(server.client.post("/v1/videos", json=body), 400, "input_reference")


def test_uploaded_files(server: Server, refused: Refused) -> None:
    uploaded = server.client.post(
        "/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", picture(), "image/png")}
    ).json()
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"file_id": uploaded["id"]}}
    assert server.client.post("/v1/videos", json=body).status_code == 200
    refused(
        server.client.post("/v1/videos", json={**body, "input_reference": {"file_id": "file-0"}}),
        404,
        "input_reference",
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a.png", "http://169.254.169.254/", "file:///etc/passwd", "x"]
)
def test_links_lead_to_the_internet_only(server: Server, refused: Refused, url: str) -> None:
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"image_url": url}}
    refused(server.client.post("/v1/videos", json=body), 400, "input_reference")


@pytest.fixture
def web_server() -> Iterator[str]:
    """A web server on this machine that has one picture, a page, and a picture without end."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = {"/picture.png": picture(), "/page": b"<html>"}.get(self.path)
            self.send_response(200 if body or self.path == "/endless" else 404)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body or b"")
                while self.path == "/endless":
                    self.wfile.write(b"\0" * 65536)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()
        thread.join()


def test_links(server: Server, refused: Refused, web_server: str) -> None:
    settings = replace(server.context.settings, allow_private_urls=True)
    context = Context(settings, server.context.store.database, server.context.clock)
    with TestClient(create_app(context), headers={"authorization": f"Bearer {server.key}"}) as client:
        body = {"prompt": "a kite", "size": SMALL, "seconds": "1"}
        for reference in ({"image_url": f"{web_server}/picture.png"}, f"{web_server}/picture.png"):
            response = client.post("/v1/videos", json={**body, "input_reference": reference})
            assert response.status_code == 200, response.text
        for path in ("/page", "/missing", "/endless"):
            response = client.post("/v1/videos", json={**body, "input_reference": web_server + path})
            refused(response, 400, "input_reference")
    assert list((context.objects.root / "temporary").iterdir()) == []


def test_slow_web_servers_delay_only_the_project_that_named_them(server: Server) -> None:
    fetches = server.context.inputs.fetches
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(fetches.acquire("proj_1"))
        with pytest.raises(OverQuota), fetches.acquire("proj_1"):
            pass
        with fetches.acquire("proj_2"):
            pass
    with fetches.acquire("proj_1"):
        pass


def test_another_size_is_refused_in_sora_s_words(server: Server, refused: Refused) -> None:
    error = refused(upload(server, picture((60, 36))), 400, "input_reference")
    assert error["message"].startswith("Inpaint image must match the requested width and height")
    assert "60x36" in error["message"]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_another_size_is_fitted_on_request(server: Server, fit: str) -> None:
    response = upload(server, picture((200, 300), "JPEG"), input_reference_fit=fit)
    assert response.status_code == 200, response.text
    job = server.context.store.job(server.project_id, response.json()["id"])
    assert job is not None
    path = server.context.objects.path(job.request["references"][0]["digest"])
    with Image.open(path) as image:
        assert (image.size, image.format) == (SIZE, "PNG")


def test_a_fit_that_there_is_not(server: Server, refused: Refused) -> None:
    refused(upload(server, picture(), input_reference_fit="squash"), 400, "input_reference_fit")


@pytest.mark.parametrize(
    "image",
    [
        b"\x00" * 50,
        b"<svg/>",
        picture(kind="GIF"),
        picture(kind="BMP"),
        picture()[:-40],
        bomb(*SIZE)[:60],
        bomb(50_000, 50_000),
        bomb(9000, 9000),
    ],
    ids=["nothing", "svg", "gif", "bmp", "cut", "head", "huge", "large"],
)
@pytest.mark.parametrize("fit", ["", "crop"])
def test_files_that_are_no_images_or_too_large(
    server: Server, refused: Refused, image: bytes, fit: str
) -> None:
    def stored() -> set[Path]:
        return {path for path in server.context.objects.root.rglob("*") if path.is_file()}

    before = stored()
    for _ in range(2):
        refused(upload(server, image, input_reference_fit=fit), 400, "input_reference")
    assert stored() == before


def test_only_the_picture_is_kept_of_a_photograph(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    path.write_bytes(picture((36, 64), "JPEG", exif=exif))
    changed, media_type = pictures.ready(path, SIZE, None, "input_reference")
    assert changed is not None
    assert media_type == "image/png"
    with Image.open(io.BytesIO(changed)) as image:
        assert image.size == SIZE
        assert not image.getexif()


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("P", "PNG"), ("L", "PNG"), ("CMYK", "JPEG")])
def test_every_kind_of_pixel(tmp_path: Path, mode: str, kind: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(picture(kind=kind, mode=mode))
    changed, _ = pictures.ready(path, SIZE, None, "input_reference")
    with Image.open(io.BytesIO(changed) if changed else path) as image:
        assert image.mode in ("RGB", "L")


def test_a_data_url_that_is_too_long() -> None:
    url = "data:image/png;base64," + "A" * pictures.MAX_URL_LENGTH
    with pytest.raises(BadInput, match="give 20,971,520 at most"):
        parse(ImageReference, {"image_url": url})


def scanned(times: int) -> bytes:
    """A progressive JPEG that goes over its picture so many times."""
    whole = picture((256, 256), "JPEG", "L", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (times - whole.count(b"\xff\xda") + 1) + whole[-2:]


def test_a_jpeg_that_is_painted_over_and_over(server: Server, refused: Refused) -> None:
    for times, status in ((media_pictures.MAX_SCANS, 200), (media_pictures.MAX_SCANS + 1, 400)):
        response = upload(server, scanned(times), input_reference_fit="crop")
        assert response.status_code == status, response.text
    assert "101 scans" in refused(response, 400, "input_reference")["message"]


def test_more_bytes_than_a_picture_has(server: Server, refused: Refused) -> None:
    heavy = picture() + bytes(media_pictures.MAX_BYTES)
    assert "bytes" in refused(upload(server, heavy), 400, "input_reference")["message"]
    uploaded = server.client.post(
        "/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", heavy, "image/png")}
    ).json()
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"file_id": uploaded["id"]}}
    assert "bytes" in refused(server.client.post("/v1/videos", json=body), 400, "input_reference")["message"]


def test_a_photograph_with_others_behind_it(server: Server) -> None:
    more = [Image.new("RGB", (16, 9))]
    assert upload(server, picture(kind="MPO", save_all=True, append_images=more)).status_code == 200
    assert server.work() == 1
    assert server.client.get("/v1/videos").json()["data"][0]["status"] == "completed"


def test_pictures_are_measured_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(image: Any) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(PngImageFile, "load", load)
    path = tmp_path / "picture"
    path.write_bytes(bomb(9000, 9000))
    with pytest.raises(BadInput, match="9000x9000"):
        pictures.ready(path, SIZE, "crop", "input_reference")


def test_few_pictures_are_decoded_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    decodes, ready, free = server.context.inputs.decodes, pictures.ready, []

    def count_free(*args: Any) -> Any:
        with ExitStack() as acquired:
            free.append(0)
            while decodes.acquire(blocking=False):
                acquired.callback(decodes.release)
                free[-1] += 1
        return ready(*args)

    monkeypatch.setattr(pictures, "ready", count_free)
    for _ in range(2):
        assert upload(server, picture()).status_code == 200
    assert free == [inputs.MAX_DECODES - 1] * 2


@pytest.mark.parametrize("fit", media_pictures.FITS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_large_picture_is_made_smaller_band_by_band(tmp_path: Path, fit: str, turn: int) -> None:
    """The result is as if it had been turned and made smaller in one go."""
    path = tmp_path / "picture"
    x, y = np.meshgrid(np.linspace(0, 255, 1001), np.linspace(0, 255, 803))
    pixels = np.stack([x, y, 255 - x, 128 + y / 2], axis=2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(pixels).save(path, "PNG", exif=exif)
    changed, _ = pictures.ready(path, SIZE, fit, "input_reference")
    assert changed is not None
    with Image.open(path) as image:
        whole = ImageOps.exif_transpose(image).convert("RGBA")
        white = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
        expected = {
            "crop": lambda: ImageOps.fit(white, SIZE, Image.Resampling.LANCZOS),
            "pad": lambda: ImageOps.pad(white, SIZE, Image.Resampling.LANCZOS),
            "stretch": lambda: white.resize(SIZE, Image.Resampling.LANCZOS),
        }[fit]()
    with Image.open(io.BytesIO(changed)) as image:
        off = np.abs(np.asarray(image, np.int16) - np.asarray(expected, np.int16))
    # At most the edges of a padded picture differ, by rounding.
    assert np.mean(off) < 1
    assert np.percentile(off, 95) <= 3


def test_of_a_large_picture_there_are_no_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pixels = []

    def counting(name: str) -> None:
        method = getattr(Image.Image, name)

        def counted(image: Image.Image, *args: Any, **more: Any) -> Any:
            pixels.append(image.width * image.height)
            return method(image, *args, **more)

        monkeypatch.setattr(Image.Image, name, counted)

    for name in ("convert", "copy", "resize", "transpose", "alpha_composite", "reduce"):
        counting(name)
    path = tmp_path / "picture"
    path.write_bytes(picture((2048, 2048), mode="RGBA"))
    pictures.ready(path, SIZE, "crop", "input_reference")
    assert pixels
    assert max(pixels) <= 2048 * 2048 // 16
