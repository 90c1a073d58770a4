"""Colours of videos for other screens, HDR and wide gamut, brought to sRGB, in numbers of BT.709.

High brightness is compressed by Hable's curve, relative to a white of 100 cd/m2, as FFmpeg's filters `zscale`
and `tonemap` do it. Sources: ITU-R BT.2100 (PQ and HLG), BT.1886, SMPTE EG 432 (P3).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hinode.clip import Frames

HLG_PEAK, DEFAULT_PEAK = 1000.0, 1000.0
"""Brightest white of a screen for HLG, and of a PQ video that does not name its own, in cd/m2."""

MAX_PEAK = 10_000.0
WHITE = 100.0
"""Brightness of the output's white, in cd/m2."""

BAND_ROWS = 64
"""Rows that are converted at once, so that a large frame takes little memory."""

Values = npt.NDArray[np.float32]
Matrix = tuple[tuple[float, float, float], ...]

_BT2020: Matrix = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
_P3: Matrix = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0196, -0.0786, 1.0979))
TO_BT709: dict[str, Matrix] = {"bt2020": _BT2020, "p3": _P3}
"""Linear light of other primaries to that of BT.709; white stays white."""


@dataclass(frozen=True)
class Grading:
    """What colours of a video mean: `transfer` is "pq", "hlg" or "sdr", `primaries` is one of `TO_BT709`, and
    `peak` its brightest white in cd/m2."""

    transfer: str
    primaries: str
    peak: float = DEFAULT_PEAK


def to_srgb(pixels: npt.NDArray[np.uint16], grading: Grading) -> Frames:
    """Colours uint16 [H, W, 3] of such a video, 0..65535, as uint8 [H, W, 3] in sRGB."""
    result = np.empty(pixels.shape, np.uint8)
    matrix = np.array(TO_BT709[grading.primaries], np.float32).T
    for top in range(0, len(pixels), BAND_ROWS):
        light = _linear(grading.transfer)[pixels[top : top + BAND_ROWS]]
        light = light @ matrix
        if grading.transfer != "sdr":
            light = _compress(light, min(grading.peak, MAX_PEAK) / WHITE)
        # The square root spreads the dark tones over the table.
        result[top : top + BAND_ROWS] = _encoded()[(np.sqrt(light.clip(0, 1)) * 65535).astype(np.uint16)]
    return result


def _compress(light: Values, peak: float) -> Values:
    """Light in whites, up to `peak`, brought to 0..1; the ratio of the colours of a pixel stays."""
    brightest = np.maximum(light.max(-1, keepdims=True), 1e-6)
    compressed: Values = light * (_hable(brightest) / _hable(np.float32(peak)) / brightest)
    return compressed


def _hable(x: Values | np.float32) -> Values | np.float32:
    return (x * (x * 0.15 + 0.05) + 0.004) / (x * (x * 0.15 + 0.5) + 0.06) - np.float32(0.02 / 0.3)


@functools.cache
def _linear(transfer: str) -> Values:
    """Light of each value 0..65535 of a channel: of HDR in whites, else 0..1."""
    signal = np.linspace(0, 1, 65536)
    if transfer == "pq":
        power = signal ** (1 / 78.84375)
        light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
        light *= 10_000 / WHITE
    elif transfer == "hlg":
        bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        # The system gamma, for each channel by itself as `zscale` applies it.
        light = np.where(signal <= 0.5, signal**2 / 3, bright) ** 1.2 * HLG_PEAK / WHITE
    else:
        light = signal**2.4
    return light.astype(np.float32)


@functools.cache
def _encoded() -> Frames:
    """The value 0..255 for the square root of light, 0..65535."""
    values: Frames = np.rint(np.linspace(0, 1, 65536) ** (2 / 2.4) * 255).astype(np.uint8)
    return values
