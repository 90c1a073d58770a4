"""Fingerprints of pictures and videos: what two copies have in common after a new encoding, size or cut.

A frame is drawn as 64x64 greys, and the signs of its 16x16 lowest frequencies against their median are 256
bits: a DCT hash like PDQ of Meta's ThreatExchange. `benchmarks/fingerprints.py` measures what it finds. A
frame without content, such as a black or a plain one, has no hash: those of strangers would be equal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hinode.clip import Frames, FrameSource
from hinode.media.reading.container import DecodeError
from hinode.media.reading.decode import VideoFile, at_rate

SIDE, KEPT = 64, 16
BITS = KEPT * KEPT
HASH_BYTES = BITS // 8
MAX_DISTANCE = 48
"""Differing bits of two hashes that count as one picture. Strangers differ in 128 on average, with a standard
deviation of 8."""
NOISE, MIN_CONTENT = 4.0, 0.25
"""A frame has content if this share of its frequencies is stronger than what an encoder adds, in greys of
255 times half of `SIDE`."""
RATE, MAX_FRAMES = Fraction(4), 64
"""Frames of a video that are hashed: so many a second, and at most."""
MIN_SHARE = 0.6
"""Share of the hashed frames of the shorter of two videos that have a partner in the other."""

Hashes = npt.NDArray[np.uint8]
"""uint8 [N, HASH_BYTES], one row for each frame that has content."""


@dataclass(frozen=True)
class Fingerprint:
    """The hashes of the frames of a picture or video, in order; without rows nothing matches it."""

    hashes: Hashes

    def to_bytes(self) -> bytes:
        """The hashes, one after another."""
        return self.hashes.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Fingerprint:
        """The fingerprint that `to_bytes` wrote."""
        return cls(np.frombuffer(data, np.uint8).reshape(-1, HASH_BYTES))

    def similarity(self, other: Fingerprint) -> float:
        """Share, 0 to 1, of the frames of the shorter one that have a partner in the other, mirrored or not:
        all partners are mirrored, or none is."""
        if not len(self.hashes) or not len(other.hashes):
            return 0.0
        few, many = sorted((self.hashes, other.hashes), key=len)
        return max(_share(few, many), _share(mirrored(few), many))

    def matches(self, other: Fingerprint) -> bool:
        """Whether one is a copy of the other, or of a part of it."""
        return self.similarity(other) >= MIN_SHARE


def of_file(path: Path) -> Fingerprint:
    """The fingerprint of a picture or a video file; one that cannot be read has no hashes."""
    try:
        with Image.open(path) as image:
            return of_frames([np.asarray(image.convert("RGB"))])
    except (OSError, ValueError, Image.DecompressionBombError):
        pass
    try:
        with VideoFile(path) as video:
            return of_frames(_spread(video))
    except (OSError, DecodeError, ValueError):
        return Fingerprint(np.zeros((0, HASH_BYTES), np.uint8))


def of_frames(frames: Iterable[Frames]) -> Fingerprint:
    """The fingerprint of frames uint8 [H, W, 3]; those without content are left out."""
    rows = [row for row in map(_hash, frames) if row is not None]
    return Fingerprint(np.stack(rows) if rows else np.zeros((0, HASH_BYTES), np.uint8))


def of_clip(frames: FrameSource, fps: float) -> Fingerprint:
    """The fingerprint of the frames uint8 [T, H, W, 3] of a clip, as `of_file` reads them from its file."""
    rate = min(float(RATE), MAX_FRAMES * fps / len(frames))
    count = min(MAX_FRAMES, math.ceil(len(frames) / fps * rate))
    return of_frames(frames[min(len(frames) - 1, int(index * fps / rate))] for index in range(count))


def mirrored(hashes: Hashes) -> Hashes:
    """The hashes of the same frames, mirrored left to right: odd horizontal frequencies change their sign."""
    bits = np.unpackbits(hashes, axis=1).reshape(-1, KEPT, KEPT)
    flipped = bits.copy()
    # The columns stand for the frequencies 1 to 16; the threshold, a median, is near zero.
    flipped[:, :, 0::2] ^= 1
    return np.packbits(flipped.reshape(-1, BITS), axis=1)


def _share(few: Hashes, many: Hashes) -> float:
    """Share of the rows of `few` that differ from some row of `many` in `MAX_DISTANCE` bits at most."""
    differing = np.bitwise_count(few[:, None, :] ^ many[None, :, :]).sum(2, dtype=np.int32)
    return float((differing.min(1) <= MAX_DISTANCE).mean())


def _hash(frame: Frames) -> npt.NDArray[np.uint8] | None:
    """The hash of a frame, uint8 [HASH_BYTES]; None if it has too little content."""
    grey = Image.fromarray(frame).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    basis = _basis()
    waves = basis @ np.asarray(grey, np.float32) @ basis.T  # [vertical, horizontal]
    if (np.abs(waves) >= NOISE).mean() < MIN_CONTENT:
        return None
    return np.packbits((waves > np.median(waves)).reshape(-1))


@lru_cache(maxsize=1)
def _basis() -> npt.NDArray[np.float32]:
    """The frequencies 1 to `KEPT` of the orthonormal DCT-II, float32 [KEPT, SIDE]. Frequency 0 is left out in
    both directions, and with it brightness and even gradients."""
    frequency, place = np.arange(1, KEPT + 1)[:, None], np.arange(SIDE)[None, :]
    waves = math.sqrt(2 / SIDE) * np.cos(np.pi * frequency * (place + 0.5) / SIDE)
    return np.asarray(waves, np.float32)


def _spread(video: VideoFile) -> Iterator[Frames]:
    """Pictures of a video, `RATE` a second, or fewer of a long one."""
    seconds = video.seconds
    rate = min(RATE, Fraction(MAX_FRAMES) / seconds) if seconds > 0 else RATE
    for picture in itertools.islice(at_rate(video, rate), MAX_FRAMES):
        yield picture.rgb
