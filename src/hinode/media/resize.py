"""Pictures and frames brought to a size: their middle, cut to its shape and scaled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from PIL import Image

from hinode.clip import Frames, FrameSource
from hinode.request import Size

MAX_STRETCH = 1.02
"""A shape this close to the requested one may be stretched to it, which nobody sees."""


def fit(frames: FrameSource, size: Size, order: Iterable[int]) -> Iterator[Frames]:
    """Frames uint8 [H, W, 3] of exactly `size`, one at a time: a long clip at full size need not fit into
    memory. `order` has their indices in `frames`, uint8 [T, H, W, 3]; equal ones may follow each other."""
    for index, repeats in groupby(order):
        frame = np.asarray(fit_finished(Image.fromarray(frames[index]), size))
        for _ in repeats:
            yield frame


def fit_finished(image: Image.Image, size: Size) -> Image.Image:
    """A finished frame at another size; smooth, without the bright rims of a sharper filter."""
    return fit_image(image, size, Image.Resampling.BICUBIC, max_stretch=MAX_STRETCH)


def fit_frame(frame: Frames, size: Size) -> Frames:
    """A frame uint8 [H, W, 3] at another size, averaged where it gets smaller."""
    return np.asarray(fit_image(Image.fromarray(frame), size, max_stretch=MAX_STRETCH))


def fit_image(
    image: Image.Image, size: Size, resample: Image.Resampling | None = None, *, max_stretch: float = 1.0
) -> Image.Image:
    """An image at exactly `size`: the largest part around its middle that has the shape, scaled.

    Args:
        image: it is returned as it is if it has the size.
        resample: the filter; by default an average where the image gets smaller, else bicubic, and none
            where no side loses more than a pixel.
        max_stretch: see `crop_box`.
    """
    if image.size == size:
        return image
    if resample is None:
        if trims(image.size, size):
            return image.crop((0, 0, *size))  # an odd side made even: what is left stays as it is
        shrinks = size[0] < image.width and size[1] < image.height
        resample = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return image.resize(size, resample, box=crop_box(image.size, size, max_stretch))


def trims(have: Size, want: Size) -> bool:
    """Whether a picture becomes as large as wanted if each side loses a pixel at most."""
    return all(0 <= side - target <= 1 for side, target in zip(have, want, strict=True))


def crop_box(have: Size, want: Size, max_stretch: float = MAX_STRETCH) -> tuple[float, float, float, float]:
    """The largest centred box of `have` with the shape of `want`.

    Args:
        have: size of the picture.
        want: size that gives the shape.
        max_stretch: shapes that differ by this factor or less count as equal; then the box is all of `have`.

    Returns:
        Left, top, right and bottom edge in pixels of `have`, fractions included.
    """
    stretch = (want[0] / want[1]) / (have[0] / have[1])
    if 1 / max_stretch <= stretch <= max_stretch:
        return 0, 0, *have
    width = have[0] * min(1.0, stretch)
    height = have[1] * min(1.0, 1 / stretch)
    left, top = (have[0] - width) / 2, (have[1] - height) / 2
    return left, top, left + width, top + height


def nearest_size(sizes: Iterable[Size], want: Size) -> Size:
    """The size that loses least of its area when cut to the shape of `want`; `want` if there is none."""

    def lost(have: Size) -> float:
        left, top, right, bottom = crop_box(have, want)
        return 1 - (right - left) * (bottom - top) / (have[0] * have[1])

    return min(sizes, key=lost, default=want)
