"""The nine places: for each, its layers from far to near, and where among them subjects stand, swim or fly."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hinode.world.book import land, sky
from hinode.world.book.canvas import Grid, Layer, Look, coverage, mixed, paint, rgb, sheet, stamp
from hinode.world.book.palette import PAPER, Light


@dataclass(frozen=True)
class Place:
    """The layers of a place from far to near; `above`: after how many of them a subject is painted, by what it is
    in or on (`air` where nothing else fits)."""

    layers: Sequence[Layer]
    above: dict[str, int]


@dataclass(frozen=True)
class Thing:
    """A piece of scenery on the ground: its shape and colours, the x of its middle, the y of its ground line
    (None: the skyline's), its size in short sides."""

    shape: str
    look: Look
    x: float
    y: float | None
    size: float
    facing: int = 1
    beat: float = 0.0


def ground(
    skyline: land.Skyline,
    color: str,
    depth: float,
    light: Light,
    *,
    behind: Sequence[Thing] = (),
    before: Sequence[Thing] = (),
    peaks: land.Peaks | None = None,
    edge: float = 0.28,
    drift: float = 0.0,
    raw: bool = False,
    extra: Callable[[Tensor, Grid], None] | None = None,
) -> Layer:
    """A sheet of land with things rooted behind its edge or standing on it. `raw`: the colour is final."""
    tint = color if raw else light.at(color, depth)

    def draw(picture: Tensor, grid: Grid) -> None:
        x = grid.x.cpu().double().numpy()
        heights = skyline(x)
        line = torch.as_tensor(heights, dtype=torch.float32, device=grid.device)
        for thing in behind:
            _place(picture, grid, thing, skyline)
        below = sheet(picture, grid, line, rgb(tint, grid.device), edge=edge)
        if peaks is not None:
            cap = torch.as_tensor(
                peaks.cap(x, 0.36 + 0.3 * light.frost), dtype=torch.float32, device=grid.device
            )
            white = rgb(mixed(light.at("#ffffff", depth), tint, 0.12), grid.device)
            snow = torch.maximum(-below, grid.y[:, None] - cap)
            paint(picture, coverage(snow, 1.0 / grid.scale), white)
        if light.frost and peaks is None and not raw:
            pass
        if extra is not None:
            extra(picture, grid)
        for thing in before:
            _place(picture, grid, thing, skyline)

    return Layer(depth, draw, drift)


def _place(picture: Tensor, grid: Grid, thing: Thing, skyline: land.Skyline) -> None:
    y = thing.y if thing.y is not None else float(skyline(np.array([thing.x]))[0]) + 0.012
    stamp(picture, grid, thing.shape, thing.look, thing.x, y - thing.size / 2, thing.size / 2,
          facing=thing.facing, beat=thing.beat)  # fmt: skip


def spread(rng: random.Random, step: float, jitter: float, reach: float = 4.5) -> list[float]:
    """Places along x, `step` apart on average."""
    count = int(2 * reach / step)
    return [-reach + (k + 0.5 + rng.uniform(-jitter, jitter)) * step for k in range(count)]


def _look(light: Light, depth: float, base: str, dark: str | None = None, pale: str | None = None) -> Look:
    glow = light.window if light.lamps == 0 or light.weather == "fog" else light.window
    return Look(base, dark or mixed(base, "#000000", 0.2), pale or mixed(base, "#ffffff", 0.25), glow,
                ambient=light.ambient, haze=(light.haze, light.share(depth)), shadow=0.3)  # fmt: skip


def _trees(rng: random.Random, light: Light, depth: float, green: str, size: tuple[float, float], step: float,
           share: float, shapes: Sequence[str]) -> list[Thing]:  # fmt: skip
    things = []
    for x in spread(rng, step, 0.4):
        if rng.random() < share:
            color = mixed(green, "#e8f0f8", 0.75 * light.frost)
            look = _look(
                light, depth, mixed(color, rng.choice(("#c8d060", "#2a6a4a")), rng.uniform(0.0, 0.25))
            )
            things.append(Thing(rng.choice(shapes), look, x, None, rng.uniform(*size), rng.choice((-1, 1))))
    return things


def _snowy(color: str, light: Light, share: float = 0.8) -> str:
    return mixed(color, "#f2f6fc", share * light.frost)


def hills(rng: random.Random, light: Light, aspect: float) -> Place:
    """Rolling hills, trees, a cottage far off."""
    green = rng.choice(("#5fae6c", "#7fb85a", "#4fa47a"))
    far, middle, near = (_snowy(mixed(green, t, s), light) for t, s in (("#a8d8e0", 0.5), ("#9fd080", 0.25),
                                                                         ("#1f6a4a", 0.28)))  # fmt: skip
    round_trees = ("tree_round", "tree_tall", "bush", "pine_a")
    return Place((
        sky.heaven(rng, light, aspect, 0.1), *sky.clouds(rng, light, aspect),
        ground(land.hills(rng, 0.10, 0.05), far, 0.25, light),
        ground(land.hills(rng, 0.19, 0.055), middle, 0.45, light,
               behind=_trees(rng, light, 0.45, "#3f9a5e", (0.1, 0.2), 0.22, 0.5, round_trees)),
        ground(land.hills(rng, 0.31, 0.035), near, 0.7, light,
               behind=_trees(rng, light, 0.7, "#2f8a50", (0.16, 0.3), 0.5, 0.35, round_trees)),
        ground(land.hills(rng, 0.47, 0.02, length=2.4), mixed(near, "#0f4a38", 0.35), 1.0, light),
    ), {"air": -2, "ground": -1, "rails": -1, "water": -1})  # fmt: skip


def meadow(rng: random.Random, light: Light, aspect: float) -> Place:
    """A meadow with trees, a house, a path and flowers."""
    green = rng.choice(("#63b878", "#7cc060", "#58b490"))
    far, middle, near = (
        _snowy(c, light) for c in (mixed(green, "#d8f0d0", 0.45), green, mixed(green, "#107a40", 0.4))
    )
    trees = _trees(
        rng, light, 0.4, "#3f9a5e", (0.16, 0.26), 0.3, 0.45, ("tree_round", "tree_tall", "tree_round")
    )
    house = rng.uniform(-0.6, 0.6) * aspect
    home = _look(
        light,
        0.4,
        rng.choice(("#fff1df", "#f5e0c8", "#e8eef4")),
        rng.choice(("#d9563a", "#4a6a9a", "#8a5a3a")),
    )
    trees = [t for t in trees if abs(t.x - house) > 0.16] + [Thing("house_a", home, house, None, 0.27)]
    flowers = [Thing(rng.choice(("flower_a", "flower_b", "grass")), _look(light, 1.0, rng.choice(
        ("#e85a5a", "#ffffff", "#f0b429", "#e85a8a", "#8a6ad8"))), x, rng.uniform(0.5, 0.53), rng.uniform(0.07, 0.11))
        for x in spread(rng, 0.085, 0.5) if rng.random() < 0.55 and not light.frost]  # fmt: skip
    return Place((
        sky.heaven(rng, light, aspect, 0.1), *sky.clouds(rng, light, aspect),
        ground(land.hills(rng, 0.11, 0.035), far, 0.25, light),
        ground(land.hills(rng, 0.22, 0.035), middle, 0.4, light, behind=trees),
        ground(land.hills(rng, 0.35, 0.022), near, 0.7, light),
        Layer(1.0, lambda picture, grid: [_place(picture, grid, f, land.level(0.5)) for f in flowers] and None),
    ), {"air": -2, "ground": -1, "rails": -1, "water": -1})  # fmt: skip


def mountains(rng: random.Random, light: Light, aspect: float) -> Place:
    """Two rows of snowy mountains, mist between them, and a viaduct before them."""
    far, near = land.Peaks(rng, 0.15, 0.39, 0.46), land.Peaks(rng, 0.26, 0.3, 0.38)
    hue = rng.choice(("#a9b8d8", "#b4b0d4", "#9cb8c8"))
    stone = light.at("#8c86a8", 0.6)
    arches = [Thing("arch", Look(stone, mixed(stone, "#000000", 0.15), mixed(stone, "#ffffff", 0.2), shadow=0.25),
                    (k + 0.5) * ARCH - 5.0, ARCH_TOP + ARCH, ARCH) for k in range(int(10.0 / ARCH))]  # fmt: skip
    pines = [Thing(rng.choice(("pine_a", "pine_b")), _look(light, 1.0, _snowy("#2f5a5a", light, 0.5)), x, 0.47,
                   rng.uniform(0.16, 0.28)) for x in spread(rng, 0.26, 0.4) if rng.random() < 0.42]  # fmt: skip

    def viaduct(picture: Tensor, grid: Grid) -> None:
        for thing in arches:
            _place(picture, grid, thing, land.level(0.0))

    return Place((
        sky.heaven(rng, light, aspect, 0.04), *sky.clouds(rng, light, aspect),
        ground(far.skyline, mixed(hue, "#e8ecf8", 0.25), 0.2, light, peaks=far),
        mist(light, 0.16, 0.09, 0.25, 0.5),
        ground(near.skyline, mixed(hue, "#3a4a8a", 0.35), 0.4, light, peaks=near),
        mist(light, 0.3, 0.08, 0.45, 0.45),
        Layer(NEAR, viaduct),
        ground(land.hills(rng, 0.44, 0.02), _snowy("#3f5a6b", light), 1.0, light, behind=pines),
    ), {"air": -2, "ground": -1, "rails": -1, "water": -1})  # fmt: skip


NEAR = 0.7  # the depth of subjects, so that rails and islets move with what is on them
ARCH, ARCH_TOP = 0.22, 0.196


def mist(light: Light, y: float, thickness: float, depth: float, strength: float) -> Layer:
    """A soft bank of mist between two layers."""

    def draw(picture: Tensor, grid: Grid) -> None:
        bank = torch.exp(-(((grid.y - y) / thickness) ** 2))[:, None].expand(-1, grid.width)
        paint(picture, bank * strength, rgb(mixed(light.haze, "#ffffff", 0.15), grid.device))

    return Layer(depth, draw)


def sea(rng: random.Random, light: Light, aspect: float) -> Place:
    """Water to the horizon with the sun's light on it, an island now and then, and three rows of waves."""
    blue = rng.choice(("#3f6fb0", "#3a7fb0", "#4a66b8"))
    waters = [_sea_color(light, blue, share) for share in (0.0, 0.18, 0.38, 0.6)]
    horizon = 0.09
    heaven = sky.heaven(rng, light, aspect, horizon)
    glints = [(rng.uniform(-0.1, 0.1), 0.02 + 0.024 * k, rng.uniform(0.1, 0.24)) for k in range(6)]
    sun_x = rng.uniform(-0.3, 0.3) * aspect

    def shine(picture: Tensor, grid: Grid) -> None:
        color = {"noon": "#ffffff", "night": "#ffedc0"}.get(light.time, "#ffd873")
        for dx, down, width in glints if light.weather == "clear" else ():
            stamp(picture, grid, "glint", Look(color, color, color, color, shadow=0.0, alpha=0.75 - 2.5 * down),
                  sun_x + dx, horizon + down, width / 2)  # fmt: skip

    islands: list[Layer] = []
    if rng.random() < 0.45:
        at = rng.choice((-1, 1)) * rng.uniform(0.2, 0.42) * aspect
        islands.append(
            ground(
                land.islet(at, horizon, rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.13)),
                "#6a6a7a",
                0.12,
                light,
            )
        )
    return Place((
        heaven, *sky.clouds(rng, light, aspect), *islands,
        ground(land.level(horizon), waters[0], 0.12, light, raw=True, edge=0.15, extra=shine),
        ground(land.scallops(rng, 0.185, 0.024, 0.137), waters[1], 0.45, light, raw=True, drift=0.03),
        ground(land.scallops(rng, 0.305, 0.034, 0.18), waters[2], 0.75, light, raw=True, drift=-0.045),
        ground(land.scallops(rng, 0.425, 0.045, 0.23), waters[3], 1.0, light, raw=True, drift=0.06),
    ), {"air": -2, "ground": -3, "rails": -2, "water": -2})  # fmt: skip


