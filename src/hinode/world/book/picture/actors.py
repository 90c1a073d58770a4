"""Subjects with what belongs to them: shadows, wakes, smoke, strings, carriages, bubbles, beams."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.world.book.motion import NEARNESS, Camera, Track, still_camera
from hinode.world.book.picture.canvas import Grid, Look, coverage, mixed, paint, rgb, stamp
from hinode.world.book.picture.palette import PAPER, Light
from hinode.world.book.priors import FEET
from hinode.world.book.scene import Scene, Subject

PUFFS, PUFF_SECONDS = 6, 1.5
"""Of a train's smoke, a rocket's trail, a fish's bubbles: how many at once, and for how long each is seen."""
CARRIAGES, CARRIAGE_STEP = 2, 0.86
"""Behind an engine: how many, and how far apart in sizes."""
LOOSE = ("rise", "fall", "circle")
"""Motions in which nothing stands on the ground."""


Follow = Callable[[int, Tensor, Camera], Track]
"""The track of a subject, by its number, at some moments, as a camera sees it."""


def shape_name(kind: str) -> str:
    """The name of a kind's shape in the atlas."""
    return kind.replace(" ", "_")


def paper(color: str, light: Light) -> Look:
    """The colours of a subject's paper under a light."""
    base, black = PAPER[color], color == "black"
    return Look(
        base,
        mixed(base, "#5a5a6a" if black else "#000000", 0.28),
        mixed(base, "#ffffff", 0.3 if black else 0.45),
        light.window if light.lamps else "#ffe9a8",
        ambient=light.cast,
        haze=(light.haze, 0.35 if light.weather == "fog" else 0.0),
    )


def _ink(color: str, alpha: float, shadow: float = 0.0) -> Look:
    """One colour for every role."""
    return Look(color, color, color, color, shadow=shadow, alpha=alpha)


