"""Closed-form motion: where each subject and the camera are at any moment, without a stepwise simulation.

T moments in seconds. Lengths are in short sides of the frame from its middle, x to the right, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.world.book.scene import Scene, Subject

TRAVEL = 0.34  # short sides per second along a straight path
HOP_PERIOD, HOP_HEIGHT = 1.0, 0.34  # seconds from ground to ground, short sides
TURN_PERIOD, TURN_RADIUS = 2.4, 0.17  # seconds per turn, short sides
PAN, TILT = 0.2, 0.12  # short sides per second of the nearest layer
ZOOM = 0.22  # e-folds per second at the start of a zoom
BEATS = {"bird": 1.3, "gull": 1.0, "fish": 1.2, "whale": 0.45, "cat": 1.2, "camel": 0.8, "rover": 0.8,
         "rocket": 3.0, "train": 1.4}  # fmt: skip
"""Beats per second: flaps, steps, turns of wheels; 0.6 for the others."""
NEARNESS = 0.7
"""How far a subject follows a camera's move, where the nearest layer follows all of it."""
PROFILES = ("bird", "gull", "fish", "whale", "boat", "cat", "camel", "sledge", "train", "rover")
"""Kinds that are drawn from the side: they turn round to go the other way."""


@dataclass(frozen=True)
class Camera:
    """The camera, each [T]: `pan` and `tilt` in short sides of the nearest layer, `zoom` and `dolly` as
    factors, `orbit` in short sides."""

    pan: Tensor
    tilt: Tensor
    zoom: Tensor
    dolly: Tensor
    orbit: Tensor

    def shift(self, depth: float) -> tuple[Tensor, Tensor]:
        """By how much a layer at a depth (0 far .. 1 near) moves, x and y in short sides."""
        across = self.pan * depth + self.orbit * (depth - NEARNESS)
        return across, self.tilt * (0.8 + 0.2 * depth)

    def scale(self, depth: float) -> Tensor:
        """By how much a layer at a depth is enlarged."""
        return self.zoom * (1.0 + (self.dolly - 1.0) * depth)


@dataclass(frozen=True)
class Track:
    """The path of one subject as the camera sees it, each [T].

    `x`, `y`: its middle. `half`: half of its size. `tilt`: radians, clockwise. `facing`: 1 right, -1 left,
    between while it turns round. `beat`: phase of its steps or wings, 0..1. `height`: above what it stands
    on, 0 in the air; `stretch`: factor of its height.
    """

    x: Tensor
    y: Tensor
    half: Tensor
    tilt: Tensor
    facing: Tensor
    beat: Tensor
    height: Tensor
    stretch: Tensor


def still_camera(moments: Tensor) -> Camera:
    """A camera that does not move."""
    zero, unit = torch.zeros_like(moments), torch.ones_like(moments)
    return Camera(zero, zero, unit, unit, zero)


def camera_path(scene: Scene, moments: Tensor, aspect: float) -> Camera:
    """Follow the camera of a scene. Pans, tilts and orbits have constant speed; zooms slow down after about
    three seconds."""
    zero, unit = torch.zeros_like(moments), torch.ones_like(moments)
    pan, tilt, zoom, dolly, orbit = zero, zero, unit, unit, zero
    move, pace = scene.camera, scene.pace
    if move in ("pan left", "pan right"):
        pan = moments * (PAN * pace * (1 if move == "pan right" else -1))
    elif move in ("tilt up", "tilt down"):
        way = -1 if move == "tilt up" else 1
        tilt = way * (TILT * pace * 6.0 * torch.tanh(moments / 6.0) - 0.14)
    elif move in ("zoom in", "zoom out", "dolly in", "dolly out"):
        spent = ZOOM * pace * 3.0 * torch.tanh(moments / 3.0)
        factor = torch.exp(spent - 0.12 if move.endswith("in") else 0.32 - spent)
        zoom, dolly = (factor, unit) if move.startswith("zoom") else (unit, factor)
    elif move == "orbit":
        orbit = moments * (0.22 * pace * (1 if scene.seed % 2 else -1))
    elif move == "follow" and scene.subjects:
        x, _ = _path(scene.subjects[0], moments, aspect)
        start, _ = _path(scene.subjects[0], torch.zeros_like(moments[:1]), aspect)
        pan = (x - start) / NEARNESS
    return Camera(pan, tilt, zoom, dolly, orbit)