def _sea_color(light: Light, blue: str, share: float) -> str:
    shade = {"dawn": "#8f8fc0", "noon": blue, "sunset": "#3b4f86", "night": "#1f3068"}[light.time]
    color = mixed(mixed(shade, blue, 0.25), "#0c1a4a", share)
    if light.weather == "rain":
        color = mixed(color, "#6a7488", 0.35)
    return mixed(
        color,
        light.haze,
        {"fog": 0.65 - share, "snow": 0.25 - share / 3}.get(light.weather, 0.08) if share < 0.6 else 0.1,
    )


def desert(rng: random.Random, light: Light, aspect: float) -> Place:
    """Pyramids on the horizon, dunes, cactuses."""
    sand = rng.choice(("#e0a458", "#e8b070", "#d8925a"))
    far, middle, near, front = (mixed(sand, tint, share) for tint, share in
                                (("#c87a6a", 0.45), ("#e89a50", 0.25), ("#b8683a", 0.4), ("#7a3a30", 0.55)))  # fmt: skip
    plants = [Thing(rng.choice(("cactus_a", "cactus_b")), _look(light, 0.7, "#4a8a58"), x, None, rng.uniform(0.15, 0.24))
              for x in spread(rng, 0.55, 0.45) if rng.random() < 0.4]  # fmt: skip
    skyline = (
        land.pyramids(rng, 0.13, rng.uniform(0.14, 0.24))
        if rng.random() < 0.75
        else land.hills(rng, 0.11, 0.02)
    )
    return Place((
        sky.heaven(rng, light, aspect, 0.12), *(sky.clouds(rng, light, aspect) if rng.random() < 0.6 else ()),
        ground(skyline, far, 0.15, light),
        ground(land.dunes(rng, 0.235, 0.06, 1.3), middle, 0.45, light),
        ground(land.dunes(rng, 0.33, 0.05, 1.7), near, 0.7, light, behind=plants),
        ground(land.hills(rng, 0.46, 0.02), front, 1.0, light),
    ), {"air": -2, "ground": -1, "rails": -1, "water": -1})  # fmt: skip


