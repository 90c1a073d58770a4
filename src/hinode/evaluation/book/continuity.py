"""Whether as many subjects as planned are there in every frame, whole, and go their way without jumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.evaluation.book.fit import Fit, fit_at
from hinode.evaluation.book.poses import Poses
from hinode.evaluation.book.search import places
from hinode.world.book.picture.actors import CARRIAGE_STEP, CARRIAGES
from hinode.world.book.plan import ScenePlan

MISSING = 0.45
"""Agreement with its cut-out below which a subject is not there."""
TORN = 0.6
"""Agreement, over the truth's in that frame, below which a subject is not whole."""
CLEAR = 0.7
"""Agreement of the truth below which nothing is said about a frame: something covers the subject."""
DOUBLE = 0.75
"""Agreement and coverage above which what was found elsewhere is one subject too many."""
JUMP = 0.03
"""How far a subject may be from where it was a frame ago, in widths, beyond its planned step."""
CLEARANCE = 1.3
"""Around every planned subject nothing else is looked for, in halves of the size of the larger one."""
LOOKS = 8
"""Frames of a clip in which subjects too many are looked for."""


@dataclass(frozen=True)
class Faults:
    """In how many frames of a clip, or steps between frames, a fault was found.

    `missing`: a planned subject is not there. `torn`: it is there, but not whole. `doubled`: there is a
    subject that was not planned, of the `LOOKS` frames that are looked at. `returned`: the same, while a
    subject of the plan is out of view. `jumps`: a subject is farther from where it was than its speed allows.
    """

    missing: int
    torn: int
    doubled: int
    returned: int
    jumps: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.missing + self.torn + self.doubled + self.returned + self.jumps


def find_faults(
    video: Tensor,
    plan: ScenePlan,
    poses: list[Poses],
    maps: Sequence[Tensor],
    fits: Sequence[Fit],
    truths: Sequence[Fit] | None = None,
) -> Faults:
    """Count the faults of a clip.

    Args:
        video: float32 [T, 3, H, W], 0..1.
        poses: of all subjects of the plan, from `poses.all_poses`.
        maps: of each subject, from `search.match`.
        fits: of each subject.
        truths: fits of the true clip of this plan; without them nothing is known of what covers a subject.
    """
    missing = torn = jumps = 0
    aspect = video.shape[-1] / min(video.shape[-2:])
    for number, fit in enumerate(fits):
        judged, bound = fit.visible, torch.full_like(fit.agreement, TORN)
        if truths is not None:
            truth = truths[number].agreement
            judged = judged & (truth >= CLEAR)
            bound = TORN * truth
        absent = judged & (fit.agreement < MISSING)
        missing += int(absent.sum())
        torn += int((judged & ~absent & (fit.agreement < bound)).sum())
        pose = poses[number]
        planned = torch.hypot(pose.x.diff(), pose.y.diff()) / aspect
        right, down = pose.x.diff() / aspect + fit.right.diff(), pose.y.diff() / aspect + fit.down.diff()
        step = torch.hypot(right, down)
        sure = judged & (fit.agreement >= MISSING)
        jumps += int((sure[1:] & sure[:-1] & (step > 2 * planned + JUMP)).sum())
    doubled, returned = _strangers(video, plan, poses, maps)
    return Faults(missing, torn, doubled, returned, jumps)


def _strangers(video: Tensor, plan: ScenePlan, poses: list[Poses], maps: Sequence[Tensor]) -> tuple[int, int]:
    """In how many frames there is a subject too many: while all are in view, and while one is not."""
    frames = torch.linspace(0, len(video) - 1, LOOKS).round().long()
    those = [pose[frames] for pose in poses]
    too_many = torch.zeros(len(frames), dtype=torch.bool)
    for number in range(len(poses)):
        values = maps[number][frames]
        right, down = places(values)
        for k, pose in enumerate(those):
            subject = plan.subjects[k]
            cars = CARRIAGES if subject.kind == "train" and subject.rest != "air" else 0
            clearance = CLEARANCE * torch.maximum(pose.half, those[number].half)
            for car in range(cars + 1):
                x = pose.x - pose.facing * pose.half * 2 * CARRIAGE_STEP * car
                far = torch.hypot(right - x[:, None, None], down - pose.y[:, None, None])
                values = values.masked_fill(far < clearance[:, None, None], -torch.inf)
        index = values.flatten(1).argmax(1)
        x, y = right.flatten()[index % values.shape[-1]], down.flatten()[index // values.shape[-1]]
        other = fit_at(video[frames], plan, number, those, x, y)
        too_many |= other.visible & (other.agreement > DOUBLE) & (other.coverage > DOUBLE)
    short = min(video.shape[-2:])
    away = torch.zeros_like(too_many)
    for pose in those:
        away |= (pose.x.abs() > video.shape[-1] / (2 * short)) | (
            pose.y.abs() > video.shape[-2] / (2 * short)
        )
    return int((too_many & ~away).sum()), int((too_many & away).sum())
