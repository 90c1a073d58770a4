"""The sky and what hangs in it: gradient, sun, moon, stars, clouds; shafts of light in the deep, nebulae in
space."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hinode.world.book.picture.canvas import (
    Grid,
    Layer,
    Look,
    Mark,
    Painter,
    Soft,
    coverage,
    mixed,
    paint,
    patch,
    rgb,
    stamp,
)
from hinode.world.book.picture.palette import Light
from hinode.world.book.picture.scenery import Scenery

DISCS = {
    "dawn": ("#fff1c9", "#ffd9b0", 0.085),
    "noon": ("#fff3b0", "#fff3b0", 0.085),
    "sunset": ("#ffd873", "#ffb066", 0.12),
    "night": ("#ffedc0", "#cfdcff", 0.085),
}
"""Sun or moon: its colour, its glow, its radius in short sides."""
GLOW = {"dawn": 0.8, "noon": 0.8, "sunset": 0.95, "night": 0.3}
HEIGHTS = {"dawn": (-0.16, -0.04), "sunset": (-0.12, 0.0), "noon": (-0.46, -0.34), "night": (-0.44, -0.3)}
"""Of sun or moon above the horizon, in short sides."""
CLEARNESS = {"clear": 1.0, "rain": 0.0, "snow": 0.35, "fog": 0.25}
CLOUD_COLORS = {"dawn": "#fbe5ea", "noon": "#ffffff", "sunset": "#eb9088", "night": "#3f417f"}
CLOUD_SHAPES = ("cloud_a", "cloud_b", "cloud_c", "cloud_d")
CLOUD_ROWS = ((0.06, 0.15, -0.24), (0.12, 0.24, -0.34))
"""Depth, size and height of two rows of clouds."""
CLOUD = 0.65  # half of a cloud's square, in its size
SUN = "sun"
"""Name of the disc of the sun among the shapes; it is no file."""
STAR, RAY = "#fff6d8", "#e6fff8"
STARS = (0.0026, 0.0034, 0.005)
"""Radii of stars in short sides."""


@dataclass(frozen=True)
class Sun:
    """Where sun or moon stands, and how large; `shape`, `tilt`, `facing`: of a moon."""

    x: float
    y: float
    radius: float
    shape: str
    tilt: float
    facing: int


def gradient(light: Light, grid: Grid) -> Tensor:
    """The sky's three colours from the top of the frame to just below the horizon, [1, 3, H, W]."""
    down = ((grid.y + 0.5) / 0.72).clamp(0.0, 1.0)[:, None]
    top, middle, low = (rgb(color, grid.device) for color in light.sky)
    upper = top + (middle - top) * (down / 0.55).clamp(max=1.0)
    lower = middle + (low - middle) * ((down - 0.55) / 0.45).clamp(min=0.0)
    color = torch.where(down < 0.55, upper, lower)
    return color.expand(3, grid.height, grid.width)[None].contiguous()


def layers(scenery: Scenery, aspect: float, horizon: float, sun: Sun | None = None) -> list[Layer]:
    """Sun, moon, stars and clouds over a `horizon` (y)."""
    return [heaven(scenery, sun or sample_sun(scenery, aspect, horizon)), *clouds(scenery, aspect)]


def sample_sun(scenery: Scenery, aspect: float, horizon: float) -> Sun:
    """Sample where sun or moon stands over a `horizon` (y)."""
    rng, time = scenery.rng, scenery.light.time
    x = rng.choice((-1, 1)) * rng.uniform(0.12, 0.36) * max(aspect, 1.0)
    y = horizon + rng.uniform(*HEIGHTS[time])
    return Sun(
        x,
        y,
        DISCS[time][2] * rng.uniform(0.85, 1.2),
        rng.choice(("crescent", "moon", "crescent")),
        rng.uniform(-0.4, 0.4),
        rng.choice((-1, 1)),
    )


def heaven(scenery: Scenery, sun: Sun) -> Layer:
    """The farthest layer: sun or moon with its glow, and stars."""
    light, seed = scenery.light, scenery.rng.randrange(2**31)
    disc, glow, _ = DISCS[light.time]
    clearness = CLEARNESS[light.weather]
    star_field = {"night": (180, 0.25), "sunset": (36, -0.1)}.get(light.time) if clearness == 1.0 else None

    scatter = partial(stars, seed=seed, count=star_field[0], lowest=star_field[1]) if star_field else None

    def draw(picture: Tensor, grid: Grid) -> None:
        if scatter:
            scatter(picture, grid)
        distance = torch.hypot(grid.x[None, :] - sun.x, grid.y[:, None] - sun.y)
        halo = torch.exp(-((distance / (sun.radius * 2.6)) ** 2) * 0.9)
        paint(picture, halo * (GLOW[light.time] * max(clearness, 0.12)), rgb(glow, grid.device))
        if light.time != "night":
            paint(
                picture, coverage(distance - sun.radius, 1.0 / grid.scale) * clearness, rgb(disc, grid.device)
            )
        elif clearness == 1.0:  # a moon behind veils would be a grey disc
            look = Look(disc, mixed(disc, "#8a7a50", 0.3))
            stamp(
                picture,
                grid,
                sun.shape,
                look,
                sun.x,
                sun.y,
                sun.radius * 1.1,
                tilt=sun.tilt,
                facing=sun.facing,
            )

    night = light.time == "night"
    has_disc = clearness == 1.0 if night else clearness > 0.0
    disc_mark = Mark(sun.shape if night else SUN, sun.x, sun.y, sun.radius * (1.1 if night else 1.0),
                     sun.facing if night else 1.0, sun.tilt if night else 0.0,
                     Look(disc, mixed(disc, "#8a7a50", 0.3), alpha=clearness))  # fmt: skip
    soft = [Soft("glow", glow, (sun.x, sun.y, sun.radius, GLOW[light.time] * max(clearness, 0.12)))]
    if star_field:
        soft.insert(0, Soft("stars", STAR, (float(seed % 2**20), *map(float, star_field))))
    return Layer(0.02, draw, front=(disc_mark,) if has_disc else (), soft=tuple(soft), stars=scatter)


