"""Clips for the tables of the watermark, each from a seed: pans over surfaces with natural statistics, and
contents that hold marks badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from hinode.clip import Frames
from hinode.request import Size

FPS = 24

Draw = Callable[[np.random.Generator, Size, int], Iterator[Frames]]


@dataclass(frozen=True)
class Content:
    """A kind of clip.

    Attributes:
        draw: its frames, from a generator, the size and the count of frames.
    """

    name: str
    draw: Draw


def surface(random: np.random.Generator, height: int, width: int, exponent: float) -> npt.NDArray[np.float32]:
    """A random surface with the spectrum 1 / f^exponent (amplitude), mean 0 and standard deviation 1; natural
    pictures have exponents near 1 (Field 1987)."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    frequency = np.hypot(down * height, across * width) / min(height, width)
    frequency[0, 0] = 1
    shape = frequency.shape
    values = (random.normal(size=shape) + 1j * random.normal(size=shape)) * frequency**-exponent
    values[0, 0] = 0
    drawn = np.fft.irfft2(values, s=(height, width))
    return np.asarray(drawn / drawn.std(), np.float32)


def picture(random: np.random.Generator, size: Size, exponent: float, contrast: float) -> Frames:
    """A coloured still with natural statistics, uint8 [H, W, 3]."""
    width, height = size
    luma = surface(random, height, width, exponent)
    tint = np.stack([surface(random, height, width, exponent + 0.3) for _ in range(3)], -1)
    values = random.uniform(85, 150) + contrast * luma[..., None] + 0.25 * contrast * tint
    return np.rint(values.clip(0, 255)).astype(np.uint8)


def natural(random: np.random.Generator, size: Size, count: int) -> Iterator[Frames]:
    """A camera that pans over a textured ground, objects that cross it, and the noise of a sensor."""
    width, height = size
    unit = height / 360
    exponent, contrast = random.uniform(0.95, 1.4), random.uniform(28, 50)
    speed = random.uniform(0, 4) * unit  # pixels per frame, up to a quarter of the height per second
    angle = random.uniform(0, 2 * np.pi)
    noise = random.uniform(0.5, 3.0)
    ground = picture(random, (width * 3 // 2, height * 3 // 2), exponent, contrast)
    period = (ground.shape[1], ground.shape[0])
    objects = []
    for _ in range(random.integers(1, 4)):
        side = int(random.uniform(0.12, 0.35) * height)
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        mask = np.hypot(x, y) <= side / 2
        place = random.uniform(0, 1, 2) * (width, height)
        motion = random.normal(0, 3 * unit, 2)
        objects.append((picture(random, (side, side), random.uniform(0.9, 1.5), 35), mask, place, motion))
    grain = random.normal(0, noise, (7, height, width)).astype(np.float32)
    for index in range(count):
        right = int(index * speed * np.cos(angle)) % period[0]
        down = int(index * speed * np.sin(angle)) % period[1]
        frame = np.roll(ground, (-down, -right), (0, 1))[:height, :width].copy()
        for drawn, mask, place, motion in objects:
            x, y = (place + index * motion) % (width, height)
            left, top = int(x) - len(mask) // 2, int(y) - len(mask) // 2
            rows = slice(max(0, top), min(height, top + len(mask)))
            columns = slice(max(0, left), min(width, left + len(mask)))
            inside = (
                slice(rows.start - top, rows.stop - top),
                slice(columns.start - left, columns.stop - left),
            )
            part = frame[rows, columns]
            part[mask[inside]] = drawn[inside][mask[inside]]
        shift = random.integers(0, (height, width))
        layer = np.roll(grain[index % 7], tuple(int(value) for value in shift), (0, 1))
        yield np.rint((frame + layer[..., None]).clip(0, 255)).astype(np.uint8)


def flat(random: np.random.Generator, size: Size, count: int) -> Iterator[Frames]:
    """A disc of one colour that moves over a plain gradient: no texture at all."""
    width, height = size
    top, bottom, disc = random.uniform(60, 200, (3, 3))
    share = np.linspace(0, 1, height)[:, None, None]
    ground = np.broadcast_to(top + (bottom - top) * share, (height, width, 3))
    y, x = np.mgrid[:height, :width]
    speed = random.uniform(0.5, 3) * height / 360
    for index in range(count):
        centre = (width * 0.2 + index * speed) % width
        inside = np.hypot(x - centre, y - height * 0.6) <= height * 0.15
        yield np.rint(np.where(inside[..., None], disc, ground)).astype(np.uint8)


def dark(random: np.random.Generator, size: Size, count: int) -> Iterator[Frames]:
    """A night: natural statistics at an eighth of the brightness."""
    for frame in natural(random, size, count):
        yield frame // 8 + 4


def text(random: np.random.Generator, size: Size, count: int) -> Iterator[Frames]:
    """Black lines of letters on white that scroll slowly."""
    width, height = size
    page = Image.new("L", (width, height * 2), 255)
    pen = ImageDraw.Draw(page)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz     "))
    line = max(10, height // 16)
    font = ImageFont.load_default(line * 0.7)
    for y in range(line, height * 2 - line, line * 3 // 2):
        pen.text((width // 16, y), "".join(random.choice(letters, int(width / line * 2.2))), 20, font)
    drawn = np.repeat(np.asarray(page)[..., None], 3, axis=2)
    for index in range(count):
        yield np.roll(drawn, -(index // 2), 0)[:height].copy()


CONTENTS = {
    content.name: content
    for content in (
        Content("natural", natural),
        Content("flat", flat),
        Content("dark", dark),
        Content("text", text),
    )
}


def frames(name: str, seed: int, size: Size, count: int) -> Iterator[Frames]:
    """The clip of a seed."""
    random = np.random.default_rng([seed, *name.encode()])
    return CONTENTS[name].draw(random, size, count)
