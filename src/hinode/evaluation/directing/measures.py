"""What is measured in frames: change from one to the next, likeness, and where the subject is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.world.detector import TRIPLES
from hinode.world.judge import MOMENTS, SPAN
from hinode.world.motion import camera_path, subject_path
from hinode.world.scene import Scene

EXACT_DB = 100.0
"""What frames without any difference count as; a difference of one level in one value is less."""

SEEN_AT = tuple((first + 1) * SPAN / MOMENTS for first in TRIPLES)
"""Seconds at which a subject's place is read: amid each run of three frames that the judge looks at."""


def changes(frames: Frames) -> np.ndarray:
    """Mean absolute difference of each frame to the one before, in levels of 255: float [T - 1]."""
    levels = frames.astype(np.float32)
    values: np.ndarray = np.abs(levels[1:] - levels[:-1]).mean((1, 2, 3))
    return values


def joint(frames: Frames, at: int) -> float:
    """The step into frame `at` as a multiple of the clip's median step; 0 means the frame before it, and for
    the first one the last, so that of a loop is at 0."""
    steps = changes(np.concatenate((frames[-1:], frames)))
    usual = float(np.median(np.delete(steps[1:], at - 1) if at else steps[1:]))
    return float(steps[at]) / max(usual, 1e-3)


def psnr(one: Frames, other: Frames) -> float:
    """Peak signal-to-noise ratio in dB, `EXACT_DB` at most."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return EXACT_DB if error == 0 else min(EXACT_DB, float(10 * np.log10(255**2 / error)))


def true_places(scenes: Sequence[Scene], aspect: float, start: float = 0.0) -> Tensor:
    """Where subjects really are `SEEN_AT` seconds after `start`: [B, 8, 2]."""
    moments = (start + torch.tensor(SEEN_AT)).expand(len(scenes), -1)
    path = subject_path([scene.subjects[0] for scene in scenes], moments, aspect)
    return torch.stack((path.x, path.y), -1)


def apart(one: Tensor, other: Tensor, aspect: float) -> Tensor:
    """Distance of places [..., 2] in frame widths: [...]."""
    return torch.hypot(one[..., 0] - other[..., 0], (one[..., 1] - other[..., 1]) / aspect)


def inside(at: Tensor, half: Tensor | float, aspect: float) -> Tensor:
    """Whether something at a place [..., 2] that reaches `half` short sides to each side is all in the
    picture."""
    wide, high = max(aspect, 1.0), max(1 / aspect, 1.0)
    reach = torch.stack((torch.as_tensor(half) / wide, torch.as_tensor(half) / high), -1)
    return ((at >= reach) & (at <= 1 - reach)).all(-1)


def resting(scene: Scene) -> Scene:
    """The same scene in which nobody goes anywhere and the camera stands still: only weather, waves and wings
    move."""
    (one,) = scene.subjects
    return dataclasses.replace(scene, subjects=(dataclasses.replace(one, motion="still"),), camera="still")


def masks(scene: Scene, frames: int, fps: float, width: int, height: int, *, still: bool) -> Frames:
    """Where the subject of a scene is, and a little more: white boxes, uint8 [T, H, W, 3], or one that covers
    all of its way, [1, H, W, 3]."""
    moments = (torch.arange(frames) / fps)[None]
    path = subject_path(scene.subjects, moments, width / height)
    zoom = camera_path([scene], moments).zoom
    half = (0.62 * scene.subjects[0].size * zoom[0] * min(width, height) + 1).numpy()
    x, y = path.x[0].numpy() * width, path.y[0].numpy() * height
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    boxes = (np.abs(rows[None] - y[:, None]) <= half[:, None])[:, :, None] & (
        np.abs(columns[None] - x[:, None]) <= half[:, None]
    )[:, None, :]
    if still:
        boxes = boxes.any(0, keepdims=True)
    shown: Frames = np.repeat(boxes[..., None], 3, -1).astype(np.uint8) * 255
    return shown
