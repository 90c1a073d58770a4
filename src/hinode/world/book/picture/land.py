"""Skylines: the upper edges of sheets of land, as functions of x, each from a generator of its own.

A skyline takes x (float64 [W], short sides) and returns y (down from the frame's middle). It is defined for
|x| <= `REACH`, and goes on level beyond.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float64]
Skyline = Callable[[Line], Line]
REACH = 9.0


def level(y: float) -> Skyline:
    """A straight horizon."""
    return lambda x: np.full_like(x, y)


def hills(rng: random.Random, y: float, amplitude: float, waves: int = 4, length: float = 3.2) -> Skyline:
    """Rolling hills about `y`; `length`: of the longest wave."""
    parts = [
        (rng.uniform(0.6, 1.5) * (k + 1), rng.uniform(0.0, 2 * math.pi), 1.0 / (k + 1)) for k in range(waves)
    ]

    def skyline(x: Line) -> Line:
        height = np.zeros_like(x)
        for frequency, phase, share in parts:
            height += share * np.sin(2 * math.pi * frequency * x / length + phase)
        return y - amplitude * height

    return skyline


def scallops(rng: random.Random, y: float, amplitude: float, length: float) -> Skyline:
    """Waves as cut paper shows them: round valleys between sharp crests."""
    shift = rng.uniform(0.0, 1.0)
    return lambda x: y - amplitude * (1.0 - np.abs(np.sin(math.pi * (x / length + shift))))


def dunes(rng: random.Random, y: float, amplitude: float, length: float) -> Skyline:
    """Dunes with a long windward and a short lee side."""
    shift, slow = rng.uniform(0.0, 1.0), rng.uniform(0.0, 6.0)

    def skyline(x: Line) -> Line:
        part = np.remainder(x / length + shift, 1.0)
        crest = np.minimum(part / 0.72, (1.0 - part) / 0.28)
        return y - amplitude * crest * crest * (3.0 - 2.0 * crest) - 0.3 * amplitude * np.sin(1.7 * x + slow)

    return skyline


def _polyline(points: list[tuple[float, float]]) -> Skyline:
    places, heights = zip(*points, strict=True)
    return lambda x: np.interp(x, places, heights)


def pyramids(rng: random.Random, y: float, height: float) -> Skyline:
    """Straight-sided pyramids on a level horizon."""
    points, x = [(-REACH, y)], -REACH + rng.uniform(0.2, 1.0)
    while x < REACH:
        tall = height * rng.uniform(0.45, 1.1)
        points += [(x, y), (x + tall * 1.15, y - tall), (x + tall * 2.3, y)]
        x += tall * 2.3 + rng.choice((0.05, 0.3, 0.8, 1.2))
    return _polyline(points)


class Peaks:
    """A row of mountains: `skyline`, and `cap`, the lower edge of the snow on them."""

    def __init__(self, rng: random.Random, y: float, height: float, width: float) -> None:
        points, self._tops = [(-REACH - 1.0, y)], []
        x = -REACH
        while x < REACH:
            tall, wide = height * rng.uniform(0.55, 1.1), width * rng.uniform(0.75, 1.25)
            points += [
                (x, y + rng.uniform(-0.02, 0.02)),
                (x + wide * 0.30, y - tall * 0.52),
                (x + wide * 0.38, y - tall * 0.50),
                (x + wide * 0.52, y - tall),
                (x + wide * 0.66, y - tall * 0.60),
                (x + wide * 0.74, y - tall * 0.56),
            ]
            self._tops.append((x + wide * 0.52, y - tall, tall))
            x += wide
        self.skyline: Skyline = _polyline(points)

    def cap(self, x: Line, share: float = 0.36) -> Line:
        """The lower edge of the snow at x, for snow on the upper `share` of each mountain."""
        places = np.array([top[0] for top in self._tops])
        near = np.abs(x[:, None] - places).argmin(1)
        tops = np.array([top[1] for top in self._tops])[near]
        tall = np.array([top[2] for top in self._tops])[near]
        zigzag = np.abs(np.remainder(x / 0.055, 1.0) * 2.0 - 1.0) * 0.026
        edge: Line = tops + share * tall + zigzag
        return edge


def islet(x0: float, y: float, width: float, height: float) -> Skyline:
    """A rock in the sea."""
    half = width / 2
    points = [
        (-REACH, y + 0.02),
        (x0 - half, y + 0.012),
        (x0 - 0.42 * half, y - 0.9 * height),
        (x0, y - height),
        (x0 + 0.3 * half, y - 0.82 * height),
        (x0 + 0.5 * half, y - 0.2 * height),
        (x0 + half, y + 0.012),
        (REACH, y + 0.02),
    ]
    return _polyline(points)


def horizon_arc(y: float, bend: float) -> Skyline:
    """The round edge of a small world."""
    return lambda x: y + bend * np.minimum(x * x, 4.0)