def city(rng: random.Random, light: Light, aspect: float) -> Place:
    """Three rows of town houses with lit windows."""
    rows = []
    hue = rng.choice((("#8a86c0", "#c08a9a"), ("#9a8ab0", "#b07a6a"), ("#7f9ab8", "#b88a7a")))
    for depth, base, tall, wide, share in ((0.2, 0.17, (0.2, 0.38), 0.2, 0.0), (0.45, 0.28, (0.2, 0.34), 0.22, 0.25),
                                           (0.8, 0.46, (0.18, 0.3), 0.25, 0.55)):  # fmt: skip
        things, x = [], -5.0
        while x < 5.0:
            size = rng.uniform(*tall)
            wall = mixed(mixed(*hue, rng.uniform(0.0, 0.6)), "#1f1a4a", share)
            roof = mixed(rng.choice(("#b0505a", "#7a4a7a", "#4a5a8a", "#a86a4a")), "#171338", share)
            look = _look(light, depth, _dusk(light, wall), _dusk(light, _snowy(roof, light)))
            things.append(Thing(rng.choice(("house_a", "house_b", "house_c", "house_d")), look, x, base, size,
                                rng.choice((-1, 1))))  # fmt: skip
            x += wide * size / 0.28 * rng.uniform(0.55, 0.72)
        rows.append(ground(land.level(base - 0.01), _dusk(light, mixed(hue[0], "#1f1a4a", share + 0.1)), depth, light,
                           behind=things, edge=0.0))  # fmt: skip
    return Place((sky.heaven(rng, light, aspect, 0.0), *sky.clouds(rng, light, aspect), *rows),
                 {"air": -1, "ground": -1, "rails": -1, "water": -1})  # fmt: skip


