"""Subjects with what belongs to them: shadows, wakes, smoke, strings, cars, bubbles."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from hinode.world.book.canvas import Grid, Look, coverage, mixed, paint, rgb, stamp
from hinode.world.book.motion import NEARNESS, TRAVEL, Camera, Track, track
from hinode.world.book.palette import PAPER, Light
from hinode.world.book.scene import Scene, Subject

PUFFS, PUFF_LIFE = 6, 1.5  # of a train's smoke or a rocket's trail: how many at once, seconds each
CAR_GAP = 0.86  # from the middle of an engine to its car's, in sizes
CARS = 2


def shape_of(kind: str) -> str:
    """The name of a kind's shape."""
    return kind.replace(" ", "_")


def paper(color: str, light: Light) -> Look:
    """The colours of a subject's paper under a light."""
    base = PAPER[color]
    dark = mixed(base, "#000000" if color != "black" else "#5a5a6a", 0.28)
    return Look(base, dark, mixed(base, "#ffffff", 0.45 if color != "black" else 0.3), light.window if light.lamps else
                "#ffe9a8", ambient=light.cast, haze=(light.haze, 0.35 if light.weather == "fog" else 0.0))  # fmt: skip


def draw(
    frames: Tensor,
    grid: Grid,
    scene: Scene,
    subject: Subject,
    moments: Tensor,
    camera: Camera,
    light: Light,
    aspect: float,
) -> None:
    """Paint a subject and what belongs to it on every frame, in place."""
    path = track(scene, subject, moments, camera, aspect)
    look = paper(subject.color, light)
    scale = camera.scale(NEARNESS)
    if subject.rest == "ground" and subject.motion not in ("rise", "fall", "circle"):
        _ground_shadow(frames, grid, subject, path, scale)
    if subject.kind == "kite":
        _string(frames, grid, subject, path, scale)
    if subject.kind == "train":
        _train(frames, grid, subject, path, look, scale, scene, moments, camera, light, aspect)
    if subject.kind == "rocket" and subject.motion != "still":
        _puffs(frames, grid, scene, subject, moments, camera, aspect, "#ffe0b0", (0.0, 0.42), 0.1, 0.4)
    if subject.kind == "boat" and subject.rest == "water" and subject.motion in ("left", "right"):
        _wake(frames, grid, path)
    if subject.kind == "lighthouse" and light.time in ("night", "sunset"):
        _beam(frames, grid, path, moments, subject)
    stamp(frames, grid, shape_of(subject.kind), look, path.x, path.y, path.half, tilt=path.tilt, facing=path.facing,
          beat=path.beat, stretch=path.stretch)  # fmt: skip
    if subject.kind in ("fish", "whale") and scene.place == "underwater":
        _puffs(
            frames,
            grid,
            scene,
            subject,
            moments,
            camera,
            aspect,
            "#e6fff8",
            (0.42, -0.05),
            0.05,
            0.8,
            "bubble",
        )


def _ground_shadow(frames: Tensor, grid: Grid, subject: Subject, path: Track, scale: Tensor) -> None:
    high = path.height / 0.34
    dark = Look("#1a1030", "#1a1030", "#1a1030", shadow=0.0, alpha=0.3)
    feet = path.y + path.height * scale + path.half * _feet(subject) * 2
    wide = {"train": 1.0, "boat": 0.9}.get(subject.kind, 0.72)
    stamp(frames, grid, "puff", dark, path.x, feet, path.half * wide * (1.0 - 0.35 * high.clamp(max=1.0)),
          stretch=0.16, fade=1.0 - 0.55 * high.clamp(max=1.0))  # fmt: skip


def _feet(subject: Subject) -> float:
    from hinode.world.book.priors import FEET

    return FEET.get(subject.kind, 0.5)