@dataclass(frozen=True)
class Stage:
    """The frames on which the subjects of a scene are painted: T moments, their camera and light."""

    frames: Tensor  # [T, 3, H, W], painted in place
    grid: Grid
    scene: Scene
    moments: Tensor
    camera: Camera
    light: Light
    aspect: float
    follow: Follow

    def draw(self, number: int) -> None:
        """Paint a subject, by its number, and what belongs to it on every frame."""
        subject = self.scene.subjects[number]
        path = self.follow(number, self.moments, self.camera)
        kind, rest, motion = subject.kind, subject.rest, subject.motion
        look = paper(subject.color, self.light)
        if rest == "ground" and motion not in LOOSE:
            if self.scene.place == "sea":  # there is no ground but a rock
                rock = Look("#6a6a7a", "#4f4f60", "#8a8a98", ambient=self.light.ambient)
                feet = path.y + path.half * 2 * FEET.get(kind, 0.5)
                stamp(self.frames, self.grid, "rock", rock, path.x, feet - path.half * 0.1, path.half * 0.9)
            else:
                self._ground_shadow(subject, path)
        if kind == "kite":
            self._string(subject, path)
        elif kind == "train":
            self._train(subject, path, look)
        elif kind == "rocket" and motion != "still":
            self._puffs(subject, "puff", _ink("#ffe0b0", 0.4, 0.12), (0.0, 0.42), growth=0.035)
        elif kind == "boat" and rest == "water" and motion in ("left", "right"):
            x = path.x - path.facing * path.half * 1.1
            wake = _ink("#e8f0ff", 0.7)
            stamp(
                self.frames,
                self.grid,
                "wake",
                wake,
                x,
                path.y + path.half * 0.72,
                path.half * 0.9,
                facing=path.facing,
            )
        elif kind == "lighthouse" and self.light.time in ("night", "sunset"):
            self._beam(subject, path)
        self._stamp(shape_name(kind), look, path, path.x)
        if kind in ("fish", "whale") and self.scene.place == "underwater":
            self._puffs(subject, "bubble", _ink("#e6fff8", 0.8), (0.42, -0.05), rising=0.16)

    def _stamp(self, shape: str, look: Look, path: Track, x: Tensor) -> None:
        stamp(
            self.frames,
            self.grid,
            shape,
            look,
            x,
            path.y,
            path.half,
            tilt=path.tilt,
            facing=path.facing,
            beat=path.beat,
            stretch=path.stretch,
        )

    def _ground_shadow(self, subject: Subject, path: Track) -> None:
        """A dark ellipse where the subject stands, smaller and fainter while it is in the air."""
        high = (path.height / 0.34).clamp(max=1.0)
        feet = (
            path.y + path.height * self.camera.scale(NEARNESS) + path.half * 2 * FEET.get(subject.kind, 0.5)
        )
        wide = path.half * {"train": 1.0, "boat": 0.9}.get(subject.kind, 0.72) * (1.0 - 0.35 * high)
        stamp(
            self.frames,
            self.grid,
            "puff",
            _ink("#1a1030", 0.3),
            path.x,
            feet,
            wide,
            stretch=0.16,
            fade=1.0 - 0.55 * high,
        )

    def _string(self, subject: Subject, path: Track) -> None:
        """A string from a kite to somebody below the frame, bent by the wind."""
        grid, top = self.grid, path.y + path.half * 0.2
        part = ((grid.y - top[:, None]) / (0.62 - top)[:, None]).clamp(0.0, 1.0)
        hand = (subject.x - 0.5) * max(self.aspect, 1.0) + 0.24 * subject.facing - self.camera.shift(1.0)[0]
        x = path.x[:, None] + (hand - path.x)[:, None] * (0.55 * part + 0.45 * part * part)
        thickness = 0.0022 * self.camera.scale(NEARNESS)[:, None, None]
        mask = coverage((grid.x - x[:, :, None]).abs() - thickness, 1.0 / grid.scale)
        paint(self.frames, mask * (part > 0)[:, :, None] * 0.85, rgb("#fff6e6", grid.device))

    def _train(self, subject: Subject, path: Track, look: Look) -> None:
        """Smoke and carriages; an engine that flies comes alone."""
        self._puffs(subject, "puff", _ink("#fffaf2", 0.8, 0.12), (0.22, -0.30), growth=0.05)
        if subject.motion in LOOSE:
            return
        for number in range(CARRIAGES, 0, -1):
            self._stamp("car", look, path, path.x - path.facing * path.half * 2 * CARRIAGE_STEP * number)

    def _puffs(
        self,
        subject: Subject,
        shape: str,
        look: Look,
        outlet: tuple[float, float],
        *,
        growth: float = 0.0,
        rising: float = 0.05,
    ) -> None:
        """What a subject leaves behind: each puff starts where the `outlet` (in sizes from the middle) was,
        rises, grows and fades."""
        across, down = self.camera.shift(NEARNESS)
        scale, still = self.camera.scale(NEARNESS), still_camera(self.moments)
        for number in range(PUFFS):
            age = torch.remainder(self.moments + PUFF_SECONDS / PUFFS * number, PUFF_SECONDS)
            part = age / PUFF_SECONDS
            start = self.follow(self.scene.subjects.index(subject), self.moments - age, still)
            cos, sin = start.tilt.cos(), start.tilt.sin()
            dx, dy = outlet[0] * start.facing * subject.size, outlet[1] * subject.size
            x = start.x + cos * dx - sin * dy
            y = start.y + sin * dx + cos * dy - rising * age
            half = 0.022 + growth * part if shape == "puff" else 0.008 + 0.004 * (number % 3)
            stamp(
                self.frames,
                self.grid,
                shape,
                look,
                (x - across) * scale,
                (y - down) * scale,
                half * scale,
                fade=(1.0 - part) ** 0.7,
            )

    def _beam(self, subject: Subject, path: Track) -> None:
        """The beam of a lighthouse, turning."""
        turn = torch.sin(2 * math.pi * (self.moments / 4.0 + subject.phase))
        turn = torch.where(turn < 0, turn.clamp(max=-0.12), turn.clamp(min=0.12))
        stamp(
            self.frames,
            self.grid,
            "beam",
            _ink("#ffe9a8", 0.7),
            path.x,
            path.y - path.half * 0.66,
            path.half * 2.2,
            facing=turn,
        )