def _dusk(light: Light, color: str) -> str:
    return color if light.time != "night" else mixed(color, "#3b3478", 0.35)


def village(rng: random.Random, light: Light, aspect: float) -> Place:
    """A village in the snow before mountains."""
    peaks = land.Peaks(rng, 0.15, 0.26, 0.48)
    pines = [Thing(rng.choice(("pine_a", "pine_b")), _look(light, 0.3, "#7f9ac0"), x, None, rng.uniform(0.1, 0.18))
             for x in spread(rng, 0.16, 0.4) if rng.random() < 0.35]  # fmt: skip
    houses, x = [], -4.5 + rng.uniform(0.0, 0.3)
    while x < 4.5:
        size = rng.uniform(0.18, 0.27)
        wall = rng.choice(("#a8483f", "#c98a3f", "#6b4a7a", "#3f6b6b", "#b06a4a", "#4a6a9a"))
        shape = "church" if rng.random() < 0.14 else rng.choice(("hut_a", "hut_b"))
        if rng.random() < 0.78:
            houses.append(
                Thing(shape, _look(light, 0.5, wall), x, None, size * (1.5 if shape == "church" else 1.0))
            )
        x += size * rng.uniform(0.95, 1.5)
    firs = [Thing("pine_b", _look(light, 0.8, "#3a6b7a"), x, None, rng.uniform(0.2, 0.34))
            for x in spread(rng, 0.7, 0.5) if rng.random() < 0.4]  # fmt: skip
    white = "#f4f7fd"
    return Place((
        sky.heaven(rng, light, aspect, 0.05), *sky.clouds(rng, light, aspect),
        ground(peaks.skyline, "#8fa3d0", 0.15, light, peaks=peaks),
        ground(land.hills(rng, 0.20, 0.025), "#c0cfea", 0.3, light, behind=pines),
        ground(land.hills(rng, 0.31, 0.02), "#e4ecf9", 0.5, light, behind=houses),
        ground(land.hills(rng, 0.40, 0.02), white, 0.8, light, behind=firs),
    ), {"air": -2, "ground": 99, "rails": -1, "water": 99})  # fmt: skip


