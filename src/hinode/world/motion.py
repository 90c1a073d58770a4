"""Closed-form motion: where each subject and the camera are at any moment, without a stepwise simulation.

Shapes: B scenes, T moments. Positions are fractions of the frame, sizes are in short sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.world.scene import MAX_SUBJECTS, Scene, Subject

SPEED = 0.22  # frame widths or heights per second along a straight path
MARGIN = 0.22  # a straight path leaves the frame by this much before it enters again on the other side
BOUNCE_PERIOD, BOUNCE_HEIGHT = 1.0, 0.36  # seconds from ground to ground, frame heights
CIRCLE_PERIOD, CIRCLE_RADIUS = 2.2, 0.19  # seconds per turn, short sides
PAN_SPEED = 0.24  # short sides per second, of the nearest layer
ZOOM_RATE = 0.26  # e-folds per second at the start of a zoom


@dataclass(frozen=True)
class Path:
    """The path of one subject per scene. All tensors are [B, T].

    `x`, `y`: centre in frame fractions. `tilt`: radians. `facing`: 1 right, -1 left ([B, 1]).
    `beat`: 0..1, the phase of flapping wings, rolling balls and flickering flames.
    """

    x: Tensor
    y: Tensor
    tilt: Tensor
    facing: Tensor
    beat: Tensor

    @property
    def places(self) -> Tensor:
        """`x` and `y`, [B, T, 2]."""
        return torch.stack((self.x, self.y), -1)


@dataclass(frozen=True)
class Camera:
    """The camera of each scene: `pan` in short sides of the nearest layer, `zoom` as a factor. [B, T]."""

    pan: Tensor
    zoom: Tensor


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype)[:, None]


def subject_path(subjects: Sequence[Subject], moments: Tensor, aspect: float) -> Path:
    """Follow one subject per scene. `moments`: seconds, [B, T]. `aspect`: frame width / height, so that
    circles are round in pixels."""

    x0, y0, speed, phase = (
        _column([getattr(subject, name) for subject in subjects], moments)
        for name in ("x", "y", "speed", "phase")
    )

    def doing(name: str) -> Tensor:
        return _column([subject.motion == name for subject in subjects], moments)

    travelled = SPEED * speed * moments
    turn = 2.0 * math.pi * (moments * speed / CIRCLE_PERIOD + phase)
    hop = torch.remainder(moments * speed / BOUNCE_PERIOD + phase, 1.0)
    radius_x = CIRCLE_RADIUS / max(aspect, 1.0)
    radius_y = CIRCLE_RADIUS * min(aspect, 1.0)
    dx = (doing("right") - doing("left")) * travelled + doing("circle") * radius_x * torch.cos(turn)
    dy = (doing("fall") - doing("rise")) * travelled + doing("circle") * radius_y * torch.sin(turn)
    # a ballistic hop: 4h(1-h) is 0 on the ground and 1 at the top; the anchor is the middle of the hop
    dy = dy + doing("bounce") * BOUNCE_HEIGHT * (0.5 - 4.0 * hop * (1.0 - hop))
    x, y = (torch.remainder(place + MARGIN, 1.0 + 2.0 * MARGIN) - MARGIN for place in (x0 + dx, y0 + dy))
    tilt = 0.07 * torch.sin(2.0 * math.pi * (moments / 1.9 + phase))
    return Path(x, y, tilt, 1.0 - 2.0 * doing("left"), torch.remainder(moments * 1.25 + phase, 1.0))


def camera_path(scenes: Sequence[Scene], moments: Tensor) -> Camera:
    """Follow the camera. A pan has a constant speed; a zoom slows down after about three seconds."""
    pace = _column([scene.pace for scene in scenes], moments)

    def doing(name: str) -> Tensor:
        return _column([scene.camera == name for scene in scenes], moments)

    pan = (doing("pan right") - doing("pan left")) * PAN_SPEED * moments * pace
    seconds = 3.0 * torch.tanh(moments / 3.0)  # of zooming at full speed
    zoom_in, zoom_out = doing("zoom in"), doing("zoom out")
    exponent = (zoom_in - zoom_out) * ZOOM_RATE * seconds * pace - 0.18 * zoom_in + 0.27 * zoom_out
    return Camera(pan=pan, zoom=torch.exp(exponent))


def presence(scenes: Sequence[Scene], moments: Tensor, x: Tensor, y: Tensor, aspect: float) -> Tensor:
    """How near each place and moment is to a subject, 0..1: a soft disc about as large as its cut-out.
    `moments`: seconds, [B, T]. `x` [w] and `y` [h]: places in frame fractions. Returns [B, T, h, w]."""
    total = torch.zeros(*moments.shape, len(y), len(x), device=moments.device)
    zoom = camera_path(scenes, moments).zoom
    for layer in range(MAX_SUBJECTS):
        index = [i for i, s in enumerate(scenes) if len(s.subjects) > layer]
        if not index:
            continue
        subjects = [scenes[i].subjects[layer] for i in index]
        path = subject_path(subjects, moments[index], aspect)
        half = zoom[index] * torch.tensor([[s.size / 2] for s in subjects], device=moments.device)
        dx = (x - path.x[:, :, None]) * max(aspect, 1.0)
        dy = (y - path.y[:, :, None]) * max(1.0 / aspect, 1.0)
        distance = torch.hypot(dx[:, :, None, :], dy[:, :, :, None]) / half[:, :, None, None]
        total[index] += (1.6 - distance).clamp(0.0, 1.0)
    return total.clamp_(max=1.0)
