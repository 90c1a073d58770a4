"""What marks a clip carries: read without a network, and compared with identities that are known."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageSequence

from hinode.clip import Frames, Sound
from hinode.media.pictures import as_seen, measure_any, readable
from hinode.media.reading.container import DecodeError, open_container
from hinode.media.reading.decode import VideoFile
from hinode.media.sound import UnusableSound, read_sound
from hinode.trust.watermark.pattern import MIN_SIDE
from hinode.trust.watermark.search import Reading, Residual, Spectrum, readings
from hinode.trust.watermark.sound import read_sound_marks
from hinode.trust.watermark.words import (
    MAX_CLIP_RATE,
    MAX_RATE,
    PUBLIC_KEY,
    Floats,
    min_score,
    variant_of,
    words,
)

MIN_PILOT = 8.0
"""Pilot score from which on a clip carries a mark of this key, whoever's it is; clips without a mark stay
below 7, see `docs/explanation/watermark.md`."""

MAX_FRAMES = 240
"""Frames that are read at most: ten seconds."""

MAX_SOUND_SECONDS = 60.0

BLOCK = 50_000
"""Identities that are compared at once."""

PICTURES, SOUND = "pictures", "sound"


@dataclass(frozen=True)
class Match:
    """A known identity that was found.

    Attributes:
        id: 16 bytes.
        score: see `words.min_score`.
        carrier: "pictures" or "sound".
        scale, angle, mirrored: what was done to the pictures; see `search.Reading`.
    """

    id: bytes
    score: float
    carrier: str = PICTURES
    scale: float = 1.0
    angle: float = 0.0
    mirrored: bool = False

    def as_json(self) -> dict[str, Any]:
        """In plain JSON values."""
        return {
            "id": self.id.hex(),
            "score": round(self.score, 2),
            "carrier": self.carrier,
            "scale": round(self.scale, 3),
            "angle": round(self.angle, 2),
            "mirrored": self.mirrored,
        }


@dataclass(frozen=True)
class Detection:
    """What was found in a clip.

    Attributes:
        matches: identities, the best match of each carrier first.
        present: whether a mark of the key is there, even of an identity that is not known.
        pilot: score of the best pilot of the pictures, see `MIN_PILOT`; 0 if there are none.
        sound_pilot: the same for the sound.
        frames: frames that were read.
        candidates: identities that they were compared with.
        min_score: from which on a match counted.
    """

    matches: tuple[Match, ...] = ()
    pilot: float = 0.0
    sound_pilot: float = 0.0
    frames: int = 0
    candidates: int = 0
    min_score: float = 0.0

    @property
    def present(self) -> bool:
        return bool(self.matches) or max(self.pilot, self.sound_pilot) >= MIN_PILOT

    def has(self, id: bytes) -> bool:
        """Whether an identity is among the matches."""
        return any(match.id == id for match in self.matches)

    def as_json(self) -> dict[str, Any]:
        """In plain JSON values."""
        return {
            "present": self.present,
            "matches": [match.as_json() for match in self.matches],
            "pilot": round(self.pilot, 2),
            "sound_pilot": round(self.sound_pilot, 2),
            "frames": self.frames,
            "candidates": self.candidates,
            "min_score": round(self.min_score, 2),
        }


def detect(
    frames: Iterable[Frames],
    candidates: Sequence[bytes] | None = None,
    key: bytes = PUBLIC_KEY,
    sound: Sound | None = None,
    rate: float = MAX_RATE,
) -> Detection:
    """Look for marks.

    Args:
        frames: uint8 [H, W, 3] of one size, in order; the first `MAX_FRAMES` are read.
        candidates: identities of 16 bytes to look for; None to tell only whether there is a mark.
        key: of the installation that laid it.
        sound: what is heard.
        rate: probability that a clip without a mark matches one of the candidates, for each; with many of
            them it is lower, so that they match together at `MAX_CLIP_RATE` at most.
    """
    residual = Residual()
    for frame in itertools.islice(frames, MAX_FRAMES):
        if min(frame.shape[:2]) < MIN_SIDE:
            break
        residual.add(frame)
    seen = readings(Spectrum(residual.sum()), key) if residual.count else []
    heard = read_sound_marks(sound, key) if sound is not None else []
    rate = min(rate, MAX_CLIP_RATE / max(1, len(candidates or ())))
    limit = min_score(max(1, len(seen) + len(heard)), rate)
    matches = [
        *match(seen, candidates or (), key, limit, PICTURES),
        *match(heard, candidates or (), key, limit, SOUND),
    ]
    return Detection(
        tuple(matches),
        max((reading.pilot for reading in seen), default=0.0),
        max((reading.pilot for reading in heard), default=0.0),
        residual.count,
        len(candidates or ()),
        limit,
    )


def detect_file(
    source: Path | IO[bytes], candidates: Sequence[bytes] | None = None, key: bytes = PUBLIC_KEY
) -> Detection:
    """Look for marks in a video or a picture, as a path or open for reading; see `detect`. Sound that cannot
    be decoded is left out.

    Raises:
        BadInput: it is neither.
        DecodeError: it is a video that is cut off or damaged.
    """
    try:
        with VideoFile(source) as video:
            seconds = MAX_FRAMES / float(video.average_rate or 24)
    except DecodeError:
        return detect(_pictures(source), candidates, key)
    # One after the other: both move the place in an open file.
    try:
        sound = read_sound(lambda: open_container(source), min(seconds, MAX_SOUND_SECONDS))
    except UnusableSound:
        sound = None
    with VideoFile(source) as video:
        video.stream.codec_context.thread_count = 1  # most of the time goes into the search
        return detect((picture.rgb for picture in video), candidates, key, sound)


def _pictures(source: Path | IO[bytes]) -> Iterator[Frames]:
    """The pictures of an image, which may move."""
    measure_any(source, field="file")
    with readable("file"), Image.open(source) as image:
        for picture in ImageSequence.Iterator(image):
            yield np.asarray(as_seen(picture).convert("RGB"))


def match(
    found: Sequence[Reading], candidates: Sequence[bytes], key: bytes, limit: float, carrier: str
) -> list[Match]:
    """The candidates whose score reaches `limit` in one of the readings, the best first."""
    best: dict[bytes, Match] = {}
    if not found:
        return []
    for start in range(0, len(candidates), BLOCK):
        block = candidates[start : start + BLOCK]
        values = scores(found, words(block, key, len(found[0].chips)))
        top = values.argmax(0)
        for index in map(int, np.flatnonzero(values.max(0) >= limit)):
            reading = found[top[index]]
            # The pattern of another variant cannot carry it.
            if variant_of(block[index], key) == reading.variant or carrier == SOUND:
                best[block[index]] = Match(
                    block[index],
                    float(values[top[index], index]),
                    carrier,
                    reading.scale,
                    reading.angle,
                    reading.mirrored,
                )
    return sorted(best.values(), key=lambda item: -item.score)


def scores(found: Sequence[Reading], known: Floats) -> Floats:
    """How well words [N, n] fit readings, float32 [len(found), N]."""
    return np.stack([reading.chips for reading in found]) @ known.T
