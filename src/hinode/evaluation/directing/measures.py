"""What is measured in frames: changes, likeness, masks; and columns of records."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from hinode.clip import Frames
from hinode.evaluation.book.poses import subject_poses
from hinode.evaluation.records import Record
from hinode.evaluation.results import Row, share
from hinode.request import Size
from hinode.world.book.plan import ScenePlan
from hinode.world.book.scene import Scene

MAX_PSNR = 100.0
"""PSNR of identical frames; a difference of one level in one value gives less."""
MARGIN = 1.24
"""Half of a mask's side, in halves of the subject's size: its shadow is in it."""


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


def at_rest(scene: Scene) -> Scene:
    """The same scene with a subject and a camera that stand still: only weather, waves and wings move."""
    (subject,) = scene.subjects
    subject = dataclasses.replace(subject, motion="still")
    return dataclasses.replace(scene, subjects=(subject,), camera="still")


def subject_mask(plan: ScenePlan, frames: int, size: Size, *, still: bool) -> Frames:
    """Where the subject of a plan is, and a little more: white boxes, uint8 [T, H, W, 3], or one that covers
    its whole path, [1, H, W, 3]."""
    width, height = size
    short = min(size)
    pose = subject_poses(plan, 0, frames, width / height)
    half = (MARGIN * pose.half * short + 1).numpy()
    wide, tall = (
        np.abs(np.arange(count)[None] + 0.5 - (place.numpy()[:, None] * short + count / 2)) <= half[:, None]
        for count, place in ((width, pose.x), (height, pose.y))
    )
    moving = tall[:, :, None] & wide[:, None, :]
    boxes = np.logical_or.reduce(moving, 0, keepdims=True) if still else moving
    mask: Frames = np.repeat(boxes[..., None], 3, -1).astype(np.uint8) * 255
    return mask


def of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    """The records of one kind of case."""
    return [record for record in records if record["kind"] == kind]


def column(records: Sequence[Record], *path: str) -> list[Any]:
    """One value of every record; `path`: its key, and keys inside it."""
    return [functools.reduce(operator.getitem, path, record) for record in records]


def with_truth(
    metric: str, what: str, hits: Sequence[bool], true: Sequence[bool], minimum: float | None = None
) -> list[Row]:
    """A share, which may have a target, and the same of the truth."""
    return [share(metric, what, hits, minimum), share(metric, f"{what} (truth)", true)]


def ratios(records: Sequence[Record], name: str, other: str) -> list[float]:
    """One value of every record as a multiple of another."""
    return [record[name] / max(record[other], 1e-3) for record in records]
