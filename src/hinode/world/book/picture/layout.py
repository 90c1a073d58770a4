"""The layout of the land: for each pixel, which sheet of paper is on top there, how far below its edge, which
cut-outs lie there in their own coordinates, the colours of that paper, what soft light or mist lies over it,
and how much of it stars and weather cover. It is what a drawing network gets of a plan.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinode.world.book.motion import Camera
from hinode.world.book.picture import atlas, drawings, palette, places, sky, weather
from hinode.world.book.picture.canvas import REACH, Layer, Look, Mark, Soft, frame_grid, lit, mixed
from hinode.world.book.picture.render import lay_layer
from hinode.world.book.scene import Scene

SHAPES = (*drawings.SHAPES, sky.SUN)
"""Names of the cut-outs; the number of one is its place, from 1 on."""
DEPTHS = 20
"""Steps of the depth of a sheet."""
REACH_BELOW, REACH_ABOVE = 0.5, 0.05
"""Short sides below and above the edge of a sheet from which on the distance counts no more."""
FAINT = 0.05
"""Opacity below which a cut-out or its shadow is not there."""
RAY_EDGE = 0.016
"""Width of the edge of a shaft of light, in short sides."""
CHANNELS = 27
SHEET, BELOW, ABOVE, TINT, SOFT, UPPER, LOWER, HIDDEN, STARS, WEATHER = 0, 1, 2, 3, 6, 10, 20, 24, 25, 26
"""Values of a pixel, uint8: the sheet (0 the sky, else 1 + its depth in `DEPTHS` steps), how far below its
edge, how near above the edge of the next one, the three colours of its paper; the opacity and the colours of
what is soft there; of the uppermost cut-out the number (0 none), u, v, opacity, and the colours of its base
and of its dark parts; of the one under it number, u, v and opacity; which subjects the land hides, a bit
for each; how much of the pixel stars of the sky cover, and how much the rain, snow or fog before
everything."""
Map = NDArray[np.uint8]
Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class View:
    """How some frames see a layer: its place x / `scale` + (`across`, `down`) is at x; `columns` and `rows`:
    middles of the pixels in short sides from the middle of the frame."""

    frames: slice
    across: float
    down: float
    scale: float
    columns: Values
    rows: Values

    @property
    def x(self) -> Values:
        """Places of the columns on the layer, [W]."""
        return self.columns / self.scale + self.across

    @property
    def y(self) -> Values:
        """Places of the rows on the layer, [H]."""
        return self.rows / self.scale + self.down


def land_map(
    scene: Scene, clock: Tensor, camera: Camera, *, width: int, height: int, rests: Sequence[str] = ()
) -> Tensor:
    """The layout of a scene's land as a camera sees it at T moments, uint8 [T, CHANNELS, H, W].

    `clock`: seconds that clouds and waves have moved at each moment, [T]. Distances below an edge, and u and
    v of -`REACH` to `REACH`, are spread over 0..255; the nearness above one falls from 255 at the edge.
    `rests`: what each subject is in or on, which decides the layers that hide it.
    """
    frames, short = len(clock), min(width, height)
    x = ((np.arange(width) + 0.5) - width / 2) / short
    y = ((np.arange(height) + 0.5) - height / 2) / short
    result = np.zeros((frames, CHANNELS, height, width), np.uint8)
    place, stars, falling = _layers(scene.place, scene.time, scene.weather, scene.seed, width / height)
    for number, layer in enumerate(place.layers):
        # HIDDEN holds the rank of the layer on top, 1 for the nearest, until all are laid.
        rank = np.uint8(len(place.layers) - number)
        for view in _views(layer, camera, clock.double().numpy(), x, y):
            part = result[view.frames]
            for soft in layer.soft:
                _soften(part, soft, view)
            for mark in layer.behind:
                _stamp(part, mark, view, short, rank)
            if layer.skyline is not None:
                _cover(part, layer, view, rank)
            for mark in layer.front:
                _stamp(part, mark, view, short, rank)
    ranks = result[:, HIDDEN].copy()
    result[:, HIDDEN] = 0
    for bit, rest in enumerate(rests):
        hides = (ranks > 0) & (ranks <= place.covers.get(rest, 1))
        result[:, HIDDEN] |= hides.astype(np.uint8) << np.uint8(bit)
    for channel, layers in ((STARS, stars), (WEATHER, falling)):
        canvas = torch.zeros(1, 4, height, width)
        for layer in layers:
            canvas = lay_layer(canvas, layer, clock, camera, frame_grid(width, height))
        result[:, channel] = canvas[:, 3].mul(255).round().byte().numpy()
    result[:, STARS][result[:, SHEET] > 0] = 0
    return torch.from_numpy(result)


@lru_cache(maxsize=2048)
def _layers(
    place: str, time: str, conditions: str, seed: int, aspect: float
) -> tuple[places.Place, tuple[Layer, ...], tuple[Layer, ...]]:
    """A place, the layers of its stars alone, and those of its weather."""
    light, rng = palette.light(Scene((), time, place, conditions, "still", None, seed)), random.Random(seed)
    scenery = places.build(place, rng, light, aspect)
    stars = tuple(dataclasses.replace(layer, draw=layer.stars) for layer in scenery.layers if layer.stars)
    return scenery, stars, tuple(weather.layers(rng, light))


def _views(layer: Layer, camera: Camera, seconds: Values, x: Values, y: Values) -> Iterator[View]:
    """A layer as each frame sees it, or as all frames see it if it stands still."""
    across, down = (values.double().numpy() for values in camera.shift(layer.depth))
    across, down = across - layer.drift * seconds, down - layer.sink * seconds
    scale = camera.scale(layer.depth).double().numpy()
    if all((values == values[0]).all() for values in (across, down, scale)):
        yield View(slice(None), float(across[0]), float(down[0]), float(scale[0]), x, y)
        return
    for frame, values in enumerate(zip(across.tolist(), down.tolist(), scale.tolist(), strict=True)):
        yield View(slice(frame, frame + 1), *values, x, y)


def _cover(part: Map, layer: Layer, view: View, rank: np.uint8) -> None:
    """Lay a sheet of land over the map of some frames, in place."""
    assert layer.skyline is not None
    x, rows = view.x, view.y[:, None]
    below = rows - layer.skyline(x)
    inside = below > 0
    steps = (below * (255 / REACH_BELOW)).clip(0, 255).astype(np.uint8)
    sheet = np.uint8(1 + round(layer.depth * DEPTHS))
    for channel, value in ((SHEET, sheet), (BELOW, steps), (HIDDEN, rank)):
        np.copyto(part[:, channel], value, where=inside)
    nearness = (255 * (1 + below / REACH_ABOVE)).clip(0, 255).astype(np.uint8)
    np.copyto(part[:, ABOVE], nearness, where=~inside & (nearness > 0))
    for channel in (ABOVE, SOFT, UPPER, LOWER):
        np.copyto(part[:, channel], np.uint8(0), where=inside)
    papers = [(inside, layer.tint)]
    if layer.cap is not None:
        line, color = layer.cap
        papers.append((inside & (rows < line(x)), color))
    for where, color in papers:
        for k, value in enumerate(_bytes(color)):
            np.copyto(part[:, TINT + k], value, where=where)


def _soften(part: Map, soft: Soft, view: View) -> None:
    """Lay what is soft over the map of some frames, in place; stars have a channel of their own."""
    x, y, values = view.x[None], view.y[:, None], soft.values
    if soft.kind == "glow":
        left, top, radius, strength = values
        cover = strength * np.exp(-0.9 * (np.hypot(x - left, y - top) / (2.6 * radius)) ** 2)
    elif soft.kind == "nebula":
        angle, offset = values
        bank = (y - offset) * math.cos(angle) + x * math.sin(angle) + 0.05 * np.sin(3.0 * x + 9.0 * offset)
        cover = 0.38 * np.exp(-((bank / 0.16) ** 2))
    elif soft.kind == "mist":
        middle, thickness, strength = values
        cover = strength * np.exp(-(((y - middle) / thickness) ** 2)) + 0.0 * x
    elif soft.kind == "rays":
        left, wide, alpha, strength = values
        down = y + 0.5
        beside = np.abs(x - left - 0.22 * down) - wide * (0.35 + 0.65 * down)
        cover = alpha * strength * (1.15 - down).clip(0, 1) * (0.5 - beside / RAY_EDGE).clip(0, 1)
    else:
        return
    under = part[:, SOFT].astype(np.float64) / 255
    together = cover + under * (1.0 - cover)
    share = cover / together.clip(1e-6)
    for k, value in enumerate(_bytes(soft.color)):
        color = part[:, SOFT + 1 + k]
        color[:] = (color + share * (int(value) - color.astype(np.float64))).round()
    part[:, SOFT] = (255 * together).round()


def _stamp(part: Map, mark: Mark, view: View, short: int, rank: np.uint8) -> None:
    """Lay a cut-out over the map of some frames, in place; what was uppermost there is under it."""
    height, width = part.shape[2:]
    assert mark.look is not None
    column = (mark.x - view.across) * view.scale * short + width / 2
    row = (mark.y - view.down) * view.scale * short + height / 2
    half = mark.half * view.scale * short
    reach = half * REACH * (1.25 if mark.tilt else 1.0)
    left, right = max(0, round(column - reach)), min(width, round(column + reach))
    top, bottom = max(0, round(row - reach)), min(height, round(row + reach))
    if left >= right or top >= bottom:
        return
    dx = (np.arange(left, right) + 0.5 - column) / half
    dy = ((np.arange(top, bottom) + 0.5 - row) / half)[:, None]
    cos, sin = math.cos(mark.tilt), math.sin(mark.tilt)
    u, v = (((value / REACH + 1) * 127.5).clip(0, 255).round().astype(np.uint8)
            for value in ((cos * dx + sin * dy) * mark.facing, cos * dy - sin * dx))  # fmt: skip
    if mark.shape == sky.SUN:
        opacity = ((1.0 - np.hypot(dx, dy)) * half + 0.5).clip(0, 1)
        shade = np.zeros_like(opacity)
    else:
        picture = _opacities(mark.shape, 2 * REACH * half, mark.beat)
        side = picture.shape[-1]
        opacity, shade = picture[:, v.astype(int) * side // 256, u.astype(int) * side // 256]
    look = mark.look
    opacity = opacity * look.alpha
    inside = np.maximum(opacity, shade * look.shadow * look.alpha) > FAINT
    there = part[:, :, top:bottom, left:right]
    np.copyto(there[:, LOWER : LOWER + 4], there[:, UPPER : UPPER + 4], where=inside)
    number, opaque = np.uint8(SHAPES.index(mark.shape) + 1), (255 * opacity).round().astype(np.uint8)
    for k, value in enumerate((number, u, v, opaque, *_paints(look))):
        np.copyto(there[:, UPPER + k], value, where=inside)
    for channel, value in ((SOFT, np.uint8(0)), (ABOVE, np.uint8(0)), (HIDDEN, rank)):
        np.copyto(there[:, channel], value, where=inside & (opacity > 0.5))


def _opacities(shape: str, pixels: float, beat: float) -> NDArray[np.float32]:
    """Opacity of a cut-out and of its shadow, [2, side, side], at least as fine as it has `pixels`."""
    phases = atlas.textures(shape, pixels)
    phase = min(int(beat % 1.0 * len(phases)), len(phases) - 1)
    picture: NDArray[np.float32] = phases[phase, -2:].numpy()  # the last two of `atlas.CHANNELS`
    return picture


@lru_cache(maxsize=4096)
def _paints(look: Look) -> tuple[np.uint8, ...]:
    """The colours of the base and the dark parts of a cut-out, as the light and the air show them."""
    return tuple(value for color in (look.base, look.dark)
                 for value in _bytes(mixed(lit(color, look.ambient), *look.haze)))  # fmt: skip


def _bytes(color: str) -> tuple[np.uint8, ...]:
    """`#rrggbb` as three numbers."""
    return tuple(np.uint8(value) for value in bytes.fromhex(color[1:]))
