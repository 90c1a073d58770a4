"""Where a subject is in some frames, found by rendering.

The scene is rendered with the subject at many places (and in every colour, as every kind); the rendering
nearest to a frame is what that frame shows. No network judges: true frames show the true place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hinode.evaluation.physics.cases import Case
from hinode.evaluation.records import Record
from hinode.world.render import render
from hinode.world.scene import COLORS, SUBJECTS, Scene

GRIDS = (0.06, 0.03, 0.015)  # steps of the search, coarse to fine, in fractions of the frame
REACH = 0.3  # how far the coarse grid extends; a subject that is not found counts as this far off
MIN_GAIN = 0.5  # share of the best candidate's pixels by which a frame is nearer to it than to no subject
MIN_VISIBLE = 0.5  # share of the pixels visible at the true place that a candidate must show


def find(frames: Tensor, case: Case) -> Record:
    """Search for the subject of a case in frames [moments, 3, H, W] in 0..1, those at `case.at`.

    Returns {"off": how far it is from its true place, x and y in fractions of the frame, and "there": whether
    it is visible at all, both by moment; "color" and "kind", over all moments}.
    """
    count = len(frames)
    empty = _render([_variant(case, None)] * count, case.at, frames)
    zero = (frames - empty).square().sum((1, 2, 3))

    def gains(variants: Sequence[Sequence[Scene]]) -> tuple[Tensor, Tensor]:
        """For V variants of each moment: how much nearer each is to the frame than the scene without the
        subject, and how much it differs from that scene, [moments, V]."""
        several = len(variants[0])
        scenes = [scene for row in variants for scene in row]
        at = [moment for moment in case.at for _ in range(several)]
        pictures = _render(scenes, at, frames).view(count, several, *frames.shape[1:])
        gain = zero[:, None] - (frames[:, None] - pictures).square().sum((2, 3, 4))
        return gain, (pictures - empty[:, None]).square().sum((2, 3, 4))

    # A place where it is hardly visible (behind another subject, outside) explains any frame.
    visible = MIN_VISIBLE * gains([[case.scene]] * count)[1]
    best = torch.zeros(count, 2)
    gain, size = torch.zeros(2, count)
    for level, step in enumerate(GRIDS):
        reach = round(REACH / step) if level == 0 else 1
        axis = torch.arange(-reach, reach + 1) * step
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
        places = best[:, None] + grid
        candidates, pixels = gains([[_variant(case, at) for at in row] for row in places.tolist()])
        gain, chosen = candidates.masked_fill(pixels < visible, -torch.inf).max(1)
        size = pixels.gather(1, chosen[:, None])[:, 0]
        best = places[torch.arange(count), chosen]

    # It is present in any colour and as any kind; which one it is, all moments decide together.
    present, record = gain > MIN_GAIN * size, {}
    for name, values in (("color", COLORS), ("kind", SUBJECTS)):
        looks = [{name: value} for value in values]
        candidates, pixels = gains([[_variant(case, at, **look) for look in looks] for at in best.tolist()])
        present |= (candidates > MIN_GAIN * pixels).any(1)
        record[name] = values[int(candidates.sum(0).argmax())]
    offsets = [[round(value, 4) for value in pair] for pair in best.tolist()]
    return {"off": offsets, "there": present.tolist(), **record}


def _variant(case: Case, shift: Sequence[float] | None, **look: Any) -> Scene:
    """The scene with the watched subject moved by (x, y) and looking otherwise; without it for None."""
    cast = list(case.scene.subjects)
    if shift is None:
        cast.pop(case.watched)
    else:
        subject = cast[case.watched]
        x, y = subject.x + shift[0], subject.y + shift[1]
        cast[case.watched] = dataclasses.replace(subject, x=x, y=y, **look)
    return dataclasses.replace(case.scene, subjects=tuple(cast))


def _render(scenes: Sequence[Scene], at: Sequence[float], like: Tensor) -> Tensor:
    """Single frames of scenes at moments, in the size of `like`: [N, 3, H, W]."""
    height, width = like.shape[-2:]
    return render(scenes, frames=1, fps=1.0, width=width, height=height, start=list(at))[:, 0]
