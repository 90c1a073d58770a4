"""Line-up tone: the sound of a test card, and the moments of its flashes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from hinode.clip import Samples

RATE = 48_000
HERTZ = 1000
LEVEL = 10 ** (-18 / 20)
"""18 dB below full scale: line-up tone in Europe (EBU R 68)."""

CLICK_LEVEL = 0.9
CLICK_SECONDS = Fraction(1, 500)


def flashes(index: int, fps: Fraction) -> bool:
    """Whether frame `index` is the first of a second: it flashes, and begins with a click."""
    return index == 0 or math.floor(index / fps) > math.floor((index - 1) / fps)


def tone(rate: int, channels: int, count: int, fps: Fraction, begin: int = 0) -> Samples:
    """Tone with a click where each flash of a card at `fps` begins: equal channels at `rate` samples per
    second, float32 [channels, count], with silence before the sample `begin`."""
    times = np.arange(count) / rate
    samples = (LEVEL * np.sin(2 * math.pi * HERTZ * times)).astype(np.float32)
    for second in range(math.ceil(count / rate) + 1):
        start = round(math.ceil(second * fps) / fps * rate)
        samples[start : start + round(CLICK_SECONDS * rate)] = CLICK_LEVEL
    samples[:begin] = 0
    return np.tile(samples, (channels, 1))
