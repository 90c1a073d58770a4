"""When each frame is shown: exact fractions of a second, so that no rounding piles up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

MIN_RATE, MAX_RATE = 1, 60
"""Frames per second."""
BROADCAST = 1001
"""Denominator of broadcast rates, such as 24000/1001."""


@dataclass(frozen=True)
class Timeline:
    """Frames k = 0, 1, ... shown from k / fps on, all of them over at `seconds`.

    The last frame is cut short if `seconds` is no whole number of frames, so that the clip has exactly the
    length that was requested. At broadcast rates, where no whole second is one, `of` makes it whole instead.
    """

    fps: Fraction
    seconds: Fraction

    @classmethod
    def of(cls, fps: float, seconds: float) -> Timeline:
        """From plain numbers, read as the decimals that a person would write (0.1 is 1/10)."""
        line = cls(frame_rate(fps), Fraction(str(float(seconds))).limit_denominator(90_000))
        # Else a file of two seconds at 24000/1001 has the average rate 24, and editing programs take that.
        return cls(line.fps, line.frames / line.fps) if line.fps.denominator == BROADCAST else line

    @property
    def frames(self) -> int:
        """How many frames are shown, at least 1."""
        return max(1, math.ceil(self.seconds * self.fps))

    def starts(self, ticks: int) -> list[int]:
        """Times at which the frames begin, and at the end the time at which the last one is over, in `ticks`
        per second; every time is rounded to a tick by itself."""
        times = [Fraction(index) / self.fps for index in range(self.frames)] + [self.seconds]
        marks = [round(time * ticks) for time in times]
        marks[-1] = max(marks[-1], marks[-2] + 1)
        return marks

    def durations(self, ticks: int) -> list[int]:
        """How long each frame is shown, in ticks; the sum is the rounded length of the clip."""
        marks = self.starts(ticks)
        return [after - before for before, after in pairwise(marks)]

    def sources(self, fps: Fraction, available: int) -> Iterator[int]:
        """For each frame of this timeline, the index of the frame then on show in a clip of rate `fps` and of
        `available` frames, whose last one is shown at later times.

        Frames are held, never blended: a blend would be a picture that nobody drew.
        """
        for index in range(self.frames):
            yield min(math.floor(Fraction(index) / self.fps * fps), available - 1)


def frame_rate(fps: float) -> Fraction:
    """The exact rate that `fps` stands for; 23.976, 29.97 and 59.94 are the broadcast rates over 1001."""
    nominal = round(fps)
    broadcast = Fraction(nominal * 1000, BROADCAST)
    if abs(fps - broadcast) < 0.005 and abs(fps - nominal) > 0.005:
        return broadcast
    return Fraction(str(float(fps))).limit_denominator(BROADCAST)


def read_rate(value: object) -> Fraction:
    """The exact rate in "24000/1001", "25" or a number; see `frame_rate`.

    Raises:
        ValueError: it is none from 1 to 60 with a denominator up to 1001.
    """
    match = re.fullmatch(r"\s*([0-9]{1,5})\s*/\s*([0-9]{1,4})\s*", value) if isinstance(value, str) else None
    try:
        rate = Fraction(int(match[1]), int(match[2])) if match else frame_rate(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        rate = Fraction(0)
    if not (MIN_RATE <= rate <= MAX_RATE and rate.denominator <= BROADCAST):
        raise ValueError("write frames per second from 1 to 60, such as 25 or 24000/1001")
    return rate


def spread(total: int, count: int) -> list[int]:
    """Indices of `count` frames spread evenly over `total`, the first and the last among them.

    A clip of no more than `count` frames gives all of them; count 1 gives the middle one.
    """
    if count >= total:
        return list(range(total))
    if count == 1:
        return [total // 2]
    return [round(index * (total - 1) / (count - 1)) for index in range(count)]
