"""Rain, snow and fog before everything: patterns that repeat and fall."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from hinode.world.book.canvas import Grid, Layer, coverage, lit, mixed, paint, rgb
from hinode.world.book.palette import Light
from hinode.world.book.sky import dot

TILE = 1.0
"""Short sides after which rain and snow repeat."""


def layers(rng: random.Random, light: Light) -> list[Layer]:
    """The layers of the weather, none where it is clear."""
    if light.weather == "rain":
        return [Layer(1.0, _rain(rng, light, *row[:3]), -0.12 * row[3], row[3], TILE)
                for row in ((26, 0.07, 0.35, 1.1), (22, 0.10, 0.6, 1.6))]  # fmt: skip
    if light.weather == "snow":
        return [Layer(depth, _snow(rng, light, count, radius, alpha), rng.uniform(-0.04, 0.04), fall, TILE)
                for depth, count, radius, alpha, fall in ((0.4, 44, 0.0045, 0.7, 0.11), (0.7, 30, 0.0075, 0.9, 0.17),
                                                          (1.0, 9, 0.012, 0.95, 0.26))]  # fmt: skip
    if light.weather == "fog":
        return [Layer(1.0, _bank(rng, light, y, thick), drift, 0.0, 2.0)
                for y, thick, drift in ((0.08, 0.10, 0.04), (0.30, 0.13, -0.03))]  # fmt: skip
    return []


def _rain(rng: random.Random, light: Light, count: int, length: float, alpha: float):  # type: ignore[no-untyped-def]
    drops = [
        (rng.uniform(0, TILE), rng.uniform(0, TILE), length * rng.uniform(0.7, 1.2)) for _ in range(count)
    ]
    color = mixed(lit("#e8f2ff", light.ambient), "#ffffff", 0.25)

    def draw(picture: Tensor, grid: Grid) -> None:
        for x0, y0, long in drops:
            for ox in (-TILE, 0.0, TILE):
                for oy in (-TILE, 0.0, TILE):
                    _streak(picture, grid, x0 + ox, y0 + oy, long, color, alpha)

    return draw


def _streak(picture: Tensor, grid: Grid, x: float, y: float, long: float, color: str, alpha: float) -> None:
    column, row = (x - grid.left) * grid.scale, (y - grid.top) * grid.scale
    reach, wide = long * grid.scale / 2 + 1, long * 0.12 * grid.scale / 2 + 2
    c0, c1 = max(0, math.floor(column - wide)), min(grid.width, math.ceil(column + wide) + 1)
    r0, r1 = max(0, math.floor(row - reach)), min(grid.height, math.ceil(row + reach) + 1)
    if c0 >= c1 or r0 >= r1:
        return
    dx = (torch.arange(c0, c1, device=grid.device) + 0.5 - column)[None, :]
    dy = (torch.arange(r0, r1, device=grid.device) + 0.5 - row)[:, None]
    thick = 0.0035 * grid.scale
    edge = torch.maximum((dx + 0.12 * dy).abs() - thick, dy.abs() - reach + 1)
    mask = coverage(edge, 1.0) * alpha * min(1.0, 2 * thick)
    paint(picture[:, :, r0:r1, c0:c1], mask, rgb(color, grid.device))


def _snow(rng: random.Random, light: Light, count: int, radius: float, alpha: float):  # type: ignore[no-untyped-def]
    flakes = [
        (rng.uniform(0, TILE), rng.uniform(0, TILE), radius * rng.uniform(0.75, 1.3)) for _ in range(count)
    ]
    color = mixed(lit("#ffffff", light.ambient), "#ffffff", 0.55)

    def draw(picture: Tensor, grid: Grid) -> None:
        for x0, y0, size in flakes:
            for ox in (-TILE, 0.0, TILE):
                for oy in (-TILE, 0.0, TILE):
                    dot(picture, grid, x0 + ox, y0 + oy, size, color, alpha)

    return draw


def _bank(rng: random.Random, light: Light, y: float, thick: float):  # type: ignore[no-untyped-def]
    phase = rng.uniform(0, 6.28)

    def draw(picture: Tensor, grid: Grid) -> None:
        wave = 0.03 * torch.sin(math.pi * 2 * grid.x + phase)  # whole waves in two short sides
        bank = torch.exp(-(((grid.y[:, None] - y - wave[None, :]) / thick) ** 2))
        paint(picture, bank * 0.5, rgb(mixed(light.haze, "#ffffff", 0.2), grid.device))

    return draw
