"""What the sounds of the drawn world consist of: seeded noise, slow movement, steady tones, short grains.

Everything is a function of absolute time and a key, so two windows of one sound agree where they overlap.
A span is a number of steps of `STEP` samples. Values that move slowly exist at the edges of the steps.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Control = npt.NDArray[np.float64]
Band = tuple[float, float, float]
"""A part of a noise: centre in Hz, width in octaves (standard deviation), level."""

STEP = 64  # samples
_BLOCK, _OVERLAP = 8192, 1024  # samples of a block of noise, and of its overlap with the next
_TABLE = 4096  # places of a wave table
_MASK = (1 << 64) - 1
_GOLD = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Span:
    """A window: its first step, counted from time 0, the number of its steps, and samples per second."""

    first: int
    steps: int
    rate: int

    @property
    def moments(self) -> Control:
        """Seconds at the edges of the steps, [steps + 1]."""
        return np.arange(self.first, self.first + self.steps + 1, dtype=np.float64) * (STEP / self.rate)


@dataclass(frozen=True)
class Note:
    """What a grain is made from: `pitch`, a factor; `key`, the source of its chance; samples per second."""

    pitch: float
    key: int
    rate: int

    def draw(self, number: int) -> float:
        """Chance number `number` of this note, 0..1."""
        return float(_scramble(self.key + number * _GOLD & _MASK) >> 11) * 2.0**-53


def _scramble(value: Any) -> Any:
    """splitmix64's finaliser, of a Python integer or of an array of uint64."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def derive(key: int, *parts: str | int) -> int:
    """A key of 64 bits for a part of what `key` stands for."""
    for part in parts:
        number = zlib.crc32(part.encode()) if isinstance(part, str) else part
        key = int(_scramble((key ^ number * _GOLD) & _MASK))
    return key