def _string(frames: Tensor, grid: Grid, subject: Subject, path: Track, scale: Tensor) -> None:
    """A string from a kite to somebody below the frame, bent by the wind."""
    top, low = path.y + path.half * 0.2, torch.full_like(path.y, 0.62)
    hand = path.x.mean() + 0.24 * subject.facing
    part = ((grid.y - top[:, None]) / (low - top)[:, None]).clamp(0.0, 1.0)
    x = path.x[:, None] + (hand - path.x)[:, None] * (0.55 * part + 0.45 * part * part)
    mask = coverage((grid.x - x[:, :, None]).abs() - 0.0022 * scale[:, None, None], 1.0 / grid.scale)
    paint(frames, mask * (part > 0)[:, :, None] * 0.85, rgb("#fff6e6", grid.device))


def _train(frames: Tensor, grid: Grid, subject: Subject, path: Track, look: Look, scale: Tensor, scene: Scene,
           moments: Tensor, camera: Camera, light: Light, aspect: float) -> None:  # fmt: skip
    _puffs(frames, grid, scene, subject, moments, camera, aspect, "#fffaf2", (0.22, -0.30), 0.14, 0.8)
    if subject.motion in ("rise", "fall", "circle"):
        return
    for car in range(CARS, 0, -1):
        color = dataclasses.replace(look, base=mixed(look.base, "#ffffff", 0.0))
        stamp(frames, grid, "car", color, path.x - path.facing * path.half * 2 * CAR_GAP * car, path.y, path.half,
              facing=path.facing, beat=path.beat, stretch=path.stretch)  # fmt: skip


def _puffs(frames: Tensor, grid: Grid, scene: Scene, subject: Subject, moments: Tensor, camera: Camera, aspect: float,
           color: str, outlet: tuple[float, float], growth: float, alpha: float, shape: str = "puff") -> None:  # fmt: skip
    """What a subject leaves behind: each puff starts where the outlet was, rises, grows and fades."""
    look = Look(color, color, color, color, shadow=0.12, alpha=alpha)
    across, down = camera.shift(NEARNESS)
    scale = camera.scale(NEARNESS)
    step = PUFF_LIFE / PUFFS
    still = camera.__class__(
        *(torch.zeros_like(moments) if k in (0, 1, 4) else torch.ones_like(moments) for k in range(5))
    )
    for k in range(PUFFS):
        age = torch.remainder(moments + step * k, PUFF_LIFE)
        start = track(scene, subject, moments - age, still, aspect)
        cos, sin = start.tilt.cos(), start.tilt.sin()
        dx, dy = outlet[0] * start.facing * subject.size, outlet[1] * subject.size
        x = start.x + cos * dx - sin * dy
        y = start.y + sin * dx + cos * dy - (0.05 if shape == "puff" else 0.16) * age
        part = age / PUFF_LIFE
        x = x + (0.015 * torch.sin(age * 5.0 + k) if shape == "bubble" else 0.0)
        half = (
            (0.022 + growth * 0.35 * part) * scale if shape == "puff" else (0.008 + 0.004 * (k % 3)) * scale
        )
        stamp(
            frames,
            grid,
            shape,
            look,
            (x - across) * scale,
            (y - down) * scale,
            half,
            fade=(1.0 - part) ** 0.7,
        )


def _wake(frames: Tensor, grid: Grid, path: Track) -> None:
    look = Look("#e8f0ff", "#e8f0ff", "#e8f0ff", shadow=0.0, alpha=0.7)
    stamp(frames, grid, "wake", look, path.x - path.facing * path.half * 1.1, path.y + path.half * 0.72, path.half * 0.9,
          facing=path.facing)  # fmt: skip


def _beam(frames: Tensor, grid: Grid, path: Track, moments: Tensor, subject: Subject) -> None:
    turn = torch.sin(2 * math.pi * (moments / 4.0 + subject.phase))
    turn = torch.where(turn.abs() < 0.12, torch.where(turn < 0, -0.12, 0.12), turn)
    look = Look("#ffe9a8", "#ffe9a8", "#ffe9a8", "#ffe9a8", shadow=0.0, alpha=0.7)
    stamp(frames, grid, "beam", look, path.x, path.y - path.half * 0.66, path.half * 2.2, facing=turn)


__all__ = ["TRAVEL", "draw", "paper", "shape_of"]
