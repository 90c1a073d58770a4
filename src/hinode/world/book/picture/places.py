"""The nine places: for each, its layers from far to near, and where among them subjects stand, swim or
fly."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hinode.world.book.picture import land, sky
from hinode.world.book.picture.canvas import Layer, Look, mixed
from hinode.world.book.picture.palette import Light
from hinode.world.book.picture.scenery import REACH, Scenery, Thing

ARCH, ARCH_TOP = 0.22, 0.196  # size of an arch of the viaduct, and the y of its rails
HORIZON = 0.09  # of the sea
SUBJECTS_DEPTH = 0.7  # so that rails move with the train on them


@dataclass(frozen=True)
class Place:
    """The layers of a place from far to near, and how many of the nearest ones cover a subject, by what it is
    in or on; one where nothing is said."""

    layers: Sequence[Layer]
    covers: dict[str, int] = field(default_factory=dict)


def build(name: str, rng: random.Random, light: Light, aspect: float) -> Place:
    """The layers of a place under a light. `aspect`: width / height of the frame."""
    return PLACES[name](Scenery(rng, light), aspect)


def hills(scenery: Scenery, aspect: float) -> Place:
    """Rolling hills with trees."""
    rng = scenery.rng
    green = rng.choice(("#5fae6c", "#7fb85a", "#4fa47a"))
    near = scenery.snowy(mixed(green, "#1f6a4a", 0.28))
    shapes = ("tree_round", "tree_tall", "bush", "pine_a")
    small = scenery.trees("#3f9a5e", (0.1, 0.2), depth=0.45, step=0.22, share=0.5, shapes=shapes)
    large = scenery.trees("#2f8a50", (0.16, 0.3), depth=0.7, step=0.5, share=0.35, shapes=shapes)
    return Place(
        (
            *sky.layers(scenery, aspect, 0.1),
            scenery.ground(land.hills(rng, 0.10, 0.05), scenery.snowy(mixed(green, "#a8d8e0", 0.5)), 0.25),
            scenery.ground(
                land.hills(rng, 0.19, 0.055), scenery.snowy(mixed(green, "#9fd080", 0.25)), 0.45, behind=small
            ),
            scenery.ground(land.hills(rng, 0.31, 0.035), near, 0.7, behind=large),
            scenery.ground(land.hills(rng, 0.47, 0.02, length=2.4), mixed(near, "#0f4a38", 0.35), 1.0),
        )
    )


def meadow(scenery: Scenery, aspect: float) -> Place:
    """A meadow with trees, a house and flowers."""
    rng = scenery.rng
    green = rng.choice(("#63b878", "#7cc060", "#58b490"))
    walls, roofs = ("#fff1df", "#f5e0c8", "#e8eef4"), ("#d9563a", "#4a6a9a", "#8a5a3a")
    home_x = rng.uniform(-0.6, 0.6) * aspect
    home = Thing("house_a", scenery.look(0.4, rng.choice(walls), rng.choice(roofs)), home_x, None, 0.27)
    trees = scenery.trees(
        "#3f9a5e", (0.16, 0.26), depth=0.4, step=0.3, share=0.45, shapes=("tree_round", "tree_tall")
    )
    blossoms = ("#e85a5a", "#ffffff", "#f0b429", "#e85a8a", "#8a6ad8")
    flowers = scenery.row(
        ("flower_a", "flower_b", "grass"),
        blossoms,
        (0.07, 0.11),
        depth=1.0,
        step=0.085,
        share=0.0 if scenery.light.frost else 0.55,
        y=(0.5, 0.53),
    )
    return Place(
        (
            *sky.layers(scenery, aspect, 0.1),
            scenery.ground(land.hills(rng, 0.11, 0.035), scenery.snowy(mixed(green, "#d8f0d0", 0.45)), 0.25),
            scenery.ground(
                land.hills(rng, 0.22, 0.035),
                scenery.snowy(green),
                0.4,
                behind=[tree for tree in trees if abs(tree.x - home_x) > 0.16] + [home],
            ),
            scenery.ground(land.hills(rng, 0.35, 0.022), scenery.snowy(mixed(green, "#107a40", 0.4)), 0.7),
            scenery.things(1.0, flowers),
        )
    )


def mountains(scenery: Scenery, aspect: float) -> Place:
    """Two rows of snowy mountains, mist between them, and a viaduct before them."""
    rng, light = scenery.rng, scenery.light
    far, near = land.Peaks(rng, 0.15, 0.39, 0.46), land.Peaks(rng, 0.26, 0.3, 0.38)
    hue = rng.choice(("#a9b8d8", "#b4b0d4", "#9cb8c8"))
    stone = light.at("#8c86a8", 0.6)
    brick = Look(stone, mixed(stone, "#000000", 0.15), mixed(stone, "#ffffff", 0.2), shadow=0.25)
    viaduct = [
        Thing("arch", brick, (k + 0.5) * ARCH - REACH, ARCH_TOP + ARCH, ARCH)
        for k in range(int(2 * REACH / ARCH))
    ]
    pines = scenery.row(
        ("pine_a", "pine_b"),
        (scenery.snowy("#2f5a5a", 0.5),),
        (0.16, 0.28),
        depth=1.0,
        step=0.26,
        share=0.42,
        y=(0.465, 0.475),
    )
    return Place(
        (
            *sky.layers(scenery, aspect, 0.04),
            scenery.ground(far.skyline, mixed(hue, "#e8ecf8", 0.25), 0.2, peaks=far),
            scenery.mist(0.16, 0.09, 0.25, 0.5),
            scenery.ground(near.skyline, mixed(hue, "#3a4a8a", 0.35), 0.4, peaks=near),
            scenery.mist(0.3, 0.08, 0.45, 0.45),
            scenery.things(SUBJECTS_DEPTH, viaduct),
            scenery.ground(land.hills(rng, 0.44, 0.02), scenery.snowy("#3f5a6b"), 1.0, behind=pines),
        )
    )


def sea(scenery: Scenery, aspect: float) -> Place:
    """Water to the horizon with the sun's light on it, an island now and then, and three rows of waves."""
    rng = scenery.rng
    blue = rng.choice(("#3f6fb0", "#3a7fb0", "#4a66b8"))
    sun = sky.sample_sun(scenery, aspect, HORIZON)
    islands = []
    if rng.random() < 0.45:
        middle = rng.choice((-1, 1)) * rng.uniform(0.2, 0.42) * aspect
        rock = land.islet(middle, HORIZON, rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.13))
        islands.append(scenery.ground(rock, "#6a6a7a", 0.12))
    rows = (
        (0.185, 0.024, 0.137, 0.45, 0.03),
        (0.305, 0.034, 0.18, 0.75, -0.045),
        (0.425, 0.045, 0.23, 1.0, 0.06),
    )
    return Place(
        (
            *sky.layers(scenery, aspect, HORIZON, sun),
            *islands,
            scenery.ground(
                land.level(HORIZON),
                _water(scenery.light, blue, 0.0),
                0.12,
                final=True,
                edge=0.15,
                on_it=scenery.shine(sun.x, HORIZON),
            ),
            *(
                scenery.ground(
                    land.scallops(rng, y, height, length),
                    _water(scenery.light, blue, 0.2 * (k + 1)),
                    depth,
                    final=True,
                    drift=drift,
                )
                for k, (y, height, length, depth, drift) in enumerate(rows)
            ),
        ),
        {"air": 1, "water": 2, "ground": 3},
    )


