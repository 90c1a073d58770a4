"""What a clip shows where a plan puts its subject, by the measures of the picture book.

A clip is looked at six times a second, once at each key of its plan. Beside it, the book's own drawing of the
plan is looked at in the same way: that is what the measures find at best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.evaluation.book import continuity, land
from hinode.evaluation.book.fit import REACH, Fit, fit_subject
from hinode.evaluation.book.poses import FPS, Cutout, all_poses, cutout
from hinode.evaluation.book.search import best_near, match
from hinode.request import Size
from hinode.world.book.picture.preview import render_plan
from hinode.world.book.plan import STEP, ScenePlan
from hinode.world.book.priors import COLORS, KINDS
from hinode.world.book.reading import read_motion

EVERY = round(STEP * FPS)
"""Frames from look to look."""
LAND_LOOKS = 4
"""Looks at the land of a clip; most of them decide."""
MIN_LOOKS = 4
"""Looks at which a subject has to be found before its motion is read."""


@dataclass(frozen=True)
class Reading:
    """What a clip shows.

    Attributes:
        right: whether each expected fact was read.
        x, y: of the subject at each look, in fractions of the frame.
        half: half of its size, in short sides.
        presence: at which looks it was there.
    """

    right: dict[str, bool]
    x: list[float]
    y: list[float]
    half: list[float]
    presence: list[bool]


class Reader:
    """Reads clips of `count` frames and one size that follow a plan."""

    def __init__(self, plan: ScenePlan, facts: Mapping[str, str], count: int, size: Size) -> None:
        """`plan`: begins with the clip and has a subject. `facts`: what is expected, by the names of
        `Case.facts`; the kind and the colour of the subject among them."""
        scene = {name: facts[name] for name in land.FACTS if name in facts}
        subject = next((s for s in plan.subjects if s.kind == facts["subject"]), plan.subjects[0])
        subject = subject.model_copy(update={"kind": facts["subject"], "color": facts["color"]})
        self.facts, self.size, self.aspect = facts, size, size[0] / size[1]
        self.plan = plan.model_copy(update={**scene, "subjects": (subject,)})
        self.looks = torch.arange(0, count, EVERY)
        self.poses = [pose[self.looks] for pose in all_poses(self.plan, count, self.aspect)]

    @cached_property
    def true(self) -> Reading:
        """What is read of the book's own drawing of the plan."""
        return self._read(self._truth)

    def read(self, frames: Frames) -> Reading:
        """What is read of a clip, uint8 [T, H, W, 3]."""
        looks = torch.from_numpy(frames[self.looks.numpy()])
        return self._read(looks.permute(0, 3, 1, 2).float() / 255)

    def distance(self, reading: Reading, x: Sequence[float], y: Sequence[float]) -> float:
        """How far the subject is from places in fractions of the frame, in widths: the median of the looks at
        which it is to be seen in the truth. A subject that was not found is a whole width away."""
        far = [
            float(np.hypot(u - at, (v - height) / self.aspect)) if presence else 1.0
            for u, v, at, height, presence, rows in zip(
                reading.x, reading.y, x, y, reading.presence, self.true.presence, strict=False
            )
            if rows
        ]
        return float(np.median(far)) if far else 1.0

    @cached_property
    def _truth(self) -> Tensor:
        width, height = self.size
        return render_plan(self.plan, self.looks / FPS, width=width, height=height, seed=0)

    @cached_property
    def _true_fit(self) -> Fit:
        return self._fit(self._truth)[0]

    def _fit(self, video: Tensor) -> tuple[Fit, Tensor]:
        """The fit of the expected cut-out, and where it was searched for."""
        maps = match(video, self.plan, self._cutouts["subject"][self.facts["subject"]], self.poses[0])
        return fit_subject(video, self.plan, 0, self.poses, maps), maps

    @cached_property
    def _cutouts(self) -> dict[str, dict[str, Cutout]]:
        """All kinds in the expected colour, and the expected kind in all colours."""
        (subject,) = self.plan.subjects
        return {
            "subject": {k: cutout(self.plan, subject.model_copy(update={"kind": k})) for k in KINDS},
            "color": {c: cutout(self.plan, subject.model_copy(update={"color": c})) for c in COLORS},
        }

    def _read(self, video: Tensor) -> Reading:
        fit, maps = self._fit(video)
        faults = continuity.find_faults(video, self.plan, self.poses, [maps], [fit], [self._true_fit])
        pose, (width, height) = self.poses[0], self.size
        wide, high = width / min(self.size), height / min(self.size)
        presence = fit.visible & (fit.agreement >= continuity.MISSING)
        x = pose.x / wide + 0.5 + fit.right
        y = pose.y / high + 0.5 + fit.down * self.aspect
        right = {name: faults.total == 0 and self._name(name, video) == self.facts[name]
                 for name in ("subject", "color")}  # fmt: skip
        if "motion" in self.facts:
            right["motion"] = self._motion(x, y, presence) == self.facts["motion"]
        if names := [name for name in land.FACTS if name in self.facts]:
            at = torch.linspace(0, len(video) - 1, LAND_LOOKS).round().long()
            readings = land.read_land(video[at])
            for name in names:
                ((majority, _),) = Counter(reading[name] for reading in readings).most_common(1)
                right[name] = majority == self.facts[name]
        return Reading(right, x.tolist(), y.tolist(), (pose.half * fit.size).tolist(), presence.tolist())

    def _name(self, attribute: str, video: Tensor) -> str:
        """The kind or the colour whose cut-out explains most of the pixels near the plan's place."""
        pose, reach = self.poses[0], REACH * self.size[0] / min(self.size)

        def explained(paper: Cutout) -> float:
            return float(best_near(match(video, self.plan, paper, pose), pose.x, pose.y, reach).median())

        papers = self._cutouts[attribute]
        return max(papers, key=lambda name: explained(papers[name]))

    def _motion(self, x: Tensor, y: Tensor, presence: Tensor) -> str:
        """The motion of the subject over the looks at which it was found; "" if these are too few."""
        if presence.sum() < MIN_LOOKS:
            return ""
        at = self.looks.numpy()
        rows = presence.numpy()
        path = {name: tuple(np.interp(at, at[rows], values.numpy()[rows]).tolist())
                for name, values in (("x", x), ("y", y))}  # fmt: skip
        camera = {name: values[: len(at)] for name, values in self.plan.camera if isinstance(values, tuple)}
        plan = self.plan.model_copy(update={
            "subjects": (self.plan.subjects[0].model_copy(update=path),),
            "camera": self.plan.camera.model_copy(update=camera),
        })  # fmt: skip
        return read_motion(plan, 0, self.aspect)
