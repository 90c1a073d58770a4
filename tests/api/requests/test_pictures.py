"""Pictures as first frames: they have the size of the video or are fitted to it, and are checked first."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from hinode.api.requests import inputs, pictures
from hinode.errors import BadInput
from hinode.media import pictures as media_pictures
from tests.api.conftest import SIZE, SMALL, CheckError, Server, picture


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header declares far more pixels than the file has."""

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
    assert server.run_jobs() == 1
    video = server.client.get("/v1/videos").json()["data"][0]
    assert video["status"] == "completed"


def test_another_size_is_refused_in_sora_s_words(server: Server, check_error: CheckError) -> None:
    error = check_error(upload(server, picture((60, 36))), 400, "input_reference")
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


def test_an_unknown_fit_is_refused(server: Server, check_error: CheckError) -> None:
    check_error(upload(server, picture(), input_reference_fit="squash"), 400, "input_reference_fit")


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
def test_files_that_are_not_images_or_too_large(
    server: Server, check_error: CheckError, image: bytes, fit: str
) -> None:
    def stored() -> set[Path]:
        return {path for path in server.context.objects.root.rglob("*") if path.is_file()}

    before = stored()
    for _ in range(2):
        check_error(upload(server, image, input_reference_fit=fit), 400, "input_reference")
    assert stored() == before


def test_metadata_of_a_photograph_is_removed(tmp_path: Path) -> None:
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


def scanned(times: int) -> bytes:
    """A progressive JPEG that goes over its picture so many times."""
    whole = picture((256, 256), "JPEG", "L", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (times - whole.count(b"\xff\xda") + 1) + whole[-2:]


def test_a_jpeg_of_too_many_scans_is_refused(server: Server, check_error: CheckError) -> None:
    for times, status in ((media_pictures.MAX_SCANS, 200), (media_pictures.MAX_SCANS + 1, 400)):
        response = upload(server, scanned(times), input_reference_fit="crop")
        assert response.status_code == status, response.text
    assert "101 scans" in check_error(response, 400, "input_reference")["message"]


def test_pictures_of_too_many_bytes(server: Server, check_error: CheckError) -> None:
    heavy = picture() + bytes(media_pictures.MAX_BYTES)
    assert "bytes" in check_error(upload(server, heavy), 400, "input_reference")["message"]
    uploaded = server.client.post(
        "/v1/files", data={"purpose": "vision"}, files={"file": ("a.png", heavy, "image/png")}
    ).json()
    body = {"prompt": "a kite", "size": SMALL, "input_reference": {"file_id": uploaded["id"]}}
    assert (
        "bytes" in check_error(server.client.post("/v1/videos", json=body), 400, "input_reference")["message"]
    )


def test_a_photograph_of_several_pictures(server: Server) -> None:
    more = [Image.new("RGB", (16, 9))]
    assert upload(server, picture(kind="MPO", save_all=True, append_images=more)).status_code == 200
    assert server.run_jobs() == 1
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
def test_a_large_picture_is_resized_band_by_band(tmp_path: Path, fit: str, turn: int) -> None:
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


def test_a_large_picture_is_decoded_without_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