def _water(light: Light, blue: str, share: float) -> str:
    """The colour of water, deeper by its share."""
    shade = {"dawn": "#8f8fc0", "noon": blue, "sunset": "#3b4f86", "night": "#1f3068"}[light.time]
    color = mixed(mixed(shade, blue, 0.25), "#0c1a4a", share)
    if light.weather == "rain":
        color = mixed(color, "#6a7488", 0.35)
    return mixed(
        color, light.haze, {"fog": 0.65 - 0.9 * share, "snow": 0.25 - share / 3}.get(light.weather, 0.08)
    )


def desert(scenery: Scenery, aspect: float) -> Place:
    """Pyramids on the horizon, dunes, cactuses."""
    rng = scenery.rng
    sand = rng.choice(("#e0a458", "#e8b070", "#d8925a"))
    tints = (("#c87a6a", 0.45), ("#e89a50", 0.25), ("#b8683a", 0.4), ("#7a3a30", 0.55))
    far, middle, near, front = (mixed(sand, tint, share) for tint, share in tints)
    plants = scenery.row(
        ("cactus_a", "cactus_b"), ("#4a8a58",), (0.15, 0.24), depth=0.7, step=0.55, share=0.4
    )
    pyramids = land.pyramids(rng, 0.13, rng.uniform(0.14, 0.24))
    return Place(
        (
            *sky.layers(scenery, aspect, 0.12),
            scenery.ground(pyramids if rng.random() < 0.75 else land.hills(rng, 0.11, 0.02), far, 0.15),
            scenery.ground(land.dunes(rng, 0.235, 0.06, 1.3), middle, 0.45),
            scenery.ground(land.dunes(rng, 0.33, 0.05, 1.7), near, 0.7, behind=plants),
            scenery.ground(land.hills(rng, 0.46, 0.02), front, 1.0),
        )
    )