def stars(picture: Tensor, grid: Grid, seed: int, count: int, lowest: float) -> None:
    """Scatter stars over the sky above `lowest`."""
    rng = random.Random(seed)
    for _ in range(count):
        x, y = rng.uniform(-2.4, 2.4), rng.uniform(-0.75, lowest)
        dot(picture, grid, x, y, rng.choice(STARS), STAR, rng.uniform(0.5, 1.0))


def dot(picture: Tensor, grid: Grid, x: float, y: float, radius: float, color: str, alpha: float) -> None:
    """Paint one small disc on a picture [1, 4, H, W], in place; one below a pixel is fainter instead."""
    area = patch(grid, x, y, radius, radius)
    if area is not None:
        rows, columns, dx, dy = area
        pixels = radius * grid.scale
        mask = (pixels + 0.5 - torch.hypot(dx, dy)).clamp_(0.0, 1.0) * (alpha * min(1.0, 2.0 * pixels))
        paint(picture[:, :, rows, columns], mask, rgb(color, grid.device))


def clouds(scenery: Scenery, aspect: float) -> list[Layer]:
    """Two rows of clouds that drift at their own pace; none, few or many."""
    rng, light = scenery.rng, scenery.light
    color = CLOUD_COLORS[light.time]
    if light.weather in ("rain", "snow"):
        color = mixed(color, light.sky[0], 0.35)
    count = 0 if light.weather == "fog" else rng.choice((0, 1, 2, 2, 3)) + 2 * (light.weather == "rain")
    wind = rng.choice((-1, 1)) * rng.uniform(0.008, 0.03)
    rows = []
    for row, (depth, size, height) in enumerate(CLOUD_ROWS):
        places = [
            (
                rng.uniform(-0.55, 0.55) * aspect * (1.2 + k // 3),
                height + rng.uniform(-0.1, 0.1),
                size * rng.uniform(0.75, 1.35),
                rng.choice(CLOUD_SHAPES),
                rng.choice((-1, 1)),
            )
            for k in range(count - 1 + row)
        ]
        if places:
            tint = mixed(color, light.sky[1], 0.08 if row else 0.45)
            look = Look(
                tint, mixed(tint, "#000000", 0.1), mixed(tint, "#ffffff", 0.3), shadow=0.22, alpha=0.96
            )
            marks = tuple(
                Mark(shape, x, y, size * CLOUD, facing, 0.0, look) for x, y, size, shape, facing in places
            )
            rows.append(Layer(depth, _cloud_row(marks, look), wind * (row + 1), front=marks))
    return rows


def _cloud_row(marks: tuple[Mark, ...], look: Look) -> Painter:
    def draw(picture: Tensor, grid: Grid) -> None:
        for mark in marks:
            stamp(picture, grid, mark.shape, look, mark.x, mark.y, mark.half, facing=mark.facing)

    return draw


def rays(scenery: Scenery) -> Layer:
    """Shafts of light in the deep."""
    rng = scenery.rng
    shafts = [(rng.uniform(-1.1, 0.9), rng.uniform(0.09, 0.22), rng.uniform(0.07, 0.14)) for _ in range(5)]
    strength = {"night": 0.4, "noon": 1.0}.get(scenery.light.time, 0.8)

    def draw(picture: Tensor, grid: Grid) -> None:
        down = grid.y[:, None] + 0.5
        fade = (1.15 - down).clamp(0.0, 1.0) * strength
        for x, width, alpha in shafts:
            edge = (grid.x - x - 0.22 * down).abs() - width * (0.35 + 0.65 * down)
            paint(picture, coverage(edge, 2.0 / grid.scale) * fade * alpha, rgb(RAY, grid.device))

    soft = tuple(Soft("rays", RAY, (*shaft, strength)) for shaft in shafts)
    return Layer(0.1, draw, rng.choice((-0.012, 0.012)), soft=soft)


def nebula(scenery: Scenery) -> Layer:
    """A soft band of gas and the stars of space."""
    rng = scenery.rng
    angle, offset, seed = rng.uniform(-0.6, 0.6), rng.uniform(-0.2, 0.1), rng.randrange(2**31)
    color = rng.choice(("#7a3fa8", "#3f5fb8", "#a83f7a", "#2f8f9a"))
    scatter = partial(stars, seed=seed, count=300, lowest=0.6)

    def draw(picture: Tensor, grid: Grid) -> None:
        across = (grid.y[:, None] - offset) * math.cos(angle) + grid.x * math.sin(angle)
        wave = 0.05 * torch.sin(3.0 * grid.x + 9.0 * offset)
        paint(picture, torch.exp(-(((across + wave) / 0.16) ** 2)) * 0.38, rgb(color, grid.device))
        scatter(picture, grid)

    soft = Soft("nebula", color, (angle, offset)), Soft("stars", STAR, (float(seed % 2**20), 300.0, 0.6))
    return Layer(0.02, draw, soft=soft, stars=scatter)
