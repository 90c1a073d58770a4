"""PDQ, against values that its reference implementation (ThreatExchange's C++, pdqhash 0.2.8) gave for the
same pictures."""

from __future__ import annotations

import numpy as np
import pytest

from hinode.clip import Frames
from hinode.trust.screening import pdq

REFERENCE = [
    (0, (64, 64), "b41139a0120f100f9107d08ddffbcb926a88bf8dead8b03e66ada5755debb055"),
    (1, (360, 640), "a5c05095a4370af90faaa47856b5f0875a20afc550afad5f15e4e595642ef96b"),
    (3, (480, 853), "7fb76ae07f2829ee6fe969fc876912a8ca2a1fa9b00005137501dfa01cd4d6b6"),
    (5, (37, 50), "041f514fe83d40efa98c7d0ab68b5d38bf8f1fe542f83104c6daaa85d7d0e06a"),
    (6, (129, 1000), "3420ba868f5e042bad03005f7cd7b77b9c9f15401c9eb503e81dcfb703ea197d"),
]


def waves(seed: int, height: int, width: int) -> Frames:
    """A picture of waves, which has content: uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    picture = np.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(12):
            across, down = random.uniform(-9, 9), random.uniform(-9, 9)
            phase, strength = random.uniform(0, 6.3), random.uniform(5, 40)
            angle = 2 * np.pi * (across * x / width + down * y / height) + phase
            picture[..., channel] += strength * np.sin(angle)
    return np.clip(picture + 127, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("seed", "size", "expected"), REFERENCE)
def test_hashes_are_those_of_the_reference(seed: int, size: tuple[int, int], expected: str) -> None:
    row, quality = pdq.hash_frame(waves(seed, *size))
    assert np.bitwise_count(row ^ pdq.from_hex(expected)).sum() <= 2  # at the median, by rounding
    assert quality == 100
    assert pdq.to_hex(pdq.from_hex(expected)) == expected


def test_a_copy_is_near_turned_or_mirrored_and_a_stranger_is_far() -> None:
    picture = waves(1, 360, 640)
    bank = pdq.hash_frame(picture)[0][None]
    copies = [picture[::2, ::2], np.rot90(picture), picture[:, ::-1], np.rot90(picture, 2), picture // 2 + 40]
    for copy in copies:
        assert pdq.distance(pdq.hash_variants(np.ascontiguousarray(copy))[0], bank) <= pdq.MAX_DISTANCE
    strangers = [pdq.distance(pdq.hash_variants(waves(seed, 90, 160))[0], bank) for seed in range(20, 60)]
    assert min(strangers) > 2 * pdq.MAX_DISTANCE


@pytest.mark.parametrize("picture", [np.full((90, 160, 3), 90, np.uint8), np.zeros((4, 4, 3), np.uint8)])
def test_a_picture_without_content_has_no_quality(picture: Frames) -> None:
    assert pdq.hash_frame(picture)[1] < pdq.MIN_QUALITY


def test_what_is_no_hash_is_refused() -> None:
    for text in ("", "ab", "a" * 65):
        with pytest.raises(ValueError, match=f"^{text}$"):
            pdq.from_hex(text)
    with pytest.raises(ValueError, match="hexadecimal"):
        pdq.from_hex("z" * 64)
