"""Fingerprints: copies match, strangers and frames without content do not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from hinode.clip import Frames
from hinode.media.writing.video import write_lossless
from hinode.rights import fingerprint
from hinode.rights.fingerprint import Fingerprint


def picture(seed: int, size: tuple[int, int] = (192, 108)) -> Image.Image:
    """Noise of many sizes, like a photograph."""
    random = np.random.default_rng(seed)
    image = np.zeros((*size[::-1], 3), np.float32)
    for side in (4, 8, 16, 32):
        coarse = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8))
        image += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32) / 4
    return Image.fromarray(image.astype(np.uint8))


def clip(seed: int, count: int = 24) -> list[Frames]:
    """A pan over such a picture, uint8 [108, 192, 3] each."""
    wide = picture(seed, (192 + 4 * count, 108))
    return [np.asarray(wide.crop((4 * k, 0, 4 * k + 192, 108))) for k in range(count)]


def of(image: Image.Image) -> Fingerprint:
    return fingerprint.of_frames([np.asarray(image)])


def test_copies_of_a_picture_match() -> None:
    original = picture(1)
    copies = {
        "half": original.resize((96, 54)),
        "mirrored": original.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "darker": original.point(lambda value: int(value * 0.7)),
        "blurred": original.filter(ImageFilter.GaussianBlur(1)),
        "grey": original.convert("L").convert("RGB"),
    }
    assert [name for name, copy in copies.items() if not of(copy).matches(of(original))] == []


def test_strangers_do_not_match() -> None:
    prints = [of(picture(seed)) for seed in range(40)]
    similar = [
        (i, j) for i, one in enumerate(prints) for j, other in enumerate(prints[:i]) if one.matches(other)
    ]
    assert similar == []


@pytest.mark.parametrize("value", [0, 128, 255])
def test_frames_without_content_decide_nothing(value: int) -> None:
    plain = np.full((108, 192, 3), value, np.uint8)
    noisy = plain ^ np.random.default_rng(0).integers(0, 2, plain.shape, np.uint8)
    slope = np.linspace(0, value, 108)[:, None, None].repeat(192, 1).repeat(3, 2).astype(np.uint8)
    for frame in (plain, noisy, slope):
        empty = fingerprint.of_frames([frame])
        assert len(empty.hashes) == 0
        assert not empty.matches(empty)


def test_a_part_of_a_video_matches_it(tmp_path: Path) -> None:
    frames = clip(3)
    path = tmp_path / "whole.mkv"
    write_lossless(path, frames, Fraction(8))
    whole = fingerprint.of_file(path)
    assert len(whole.hashes) == 12
    assert fingerprint.of_frames(frames[8:16:2]).matches(whole)
    assert fingerprint.of_clip(np.stack(frames), 8.0).matches(whole)
    assert not fingerprint.of_frames(clip(4)).matches(whole)
    assert Fingerprint.from_bytes(whole.to_bytes()).similarity(whole) == 1.0


def test_what_is_no_video_has_no_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("words")
    assert len(fingerprint.of_file(path).hashes) == 0
