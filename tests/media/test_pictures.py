"""Images as people see them, whatever their file stores."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from hinode.errors import BadInput
from hinode.media import pictures

SIZE = (64, 36)


def other_size(have: tuple[int, int]) -> BadInput:
    return BadInput(f"it is {have}", "give another")


def seen(image: Image.Image, kind: str, path: Path, *, mask: bool = False, **more: object) -> Image.Image:
    """An image after it went through a file of some kind and was made ready for a video of its size."""
    image.save(path, kind, **more)
    changed, _ = pictures.ready(path, SIZE, None, field="image", other_size=other_size, mask=mask)
    return Image.open(path if changed is None else io.BytesIO(changed))


def swapped_profile() -> bytes:
    """A profile in which the green of a picture is what sRGB calls red, and its red what sRGB calls green."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(content[128:132], "big")
    for at in range(132, 132 + 12 * count, 12):
        name = bytes(content[at : at + 4])
        content[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
        if name == b"desc":
            offset, size = (int.from_bytes(content[at + k : at + k + 4], "big") for k in (4, 8))
            text = bytes(content[offset : offset + size])
            content[offset : offset + size] = text.replace(b"s\0R\0G\0B", b"d\0e\0m\0o").replace(
                b"sRGB", b"demo"
            )
    return bytes(content)


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.full((36, 64), 128 * 257, np.uint16))


def keyed() -> Image.Image:
    """Black, which its file declares to be transparent."""
    return Image.new("RGB", SIZE)


@pytest.mark.parametrize(
    ("make", "more", "color"),
    [
        (sixteen_bits, {}, (128, 128, 128)),
        (lambda: Image.new("LA", SIZE, (0, 128)), {}, (127, 127, 127)),
        (keyed, {"transparency": (0, 0, 0)}, (255, 255, 255)),
        (lambda: Image.new("RGB", SIZE, (200, 20, 20)), {"icc_profile": swapped_profile()}, (20, 200, 20)),
        (lambda: Image.new("RGB", SIZE, (200, 20, 20)), {"icc_profile": b"nonsense"}, (200, 20, 20)),
        (lambda: Image.new("1", SIZE, 1), {}, (255, 255, 255)),
    ],
    ids=["16 bits", "half clear", "keyed", "profile", "broken profile", "1 bit"],
)
def test_every_pixel_has_the_color_that_people_see(
    tmp_path: Path, make: Callable[[], Image.Image], more: dict[str, object], color: tuple[int, ...]
) -> None:
    image = seen(make(), "PNG", tmp_path / "a.png", **more).convert("RGB")
    assert np.abs(np.asarray(image, np.int16) - color).max() <= 2
    with Image.open(tmp_path / "a.png") as file:
        assert np.abs(np.asarray(pictures.as_seen(file), np.int16) - color).max() <= 2


def with_chunk(kind: bytes, content: bytes, path: Path) -> Path:
    """A PNG of one colour with one more chunk before its pixels."""
    Image.new("RGB", SIZE, (128, 64, 32)).save(path, "PNG")
    file = path.read_bytes()
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(file[:33] + chunk + file[33:])
    return path


def screen(*points: int) -> bytes:
    return struct.pack(">8I", 31270, 32900, *points)


@pytest.mark.parametrize(
    ("kind", "content", "color"),
    [
        (b"gAMA", struct.pack(">I", 45455), (128, 64, 32)),
        (b"gAMA", struct.pack(">I", 100_000), (188, 137, 99)),
        (b"cICP", bytes([1, 13, 0, 1]), (128, 64, 32)),
        (b"cICP", bytes([12, 13, 0, 1]), (137, 59, 14)),
        (b"cICP", bytes([9, 16, 0, 1]), (179, 0, 0)),
        (b"cHRM", screen(68000, 32000, 26500, 69000, 15000, 6000), (137, 59, 14)),
        (b"cHRM", screen(64000, 33000, 30000, 60000, 15000, 6000), (128, 64, 32)),
    ],
)
def test_what_a_png_says_of_its_colors_is_obeyed(
    tmp_path: Path, kind: bytes, content: bytes, color: tuple[int, ...]
) -> None:
    path = with_chunk(kind, content, tmp_path / "a.png")
    changed, _ = pictures.ready(path, SIZE, None, field="image", other_size=other_size)
    with Image.open(path if changed is None else io.BytesIO(changed)) as image:
        assert np.abs(np.asarray(image, np.int16) - color).max() <= 3


@pytest.mark.parametrize(
    ("kind", "content"),
    [(b"cICP", bytes([9, 8, 0, 1])), (b"cHRM", screen(64000, 33000, 21000, 71000, 15000, 6000))],
)
def test_a_png_for_an_unknown_screen_is_refused(tmp_path: Path, kind: bytes, content: bytes) -> None:
    path = with_chunk(kind, content, tmp_path / "a.png")
    with pytest.raises(BadInput, match="has colours that cannot be read here; save it in sRGB"):
        pictures.ready(path, SIZE, None, field="image", other_size=other_size)


def test_a_mask_is_read_in_grey_with_black_behind_it(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.tile(np.linspace(0, 65535, 64), (36, 1)).astype(np.uint16))
    values = np.asarray(seen(ramp, "PNG", tmp_path / "ramp.png", mask=True), np.int16)
    assert np.abs(values[0] - np.linspace(0, 255, 64)).max() <= 1
    clear = Image.new("RGBA", SIZE, (255, 255, 255, 0))
    clear.paste((255, 255, 255, 255), (0, 0, 10, 36))
    values = np.asarray(seen(clear, "PNG", tmp_path / "clear.png", mask=True))
    assert (values[:, :10] == 255).all()
    assert (values[:, 10:] == 0).all()
    edge = np.zeros(SIZE[::-1], np.uint8)
    edge[:, 32:] = 255
    Image.fromarray(edge).save(tmp_path / "edge.png")
    with Image.open(io.BytesIO(pictures.feathered((tmp_path / "edge.png").read_bytes(), 8))) as image:
        values = np.asarray(image)[18].astype(int)
    assert values[20] <= 2 < values[28] < values[31] < values[32] < values[36] < 253 <= values[44]


def test_a_mask_of_several_pictures_is_refused(tmp_path: Path) -> None:
    white = [Image.new("L", SIZE, 255)]
    Image.new("L", SIZE).save(tmp_path / "a.png", "PNG", save_all=True, append_images=white)
    with pytest.raises(BadInput, match="the mask has 2 pictures; give one picture, or a video"):
        pictures.ready(tmp_path / "a.png", SIZE, None, field="mask", other_size=other_size, mask=True)


def test_a_photograph_of_24_megapixels_is_accepted(tmp_path: Path) -> None:
    Image.new("L", (6000, 4000)).save(tmp_path / "a.png", compress_level=1)
    assert pictures.measure(tmp_path / "a.png", field="image") == ((6000, 4000), "image/png")
