"""Bringing frames to the size that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from PIL import Image

from hinode.clip import Frames, FrameSource
from hinode.request import Size

MAX_STRETCH = 1.02
"""A shape this close to the asked one is stretched, unseen; beyond it the longer side is cropped, evenly."""


def fit(frames: FrameSource, size: Size, order: Iterable[int]) -> Iterator[Frames]:
    """Frames of exactly `size`, one at a time: a long clip at full size need not fit into memory.

    Args:
        frames: uint8 [T, H, W, 3].
        size: width and height to reach.
        order: indices of the frames wanted; the same one may follow itself.

    Yields:
        uint8 [height, width, 3] each.
    """
    height, width = frames.shape[1:3]
    box = crop_box((width, height), size)
    for index, repeats in groupby(order):
        fitted = np.asarray(enlarge(Image.fromarray(frames[index]), size, box))
        for _ in repeats:
            yield fitted


def enlarge(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    """The part `box` of an image at another size; smooth, without the bright rims of a sharper filter."""
    if image.size == size and box == (0, 0, *size):
        return image
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def crop_box(have: Size, want: Size) -> tuple[float, float, float, float]:
    """The largest centred box of `have` whose shape is that of `want`, or all of it if the shapes are close.

    Returns:
        Left, top, right and bottom edge in pixels of `have`, fractions included.
    """
    stretch = (want[0] / want[1]) / (have[0] / have[1])
    if 1 / MAX_STRETCH <= stretch <= MAX_STRETCH:
        return 0, 0, *have
    width = have[0] * min(1.0, stretch)
    height = have[1] * min(1.0, 1 / stretch)
    left, top = (have[0] - width) / 2, (have[1] - height) / 2
    return left, top, left + width, top + height
