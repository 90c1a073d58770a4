"""The shape of a drawn subject: how well it agrees with the best-fitting rendering of its cut-out.

A subject is segmented in four steps, all frames at once.

1. **Place.** The cut-out, in the size, tilt and beat of the plan, is searched for within `REACH` of the
   plan's place (`search.match`).
2. **Background.** Around that place, what lies under the cut-out and `MARGIN` around it is filled in from
   the pixels beyond.
3. **Fit.** Place, size and turn of the cut-out, laid with its shadow over that background, are improved until
   the squared difference from the frame, capped for pixels that nothing explains, is smallest.
4. **Pixels.** A pixel within `MARGIN` of the fitted cut-out belongs to the subject if it is more like some
   part of the cut-out within `MARGIN` of it than like the background, which is what lies beyond in the four
   directions or the filling, in the cut-out's shadow or not, and differs from that part by less than
   `STRANGE`. A pixel that is about as like one as the other
   counts in part, and pixels of other subjects and of carriages do not count.

The measure is the intersection of these pixels with the fitted cut-out over their union, 0 to 1.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hinode.evaluation.book import poses as posing
from hinode.evaluation.book.poses import Cutout, Poses
from hinode.evaluation.book.search import peak
from hinode.world.book.picture.actors import CARRIAGE_STEP, CARRIAGES
from hinode.world.book.plan import ScenePlan

REACH = 0.1
"""How far from its plan a subject is searched for, in widths of the frame."""
MARGIN = 0.3  # in halves of the subject's size
SIDE, SPAN = 56, 1.9  # pixels of the crop around a subject, and half of what it shows in halves of its size
PIXELS = SIDE / (2 * SPAN)  # of half the size
CAP = 0.15  # difference of colours (0..1) from which on a pixel counts less in the fit
SURE = 0.08  # difference of colours by which a pixel has to be more like one than the other
STRANGE = 0.3
"""Difference of colours from which on a pixel is not of the cut-out, whatever the background is like."""
STEPS = 4
DAMPING = 0.02
LIMITS = (0.5, 0.5, 0.3, 0.4)  # of place in halves, of the size's logarithm, of the turn in radians
MIN_VISIBLE = 0.75  # share of a cut-out in view without which a frame is left out
MIN_FACING = 0.8  # how far it has turned from its edge, likewise


@dataclass(frozen=True)
class Fit:
    """What was found of one subject in each frame, each [T].

    `agreement`: intersection over union, 0..1. `coverage`: the share of the cut-out, at the fitted place,
    that belongs to the subject. `right`, `down`: how far it lies from its plan, in widths of the frame.
    `size`: over the plan's. `turn`: radians beyond the plan's tilt. `visible`: whether enough of it is in
    view for all that.
    """

    agreement: Tensor
    coverage: Tensor
    right: Tensor
    down: Tensor
    size: Tensor
    turn: Tensor
    visible: Tensor

    @property
    def distance(self) -> Tensor:
        """From the plan, in widths of the frame."""
        return torch.hypot(self.right, self.down)


def fit_subject(video: Tensor, plan: ScenePlan, number: int, poses: list[Poses], maps: Tensor) -> Fit:
    """Find subject `number` of a plan in a clip near its plan, and say how well it agrees with its cut-out.

    Args:
        video: float32 [T, 3, H, W], 0..1.
        poses: of all subjects of the plan in these frames, from `poses.all_poses`.
        maps: of this subject, from `search.match`.
    """
    height, width = video.shape[-2:]
    own = poses[number]
    x, y = peak(maps, own.x, own.y, REACH * width / min(height, width))
    fit = fit_at(video, plan, number, poses, x, y)
    short = min(height, width)
    share_in_view = _share(own.x, own.half, width / short) * _share(own.y, own.half, height / short)
    turned = own.facing.abs() >= MIN_FACING
    return dataclasses.replace(fit, visible=fit.visible & turned & (share_in_view >= MIN_VISIBLE))


def _share(middle: Tensor, half: Tensor, length: float) -> Tensor:
    """The share of a line about `middle` that lies within a frame of a length, 0..1."""
    first, last = (middle - half).clamp(min=-length / 2), (middle + half).clamp(max=length / 2)
    return ((last - first) / (2 * half)).clamp(min=0.0)


def fit_at(video: Tensor, plan: ScenePlan, number: int, plans: list[Poses], x: Tensor, y: Tensor) -> Fit:
    """The same from a place in each frame, x and y in short sides from the middle, [T]."""
    height, width = video.shape[-2:]
    short = min(height, width)
    poses, paper = plans[number], posing.cutout(plan, plan.subjects[number])
    view = _View(plan, plans, number, paper, x, y)
    crop, inside = view.crop(video)
    usable = inside * (1 - view.others(SIDE))
    offset = torch.zeros(len(video), 4)
    for _ in range(2):  # the first fit tells where the background begins
        background = usable * (1 - _grow(view.rendering(offset, SIDE)[:, 3:4] > 0.1, MARGIN * PIXELS))
        ground = fill(crop, background)
        offset = _improve(crop, ground, usable, view, offset)
    shape = view.rendering(offset, SIDE)
    body, shadow = shape[:, 3:4], (shape[:, 4:] - shape[:, 3:4]).clamp(min=0.0)
    strange = _nearest_paper(crop, shape, MARGIN * PIXELS)
    likeness = _nearest_ground(crop, ground, background, shadow) - strange
    likeness = torch.minimum(likeness, STRANGE - strange)
    weight = (likeness.abs() / SURE).clamp(max=1.0) * usable * _grow(body > 0.5, MARGIN * PIXELS)
    own_pixels = (likeness > 0).float()
    both = (weight * torch.minimum(own_pixels, body)).sum((1, 2, 3))
    either = (weight * torch.maximum(own_pixels, body)).sum((1, 2, 3))
    return Fit(
        agreement=both / either.clamp(min=1e-6),
        coverage=both / (weight * body).sum((1, 2, 3)).clamp(min=1e-6),
        right=(x + offset[:, 0] * poses.half - poses.x) * short / width,
        down=(y + offset[:, 1] * poses.half - poses.y) * short / width,
        size=offset[:, 2].exp(),
        turn=offset[:, 3],
        visible=(body * usable).sum((1, 2, 3)) >= MIN_VISIBLE * body.sum((1, 2, 3)).clamp(min=1e-6),
    )


@dataclass(frozen=True)
class _View:
    """The surroundings of a subject, `SPAN` halves of its size to each side of (`x`, `y`) in each frame."""

    plan: ScenePlan
    plans: list[Poses]
    number: int
    paper: Cutout
    x: Tensor
    y: Tensor

    def axes(self, side: int) -> tuple[Tensor, Tensor]:
        """Places of the pixels of a crop, in halves of the size: right and down, each [1, side, side]."""
        axis = ((torch.arange(side) + 0.5) / side * 2 - 1) * SPAN
        down, right = torch.meshgrid(axis, axis, indexing="ij")
        return right[None], down[None]

    def crop(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """The pixels [T, 3, SIDE, SIDE], and which of them lie in the frame [T, 1, SIDE, SIDE]."""
        height, width = video.shape[-2:]
        short, half = min(height, width), self.plans[self.number].half
        right, down = self.axes(SIDE)
        across = (self.x[:, None, None] + right * half[:, None, None]) * (2 * short / width)
        along = (self.y[:, None, None] + down * half[:, None, None]) * (2 * short / height)
        inside = ((across.abs() <= 1) & (along.abs() <= 1))[:, None].float()
        factor = max(1.0, float(half.median()) * short / PIXELS)
        small = functional.interpolate(video, (round(height / factor), round(width / factor)), mode="area")
        grid = torch.stack((across, along), -1)
        pixels = functional.grid_sample(small, grid, align_corners=False, padding_mode="border")
        return pixels, inside

    def rendering(self, offset: Tensor, side: int) -> Tensor:
        """The cut-out [T, 5, side, side] at offsets [T, 4]: right and down in halves of its size, logarithm
        of the size, turn."""
        poses = self.plans[self.number]
        right, down = self.axes(side)
        scale = offset[:, 2].exp()[:, None, None]
        u = (right - offset[:, 0, None, None]) / scale
        v = (down - offset[:, 1, None, None]) / scale
        parts = self.paper.sample(poses.beat, u, v, poses.tilt + offset[:, 3], poses.facing, side < SIDE)
        if self.plan.weather == "fog":
            share, tint = posing.fog(self.plan, self.y[:, None, None] + down * poses.half[:, None, None])
            color = parts[:, :3].lerp(parts[:, 4:] * tint.view(1, 3, 1, 1), share[:, None])
            parts = torch.cat((color, parts[:, 3:]), 1)
        return parts

    def others(self, side: int) -> Tensor:
        """Where other subjects and a train's carriages cover the crop, [T, 1, side, side]: 0 or 1."""
        right, down = self.axes(side)
        half = self.plans[self.number].half[:, None, None]
        covered = torch.zeros(len(half), 1, side, side)
        for k, subject in enumerate(self.plan.subjects):
            own, pose = k == self.number, self.plans[k]
            cars = CARRIAGES if subject.kind == "train" and subject.rest != "air" else 0
            for place in range(own, cars + 1):
                x = pose.x - pose.facing * pose.half * 2 * CARRIAGE_STEP * place
                y = pose.y
                if own:  # carriages follow the engine where it was found
                    x, y = x + self.x - pose.x, self.y
                u = (right * half + (self.x - x)[:, None, None]) / pose.half[:, None, None]
                v = (down * half + (self.y - y)[:, None, None]) / pose.half[:, None, None]
                paper = posing.cutout(self.plan, subject, "car" if place else None)
                mask = paper.sample(pose.beat, u, v, pose.tilt, pose.facing)[:, 3:4] > 0.1
                if own:  # and lie behind it
                    mask &= self.rendering(torch.zeros(len(half), 4), side)[:, 3:4] < 0.5
                covered = torch.maximum(covered, mask.float())
        return covered