def _bits(key: int, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    bits: npt.NDArray[np.uint64] = _scramble(index.astype(np.uint64) * _GOLD + key)
    return bits


def uniform(key: int, index: npt.NDArray[np.int64]) -> Control:
    """Numbers in 0..1, one for each index, which may be negative."""
    return (_bits(key, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def wander(key: int, moments: Control, period: float) -> Control:
    """A random number 0..1 that changes smoothly, with a new goal every `period` seconds."""
    place = moments / period
    index = np.floor(place).astype(np.int64)
    part = place - index
    goals = uniform(key, np.arange(index[0], index[-1] + 2))
    before, after = goals[index - index[0]], goals[index - index[0] + 1]
    level: Control = before + (after - before) * part * part * (3.0 - 2.0 * part)
    return level


def stretch(control: npt.NDArray[np.floating[Any]]) -> Samples:
    """Values at the moments of a span [..., steps + 1] as values of its samples [..., steps * STEP]."""
    values = control.astype(np.float32)
    ramp = (np.arange(STEP) / STEP).astype(np.float32)
    samples: Samples = values[..., :-1, None] + (values[..., 1:] - values[..., :-1])[..., None] * ramp
    return samples.reshape(*values.shape[:-1], -1)


@functools.lru_cache(256)
def _shape(bands: tuple[Band, ...], ceiling: float, rate: int, size: int) -> Samples:
    """Magnitudes of the bins of a noise of level 1 (root mean square): bumps on a scale of octaves."""
    hertz = np.fft.rfftfreq(size, 1.0 / rate)
    octave = np.log2(np.maximum(hertz, 1.0))
    power = np.zeros(len(hertz))
    for centre, width, level in bands:
        power += level**2 / (centre * width) * np.exp(-(((octave - math.log2(centre)) / width) ** 2))
    power *= (hertz > 20.0) / (1.0 + (hertz / ceiling) ** 6)
    # the area under a bump of centre 1 and width 1 is ln 2 * sqrt(pi) = 1.23
    magnitudes: Samples = (np.sqrt(power * (rate / size) / 1.23 / 2.0) * size).astype(np.float32)
    return magnitudes


@functools.cache
def _circle() -> npt.NDArray[np.complex64]:
    points: npt.NDArray[np.complex64] = np.exp(2j * np.pi * np.arange(256) / 256).astype(np.complex64)
    return points


def _waves(key: int, blocks: npt.NDArray[np.int64], shape: Samples) -> Samples:
    """Noise of random phases, [blocks, 2 * (bins - 1)]; one byte of chance per phase."""
    words = len(shape) // 8 + 1
    index = blocks[:, None] * words + np.arange(words)
    phases = _bits(key, index).view(np.uint8)[:, : len(shape)]
    return np.fft.irfft(_circle()[phases] * shape).astype(np.float32, copy=False)


def tune(pitch: float, *bands: Band) -> tuple[Band, ...]:
    """Bands that are higher by a factor."""
    return tuple((centre * pitch, width, level) for centre, width, level in bands)


def noise(span: Span, key: int, bands: tuple[Band, ...], ceiling: float = 20_000.0) -> Samples:
    """Endless noise in some bands, [samples]. A band's level is its root mean square.

    `ceiling`: Hz from which on higher frequencies fade.
    """
    hop = _BLOCK - _OVERLAP
    first, last = span.first * STEP, (span.first + span.steps) * STEP
    blocks = np.arange(first // hop - 1, -(-last // hop))
    waves = _waves(key, blocks, _shape(bands, ceiling, span.rate, _BLOCK)) * _window()
    samples = waves[1:, :hop].copy()
    samples[:, :_OVERLAP] += waves[:-1, hop:]
    offset = first - (int(blocks[0]) + 1) * hop
    return samples.reshape(-1)[offset : offset + last - first]


@functools.cache
def _window() -> Samples:
    """Edges of a block: the power of two blocks that overlap adds up to that of one."""
    window = np.ones(_BLOCK, np.float32)
    edge = np.sin(np.pi / 2.0 * (np.arange(_OVERLAP) + 0.5) / _OVERLAP)
    window[:_OVERLAP], window[-_OVERLAP:] = edge, edge[::-1]
    return window


@functools.lru_cache(64)
def _table(harmonics: tuple[float, ...]) -> Samples:
    """One period of a wave, peak 1, from the levels of its harmonics."""
    turn = 2.0 * np.pi * np.arange(_TABLE) / _TABLE
    wave = np.sum([level * np.sin((number + 1) * turn) for number, level in enumerate(harmonics)], axis=0)
    table: Samples = (wave / np.abs(wave).max()).astype(np.float32)
    return table


def _read(table: Samples, turns: Control) -> Samples:
    """The wave at some turns, a span's moments; the turns between them are interpolated."""
    whole = np.floor(turns[:-1])
    places = (turns[:-1] - whole)[:, None] + np.diff(turns)[:, None] * (np.arange(STEP) / STEP)
    index = (places.astype(np.float32) * np.float32(_TABLE)).astype(np.int32).reshape(-1)
    return np.take(table, index, mode="wrap")


def tone(
    span: Span,
    key: int,
    hertz: float,
    harmonics: tuple[float, ...] = (1.0,),
    depth: float = 0.0,
    period: float = 1.0,
) -> Samples:
    """An endless tone of peak 1 whose pitch wavers by about `depth`, a part of it, in `period` seconds."""
    turns = hertz * span.moments + depth * hertz * period * wander(key, span.moments, period)
    return _read(_table(harmonics), turns)


def _top(rate: int) -> float:
    """Hz above which a grain has no partials, since they would fold back."""
    return 0.48 * rate


def _count(note: Note, seconds: float) -> int:
    """Samples of a grain: whole steps."""
    return math.ceil(seconds * note.rate / STEP) * STEP


def fade(wave: Samples, note: Note, attack: float, release: float) -> Samples:
    """A grain with soft edges, of some seconds."""
    for seconds, part in ((attack, slice(None)), (release, slice(None, None, -1))):
        count = min(round(seconds * note.rate), len(wave))
        ramp = (np.arange(count, dtype=np.float32) + 0.5) / count
        wave[part][:count] *= 0.5 - 0.5 * np.cos(np.pi * ramp)
    return wave


def ring(note: Note, partials: tuple[tuple[float, float, float], ...]) -> Samples:
    """A grain of decaying sines, from the frequency in Hz, the level and the decay in seconds of each."""
    hertz, level, decay = (np.array(column) for column in zip(*partials, strict=True))
    level *= hertz * note.pitch < _top(note.rate)
    count = _count(note, 5.0 * float(decay.max()))
    turn = (2j * np.pi * hertz * note.pitch - 1.0 / decay) / note.rate
    # the sine at step * STEP + place is the imaginary part of a product: one matrix product gives all samples
    steps = level * np.exp(turn * STEP * np.arange(count // STEP)[:, None])
    places = np.exp(turn[:, None] * np.arange(STEP))
    left = np.concatenate((steps.real, steps.imag), 1).astype(np.float32)
    right = np.concatenate((places.imag, places.real)).astype(np.float32)
    return fade((left @ right).reshape(-1), note, 0.0, 0.02)


def glide(
    note: Note,
    seconds: float,
    hertz: tuple[float, ...],
    harmonics: tuple[float, ...] = (1.0,),
    vibrato: tuple[float, float] = (0.0, 1.0),
) -> Samples:
    """A grain that glides through frequencies at even distances in time, peak 1, without edges.

    `vibrato`: its depth as a part of the frequency, and its rate in Hz.
    """
    moments = np.arange(_count(note, seconds) // STEP + 1) * (STEP / note.rate)
    place = moments / moments[-1] * (len(hertz) - 1)
    index = np.minimum(place.astype(int), len(hertz) - 2)
    part = 0.5 - 0.5 * np.cos(np.pi * (place - index))
    knots = np.log(hertz)
    pitch = note.pitch * np.exp(knots[index] * (1.0 - part) + knots[index + 1] * part)
    pitch *= 1.0 + vibrato[0] * np.sin(2.0 * np.pi * vibrato[1] * moments)
    turns = np.concatenate(([0.0], np.cumsum((pitch[1:] + pitch[:-1]) / 2.0))) * (STEP / note.rate)
    return _read(_table(harmonics[: max(1, int(_top(note.rate) / pitch.max()))]), turns)


def puff(
    note: Note, seconds: float, bands: tuple[Band, ...], attack: float, decay: float | None = None
) -> Samples:
    """A grain of noise that decays exponentially, or by default one that swells and fades."""
    count = _count(note, seconds)
    tuned = tune(note.pitch, *bands)
    size = 1 << (count - 1).bit_length()
    wave = _waves(note.key, np.array([0]), _shape(tuned, 20_000.0, note.rate, size))[0, :count]
    if decay is not None:
        wave *= np.exp(np.arange(count, dtype=np.float32) / np.float32(-decay * note.rate))
    return fade(wave, note, attack, 0.02 if decay else seconds - attack)


def lay(target: Samples, grain: Samples, start: int) -> None:
    """Add a grain [..., n] to a window [..., N], at a sample that may lie outside."""
    first, last = max(start, 0), min(start + grain.shape[-1], target.shape[-1])
    if first < last:
        target[..., first:last] += grain[..., first - start : last - start]


Recipe = Callable[[Note], Samples]
