"""The mark in the sound: the loudness of small cells of time and frequency, raised or lowered a little.

Nothing is laid over silence. Encoders and resampling keep the loudness of such cells, and the detector needs
to find only where in its period the mark begins.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from hinode.clip import Samples, Sound
from hinode.media.sound import at_rate
from hinode.trust.watermark.search import Reading
from hinode.trust.watermark.words import VARIANTS, Floats, chips, numbers, sign_of, variant_of

CELL_SECONDS = 0.04
"""Length of a cell; windows of twice that length overlap by half."""

BAND_HZ = (800.0, 6400.0)
"""Where the ear is keen and every encoder keeps what it hears."""

BANDS = 28
"""Cells on top of each other, each 200 Hz high."""

CELLS = 48
"""Cells after each other until the pattern repeats itself: 1.92 s."""

DECIBELS = 1.5
"""By how much a cell is raised or lowered."""

PILOT_SHARE = 0.35

READ_RATE = 16_000
"""Rate at which sound is read, in Hz."""

MIN_LEVEL = 1e-4
"""Root mean square of a window below which it counts as silence: -80 dB."""

READINGS = 4
"""Beginnings that are read for each variant."""


@functools.lru_cache(maxsize=16)
def _cells(key: bytes, variant: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Cells of pilot and data, as indices of [CELLS, BANDS], and a sign for each cell."""
    random = numbers(2 * CELLS * BANDS, b"cells", key, bytes([variant]))
    order = np.argsort(random[: CELLS * BANDS], kind="stable")
    count = round(PILOT_SHARE * CELLS * BANDS)
    signs = 1 - 2 * (random[CELLS * BANDS :] & 1).astype(np.float32)
    return np.sort(order[:count]), np.sort(order[count:]), signs


def pattern(id: bytes, key: bytes) -> Floats:
    """The cells of an identity, float32 [CELLS, BANDS] of +1 and -1."""
    pilot, data, signs = _cells(key, variant_of(id, key))
    values = signs.copy()
    values[pilot] *= np.float32(sign_of(id, key))
    values[data] *= chips(id, key, len(data))
    return values.reshape(CELLS, BANDS)


def _windows(samples: Samples, rate: int) -> tuple[Samples, Floats, int]:
    """Overlapping windows [channels, M, 2 * hop] of the root of a Hann window, which add up again."""
    hop = max(1, round(CELL_SECONDS * rate))
    count = -(-samples.shape[1] // hop) + 1
    padded = np.pad(samples, ((0, 0), (hop, count * hop - samples.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop, axis=1)[:, ::hop]
    window = np.sqrt(0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * hop) + 0.5) / hop)).astype(np.float32)
    return frames * window, window, hop


def _bands(hop: int, rate: int) -> npt.NDArray[np.int64]:
    """The band of each frequency of a window, or -1."""
    frequencies = np.arange(hop + 1) * (rate / (2 * hop))
    low, high = BAND_HZ
    bands = np.floor((frequencies - low) / (high - low) * BANDS).astype(np.int64)
    return np.where((frequencies >= low) & (frequencies < high), bands, -1)