def _improve(crop: Tensor, ground: Tensor, usable: Tensor, view: _View, offset: Tensor) -> Tensor:
    """Gauss-Newton steps from an offset [T, 4], at half the resolution; the best offset of each frame."""
    crop, ground, usable = (functional.avg_pool2d(value, 2) for value in (crop, ground, usable))
    limits, moves = torch.tensor(LIMITS), torch.tensor((0.04, 0.04, 0.04, 0.05))

    def rest(at: Tensor) -> Tensor:
        parts = view.rendering(at, SIDE // 2)
        return (ground * (1 - parts[:, 4:]) + parts[:, :3] - crop) * usable

    best, lowest = offset, torch.full((len(crop),), torch.inf)
    for step in range(STEPS + 1):
        error = rest(offset)
        square = error.square().sum(1, keepdim=True)
        weight = 1 / (1 + square / CAP**2)
        cost = (square * weight).sum((1, 2, 3))
        best = torch.where((cost < lowest)[:, None], offset, best)
        lowest = torch.minimum(cost, lowest)
        if step == STEPS:
            break
        slopes = [((rest(offset + move) - error) / move.sum()).flatten(1) for move in moves.diag()]
        slope = torch.stack(slopes, -1)
        weighted = slope * weight.expand_as(error).flatten(1)[..., None]
        normal = weighted.transpose(1, 2) @ slope
        damping = DAMPING * normal.diagonal(dim1=1, dim2=2) + 1e-3
        push = (weighted * error.flatten(1)[..., None]).sum(1)
        change = torch.linalg.solve(normal + torch.diag_embed(damping), push)
        offset = (offset - change.clamp(-0.15, 0.15)).clamp(-limits, limits)
    return best


def fill(picture: Tensor, background: Tensor) -> Tensor:
    """A picture [T, C, h, w] whose unknown pixels are filled in from those around; `background` [T, 1, h,
    w]."""
    height, width = picture.shape[-2:]
    if min(height, width) == 1:
        return picture * background / background.clamp(min=1e-6)
    size = (max(1, height // 2), max(1, width // 2))
    share = functional.interpolate(background, size, mode="area")
    coarse = functional.interpolate(picture * background, size, mode="area") / share.clamp(min=1e-6)
    wide = functional.interpolate(fill(coarse, (share > 0.01).float()), (height, width), mode="bilinear",
                                  align_corners=False)  # fmt: skip
    return picture * background + wide * (1 - background)


def _nearest_ground(crop: Tensor, ground: Tensor, background: Tensor, shadow: Tensor) -> Tensor:
    """How far each pixel is from the nearest colour of the background, [T, 1, h, w]."""
    candidates = [ground]
    size = crop.shape[-1]
    for dim in (-1, -2):
        index = (
            torch.arange(size).view((1, 1, 1, -1) if dim == -1 else (1, 1, -1, 1)).expand(background.shape)
        )
        before = torch.where(background > 0, index, -1).cummax(dim).values
        after = torch.where(background > 0, index, size).flip(dim).cummin(dim).values.flip(dim)
        for source, there in ((before, before >= 0), (after, after < size)):
            values = crop.gather(dim, source.clamp(0, size - 1).expand_as(crop))
            candidates.append(torch.where(there, values, ground))
    dimmed = [color * (1 - shadow) for color in candidates]
    stack = torch.stack([(crop - color).square().sum(1, keepdim=True) for color in (*candidates, *dimmed)])
    return stack.amin(0).sqrt()


def _nearest_paper(crop: Tensor, shape: Tensor, radius: float) -> Tensor:
    """How far each pixel is from the nearest colour of the cut-out within a radius, [T, 1, h, w]."""
    body = shape[:, 3:4]
    color = torch.where(body > 0.5, shape[:, :3] / body.clamp(min=0.5), torch.full((), 9.0))
    reach = int(radius)
    padded = functional.pad(color, (reach,) * 4, value=9.0)
    height, width = crop.shape[-2:]
    nearest = torch.full_like(body, torch.inf)
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            if row * row + column * column > radius * radius or (row + column) % 2:
                continue
            part = padded[..., reach + row :, reach + column :][..., :height, :width]
            nearest = torch.minimum(nearest, (crop - part).square().sum(1, keepdim=True))
    return nearest.sqrt()


def _grow(mask: Tensor, radius: float) -> Tensor:
    """A mask grown by a number of pixels, as 0 and 1."""
    side = 2 * round(radius) + 1
    return functional.max_pool2d(mask.float(), side, 1, side // 2)