def city(scenery: Scenery, aspect: float) -> Place:
    """Three rows of town houses with lit windows."""
    rng, night = scenery.rng, scenery.light.time == "night"
    hue = rng.choice((("#8a86c0", "#c08a9a"), ("#9a8ab0", "#b07a6a"), ("#7f9ab8", "#b88a7a")))
    shapes = ("house_a", "house_b", "house_c", "house_d")
    rows = []
    for depth, base, tall, gap, share in (
        (0.2, 0.17, (0.2, 0.38), 0.72, 0.0),
        (0.45, 0.28, (0.2, 0.34), 0.79, 0.25),
        (0.8, 0.46, (0.18, 0.3), 0.9, 0.55),
    ):

        def shade(color: str, share: float = share) -> str:
            return mixed(mixed(color, "#1f1a4a", share), "#3b3478", 0.35 if night else 0.0)

        houses, x = [], -REACH
        while x < REACH:
            size = rng.uniform(*tall)
            wall, roof = (
                mixed(*hue, rng.uniform(0.0, 0.6)),
                rng.choice(("#b0505a", "#7a4a7a", "#4a5a8a", "#a86a4a")),
            )
            look = scenery.look(depth, shade(wall), scenery.snowy(shade(roof)))
            houses.append(Thing(rng.choice(shapes), look, x, base, size, rng.choice((-1, 1))))
            x += size * gap * rng.uniform(0.75, 1.0)
        rows.append(scenery.ground(land.level(base - 0.01), shade(hue[0]), depth, behind=houses, edge=0.0))
    return Place((*sky.layers(scenery, aspect, 0.0), *rows), {"ground": 0})


