"""The layout of the land: for each pixel, which sheet is on top there, how far below its edge, which cut-outs
lie there in their own coordinates, and how much of it stars and weather cover. It has no colours: it is what
a drawing network gets of a plan.
"""

from __future__ import annotations

import dataclasses
import random
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinode.world.book.motion import Camera
from hinode.world.book.picture import drawings, palette, places, sky, weather
from hinode.world.book.picture.canvas import REACH, Layer, Mark, frame_grid
from hinode.world.book.picture.render import lay_layer
from hinode.world.book.scene import Scene

SHAPES = (*drawings.SHAPES, sky.SUN)
"""Names of the cut-outs; the number of one is its place, from 1 on."""
DEPTHS = 20
"""Steps of the depth of a sheet."""
BELOW = 0.5
"""Short sides below the edge of a sheet from which on the distance counts no more."""
STARS, WEATHER = 8, 9
CHANNELS = 10
"""Values of a pixel: the sheet (0 the sky, else 1 + its depth in `DEPTHS` steps), how far below its edge, for
the uppermost two cut-outs the number (0 none), u and v, and how much of it is covered by `STARS` of the sky,
and by the rain, snow or fog before everything (`WEATHER`)."""
Map = NDArray[np.uint8]
Values = NDArray[np.float64]


def land_map(scene: Scene, clock: Tensor, camera: Camera, *, width: int, height: int) -> Tensor:
    """The layout of a scene's land as a camera sees it at T moments, uint8 [T, CHANNELS, H, W].

    `clock`: seconds that clouds and waves have moved at each moment, [T]. Distances of 0..`BELOW`, u and v of
    -`REACH` to `REACH` are spread over 0..255.
    """
    frames, short = len(clock), min(width, height)
    x = ((np.arange(width) + 0.5) - width / 2) / short
    y = ((np.arange(height) + 0.5) - height / 2) / short
    result = np.zeros((frames, CHANNELS, height, width), np.uint8)
    seconds = clock.double().numpy()
    land, stars, falling = _layers(scene.place, scene.time, scene.weather, scene.seed, width / height)
    for layer in land:
        across, down = (values.double().numpy() for values in camera.shift(layer.depth))
        view = (
            across - layer.drift * seconds,
            down - layer.sink * seconds,
            camera.scale(layer.depth).double().numpy(),
        )
        for mark in layer.behind:
            _stamp(result, mark, *view, short)
        if layer.skyline is not None:
            _cover(result, layer, *view, x, y)
        for mark in layer.front:
            _stamp(result, mark, *view, short)
    for channel, layers in ((STARS, stars), (WEATHER, falling)):
        canvas = torch.zeros(1, 4, height, width)
        for layer in layers:
            canvas = lay_layer(canvas, layer, clock, camera, frame_grid(width, height))
        result[:, channel] = canvas[:, 3].mul(255).round().byte().numpy()
    result[:, STARS][result[:, 0] > 0] = 0
    return torch.from_numpy(result)


@lru_cache(maxsize=2048)
def _layers(
    place: str, time: str, conditions: str, seed: int, aspect: float
) -> tuple[tuple[Layer, ...], ...]:
    """The layers of a place that have a layout, those of its stars alone, and those of its weather."""
    light, rng = palette.light(Scene((), time, place, conditions, "still", None, seed)), random.Random(seed)
    layers = places.build(place, rng, light, aspect).layers
    return (
        tuple(layer for layer in layers if layer.skyline is not None or layer.behind or layer.front),
        tuple(dataclasses.replace(layer, draw=layer.stars) for layer in layers if layer.stars),
        tuple(weather.layers(rng, light)),
    )


def _cover(
    result: Map, layer: Layer, across: Values, down: Values, scale: Values, x: Values, y: Values
) -> None:
    """Lay a sheet of land over the map, in place."""
    assert layer.skyline is not None
    same = bool((across == across[0]).all() and (down == down[0]).all() and (scale == scale[0]).all())
    times = slice(0, 1) if same else slice(None)
    columns = x / scale[times, None] + across[times, None]
    rows = y / scale[times, None] + down[times, None]
    line = layer.skyline(columns.ravel()).reshape(columns.shape)
    below = rows[:, :, None] - line[:, None]
    inside = below > 0
    code = np.uint8(1 + round(layer.depth * DEPTHS))
    steps = (below * (255 / BELOW)).clip(0, 255).astype(np.uint8)
    for channel, values in ((0, code), (1, steps), (2, np.uint8(0)), (5, np.uint8(0))):
        np.copyto(result[:, channel], values, where=inside)


def _stamp(result: Map, mark: Mark, across: Values, down: Values, scale: Values, short: int) -> None:
    """Lay a cut-out over the map, in place; what was uppermost there is under it."""
    frames, _, height, width = result.shape
    number = SHAPES.index(mark.shape) + 1
    middles = (mark.x - across) * scale * short + width / 2
    levels = (mark.y - down) * scale * short + height / 2
    halves = mark.half * scale * short
    cos, sin = np.cos(mark.tilt), np.sin(mark.tilt)
    for frame in range(frames):
        column, row, half = float(middles[frame]), float(levels[frame]), float(halves[frame])
        reach = half * REACH * (1.25 if mark.tilt else 1.0)
        left, right = max(0, round(column - reach)), min(width, round(column + reach))
        top, bottom = max(0, round(row - reach)), min(height, round(row + reach))
        if left >= right or top >= bottom:
            continue
        dx = (np.arange(left, right) + 0.5 - column) / half
        dy = (np.arange(top, bottom) + 0.5 - row) / half
        u = (cos * dx[None] + sin * dy[:, None]) * mark.facing
        v = cos * dy[:, None] - sin * dx[None]
        part = result[frame, 2:STARS, top:bottom, left:right]
        part[3:] = part[:3]
        part[0] = number
        part[1], part[2] = (((value / REACH + 1) * 127.5).clip(0, 255).round() for value in (u, v))
