"""Rain, snow and fog before everything: patterns that repeat and fall."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from hinode.world.book.picture.canvas import Grid, Layer, Painter, coverage, lit, mixed, paint, patch, rgb
from hinode.world.book.picture.palette import Light
from hinode.world.book.picture.sky import dot

TILE = 1.0
"""Short sides after which rain and snow repeat."""
RAIN = ((26, 0.07, 0.35, 1.1), (22, 0.10, 0.6, 1.6))
"""Rows of drops, from far to near: how many in a tile, length, opacity, short sides per second."""
SNOW = ((44, 0.0045, 0.7, 0.11), (30, 0.0075, 0.9, 0.17), (9, 0.012, 0.95, 0.26))
"""Rows of flakes, from far to near: how many in a tile, radius, opacity, short sides per second."""
BANKS = ((0.08, 0.10, 0.04), (0.30, 0.13, -0.03))
"""Banks of fog: y, thickness, short sides per second to the right."""
SLANT = 0.12


def layers(rng: random.Random, light: Light) -> list[Layer]:
    """The layers of the weather, none where it is clear."""
    if light.weather == "rain":
        color = mixed(lit("#e8f2ff", light.ambient), "#ffffff", 0.25)
        return [
            Layer(1.0, _rain(rng, color, count, length, alpha), -SLANT * speed, speed, TILE)
            for count, length, alpha, speed in RAIN
        ]
    if light.weather == "snow":
        color = mixed(lit("#ffffff", light.ambient), "#ffffff", 0.55)
        return [
            Layer(
                0.4 + 0.3 * row,
                _snow(rng, color, count, radius, alpha),
                rng.uniform(-0.04, 0.04),
                speed,
                TILE,
            )
            for row, (count, radius, alpha, speed) in enumerate(SNOW)
        ]
    if light.weather == "fog":
        color = mixed(light.haze, "#ffffff", 0.2)
        return [
            Layer(1.0, _bank(rng.uniform(0.0, 6.28), color, y, thickness), drift, 0.0, 2.0 * TILE)
            for y, thickness, drift in BANKS
        ]
    return []


def _repeated(places: list[tuple[float, float]], grid: Grid, reach: float) -> list[tuple[float, float]]:
    """Places in a tile, repeated wherever something that reaches so far may be seen."""
    margin = reach + 3.0 / grid.scale

    def tiles(place: float, low: float, pixels: int) -> range:
        first, last = low - margin - place, low + pixels / grid.scale + margin - place
        return range(math.ceil(first / TILE), math.floor(last / TILE) + 1)

    return [
        (x + TILE * right, y + TILE * down)
        for x, y in places
        for right in tiles(x, grid.left, grid.width)
        for down in tiles(y, grid.top, grid.height)
    ]


def _scattered(rng: random.Random, count: int) -> list[tuple[float, float]]:
    return [(rng.uniform(0.0, TILE), rng.uniform(0.0, TILE)) for _ in range(count)]


def _rain(rng: random.Random, color: str, count: int, length: float, alpha: float) -> Painter:
    places = _scattered(rng, count)

    def draw(picture: Tensor, grid: Grid) -> None:
        thickness = 0.0035 * grid.scale
        for x, y in _repeated(places, grid, length):
            area = patch(grid, x, y, length * SLANT / 2 + 0.004, length / 2)
            if area is None:
                continue
            rows, columns, dx, dy = area
            edge = torch.maximum((dx + SLANT * dy).abs() - thickness, dy.abs() - length * grid.scale / 2)
            mask = coverage(edge, 1.0) * (alpha * min(1.0, 2 * thickness))
            paint(picture[:, :, rows, columns], mask, rgb(color, grid.device))

    return draw


def _snow(rng: random.Random, color: str, count: int, radius: float, alpha: float) -> Painter:
    places = _scattered(rng, count)

    def draw(picture: Tensor, grid: Grid) -> None:
        for x, y in _repeated(places, grid, radius):
            dot(picture, grid, x, y, radius, color, alpha)

    return draw


def _bank(phase: float, color: str, y: float, thickness: float) -> Painter:
    def draw(picture: Tensor, grid: Grid) -> None:
        wave = 0.03 * torch.sin(math.pi * grid.x / TILE + phase)  # one whole wave in a tile
        bank = torch.exp(-(((grid.y[:, None] - y - wave) / thickness) ** 2))
        paint(picture, bank * 0.5, rgb(color, grid.device))

    return draw
