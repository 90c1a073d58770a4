"""Known damages of true clips, which the measures have to find.

Each takes a clip float32 [T, 3, H, W], 0..1, and returns a damaged copy; some need the clip's plan, whose
first subject they damage.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional

from hinode.evaluation.book.poses import FPS, all_poses, light, subject_poses
from hinode.world.book.picture import actors
from hinode.world.book.picture.canvas import frame_grid, stamp
from hinode.world.book.picture.render import render
from hinode.world.book.plan import ScenePlan
from hinode.world.book.scene import Scene

WAVES = 8  # frames from one bending of a warped subject to the next
BUMPS = 5  # across a subject
ASIDE = 0.34  # how far a second copy lies from the first, in widths or heights


def warped(video: Tensor, plan: ScenePlan, strength: float = 0.1) -> Tensor:
    """The subject bent by waves that change slowly; their mean height is `strength` of its size."""
    frames, _, height, width = video.shape
    short = min(height, width)
    pose = subject_poses(plan, 0, frames, width / height)
    generator = torch.Generator().manual_seed(0)
    knots = torch.randn(2, frames // WAVES + 2, BUMPS + 2, BUMPS + 2, generator=generator)
    waves = functional.interpolate(knots[None], (frames, 64, 64), mode="trilinear", align_corners=True)[0]
    waves = waves / waves.square().sum(0).mean((-2, -1), keepdim=True).sqrt()
    right = (torch.arange(width) + 0.5 - width / 2) / short - pose.x[:, None, None]
    down = ((torch.arange(height) + 0.5 - height / 2) / short)[:, None] - pose.y[:, None, None]
    right = (right / pose.half[:, None, None]).expand(-1, height, -1)
    down = (down / pose.half[:, None, None]).expand(-1, -1, width)
    at = torch.stack((right, down), -1) / 1.6
    bend = functional.grid_sample(waves.transpose(0, 1), at, align_corners=False, padding_mode="border")
    fade = (1.6 - torch.hypot(right, down)).clamp(0.0, 0.4) / 0.4
    bend = bend * fade[:, None] * strength * 2 * pose.half.view(-1, 1, 1, 1)
    across, along = (torch.arange(size) * 2 + 1.0 - size for size in (width, height))
    bend = bend * 2 * short
    grid = torch.stack(((across + bend[:, 0]) / width, (along[:, None] + bend[:, 1]) / height), -1)
    return functional.grid_sample(video, grid, align_corners=False, padding_mode="border")


def blurred(video: Tensor, radius: float = 1.0) -> Tensor:
    """Every frame under a Gaussian of `radius` pixels."""
    reach = math.ceil(3 * radius)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / radius) ** 2)
    line = (line / line.sum()).expand(3, 1, 1, -1)
    padded = functional.pad(video, (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, line, groups=3), line.transpose(-1, -2), groups=3)


def missing(scene: Scene, frames: int, width: int, height: int) -> Tensor:
    """The clip of a scene without its first subject."""
    first, *others = scene.subjects
    # a camera that follows it still has to know its way
    rest = (dataclasses.replace(first, size=1e-4), *others) if scene.camera == "follow" else tuple(others)
    empty = dataclasses.replace(scene, subjects=rest)
    return render([empty], frames=frames, fps=FPS, width=width, height=height)[0]


def doubled(video: Tensor, plan: ScenePlan, aside: float = ASIDE) -> Tensor:
    """A second copy of the subject, `aside` widths or heights away to the side with the most room."""
    frames, _, height, width = video.shape
    subject, poses = plan.subjects[0], all_poses(plan, frames, width / height)
    pose, short = poses[0], min(height, width)
    wide, high = width / short, height / short

    def free_length(step: tuple[float, float]) -> float:
        x, y = pose.x + step[0], pose.y + step[1]
        edge = torch.minimum(wide / 2 - x.abs(), high / 2 - y.abs()).amin()
        others = [torch.hypot(x - other.x, y - other.y).amin() for other in poses]
        return float(torch.stack((edge * 2, *others)).amin())

    steps = [(aside * wide * right, aside * high * down)
             for right in (-1, 0, 1) for down in (-1, 0, 1) if right or down]  # fmt: skip
    right, down = max(steps, key=free_length)
    canvas = video.clone()
    look = actors.paper(subject.color, light(plan))
    stamp(canvas, frame_grid(width, height), actors.shape_name(subject.kind), look,
          pose.x + right, pose.y + down, pose.half,
          tilt=pose.tilt, facing=pose.facing, beat=pose.beat)  # fmt: skip
    return canvas


def shuffled(video: Tensor) -> Tensor:
    """The frames in another order."""
    return video[torch.randperm(len(video), generator=torch.Generator().manual_seed(0))]


def pulsing(video: Tensor, strength: float = 0.05) -> Tensor:
    """Every fourth frame darker."""
    gain = torch.where(torch.arange(len(video)) % 4 == 3, 1.0 - strength, 1.0)
    return video * gain[:, None, None, None]


def halting(video: Tensor) -> Tensor:
    """Every second frame twice."""
    return video[torch.arange(len(video)) // 2 * 2]


def crisp_start(video: Tensor) -> Tensor:
    """The first frame as it is, the others blurred."""
    return torch.cat((video[:1], blurred(video[1:])))
