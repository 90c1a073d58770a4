"""The sky and what hangs in it: gradient, sun, moon, stars, clouds; rays in the deep, and nebulae in space."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from hinode.world.book import canvas
from hinode.world.book.canvas import Grid, Look, coverage, mixed, paint, rgb, stamp
from hinode.world.book.palette import Light

SUNS = {"dawn": ("#fff1c9", "#ffd9b0", 0.085), "noon": ("#fff3b0", "#fff3b0", 0.085),
        "sunset": ("#ffd873", "#ffb066", 0.12), "night": ("#ffedc0", "#cfdcff", 0.085)}  # fmt: skip
"""Disc, glow and radius in short sides."""
CLOUDS = {"dawn": "#fbe5ea", "noon": "#ffffff", "sunset": "#eb9088", "night": "#3f417f"}
CLOUD_SHAPES = ("cloud_a", "cloud_b", "cloud_c", "cloud_d")


def gradient(light: Light, grid: Grid) -> Tensor:
    """The sky's three colours from the top of the frame to just below the horizon, [1, 3, H, W]."""
    down = ((grid.y + 0.5) / 0.72).clamp(0.0, 1.0)[:, None]
    top, middle, low = (rgb(color, grid.device) for color in light.sky)
    upper = top + (middle - top) * (down / 0.55).clamp(max=1.0)
    color = torch.where(down < 0.55, upper, middle + (low - middle) * ((down - 0.55) / 0.45).clamp(min=0.0))
    return color.expand(3, grid.height, grid.width)[None].contiguous()


def heaven(rng: random.Random, light: Light, aspect: float, horizon: float) -> canvas.Layer:
    """The farthest layer: sun or moon with its glow, and stars. `horizon`: y of the skyline before it."""
    disc, glow, radius = SUNS[light.time]
    radius *= rng.uniform(0.85, 1.2)
    wide = max(aspect, 1.0)
    x = rng.choice((-1, 1)) * rng.uniform(0.12, 0.36) * wide
    low = {"dawn": (horizon - 0.16, horizon - 0.04), "sunset": (horizon - 0.12, horizon + 0.0),
           "noon": (-0.36, -0.24), "night": (-0.34, -0.2)}[light.time]  # fmt: skip
    y = rng.uniform(*low)
    dim = {"clear": 1.0, "rain": 0.0, "snow": 0.35, "fog": 0.25}[light.weather]
    phase = rng.choice(("crescent", "moon", "crescent"))
    turn, facing = rng.uniform(-0.4, 0.4), rng.choice((-1, 1))
    star_seed, starry = rng.randrange(2**31), light.time == "night" and light.weather == "clear"
    dusky = light.time == "sunset" and light.weather == "clear"

    def draw(picture: Tensor, grid: Grid) -> None:
        if starry or dusky:
            stars(picture, grid, star_seed, 90 if starry else 18, -0.1 if dusky else 0.25)
        distance = torch.hypot(grid.x[None, :] - x, grid.y[:, None] - y)
        halo = torch.exp(-((distance / (radius * 2.6)) ** 2) * 0.9)
        strength = {"dawn": 0.8, "noon": 0.8, "sunset": 0.95, "night": 0.3}[light.time] * max(dim, 0.12)
        paint(picture, halo * strength, rgb(glow, grid.device))
        if not dim:
            return
        if light.time == "night":
            stamp(picture, grid, phase, Look("#ffedc0", "#e3d2a0", alpha=max(dim, 0.3)), x, y, radius * 1.1, tilt=turn,
                  facing=facing)  # fmt: skip
        else:
            paint(picture, coverage(distance - radius, 1.0 / grid.scale) * dim, rgb(disc, grid.device))

    return canvas.Layer(0.02, draw)


def stars(picture: Tensor, grid: Grid, seed: int, count: int, lowest: float) -> None:
    """Scatter stars over the sky above `lowest`."""
    rng = random.Random(seed)
    for _ in range(count * 2):
        x, y = rng.uniform(-2.4, 2.4), rng.uniform(-0.75, lowest)
        radius, alpha = rng.choice((0.0026, 0.0034, 0.005)), rng.uniform(0.5, 1.0)
        dot(picture, grid, x, y, radius, "#fff6d8", alpha)


