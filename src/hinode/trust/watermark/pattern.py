"""The pattern of a mark: waves on a square lattice of frequencies, around the middle of the picture.

Lengths are in units of which the shorter side of a picture has `UNITS`, so a resized picture holds the same
pattern. Some waves, the pilot, are the same in all clips of a variant: the detector finds scale, angle and
place by them. Each of the others carries two chips, in its cosine and in its sine.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hinode.request import Size
from hinode.trust.watermark.words import Floats, chips, numbers, sign_of, variant_of

Complex = npt.NDArray[np.complex64]

UNITS = 360
"""Length of the shorter side."""

MIN_SIDE = 64
"""Sides of a frame in pixels below which nothing is laid or looked for: encoders remove all of it."""

PERIOD = 128
"""Units after which the pattern repeats itself."""

BAND = (4.0, 17.0)
"""Waves per period: lower ones drown in the picture, and encoders drop higher ones."""

PILOT_SHARE = 0.35
"""Share of the waves that are pilot."""


@dataclass(frozen=True, eq=False)
class Waves:
    """The waves of one variant of a key.

    Attributes:
        places: int32 [L, 2], waves per period to the right and down; one of each pair of opposite ones.
        pilot: int64 [P], the waves of the pilot, as indices of `places`.
        data: int64 [L - P], the others.
        turns: complex64 [L], the phase from which each wave starts.
    """

    places: npt.NDArray[np.int32]
    pilot: npt.NDArray[np.int64]
    data: npt.NDArray[np.int64]
    turns: Complex

    @property
    def chips(self) -> int:
        """Chips that the data waves carry."""
        return 2 * len(self.data)


@functools.lru_cache(maxsize=32)
def waves(key: bytes, variant: int) -> Waves:
    """The waves of a variant; all variants have the same `places`."""
    places = np.array(
        [
            (right, down)
            for down in range(int(BAND[1]) + 1)
            for right in range(-int(BAND[1]), int(BAND[1]) + 1)
            if (down > 0 or right > 0) and BAND[0] <= np.hypot(right, down) <= BAND[1]
        ],
        np.int32,
    )
    random = numbers(2 * len(places), b"waves", key, bytes([variant]))
    order = np.argsort(random[: len(places)], kind="stable")
    count = round(PILOT_SHARE * len(places))
    angles = random[len(places) :] * (2 * np.pi / 2**32)
    return Waves(
        places, np.sort(order[:count]), np.sort(order[count:]), np.exp(1j * angles).astype(np.complex64)
    )


def symbols(id: bytes, key: bytes) -> tuple[Waves, Complex]:
    """The waves of an identity and their complex amplitudes, each of length 1."""
    chosen = waves(key, variant_of(id, key))
    word = chips(id, key, chosen.chips).reshape(-1, 2)
    values = np.full(len(chosen.places), sign_of(id, key), np.complex64)
    values[chosen.data] = (word[:, 0] + 1j * word[:, 1]) / np.sqrt(2)
    return chosen, (values * chosen.turns).astype(np.complex64)


def draw(id: bytes, key: bytes, size: Size) -> Floats:
    """The pattern of an identity, float32 [height, width], whose mean square is 1."""
    chosen, values = symbols(id, key)
    reach = int(BAND[1])
    grid = np.zeros((reach + 1, 2 * reach + 1), np.complex64)
    grid[chosen.places[:, 1], chosen.places[:, 0] + reach] = values
    width, height = size
    unit = UNITS / min(size)
    x = (np.arange(width) - (width - 1) / 2) * (unit / PERIOD)
    y = (np.arange(height) - (height - 1) / 2) * (unit / PERIOD)
    across = np.exp(2j * np.pi * np.arange(-reach, reach + 1)[:, None] * x).astype(np.complex64)
    down = np.exp(2j * np.pi * y[:, None] * np.arange(reach + 1)).astype(np.complex64)
    drawn = (down @ (grid @ across)).real
    return np.ascontiguousarray(drawn * np.float32(np.sqrt(2 / len(values))))
