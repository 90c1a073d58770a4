"""The mark of a clip that is being written: laid over the drawn pixels and the sound, and looked for in the
file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from hinode.clip import Coverage, Frames, Sound
from hinode.media.reading.decode import VideoFile
from hinode.request import Size
from hinode.settings import Settings
from hinode.trust.watermark.embed import Embedder
from hinode.trust.watermark.pattern import MIN_SIDE
from hinode.trust.watermark.search import Residual, Spectrum, read_in_place
from hinode.trust.watermark.sound import embed_sound
from hinode.trust.watermark.visible import Notice
from hinode.trust.watermark.words import PUBLIC_KEY, chips, id_of, min_score, variant_of

MIN_SHARE = 0.25
"""Share of the pixels of a frame that have to be drawn: a mark over fewer is not found again, see
`docs/explanation/watermark.md`, and none is laid."""

CHECKED_FRAMES = 8
"""Frames of the finished file in which the mark is looked for."""


class State(StrEnum):
    """What became of the mark of a file."""

    MARKED = "marked"
    OFF = "off"
    """The installation lays none."""
    NOT_DRAWN = "not drawn"
    """Too little of the clip is drawn."""
    NOT_MARKABLE = "not markable"
    """It was laid, and is not found in the finished file: the pictures do not hold it."""


@dataclass(frozen=True)
class Outcome:
    """What became of the mark of a file.

    Attributes:
        id: of the mark, in hexadecimal digits; "" if none is in the file.
        sound: whether the sound carries it too.
        score: of the pictures of the finished file over the limit of a match; 0 if it was not looked for.
    """

    state: State
    id: str = ""
    sound: bool = False
    score: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """In plain JSON values."""
        return {
            "state": self.state.value,
            "id": self.id or None,
            "sound": self.sound,
            "score": round(self.score, 2),
        }


@dataclass(frozen=True)
class Watermarking:
    """How an installation marks clips.

    Attributes:
        enabled: whether invisible marks are laid.
        key: who knows it can find the marks, and remove them.
        notice: a visible notice on the drawn frames, or None.
        aigc_producer: see `Settings.aigc_producer`.
    """

    enabled: bool = True
    key: bytes = field(default=PUBLIC_KEY, repr=False)
    notice: Notice | None = None
    aigc_producer: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Watermarking:
        """That of the settings."""
        notice = Notice(settings.notice) if settings.notice else None
        key = settings.watermark_key.encode() or PUBLIC_KEY
        return cls(settings.watermark, key, notice, settings.aigc_producer)

    def lay(
        self,
        facts: Mapping[str, object],
        frames: Iterable[Frames],
        size: Size,
        coverage: Coverage | None = None,
        sound: Sound | None = None,
        fps: float = 24.0,
    ) -> Laid:
        """The mark of a clip.

        Args:
            facts: what its provenance says; the identity of the mark depends on them.
            frames: uint8 [H, W, 3], in order.
            size: their width and height.
            coverage: which pixels of each are drawn, by its number; None for all.
            sound: what is heard, all of it made.
            fps: rate of the frames.
        """
        return Laid(self, id_of(facts, self.key), frames, size, coverage, sound, fps)


class Laid:
    """A clip with its mark; `frames` gives its frames once, and `outcome` is known after that.

    Attributes:
        sound: what is heard, marked.
    """

    def __init__(
        self,
        marks: Watermarking,
        id: bytes,
        frames: Iterable[Frames],
        size: Size,
        coverage: Coverage | None,
        sound: Sound | None,
        fps: float,
    ) -> None:
        self.id, self.sound = id, sound
        self._marks, self._source, self._size, self._coverage, self._fps = marks, frames, size, coverage, fps
        self._sounding = False
        self._embedder: Embedder | None = None
        self._first: int | None = None  # frame that is marked
        if marks.enabled and min(size) >= MIN_SIDE:
            self._embedder = Embedder(id, size, marks.key)
        if marks.enabled and sound is not None and coverage is None:
            self.sound, self._sounding = embed_sound(sound, id, marks.key)

    def frames(self) -> Iterator[Frames]:
        """Marked frames, each as soon as the one before it is taken."""
        for index, frame in enumerate(self._source):
            area = True if self._coverage is None else self._coverage(index)
            large = area if isinstance(area, bool) else float(area.mean()) >= MIN_SHARE
            if self._embedder is not None and large:
                frame = self._embedder.mark(frame, None if isinstance(area, bool) else area)
                if self._first is None and self._embedder.frames:
                    self._first = index
            if self._marks.notice is not None and area is not False:
                frame = self._marks.notice.draw(frame, index / self._fps)
            yield frame

    def outcome(self, path: Path | None = None) -> Outcome:
        """What became of the mark.

        Args:
            path: the finished video, in which it is looked for; None for other formats, which are not read
                again.
        """
        if not self._marks.enabled:
            return Outcome(State.OFF)
        embedder = self._embedder
        if embedder is None:
            return Outcome(State.NOT_MARKABLE, self.id.hex() if self._sounding else "", self._sounding)
        if not embedder.frames:
            return Outcome(State.NOT_DRAWN, self.id.hex() if self._sounding else "", self._sounding)
        if path is None:
            return Outcome(State.MARKED, self.id.hex(), self._sounding)
        with VideoFile(path) as video:
            pictures = (picture.rgb for picture in video)
            score = score_in_place(itertools.islice(pictures, self._first, None), self.id, self._marks.key)
        state = State.MARKED if score >= 1 else State.NOT_MARKABLE
        id = self.id.hex() if score >= 1 or self._sounding else ""
        return Outcome(state, id, self._sounding, score)


def score_in_place(frames: Iterable[Frames], id: bytes, key: bytes = PUBLIC_KEY) -> float:
    """How well the first frames carry one identity where it was laid, over the limit of a match: the check
    of a finished file, without any search."""
    residual = Residual()
    for frame in itertools.islice(frames, CHECKED_FRAMES):
        residual.add(frame)
    if not residual.count:
        return 0.0
    reading = read_in_place(Spectrum(residual.sum()), key, variant_of(id, key))
    return float(reading.chips @ chips(id, key, len(reading.chips))) / min_score(1)
