"""What places are built of: sheets of land with things on them, banks of mist, light on water."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from hinode.world.book.picture import land
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
    rgb,
    sheet,
    stamp,
)
from hinode.world.book.picture.palette import Light

REACH = 4.6
"""Short sides to each side of the middle that scenery fills."""
SNOW = "#f2f6fc"


@dataclass(frozen=True)
class Thing:
    """A piece of scenery: its shape and colours, the x of its middle, the y of its ground line (None: a
    little below the skyline it stands on), its size in short sides."""

    shape: str
    look: Look
    x: float
    y: float | None
    size: float
    facing: int = 1
    beat: float = 0.0

    def mark(self, skyline: land.Skyline | None = None) -> Mark:
        """Where it stands."""
        y = self.y
        if y is None:
            assert skyline is not None
            y = float(skyline(np.array([self.x]))[0]) + 0.012
        return Mark(
            self.shape, self.x, y - self.size / 2, self.size / 2, self.facing, 0.0, self.look, self.beat
        )

    def draw(self, picture: Tensor, grid: Grid, skyline: land.Skyline | None = None) -> None:
        """Paint it on a picture, in place."""
        mark = self.mark(skyline)
        place = mark.x, mark.y, mark.half
        stamp(picture, grid, self.shape, self.look, *place, facing=self.facing, beat=self.beat)


@dataclass(frozen=True)
class Scenery:
    """Builds the layers of one scene: its generator and light."""

    rng: random.Random
    light: Light

    def look(self, depth: float, base: str, dark: str | None = None) -> Look:
        """The colours of a thing under the light, at a depth."""
        dark, pale = dark or mixed(base, "#000000", 0.2), mixed(base, "#ffffff", 0.25)
        haze = (self.light.haze, self.light.share(depth))
        return Look(base, dark, pale, self.light.window, ambient=self.light.ambient, haze=haze, shadow=0.3)

    def snowy(self, color: str, share: float = 0.8) -> str:
        """A colour under the snow that lies."""
        return mixed(color, SNOW, share * self.light.frost)

    def row(
        self,
        shapes: Sequence[str],
        colors: Sequence[str],
        size: tuple[float, float],
        *,
        depth: float,
        step: float,
        share: float,
        y: tuple[float, float] | None = None,
        dark: Sequence[str] = (),
    ) -> list[Thing]:
        """Things along x, about `step` apart, a `share` of the places filled. `y`: range of their ground
        lines."""
        rng, things = self.rng, []
        for k in range(int(2 * REACH / step)):
            if rng.random() >= share:
                continue
            x = -REACH + (k + 0.5 + rng.uniform(-0.42, 0.42)) * step
            look = self.look(depth, rng.choice(colors), rng.choice(dark) if dark else None)
            things.append(
                Thing(
                    rng.choice(shapes),
                    look,
                    x,
                    rng.uniform(*y) if y else None,
                    rng.uniform(*size),
                    rng.choice((-1, 1)),
                    rng.random(),
                )
            )
        return things

    def trees(
        self,
        green: str,
        size: tuple[float, float],
        *,
        depth: float,
        step: float,
        share: float,
        shapes: Sequence[str],
    ) -> list[Thing]:
        """A row of trees in greens near one, white where snow lies."""
        base = self.snowy(green, 0.75)
        greens = [mixed(base, tint, 0.2 * k) for tint in ("#c8d060", "#2a6a4a") for k in (0, 1)]
        return self.row(shapes, greens, size, depth=depth, step=step, share=share)

    def ground(
        self,
        skyline: land.Skyline,
        color: str,
        depth: float,
        *,
        behind: Sequence[Thing] = (),
        before: Sequence[Thing] = (),
        peaks: land.Peaks | None = None,
        edge: float = 0.28,
        drift: float = 0.0,
        final: bool = False,
        on_it: Painter | None = None,
    ) -> Layer:
        """A sheet of land with things rooted `behind` its edge or standing `before` it. `final`: the colour
        holds under any light. `peaks`: put snow on these. `on_it`: paints more on the sheet."""
        tint = color if final else self.light.at(color, depth)
        white = mixed(self.light.at("#ffffff", depth), tint, 0.12)
        snow_share = 0.36 + 0.3 * self.light.frost

        def draw(picture: Tensor, grid: Grid) -> None:
            x = grid.x.cpu().double().numpy()
            line = torch.as_tensor(skyline(x), dtype=torch.float32, device=grid.device)
            for thing in behind:
                thing.draw(picture, grid, skyline)
            depth_below = sheet(picture, grid, line, rgb(tint, grid.device), edge=edge)
            if peaks is not None:
                cap = torch.as_tensor(peaks.cap(x, snow_share), dtype=torch.float32, device=grid.device)
                snow = torch.maximum(-depth_below, grid.y[:, None] - cap)
                paint(picture, coverage(snow, 1.0 / grid.scale), rgb(white, grid.device))
            if on_it is not None:
                on_it(picture, grid)
            for thing in before:
                thing.draw(picture, grid, skyline)

        back, front = (tuple(thing.mark(skyline) for thing in things) for things in (behind, before))
        cap = None if peaks is None else (partial(peaks.cap, share=snow_share), white)
        return Layer(depth, draw, drift, 0.0, None, skyline, back, front, tint, edge, cap)

    def things(self, depth: float, things: Sequence[Thing]) -> Layer:
        """A layer of things alone; each has a ground line of its own."""

        def draw(picture: Tensor, grid: Grid) -> None:
            for thing in things:
                thing.draw(picture, grid)

        return Layer(depth, draw, front=tuple(thing.mark() for thing in things))

    def mist(self, y: float, thickness: float, depth: float, strength: float) -> Layer:
        """A soft bank of mist between two layers."""
        color = mixed(self.light.haze, "#ffffff", 0.15)

        def draw(picture: Tensor, grid: Grid) -> None:
            bank = torch.exp(-(((grid.y - y) / thickness) ** 2))[:, None].expand(-1, grid.width)
            paint(picture, bank * strength, rgb(color, grid.device))

        return Layer(depth, draw, soft=(Soft("mist", color, (y, thickness, strength)),))

    def shine(self, x: float, horizon: float) -> Painter:
        """The light of sun or moon at `x` on the water below the horizon, in a clear sky."""
        color = {"noon": "#ffffff", "night": "#ffedc0"}.get(self.light.time, "#ffd873")
        bars = [
            (x + self.rng.uniform(-0.03, 0.03), 0.018 + 0.024 * k, self.rng.uniform(0.1, 0.22))
            for k in range(6)
        ]

        def draw(picture: Tensor, grid: Grid) -> None:
            for middle, down, width in bars if self.light.weather == "clear" else ():
                look = Look(color, color, color, color, shadow=0.0, alpha=0.75 - 2.5 * down)
                stamp(picture, grid, "glint", look, middle, horizon + down, width / 2)

        return draw
