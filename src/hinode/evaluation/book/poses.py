"""Where a plan puts each subject in every frame, and what its cut-out looks like there.

T frames at `FPS`. Lengths are in short sides of the frame from its middle, x to the right, y down, as in
`world.book`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hinode.world.book.picture import actors, palette, weather
from hinode.world.book.picture.canvas import REACH, Grid, Look, mixed, rgb, stamp
from hinode.world.book.plan import ScenePlan, SubjectPlan, key_times
from hinode.world.book.scene import Scene

FPS = 24.0
TEXTURE = 48
"""Pixels of a cut-out's texture along a side."""
BACKWARDS = 0.1
"""The largest step of a beat between two keys that is read as going back."""


@dataclass(frozen=True)
class Poses:
    """A subject in every frame, each [T]: its middle, half of its size, tilt in radians clockwise, facing -1
    to 1, phase of its beat."""

    x: Tensor
    y: Tensor
    half: Tensor
    tilt: Tensor
    facing: Tensor
    beat: Tensor

    def __getitem__(self, frames: Tensor) -> Poses:
        """The poses in some of the frames."""
        return Poses(*(value[frames] for value in vars(self).values()))


def all_poses(plan: ScenePlan, frames: int, aspect: float) -> list[Poses]:
    """The poses of every subject of a plan."""
    return [subject_poses(plan, number, frames, aspect) for number in range(len(plan.subjects))]


def subject_poses(plan: ScenePlan, number: int, frames: int, aspect: float) -> Poses:
    """The poses of subject `number` of a plan in the frames of a clip. `aspect`: width / height.

    Between keys a parabola goes through the three nearest ones. In height it never reaches across a thump,
    where the path of something that bounces has a corner; where fewer than three keys lie between a thump and
    the clip's end, the path is that on the other side of the thump, mirrored.
    """
    subject = plan.subjects[number]
    thumps = [event.time for event in plan.events if event.kind == "thump" and event.subject == number]
    moments, keys = torch.arange(frames) / FPS, key_times(plan.seconds)
    smooth, cornered = _weights(moments, keys, []), _weights(moments, keys, thumps)
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    beat = torch.tensor(subject.beat)
    steps = torch.remainder(beat.diff() + BACKWARDS, 1.0) - BACKWARDS
    beat = torch.cat((beat[:1], beat[:1] + steps.cumsum(0)))
    facing = (smooth @ torch.tensor(subject.facing)).clamp(-1.0, 1.0)
    return Poses(
        x=(smooth @ torch.tensor(subject.x) - 0.5) * wide,
        y=(cornered @ torch.tensor(subject.y) - 0.5) * high,
        half=(smooth @ torch.tensor(subject.size)).clamp(min=1e-3) / 2,
        tilt=(smooth @ torch.tensor(subject.tilt)) * (math.pi / 180.0),
        facing=torch.where(facing.abs() < 0.15, torch.where(facing < 0, -0.15, 0.15), facing),
        beat=smooth @ beat,
    )


def _weights(moments: Tensor, keys: Tensor, corners: list[float]) -> Tensor:
    """How much each key counts at each moment, [T, K], for a curve with corners."""
    weights = torch.zeros(len(moments), len(keys), dtype=torch.float64)
    edges = [-math.inf, *sorted(corners), math.inf]
    times = keys.double().tolist()

    def near(moment: float) -> list[int]:
        last = next(k for k, edge in enumerate(edges) if moment < edge)
        between = [k for k, time in enumerate(times) if edges[last - 1] - 1e-6 <= time <= edges[last] + 1e-6]
        return sorted(sorted(between, key=lambda k: abs(times[k] - moment))[:3])

    for row, when in enumerate(moments.double().tolist()):
        moment, nearest = when, near(when)
        if len(nearest) < 3 and corners:
            corner = min(corners, key=lambda edge: abs(edge - when))
            moment = 2 * corner - when
            nearest = near(moment)
        if not nearest:  # more corners than keys
            moment, nearest = when, [min(range(len(times)), key=lambda k: abs(times[k] - when))]
        for k in nearest:
            others = [times[other] for other in nearest if other != k]
            weights[row, k] = math.prod((moment - other) / (times[k] - other) for other in others)
    return weights.float()


@dataclass(frozen=True)
class Cutout:
    """What a subject looks like under the light of its plan.

    `textures` [phases, 5, TEXTURE, TEXTURE]: premultiplied red, green and blue, opacity of the paper,
    opacity of paper and shadow; a side spans `2 * REACH` halves of its size.
    """

    textures: Tensor

    def sample(
        self,
        beat: Tensor,
        right: Tensor,
        down: Tensor,
        tilt: Tensor,
        facing: Tensor,
        coarse: bool = False,
    ) -> Tensor:
        """The cut-out at places beside its middle.

        Args:
            beat, tilt, facing: [T].
            right, down: in halves of its size, [T, h, w].
            coarse: for places far apart, from textures half as large.

        Returns:
            float32 [T, 5, h, w], the channels of `textures`.
        """
        cos, sin = tilt.cos()[:, None, None], tilt.sin()[:, None, None]
        u = (cos * right + sin * down) / (REACH * facing[:, None, None])
        v = (cos * down - sin * right) / REACH
        textures = functional.avg_pool2d(self.textures, 2) if coarse else self.textures
        count = len(textures)
        phase = (torch.remainder(beat, 1.0) * count).long().clamp_(max=count - 1)
        return functional.grid_sample(
            textures[phase], torch.stack((u, v), -1), align_corners=False, padding_mode="zeros"
        )


def cutout(plan: ScenePlan, subject: SubjectPlan, shape: str | None = None) -> Cutout:
    """The cut-out of a subject, or another `shape` of the atlas in its paper."""
    look = actors.paper(subject.color, light(plan))
    bare = Look(**{**vars(look), "shadow": 0.0})
    grid = Grid(TEXTURE, TEXTURE, TEXTURE / (2 * REACH), -REACH, -REACH)
    beats = (torch.arange(PHASES) + 0.5) / PHASES
    pictures = []
    for paint in (look, bare):
        picture = grid.blank(PHASES)
        name = shape or actors.shape_name(subject.kind)
        stamp(picture, grid, name, paint, torch.zeros(PHASES), 0.0, 1.0, beat=beats)
        pictures.append(picture)
    shaded, body = pictures
    return Cutout(torch.cat((body, shaded[:, 3:]), 1))


PHASES = 16
"""Pictures of one beat, as many as the liveliest shape of the atlas has."""


def light(plan: ScenePlan) -> palette.Light:
    """The light of a plan's place, time and weather."""
    return palette.light(Scene(time=plan.time, place=plan.place, weather=plan.weather))


def fog(plan: ScenePlan, y: Tensor) -> tuple[Tensor, Tensor]:
    """The banks of fog before everything: the share of fog at each height `y` (any shape), and its colour
    [3]."""
    air = light(plan)
    clear = torch.ones_like(y)
    if plan.weather == "fog":
        lift = sum(plan.camera.y) / len(plan.camera.y)
        scale = sum(plan.camera.scale) / len(plan.camera.scale)
        for middle, thickness, _ in weather.BANKS:
            clear = clear * (1.0 - 0.5 * torch.exp(-(((y - (middle - lift) * scale) / thickness) ** 2)))
    return 1.0 - clear, rgb(mixed(air.haze, "#ffffff", 0.2)).flatten()
