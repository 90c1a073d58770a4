"""Colours for other screens, HDR and wide gamut, brought to sRGB, in numbers of BT.709.

High brightness is compressed by Hable's curve, relative to a white of 100 cd/m2, as FFmpeg's filters `zscale`
and `tonemap` do it. Sources: ITU-R BT.2100 (PQ and HLG), BT.1886, SMPTE EG 432 (P3).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hinode.clip import Frames

HLG_PEAK, DEFAULT_PEAK = 1000.0, 1000.0
"""Brightest white of a screen for HLG, and of a PQ video that does not name its own, in cd/m2."""

MAX_PEAK = 10_000.0
WHITE = 100.0
"""Brightness of the output's white, in cd/m2."""

BAND_ROWS = 64
"""Rows that are converted at once, so that a large frame takes little memory."""

# Codes of ITU-T H.273.
TRANSFERS = {16: "pq", 18: "hlg"}
UNREADABLE_TRANSFERS = frozenset({8, 9, 10, 17})
"""Linear and logarithmic ones: their pictures have no fixed look."""
PRIMARIES = {9: "bt2020", 11: "p3", 12: "p3"}

Values = npt.NDArray[np.float32]
Matrix = tuple[tuple[float, float, float], ...]

_BT2020: Matrix = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
_P3: Matrix = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0196, -0.0786, 1.0979))
TO_BT709: dict[str, Matrix] = {"bt2020": _BT2020, "p3": _P3}
"""Linear light of other primaries to that of BT.709; white stays white."""


@dataclass(frozen=True)
class Grading:
    """What colours mean: `transfer` is "pq", "hlg" or "sdr", `primaries` is one of `TO_BT709`, and `peak` the
    brightest white in cd/m2."""

    transfer: str
    primaries: str
    peak: float = DEFAULT_PEAK

    @classmethod
    def of_codes(cls, primaries: int, transfer: int, peak: float = DEFAULT_PEAK) -> Grading | None:
        """That of the codes for primaries and transfer in ITU-T H.273; None for BT.709 and sRGB.

        Raises:
            ValueError: such colours have no fixed look.
        """
        if transfer in UNREADABLE_TRANSFERS:
            raise ValueError(f"no look is defined for transfer {transfer}")
        if transfer not in TRANSFERS and primaries not in PRIMARIES:
            return None
        return cls(TRANSFERS.get(transfer, "sdr"), PRIMARIES.get(primaries, "bt2020"), peak)


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


# What pictures say of their colours beside a profile, which Pillow does not obey: a PNG in the chunks cICP,
# gAMA and cHRM (https://www.w3.org/TR/png-3, section 4.3: cICP comes first, then a profile or sRGB, then the
# others), a HEIC in its box nclx.

SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""White, red, green and blue, (x, y) each, as cHRM has them."""
OTHERS = {
    "p3": (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    "bt2020": (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
}
TOLERANCE = 0.03
GAMMA = 1 / 2.2
"""Of sRGB, nearly."""
FIRST_CHUNK, MAX_CHUNKS = 8, 1000

Convert = Callable[[Image.Image], Image.Image]


class ColorError(ValueError):
    """The colours of a picture cannot be read."""


def conversion(image: Image.Image) -> Convert | None:
    """What brings the pixels of a picture, as RGB, to sRGB; None if they are in sRGB, or a profile says more.

    Raises:
        ColorError: its colours have no fixed look, or are those of an unknown screen.
        OSError: its file cannot be read.
    """
    if image.format == "HEIF":
        stated = None if "icc_profile" in image.info else image.info.get("nclx_profile")
        codes = stated and (stated["color_primaries"], stated["transfer_characteristics"])
    else:
        codes = _codes(image) if image.format == "PNG" else None
    if codes is not None:
        try:
            return _graded(Grading.of_codes(*codes))
        except ValueError as error:
            raise ColorError(str(error)) from error
    if image.format != "PNG" or "icc_profile" in image.info or "srgb" in image.info:
        return None
    gamma, screen = image.info.get("gamma"), image.info.get("chromaticity")
    if screen is not None and not _alike(screen, SRGB):
        name = next((name for name, other in OTHERS.items() if _alike(screen, other)), None)
        if name is None:
            raise ColorError("they are those of an unknown screen")
        return _graded(Grading("sdr", name))
    if not gamma or abs(gamma - GAMMA) < TOLERANCE:
        return None
    light = np.linspace(0, 1, 256) ** (1 / gamma)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table = np.rint(values * 255).astype(int).tolist() * 3
    return lambda part: part.point(table)


def _graded(grading: Grading | None) -> Convert | None:
    if grading is None:
        return None
    return lambda part: Image.fromarray(to_srgb(np.asarray(part).astype(np.uint16) * 257, grading))


def _alike(screen: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(have - want) < TOLERANCE for have, want in zip(screen, other, strict=True))


def _codes(image: Image.Image) -> tuple[int, int] | None:
    """Primaries and transfer in the numbers of ITU-T H.273, if the file states them."""
    name = getattr(image, "filename", "")
    if not name:
        return None
    with Path(os.fsdecode(name)).open("rb") as file:
        file.seek(FIRST_CHUNK)
        for _ in range(MAX_CHUNKS):
            head = file.read(8)
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"cICP":
                primaries, transfer = file.read(2)
                return primaries, transfer
            if len(head) < 8 or head[4:] == b"IDAT":
                break
            file.seek(length + 4, os.SEEK_CUR)
    return None