def underwater(rng: random.Random, light: Light, aspect: float) -> Place:
    """Shafts of light, hills of the sea bed, corals and weeds."""
    deep = light.sky

    def things(shapes: Sequence[str], colors: Sequence[str], step: float, size: tuple[float, float], share: float,
               depth: float) -> list[Thing]:  # fmt: skip
        return [Thing(rng.choice(shapes), _look(light, depth, rng.choice(colors)), x, None, rng.uniform(*size),
                      rng.choice((-1, 1)), rng.random()) for x in spread(rng, step, 0.45) if rng.random() < share]  # fmt: skip

    weeds = things(("seaweed",), ("#2f9a7a", "#3fb08a", "#257a66"), 0.13, (0.22, 0.4), 0.4, 0.6)
    corals = things(
        ("coral_a", "coral_b"), ("#e8605a", "#f08a9a", "#f0a04a", "#b06ad0"), 0.3, (0.14, 0.24), 0.5, 0.9
    )
    sand = rng.choice(("#e6cf9a", "#d8c8a0", "#e8c890"))
    return Place((
        sky.rays(rng, light),
        ground(land.hills(rng, 0.2, 0.05), mixed(deep[1], deep[2], 0.45), 0.25, light, raw=True, edge=0.15),
        ground(land.hills(rng, 0.33, 0.035), mixed(deep[2], deep[1], 0.2), 0.5, light, raw=True, edge=0.15, behind=weeds),
        ground(land.hills(rng, 0.445, 0.015), mixed(sand, deep[2], {"night": 0.6, "noon": 0.05}.get(light.time, 0.3)),
               1.0, light, raw=True, edge=0.4, behind=corals),
    ), {"air": -1, "ground": 99, "rails": -1, "water": -1})  # fmt: skip


def space(rng: random.Random, light: Light, aspect: float) -> Place:
    """Stars, a nebula, a distant moon, and the round edge of a small world with craters."""
    layers: list[Layer] = [sky.nebula(rng, light)]
    if rng.random() < 0.6:
        moon = (rng.uniform(-0.4, 0.4) * aspect, rng.uniform(-0.38, -0.1), rng.uniform(0.08, 0.2))
        look = Look(rng.choice(("#9fb8d8", "#d8b89f", "#b8d89f")), "#7f98bc", "#c8d8ec", shadow=0.2)
        layers.append(
            Layer(
                0.06, lambda picture, grid: stamp(picture, grid, "moon", look, moon[0], moon[1], moon[2] / 2)
            )
        )
    rock = rng.choice(("#b0a4cc", "#c0a090", "#90a8b8", "#c88a6a"))
    craters = [Thing("crater", Look(mixed(rock, "#2a2050", 0.3), mixed(rock, "#2a2050", 0.5), rock, shadow=0.0), x,
                     rng.uniform(0.44, 0.54), rng.uniform(0.06, 0.16)) for x in spread(rng, 0.24, 0.5) if rng.random() < 0.7]  # fmt: skip
    bend = rng.uniform(0.03, 0.06)
    if rng.random() < 0.85:
        layers.append(
            ground(land.horizon_arc(0.33, bend), rock, 0.7, light, raw=True, edge=0.5, before=craters)
        )
    return Place(tuple(layers), {"air": 99, "ground": 99, "rails": 99, "water": 99})


PLACES: dict[str, Callable[[random.Random, Light, float], Place]] = {
    "hills": hills, "mountains": mountains, "sea": sea, "desert": desert, "city": city, "meadow": meadow,
    "village": village, "underwater": underwater, "space": space,
}  # fmt: skip
