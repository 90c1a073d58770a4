"""Photographs of telephones: read as pillow-heif reads them, or refused in a sentence with a remedy."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from hinode.errors import BadInput
from hinode.media import pictures
from hinode.media.color import Grading, to_srgb
from tests.media.test_pictures import swapped_profile

SIZE = (97, 64)


def photograph() -> Image.Image:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return Image.fromarray(np.stack((60 + columns, 180 - rows, 90 + rows), -1).astype(np.uint8))


def transparent() -> Image.Image:
    image = photograph().convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, SIZE[0]), (SIZE[1], 1)).astype(np.uint8)))
    return image


def turned() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif.tobytes()}


def on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def through_profile(image: Image.Image) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(swapped_profile()))
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    assert converted is not None
    return converted


def graded(kind: str, primaries: str) -> Callable[[Image.Image], Image.Image]:
    return lambda image: Image.fromarray(
        to_srgb(np.asarray(image).astype(np.uint16) * 257, Grading(kind, primaries))
    )


def colors(primaries: int, transfer: int) -> dict[str, int]:
    """Codes that a HEIC states, as libheif's encoder calls them."""
    return {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": 6}


@pytest.mark.parametrize(
    ("make", "options", "expected"),
    [
        (photograph, {}, lambda image: image),
        (photograph, turned(), lambda image: image),
        (transparent, {}, on_white),
        (photograph, {"icc_profile": swapped_profile()}, through_profile),
        (photograph, {"save_nclx_profile": True, **colors(12, 13)}, graded("sdr", "p3")),
        (photograph, {"save_nclx_profile": True, **colors(9, 16)}, graded("pq", "bt2020")),
    ],
    ids=["plain", "turned", "transparent", "profile", "wide gamut", "HDR"],
)
def test_a_heic_is_read_as_it_is_meant(
    tmp_path: Path,
    make: Callable[[], Image.Image],
    options: dict[str, Any],
    expected: Callable[[Image.Image], Image.Image],
) -> None:
    pytest.importorskip("pi_heif")
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    file = heif.from_pillow(make())
    if "icc_profile" in options:
        file[0].info["icc_profile"] = options.pop("icc_profile")
        file[0].info["icc_profile_type"] = "prof"
    file.save(path, quality=95, **options)
    reference = expected(heif.open_heif(path).to_pillow())
    changed, kind = pictures.ready(
        path, reference.size, None, field="image", other_size=lambda have: BadInput(str(have), field="image")
    )
    assert (kind, pictures.measure(path, field="image")) == ("image/png", (reference.size, "image/heic"))
    assert changed is not None
    with Image.open(io.BytesIO(changed)) as image:
        assert np.abs(np.asarray(image, np.int16) - np.asarray(reference)).max() <= 3


def test_without_its_library_a_heic_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "HAS_HEIC", False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(BadInput, match=r"is a HEIC, .*; save it as a JPEG, or install `hinode\[heic\]`"):
        pictures.measure(tmp_path / "a.heic", field="image")