def village(scenery: Scenery, aspect: float) -> Place:
    """A village in the snow before mountains."""
    rng = scenery.rng
    peaks = land.Peaks(rng, 0.15, 0.26, 0.48)
    pines = scenery.row(("pine_a", "pine_b"), ("#7f9ac0",), (0.1, 0.18), depth=0.3, step=0.16, share=0.35)
    walls = ("#a8483f", "#c98a3f", "#6b4a7a", "#3f6b6b", "#b06a4a", "#4a6a9a")
    huts = scenery.row(("hut_a", "hut_b"), walls, (0.18, 0.27), depth=0.5, step=0.27, share=0.75)
    churches = scenery.row(("church",), walls, (0.3, 0.38), depth=0.5, step=1.4, share=0.6)
    firs = scenery.row(("pine_b",), ("#3a6b7a",), (0.2, 0.34), depth=0.8, step=0.7, share=0.4)
    return Place(
        (
            *sky.layers(scenery, aspect, 0.05),
            scenery.ground(peaks.skyline, "#8fa3d0", 0.15, peaks=peaks),
            scenery.ground(land.hills(rng, 0.20, 0.025), "#c0cfea", 0.3, behind=pines),
            scenery.ground(land.hills(rng, 0.31, 0.02), "#e4ecf9", 0.5, behind=churches + huts),
            scenery.ground(land.hills(rng, 0.40, 0.02), "#f4f7fd", 0.8, behind=firs),
        ),
        {"ground": 0, "water": 0},
    )


def underwater(scenery: Scenery, aspect: float) -> Place:
    """Shafts of light, hills of the sea bed, corals and weeds."""
    rng, (_, middle, deep) = scenery.rng, scenery.light.sky
    weeds = scenery.row(
        ("seaweed",), ("#2f9a7a", "#3fb08a", "#257a66"), (0.22, 0.4), depth=0.6, step=0.13, share=0.4
    )
    corals = scenery.row(
        ("coral_a", "coral_b"),
        ("#e8605a", "#f08a9a", "#f0a04a", "#b06ad0"),
        (0.14, 0.24),
        depth=0.9,
        step=0.3,
        share=0.5,
    )
    sand = mixed(
        rng.choice(("#e6cf9a", "#d8c8a0", "#e8c890")),
        deep,
        {"night": 0.6, "noon": 0.05}.get(scenery.light.time, 0.3),
    )
    return Place(
        (
            sky.rays(scenery),
            scenery.ground(
                land.hills(rng, 0.2, 0.05), mixed(middle, deep, 0.45), 0.25, final=True, edge=0.15
            ),
            scenery.ground(
                land.hills(rng, 0.33, 0.035),
                mixed(deep, middle, 0.2),
                0.5,
                final=True,
                edge=0.15,
                behind=weeds,
            ),
            scenery.ground(land.hills(rng, 0.445, 0.015), sand, 1.0, final=True, edge=0.4, behind=corals),
        ),
        {"ground": 0},
    )


def space(scenery: Scenery, aspect: float) -> Place:
    """Stars, a nebula, a distant moon, and the round edge of a small world with craters."""
    rng = scenery.rng
    layers = [sky.nebula(scenery)]
    if rng.random() < 0.6:
        moon = Look(rng.choice(("#9fb8d8", "#d8b89f", "#b8d89f")), "#7f98bc", "#c8d8ec", shadow=0.2)
        x, y, size = rng.uniform(-0.4, 0.4) * aspect, rng.uniform(-0.38, -0.1), rng.uniform(0.08, 0.2)
        layers.append(scenery.things(0.06, [Thing("moon", moon, x, y + size / 2, size)]))
    if rng.random() < 0.85:
        rock = rng.choice(("#b0a4cc", "#c0a090", "#90a8b8", "#c88a6a"))
        holes = scenery.row(
            ("crater",),
            (mixed(rock, "#2a2050", 0.3),),
            (0.06, 0.16),
            depth=1.0,
            step=0.24,
            share=0.7,
            y=(0.44, 0.54),
            dark=(mixed(rock, "#2a2050", 0.5),),
        )
        arc = land.horizon_arc(0.33, rng.uniform(0.03, 0.06))
        layers.append(scenery.ground(arc, rock, 0.7, final=True, edge=0.5, before=holes))
    return Place(tuple(layers), {"air": 0, "ground": 0})


PLACES: dict[str, Callable[[Scenery, float], Place]] = {
    "hills": hills,
    "mountains": mountains,
    "sea": sea,
    "desert": desert,
    "city": city,
    "meadow": meadow,
    "village": village,
    "underwater": underwater,
    "space": space,
}