def embed_sound(sound: Sound, id: bytes, key: bytes) -> tuple[Sound, bool]:
    """A marked copy of a sound, and whether it carries the mark: silence does not."""
    samples = sound.samples
    if not samples.size or sound.rate < 2 * BAND_HZ[0]:
        return sound, False
    frames, window, hop = _windows(samples, sound.rate)
    spectra = np.fft.rfft(frames)
    bands = _bands(hop, sound.rate)
    times = np.arange(frames.shape[1]) % CELLS
    change = (DECIBELS / 20 * np.log(10)) * pattern(id, key)[times]
    gains = np.concatenate((np.exp(change), np.ones((len(change), 1), np.float32)), 1)[:, bands]
    parts = np.fft.irfft(spectra * gains, 2 * hop).astype(np.float32) * window
    out = np.zeros((samples.shape[0], (parts.shape[1] + 1) * hop), np.float32)
    for half in (0, 1):
        shifted = parts[:, :, half * hop : (half + 1) * hop].reshape(samples.shape[0], -1)
        out[:, half * hop : half * hop + shifted.shape[1]] += shifted
    marked = out[:, hop : hop + samples.shape[1]].clip(-1.0, 1.0)
    loud = np.sqrt((frames**2).mean(2)).max(0) > MIN_LEVEL
    return Sound(marked, sound.rate), bool(loud.mean() > 0.25 and loud.sum() >= CELLS // 2)


def read_sound_marks(sound: Sound, key: bytes) -> list[Reading]:
    """The most likely beginnings of a mark in a sound, and the chips that are read there."""
    mono = sound.samples.mean(0, keepdims=True, dtype=np.float32)
    heard = at_rate(Sound(np.ascontiguousarray(mono), sound.rate), READ_RATE)
    if heard.seconds < 0.5:
        return []
    hop = round(CELL_SECONDS * READ_RATE)
    best: list[tuple[float, int, int, Floats]] = []
    for part in range(4):  # cells may begin anywhere
        offset = part * hop // 4
        folded = _folded(heard.samples[:, offset:])
        if folded is None:
            continue
        for variant in range(VARIANTS):
            pilot, _, signs = _cells(key, variant)
            wanted = np.zeros(CELLS * BANDS, np.float32)
            wanted[pilot] = signs[pilot]
            grid = wanted.reshape(CELLS, BANDS)
            products = np.fft.rfft(folded, axis=0) * np.conj(np.fft.rfft(grid, axis=0))
            values = np.fft.irfft(products.sum(1), CELLS)
            power = np.fft.irfft(
                (np.fft.rfft(folded**2, axis=0) * np.conj(np.fft.rfft(grid**2, axis=0))).sum(1), CELLS
            )
            values = values / np.sqrt(np.maximum(power, 1e-9))
            for start in np.argsort(-np.abs(values))[:READINGS]:
                best.append((float(values[start]), variant, int(start), folded))
    best.sort(key=lambda item: -abs(item[0]))
    found = []
    for value, variant, start, folded in best[: READINGS * VARIANTS]:
        _, data, signs = _cells(key, variant)
        cells = np.roll(folded, -start, 0).ravel()[data] * signs[data]
        cells = cells / (np.linalg.norm(cells) + 1e-9)
        found.append(Reading(variant, 1.0, 0.0, 1.0, False, (0.0, 0.0), abs(value), cells.astype(np.float32)))
    return found


def _folded(samples: Samples) -> Floats | None:
    """Loudness of the cells beside their neighbours, averaged over the periods, float32 [CELLS, BANDS]."""
    frames, _, hop = _windows(samples, READ_RATE)
    level = np.sqrt((frames[0] ** 2).mean(1))
    spectra = np.abs(np.fft.rfft(frames[0])) ** 2
    bands = _bands(hop, READ_RATE)
    energy = np.stack([spectra[:, bands == band].sum(1) for band in range(BANDS)], 1)
    # Far below the loudest band nothing of the mark is left after an encoder.
    floor = 1e-5 * energy.max(1, keepdims=True) + 1e-9
    loudness = np.log(energy + floor)
    # Both differences remove what the sound itself does slowly.
    loudness = (
        loudness - _local_mean(loudness, 0, 2) - _local_mean(loudness - _local_mean(loudness, 0, 2), 1, 3)
    )
    loudness = np.clip(loudness, -1.5, 1.5)
    loudness[level < MIN_LEVEL] = 0
    if not loudness.any():
        return None
    count = -(-len(loudness) // CELLS) * CELLS
    padded = np.pad(loudness, ((0, count - len(loudness)), (0, 0)))
    folded: Floats = padded.reshape(-1, CELLS, BANDS).sum(0).astype(np.float32)
    return folded


def _local_mean(values: npt.NDArray[np.floating], axis: int, radius: int) -> npt.NDArray[np.float64]:
    """Means over 2 * radius + 1 neighbours along an axis; ends are repeated."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float64)
    side, count = 2 * radius + 1, values.shape[axis]
    high = np.take(sums, np.arange(side, side + count), axis=axis)
    return np.asarray((high - np.take(sums, np.arange(count), axis=axis)) / side)