def _path(subject: Subject, moments: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
    """The middle of a subject before the camera moves."""
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    x = torch.full_like(moments, (subject.x - 0.5) * wide)
    y = torch.full_like(moments, (subject.y - 0.5) * high)
    gone = TRAVEL * subject.speed * moments
    if subject.rest == "rails":
        gone = gone * 1.2
    match subject.motion:
        case "left":
            x = x - gone
        case "right":
            x = x + gone
        case "rise":
            y = y - gone * 0.8
        case "fall":
            y = y + gone * 0.8
        case "circle":
            turn = 2.0 * math.pi * (moments * subject.speed / TURN_PERIOD + subject.phase)
            x = x + TURN_RADIUS * turn.cos()
            y = y + TURN_RADIUS * turn.sin()
        case "bounce":
            y = y - hop(subject, moments)
    if subject.rest == "water":
        y = y + 0.012 * torch.sin(2.0 * math.pi * (moments / 2.3 + subject.phase))
    elif subject.rest == "air" and subject.motion != "fall" and subject.kind not in ("planet", "rocket"):
        y = y + 0.012 * torch.sin(2.0 * math.pi * (moments / 1.9 + subject.phase))
    return x, y


def hop(subject: Subject, moments: Tensor) -> Tensor:
    """Height above the ground of a subject that bounces, [T] in short sides."""
    part = torch.remainder(moments * subject.speed / HOP_PERIOD + subject.phase, 1.0)
    high = HOP_HEIGHT * (1.0 if subject.kind == "ball" else 0.45)
    return high * 4.0 * part * (1.0 - part)


def contacts(subject: Subject, start: float, end: float) -> list[float]:
    """The moments from `start` to `end` (seconds) at which a subject that bounces touches the ground."""
    if subject.motion != "bounce":
        return []
    period = HOP_PERIOD / subject.speed
    first = math.ceil(start / period + subject.phase)
    moments = [(k - subject.phase) * period for k in range(first, first + int((end - start) / period) + 2)]
    return [moment for moment in moments if start <= moment < end]


def track(scene: Scene, subject: Subject, moments: Tensor, camera: Camera, aspect: float) -> Track:
    """Follow one subject of a scene as the camera sees it."""
    x, y = _path(subject, moments, aspect)
    height = hop(subject, moments) if subject.motion == "bounce" else torch.zeros_like(moments)
    across, down = camera.shift(NEARNESS)
    scale = camera.scale(NEARNESS)
    stretch = torch.ones_like(moments)
    if subject.motion == "bounce":  # it is pressed flat for a moment where it touches the ground
        stretch = 1.0 - 0.22 * (1.0 - height / (0.06 * (1.0 if subject.kind == "ball" else 0.5))).clamp(
            0.0, 1.0
        )
    return Track(
        x=(x - across) * scale,
        y=(y - down + (1.0 - stretch) * subject.size / 2) * scale,
        half=scale * (subject.size / 2),
        tilt=_tilt(subject, moments),
        facing=_facing(subject, moments),
        beat=torch.remainder(moments * BEATS.get(subject.kind, 0.6) * subject.speed + subject.phase, 1.0)
        if subject.motion != "still" or subject.rest == "air"
        else torch.remainder(0.12 * torch.sin(moments * 2.0) + subject.phase, 1.0),
        height=height,
        stretch=stretch,
    )


def _facing(subject: Subject, moments: Tensor) -> Tensor:
    facing = torch.full_like(moments, float(subject.facing))
    if subject.motion == "circle" and subject.kind in PROFILES:
        turn = 2.0 * math.pi * (moments * subject.speed / TURN_PERIOD + subject.phase)
        facing = (-turn.sin() * 4.0).clamp(-1.0, 1.0)
        facing = torch.where(facing.abs() < 0.15, torch.where(facing < 0, -0.15, 0.15), facing)
    return facing


def _tilt(subject: Subject, moments: Tensor) -> Tensor:
    sway = torch.sin(2.0 * math.pi * (moments / 1.9 + subject.phase))
    way = subject.facing
    kind, motion = subject.kind, subject.motion
    if kind == "ball":
        turns = TRAVEL * subject.speed * moments / (subject.size / 2)
        return turns * {"left": -1.0, "right": 1.0}.get(motion, 0.35 * way)
    if kind == "rocket":
        if motion in ("left", "right"):
            return torch.full_like(moments, 1.25 * way)
        if motion == "circle":
            return 2.0 * math.pi * (moments * subject.speed / TURN_PERIOD + subject.phase) + math.pi
        return 0.03 * sway
    if kind in ("lighthouse", "cottage", "clock tower", "snowman", "planet") and subject.rest != "air":
        return torch.zeros_like(moments)
    if kind in PROFILES and motion in ("rise", "fall") and kind not in ("boat", "train"):
        return 0.05 * sway + (-0.45 if motion == "rise" else 0.45) * way
    if subject.rest in ("ground", "rails"):
        return torch.zeros_like(moments)
    return {"water": 0.05, "air": 0.06}[subject.rest] * sway
