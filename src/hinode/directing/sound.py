"""The sound of a directed clip: that of the videos that it shows, and silence where all is new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType

import numpy as np

from hinode.clip import Samples, Sound
from hinode.media.reading import references
from hinode.media.sound import at_rate
from hinode.request import Reference, Segment

FADE_SECONDS = 0.01
"""Over which sound begins and ends, so that no click is heard."""

NO_SOUNDS: Mapping[int, Sound] = MappingProxyType({})


@dataclass(frozen=True)
class _Piece:
    """What is heard of a video in a segment: from the second `start` of it on, `begin` to `end` seconds into
    the clip, and how loud at both ends of the segment."""

    digest: str
    start: float
    begin: float
    end: float
    loudness: tuple[float, float] = (1.0, 1.0)

    def leads_to(self, other: _Piece) -> bool:
        """Whether another piece goes on where this one ends, so that nobody hears a joint."""
        moment, place = self.start + self.end - self.begin - other.start, self.end - other.begin
        return self.digest == other.digest and max(abs(moment), abs(place)) < FADE_SECONDS


def join(
    segments: Sequence[Segment],
    reference: Callable[[str], Reference],
    generated: Mapping[int, Sound] = NO_SOUNDS,
) -> Sound | None:
    """The sound under the parts of a clip that are kept or drawn over a video; a transition fades from one
    sound to the other.

    Args:
        reference: the file with a digest.
        generated: the sounds of segments that have one of their own, by their numbers; then no video is heard
            in them.

    Returns:
        As long as all segments together, at the highest rate of the sounds; None if there is none.

    Raises:
        UnusableSound: a video has sound that cannot be decoded.
    """
    pieces = [piece for piece in _pieces(segments, generated) if not reference(piece.digest).still]
    sounds: list[tuple[_Piece, Sound]] = []
    for piece in pieces:
        late = max(-piece.start, 0.0)  # a transition may begin before the second video does
        seconds = piece.end - piece.begin - late
        sound = (
            references.sound(reference(piece.digest), seconds, piece.start + late) if seconds > 0 else None
        )
        if sound is not None:
            silence = np.zeros((sound.channels, round(late * sound.rate)), np.float32)
            whole = Sound(np.concatenate((silence, sound.samples), axis=1), sound.rate)
            opens = late > 0 or not any(other.leads_to(piece) for other in pieces)
            closes = not any(piece.leads_to(other) for other in pieces)
            sounds.append((piece, _faded(whole, piece, late, opens, closes)))
    edges = [0.0, *accumulate(segment.seconds for segment in segments)]
    for number, own in generated.items():
        piece = _Piece("", 0.0, edges[number], edges[number + 1])
        sounds.append((piece, _faded(own, piece, 0.0, True, True)))
    if not sounds:
        return None
    rate = max(sound.rate for _, sound in sounds)
    seconds = sum(segment.seconds for segment in segments)
    samples: Samples = np.zeros(
        (max(sound.channels for _, sound in sounds), round(seconds * rate)), np.float32
    )
    for piece, sound in sounds:
        target = samples[:, round(piece.begin * rate) :]
        part = at_rate(sound, rate).samples[:, : target.shape[1]]
        target[:, : part.shape[1]] += part
    return Sound(samples.clip(-1, 1), rate)


def _pieces(segments: Sequence[Segment], generated: Mapping[int, Sound]) -> Iterator[_Piece]:
    begin = 0.0
    for number, segment in enumerate(segments):
        end = begin + segment.seconds
        if number in generated:
            begin = end
            continue
        if segment.keep:
            yield _Piece(segment.keep, segment.start, begin, end, (1.0, 0.0 if segment.onto else 1.0))
        if segment.guide:
            yield _Piece(segment.guide, segment.start, begin, end, (1.0, 0.0 if segment.onto else 1.0))
        if segment.onto:
            yield _Piece(segment.onto, segment.onto_start, begin, end, (0.0, 1.0))
        begin = end


def _faded(sound: Sound, piece: _Piece, late: float, opens: bool, closes: bool) -> Sound:
    """The sound of a piece at its loudness, with short fades where it opens, `late` seconds after the piece
    begins, and where it closes."""
    times = np.arange(sound.samples.shape[1], dtype=np.float32) / sound.rate
    loudness = np.interp(times / (piece.end - piece.begin), (0, 1), piece.loudness)
    if opens:
        loudness *= ((times - late) / FADE_SECONDS).clip(0, 1)
    if closes:
        loudness *= (times[::-1] / FADE_SECONDS).clip(0, 1)
    return Sound((sound.samples * loudness).astype(np.float32), sound.rate)
