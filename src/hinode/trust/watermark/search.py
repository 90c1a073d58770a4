"""The search for a mark in a picture that was scaled, cropped, turned or mirrored."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from hinode.clip import Frames
from hinode.trust.watermark.pattern import PERIOD, UNITS, Complex, waves
from hinode.trust.watermark.words import VARIANTS, Floats

Doubles = npt.NDArray[np.float64]

GRID = 64
"""Places of the pattern, along each side of its period, that are tried."""

REFINED = 96
"""Places of the coarse search that are looked at closely: it is up to a third below the best score."""

READINGS = 32
"""Places at which the chips are read."""

GROUP = 8
"""Pictures that are averaged before they are filtered."""

FLOOR = 4.0
"""Variance, in squared levels, up to which a place counts as flat."""

MAX_FREQUENCY = 0.25
"""The highest frequency that is read, in waves per unit of the picture."""


class Residual:
    """The average over a clip of what changes quickly within its pictures, float32 [height, width].

    Pictures that follow each other are averaged first: what moves is blurred, and the mark is not.
    """

    def __init__(self) -> None:
        self.count = 0
        self._group: Floats | None = None
        self._sum: Floats | None = None

    def add(self, frame: Frames) -> None:
        """Add a frame uint8 [H, W, 3]; all frames have one size."""
        height, width = frame.shape[:2]
        scale = UNITS / min(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        luma = Image.fromarray(frame).convert("L")
        if size != luma.size:
            luma = luma.resize(size, Image.Resampling.BILINEAR)
        values = np.asarray(luma)
        self._group = values.astype(np.float32) if self._group is None else self._group + values
        self.count += 1
        if self.count % GROUP == 0:
            self._close()

    def _close(self) -> None:
        self._sum, self._group = self.sum(), None

    def sum(self) -> Floats:
        """The average, up to a factor."""
        if self._group is None:
            assert self._sum is not None, "a frame was added"
            return self._sum
        count = (self.count - 1) % GROUP + 1
        values = self._group / np.float32(count)
        rest = values - box(values, 12)
        rest /= np.sqrt(box(rest * rest, 8) + np.float32(FLOOR))
        np.clip(rest, -2.5, 2.5, out=rest)
        rest *= np.float32(count / GROUP)
        return rest if self._sum is None else self._sum + rest


def box(values: npt.NDArray[np.floating], radius: int) -> Floats:
    """Means of squares of 2 * radius + 1 pixels a side; edges are repeated."""
    side = 2 * radius + 1
    sums = np.cumsum(np.pad(values, ((radius + 1, radius), (0, 0)), mode="edge"), axis=0, dtype=np.float64)
    rows = (sums[side:] - sums[:-side]) / side
    sums = np.cumsum(np.pad(rows, ((0, 0), (radius + 1, radius)), mode="edge"), axis=1)
    return ((sums[:, side:] - sums[:, :-side]) / side).astype(np.float32)


class Spectrum:
    """A whitened spectrum that can be read at any frequency."""

    def __init__(self, picture: Floats) -> None:
        """A spectrum of a picture float32 [height, width] in units, its phases counted from the middle."""
        height, width = picture.shape
        window = np.outer(taper(height), taper(width)).astype(np.float32)
        values = (picture - picture.mean()) * window
        # Three values for each width of a line, so that those between are read by straight interpolation.
        self._step = np.array([3 * width, 3 * height], np.float64)
        right, down = (int(MAX_FREQUENCY * step) + 2 for step in self._step)
        x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
        across = np.exp(-2j * np.pi / self._step[0] * x[:, None] * np.arange(-right, right + 1))
        along = np.exp(-2j * np.pi / self._step[1] * np.arange(down + 1)[:, None] * y)
        half = (along.astype(np.complex64) @ values) @ across.astype(np.complex64)
        full = np.concatenate((np.conj(half[:0:-1, ::-1]), half))
        # Three values are a width of a line too; lines of the mark are wider apart.
        power = box(np.abs(full) ** 2, max(3, round(self._step[1] / PERIOD)))
        self._values: Complex = (full / np.sqrt(power + 1e-9)).astype(np.complex64)
        self._origin = np.array((right, down), np.float64)

    def at(self, frequencies: Doubles) -> Complex:
        """Values at frequencies [..., 2] (right, down) in waves per unit."""
        place = frequencies * self._step + self._origin
        height, width = self._values.shape
        place = np.clip(place, 0, np.array((width - 1.001, height - 1.001)))
        corner = place.astype(np.int64)
        part = (place - corner).astype(np.float32)
        flat = self._values.ravel()
        index = corner[..., 1] * width + corner[..., 0]
        right, down = part[..., 0], part[..., 1]
        top = flat[index] * (1 - right) + flat[index + 1] * right
        bottom = flat[index + width] * (1 - right) + flat[index + width + 1] * right
        values: Complex = (top * (1 - down) + bottom * down).astype(np.complex64)
        return values


def taper(count: int) -> Doubles:
    """A window that falls to 0 over an eighth at each end."""
    edge = max(1, count // 8)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window = np.ones(count)
    window[:edge], window[-edge:] = ramp, ramp[::-1]
    return window


@dataclass(frozen=True)
class Reading:
    """One place of the pattern in a picture.

    Attributes:
        variant: of the key.
        scale: units of the marked picture for one of this one: below 1 after a crop.
        angle: degrees.
        stretch: width over height, relative to the marked picture.
        mirrored: left and right were exchanged.
        place: where the middle of this picture lay in the marked one, in units, within a period.
        pilot: score of the pilot.
        chips: float32 [n] soft values of the chips, of length 1.
    """

    variant: int
    scale: float
    angle: float
    stretch: float
    mirrored: bool
    place: tuple[float, float]
    pilot: float
    chips: Floats


def matrices(geometry: Doubles) -> Doubles:
    """[G, 2, 2], which lead from places in a picture to those in the marked one; see `hypotheses`."""
    scale, angle, stretch, mirrored = geometry.T
    cos, sin = np.cos(np.deg2rad(angle)) * scale, np.sin(np.deg2rad(angle)) * scale
    wide, sign = np.sqrt(stretch), 1 - 2 * mirrored
    rows = [[cos * wide * sign, -sin / wide], [sin * wide * sign, cos / wide]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


@functools.cache
def hypotheses() -> Doubles:
    """Geometries of the coarse search, [G, 4]: scale, angle in degrees, stretch, mirrored."""
    rows = []
    for mirrored in (0, 1):
        for scale in np.exp(np.arange(np.log(0.48), np.log(1.06), 0.008)):
            turns = np.arange(-5.4, 5.5, 0.45) if scale > 0.65 else [0.0]
            rows += [(scale, angle, 1.0, mirrored) for angle in turns]
        rows += [(s, 0.0, 1.0, mirrored) for s in np.exp(np.arange(np.log(1.06), np.log(1.8), 0.010))]
        for stretch in (0.98, 0.986, 0.993, 1.007, 1.014, 1.02):
            rows += [(s, 0.0, stretch, mirrored) for s in np.exp(np.arange(-0.03, 0.031, 0.010))]
        rows.append((1.0, 0.0, 1.0, mirrored))
    return np.array(rows)


def correlate(spectrum: Spectrum, geometry: Doubles, key: bytes, variants: Iterable[int]) -> Doubles:
    """How well the pilots fit, each at the best place.

    Args:
        geometry: [G, 4], see `hypotheses`.
        variants: V of them.

    Returns:
        [G, V, 3]: the score, and the place to the right and down in steps of `PERIOD / GRID` units.
    """
    parts = []
    for variant in variants:
        chosen = waves(key, variant)
        places = chosen.places[chosen.pilot]
        values = limit(spectrum.at((places / PERIOD) @ matrices(geometry)))
        values *= np.conj(chosen.turns[chosen.pilot])
        length = np.sqrt((np.abs(values) ** 2).sum(1) / 2) + 1e-9
        # A wave at place d has the phase 2 pi f d. The half of the waves that the inverse transform takes has
        # right >= 0, and both of a pair with right = 0.
        right, down = places.T
        negative = right < 0
        grid = np.zeros((len(geometry), GRID, GRID // 2 + 1), np.complex64)
        conjugates = np.conj(values)
        grid[:, np.where(negative, -down, down) % GRID, np.abs(right)] = np.where(
            negative, values, conjugates
        )
        upright = right == 0
        grid[:, -down[upright] % GRID, 0] = values[:, upright]
        scores = np.abs(np.fft.irfft2(grid, s=(GRID, GRID))).reshape(len(geometry), -1)
        best = scores.argmax(1)
        score = scores[np.arange(len(best)), best] * (GRID * GRID / 2) / length
        parts.append(np.stack([score, best % GRID, best // GRID], -1))
    return np.stack(parts, 1)


def limit(values: Complex) -> Complex:
    """Values whose length is 1.5 at most: a few strong lines of the picture decide nothing."""
    length = np.abs(values)
    return values * np.minimum(1.0, 1.5 / np.maximum(length, 1e-9)).astype(np.float32)


def readings(spectrum: Spectrum, key: bytes, count: int = READINGS) -> list[Reading]:
    """The most likely places of a pattern, by the pilot, and what is read there."""
    geometry = hypotheses()
    coarse = np.concatenate(
        [correlate(spectrum, part, key, range(VARIANTS)) for part in np.array_split(geometry, 12)]
    )
    flat = coarse[..., 0].ravel()
    order = np.argsort(-flat)[: REFINED * 4]
    chosen: list[tuple[int, int]] = []
    for index in order:
        g, v = divmod(int(index), VARIANTS)
        near = (
            v == w
            and geometry[g, 3] == geometry[h, 3]
            and abs(np.log(geometry[g, 0] / geometry[h, 0])) < 0.015
            and abs(geometry[g, 1] - geometry[h, 1]) < 0.9
            and abs(geometry[g, 2] - geometry[h, 2]) < 0.01
            for h, w in chosen
        )
        if not any(near):
            chosen.append((g, v))
        if len(chosen) >= REFINED:
            break
    refined = [refine(spectrum, key, variant, geometry[index]) for index, variant in chosen]
    refined.sort(key=lambda reading: -reading.pilot)
    # Where it was laid, and mirrored: without the pilot, since those of two marks can cancel each other.
    plain = [np.array((1.0, 0.0, 1.0, mirrored)) for mirrored in (0.0, 1.0)]
    return refined[: count - 2 * VARIANTS] + [
        read(spectrum, key, variant, g) for g in plain for variant in range(VARIANTS)
    ]


FINE = np.array([(x, y) for x in np.arange(-1.0, 1.01, 0.25) for y in np.arange(-1.0, 1.01, 0.25)])
"""Places around one of the grid, in units."""

STEPS = np.array([(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)], np.float64)
"""Changes of scale, angle and stretch."""


def read_in_place(spectrum: Spectrum, key: bytes, variant: int) -> Reading:
    """What is read of a variant where it was laid, without any search."""
    return read(spectrum, key, variant, np.array((1.0, 0.0, 1.0, 0.0)))


def refine(spectrum: Spectrum, key: bytes, variant: int, start: Doubles) -> Reading:
    """The reading near a geometry at which the pilot fits best."""
    geometry = start.copy()
    for size in (1.0, 0.4):
        trial = np.repeat(geometry[None], len(STEPS), 0)
        trial[:, 0] *= np.exp(STEPS[:, 0] * 0.005 * size)
        trial[:, 1] += STEPS[:, 1] * 0.3 * size
        trial[:, 2] *= np.exp(STEPS[:, 2] * 0.005 * size)
        found = correlate(spectrum, trial, key, [variant])[:, 0]
        best = int(found[:, 0].argmax())
        geometry = trial[best]
    return read(spectrum, key, variant, geometry, found[best, 1:] * (PERIOD / GRID))


def read(
    spectrum: Spectrum, key: bytes, variant: int, geometry: Doubles, near: Doubles | None = None
) -> Reading:
    """The chips of a variant under a geometry, see `hypotheses`.

    Args:
        near: [2], the place of the pattern to the right and down in units, sought within a unit; None
            for the middle of the picture, as it was laid.
    """
    chosen = waves(key, variant)
    values = limit(spectrum.at((chosen.places / PERIOD) @ matrices(geometry[None])[0]))
    values *= np.conj(chosen.turns)
    places = np.zeros((1, 2)) if near is None else near + FINE
    turns = np.exp(-2j * np.pi / PERIOD * (places @ chosen.places.T)).astype(np.complex64)
    pilots = np.abs((turns[:, chosen.pilot] @ values[chosen.pilot]).real)
    best = int(pilots.argmax())
    data = (values * turns[best])[chosen.data]
    soft = np.stack([data.real, data.imag], -1).ravel().astype(np.float32)
    length = np.sqrt((np.abs(values[chosen.pilot]) ** 2).sum() / 2) + 1e-9
    right, down = (places[best] + PERIOD / 2) % PERIOD - PERIOD / 2
    scale, angle, stretch, mirrored = (float(value) for value in geometry)
    return Reading(
        variant,
        scale,
        angle,
        stretch,
        bool(mirrored),
        (float(right), float(down)),
        float(pilots[best] / length),
        soft / (np.linalg.norm(soft) + np.float32(1e-9)),
    )
