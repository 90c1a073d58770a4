"""PDQ, the perceptual hash of Meta's ThreatExchange, in which lists of known pictures are exchanged.

The picture is averaged to 64x64 greys by two passes of a box filter, and the signs of its 16x16 lowest
frequencies against their median are 256 bits. Both steps are linear, so here they are products of matrices;
the bits are those of the reference implementation but for a few that lie at the median.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hinode.clip import Frames

SIDE, FREQUENCIES = 64, 16
BITS = FREQUENCIES**2
MIN_SIDE = 5
"""Of a picture in pixels; a smaller one has no quality."""
MAX_DISTANCE = 31
"""Differing bits at which two pictures are usually taken for one."""
MIN_QUALITY = 50
"""Of 100; a picture below has too little content for its hash to say anything."""
PASSES = 2

Hashes = npt.NDArray[np.uint64]
"""uint64 [N, 4], one row for each hash."""
_Greys = npt.NDArray[np.float32]


def to_hex(row: npt.NDArray[np.uint64]) -> str:
    """A hash, uint64 [4], as it is exchanged: 64 hexadecimal digits."""
    return row.astype(">u8").tobytes().hex()


def from_hex(text: str) -> npt.NDArray[np.uint64]:
    """The hash, uint64 [4], of 64 hexadecimal digits; raises ValueError if it is something else."""
    if len(text) != BITS // 4:
        raise ValueError(text)
    return np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64)


def hash_frame(frame: Frames) -> tuple[npt.NDArray[np.uint64], int]:
    """The hash, uint64 [4], of a frame uint8 [H, W, 3], and its quality from 0 to 100."""
    waves, quality = _transform(frame)
    return _bits(waves), quality


def hash_variants(frame: Frames) -> tuple[Hashes, int]:
    """The hashes of a frame uint8 [H, W, 3] as it is, turned by quarters and mirrored, uint64 [8, 4], and its
    quality. A turn changes signs of frequencies, or the two directions, so they cost one transform."""
    waves, quality = _transform(frame)
    odd = np.where(np.arange(FREQUENCIES) % 2 == 0, -1.0, 1.0).astype(
        np.float32
    )  # of the frequencies 1 to 16
    rows, columns = odd[:, None], odd[None, :]
    turned = [waves, waves * rows, waves * columns, waves * rows * columns]
    return np.stack([_bits(entry) for wave in turned for entry in (wave, wave.T)]), quality


def distance(hashes: Hashes, bank: Hashes) -> int:
    """Differing bits of the two nearest hashes of two sets; 256 if one is empty."""
    if not len(bank):
        return BITS
    return min(
        (int(np.bitwise_count(row ^ bank).sum(1, dtype=np.uint16).min()) for row in hashes), default=BITS
    )


def _transform(frame: Frames) -> tuple[_Greys, int]:
    """The lowest frequencies [vertical, horizontal] of a frame, and its quality."""
    height, width = frame.shape[:2]
    if min(height, width) < MIN_SIDE:
        return np.zeros((FREQUENCIES, FREQUENCIES), np.float32), 0
    greys = np.asarray(frame, np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    small = np.asarray(_average(height) @ greys @ _average(width).T, np.float32)
    basis = _basis()
    return np.asarray(basis @ small @ basis.T, np.float32), _quality(small)


def _bits(waves: _Greys) -> npt.NDArray[np.uint64]:
    median = np.sort(waves, axis=None)[BITS // 2 - 1]  # the lower one of the two in the middle
    return from_hex(np.packbits((waves > median).reshape(-1)[::-1]).tobytes().hex())


def _quality(small: _Greys) -> int:
    steps = [np.abs(np.diff(small, axis=axis)) * 100 / 255 for axis in (0, 1)]
    return min(100, int(sum(int(step.astype(np.int64).sum()) for step in steps) / 90))


@lru_cache(maxsize=16)
def _average(length: int) -> _Greys:
    """What brings an axis to 64 places, float32 [64, length]: a box filter, twice, and then every place that
    is in the middle of a 64th."""
    window = (length + 2 * SIDE - 1) // (2 * SIDE)
    ahead = (window + 2) // 2
    place = np.arange(length)
    begin, end = np.maximum(place - window + ahead, 0), np.minimum(place + ahead, length)
    weights = np.zeros((length, SIDE))
    weights[((np.arange(SIDE) + 0.5) * length / SIDE).astype(int), np.arange(SIDE)] = 1.0
    for _ in range(PASSES):
        share = weights / (end - begin)[:, None]
        edges = np.zeros((length + 1, SIDE))
        np.add.at(edges, begin, share)
        np.subtract.at(edges, end, share)
        weights = np.cumsum(edges, axis=0)[:length]
    return np.ascontiguousarray(weights.T, np.float32)


@lru_cache(maxsize=1)
def _basis() -> _Greys:
    """The frequencies 1 to 16 of the DCT-II, float32 [16, 64]."""
    frequency, place = np.arange(1, FREQUENCIES + 1)[:, None], np.arange(SIDE)[None, :]
    waves = math.sqrt(2 / SIDE) * np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE))
    return np.asarray(waves, np.float32)
