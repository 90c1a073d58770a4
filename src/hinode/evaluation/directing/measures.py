"""What is measured in frames: change from one to the next, likeness, and where the subject is."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.records import Record
from hinode.world.detector import TRIPLES
from hinode.world.judge import MOMENTS, SPAN, places
from hinode.world.motion import camera_path, subject_path
from hinode.world.scene import Scene

MAX_PSNR = 100.0
"""PSNR of identical frames; a difference of one level in one value gives less."""
PLACE_SECONDS = tuple((first + 1) * SPAN / MOMENTS for first in TRIPLES)
"""When the judge locates the subject: amid each triple of frames."""


def changes(frames: Frames) -> np.ndarray:
    """Mean absolute difference of each frame to the one before, in levels of 255: float [T - 1]."""
    levels = frames.astype(np.float32)
    values: np.ndarray = np.abs(levels[1:] - levels[:-1]).mean((1, 2, 3))
    return values


def seam(frames: Frames, at: int) -> float:
    """The change into frame `at` as a multiple of the clip's median change; into frame 0 the change from the
    last frame, as in a loop."""
    steps = changes(np.concatenate((frames[-1:], frames)))
    median = float(np.median(np.delete(steps[1:], at - 1) if at else steps[1:]))
    return float(steps[at]) / max(median, 1e-3)


def psnr(frames: Frames, other: Frames) -> float:
    """Peak signal-to-noise ratio in dB, `MAX_PSNR` at most."""
    error = float(np.square(frames.astype(np.float64) - other).mean())
    return MAX_PSNR if error == 0 else min(MAX_PSNR, float(10 * np.log10(255**2 / error)))


def true_places(scenes: Sequence[Scene], aspect: float, start: float = 0.0) -> Tensor:
    """Where subjects truly are, `PLACE_SECONDS` after `start`: [B, 8, 2]."""
    moments = (start + torch.tensor(PLACE_SECONDS)).expand(len(scenes), -1)
    return subject_path([scene.subjects[0] for scene in scenes], moments, aspect).places


def locate(clips: Sequence[Frames], harness: Harness) -> Tensor:
    """Where the judge locates the subjects of clips: [B, 8, 2]."""
    return places(torch.from_numpy(np.stack(clips)), harness.fps, harness.net)


def distance(at: Tensor, other: Tensor, aspect: float) -> Tensor:
    """Distance of places [..., 2] in frame widths: [...]."""
    return torch.hypot(at[..., 0] - other[..., 0], (at[..., 1] - other[..., 1]) / aspect)


def inside(at: Tensor, half: Tensor | float, aspect: float) -> Tensor:
    """Whether something at a place [..., 2] that extends `half` short sides in each direction is completely
    in the frame."""
    wide, high = max(aspect, 1.0), max(1 / aspect, 1.0)
    reach = torch.stack((torch.as_tensor(half) / wide, torch.as_tensor(half) / high), -1)
    return ((at >= reach) & (at <= 1 - reach)).all(-1)


def mean_distances(clips: Sequence[Frames], truth: Tensor, harness: Harness) -> list[float]:
    """Mean distance of each clip's subject from places [B, 8, 2], in frame widths; places outside the frame
    do not count."""
    distances = distance(locate(clips, harness), truth, harness.aspect)
    counted = inside(truth, 0.0, harness.aspect)
    means: list[float] = ((distances * counted).sum(1) / counted.sum(1).clamp(min=1)).tolist()
    return means


def at_rest(scene: Scene) -> Scene:
    """The same scene with a subject and a camera that stand still: only weather, waves and wings move."""
    (subject,) = scene.subjects
    subject = dataclasses.replace(subject, motion="still")
    return dataclasses.replace(scene, subjects=(subject,), camera="still")


def subject_mask(scene: Scene, frames: int, fps: float, size: tuple[int, int], *, still: bool) -> Frames:
    """Where the subject of a scene is, and a little more: white boxes, uint8 [T, H, W, 3], or one that covers
    its whole path, [1, H, W, 3]."""
    width, height = size
    moments = (torch.arange(frames) / fps)[None]
    path = subject_path(scene.subjects, moments, width / height)
    zoom = camera_path([scene], moments).zoom
    half = (0.62 * scene.subjects[0].size * zoom[0] * min(width, height) + 1).numpy()
    wide, tall = (
        np.abs(np.arange(count)[None] + 0.5 - place[0].numpy()[:, None] * count) <= half[:, None]
        for count, place in ((width, path.x), (height, path.y))
    )
    boxes = tall[:, :, None] & wide[:, None, :]
    if still:
        boxes = boxes.any(0, keepdims=True)
    mask: Frames = np.repeat(boxes[..., None], 3, -1).astype(np.uint8) * 255
    return mask


def of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    """The records of one kind of case."""
    return [record for record in records if record["kind"] == kind]


def column(records: Sequence[Record], *path: str) -> list[Any]:
    """One value of every record; `path`: its key, and keys inside it."""
    return [functools.reduce(operator.getitem, path, record) for record in records]


def ratios(records: Sequence[Record], name: str, other: str) -> list[float]:
    """One value of every record as a multiple of another."""
    return [record[name] / max(record[other], 1e-3) for record in records]