def dot(picture: Tensor, grid: Grid, x: float, y: float, radius: float, color: str, alpha: float) -> None:
    """Paint one small disc on a picture [1, 4, H, W], in place, touching only the pixels around it."""
    column, row, reach = (x - grid.left) * grid.scale, (y - grid.top) * grid.scale, radius * grid.scale + 1.0
    c0, c1 = max(0, math.floor(column - reach)), min(grid.width, math.ceil(column + reach) + 1)
    r0, r1 = max(0, math.floor(row - reach)), min(grid.height, math.ceil(row + reach) + 1)
    if c0 >= c1 or r0 >= r1:
        return
    dx = torch.arange(c0, c1, device=grid.device) + 0.5 - column
    dy = torch.arange(r0, r1, device=grid.device) + 0.5 - row
    mask = (radius * grid.scale + 0.5 - torch.hypot(dx[None, :], dy[:, None])).clamp_(0.0, 1.0)
    mask = mask * alpha * min(1.0, 2.0 * radius * grid.scale)
    paint(picture[:, :, r0:r1, c0:c1], mask, rgb(color, grid.device))


def clouds(rng: random.Random, light: Light, aspect: float, base: str | None = None) -> list[canvas.Layer]:
    """Two rows of clouds that drift at their own pace; none, few or many."""
    color = base or CLOUDS[light.time]
    if light.weather in ("rain", "snow"):
        color = mixed(color, light.sky[0], 0.35)
    count = rng.choice((0, 1, 2, 2, 3)) + (2 if light.weather == "rain" else 0)
    wind = rng.choice((-1, 1)) * rng.uniform(0.008, 0.03)
    layers = []
    for row, (depth, size, high) in enumerate(((0.06, 0.15, -0.24), (0.12, 0.24, -0.34))):
        places = [(rng.uniform(-0.55, 0.55) * aspect * (1.2 + k // 3), high + rng.uniform(-0.1, 0.1),
                   size * rng.uniform(0.75, 1.35), rng.choice(CLOUD_SHAPES), rng.choice((-1, 1)))
                  for k in range(count if row else max(0, count - 1))]  # fmt: skip
        if not places or light.weather == "fog":
            continue
        tint = mixed(color, light.sky[1], 0.45 if row == 0 else 0.08)
        layers.append(canvas.Layer(depth, _cloud_row(places, tint), drift=wind * (row + 1)))
    return layers


def _cloud_row(places: list[tuple[float, float, float, str, int]], tint: str) -> canvas.Painter:
    def draw(picture: Tensor, grid: Grid) -> None:
        look = Look(tint, mixed(tint, "#000000", 0.1), mixed(tint, "#ffffff", 0.3), shadow=0.22, alpha=0.96)
        for x, y, size, shape, facing in places:
            stamp(picture, grid, shape, look, x, y, size / 2 * 1.3, facing=facing)

    return draw


def rays(rng: random.Random, light: Light) -> canvas.Layer:
    """Shafts of light in the deep."""
    shafts = [(rng.uniform(-1.1, 0.9), rng.uniform(0.09, 0.22), rng.uniform(0.07, 0.14)) for _ in range(5)]
    strength = {"night": 0.4, "noon": 1.0}.get(light.time, 0.8)

    def draw(picture: Tensor, grid: Grid) -> None:
        down = grid.y[:, None] + 0.5
        fade = (1.15 - down).clamp(0.0, 1.0)
        for x, width, alpha in shafts:
            middle = x + 0.22 * down
            edge = (grid.x[None, :] - middle).abs() - width * (0.35 + 0.65 * down)
            paint(
                picture,
                coverage(edge, 2.0 / grid.scale) * fade * alpha * strength,
                rgb("#e6fff8", grid.device),
            )

    return canvas.Layer(0.1, draw, drift=rng.choice((-1, 1)) * 0.012)


def nebula(rng: random.Random, light: Light) -> canvas.Layer:
    """A soft band of gas and the stars of space."""
    angle, offset = rng.uniform(-0.6, 0.6), rng.uniform(-0.2, 0.1)
    color = rng.choice(("#7a3fa8", "#3f5fb8", "#a83f7a", "#2f8f9a"))
    star_seed = rng.randrange(2**31)

    def draw(picture: Tensor, grid: Grid) -> None:
        across = (grid.y[:, None] - offset) * math.cos(angle) + grid.x[None, :] * math.sin(angle)
        wave = 0.05 * torch.sin(3.0 * grid.x + 9.0 * offset)
        paint(picture, torch.exp(-(((across + wave) / 0.16) ** 2)) * 0.38, rgb(color, grid.device))
        stars(picture, grid, star_seed, 150, 0.6)

    return canvas.Layer(0.02, draw)
