"""Where in a frame something looks like a cut-out, wherever a plan says it is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hinode.evaluation.book.poses import Cutout, Poses, fog
from hinode.world.book.plan import ScenePlan

FINE = 5.5
"""Pixels in half of a subject's size at which it is searched for."""
RING = 0.35
"""Width of the ring around a cut-out that has to differ from it, in halves of its size."""
PULL = 0.5
"""How much less a place counts that is as far from the plan as is searched, as a share of the variance."""
NOISE = 0.0004
"""Squared difference of colours (0..1) that counts as nothing."""


def match(video: Tensor, plan: ScenePlan, paper: Cutout, poses: Poses) -> Tensor:
    """How well a cut-out explains the pixels around each place.

    Around every place two renderings are compared with the pixels: the cut-out before one plain colour, and
    the plain colour alone, both in the colour that fits best.

    Args:
        video: float32 [T, 3, H, W], 0..1.
        plan: of the clip, for its fog.
        poses: the size, tilt, facing and beat that the cut-out has in each frame; its place is not used.

    Returns:
        [T, h, w]: the share of the variance that the cut-out explains, 1 at most, on the frame made smaller
        so that half of the subject is about `FINE` pixels.
    """
    height, width = video.shape[-2:]
    pixels = float(poses.half.median()) * min(height, width)
    factor = max(1.0, pixels / FINE)
    small = functional.interpolate(video, (round(height / factor), round(width / factor)), mode="area")
    unit = pixels / factor  # pixels in half of the median size
    relative = poses.half / poses.half.median()
    reach = min(int(float(relative.max()) * unit * (1.28 + RING)) + 1, min(small.shape[-2:]) - 1)
    step = torch.arange(-reach, reach + 1) / unit
    right = (step / relative[:, None])[:, None, :].expand(-1, len(step), -1)
    down = right.transpose(1, 2)
    body = paper.sample(poses.beat, right, down, poses.tilt, poses.facing)
    share, tint = fog(plan, poses.y)
    alpha = body[:, 3:4]
    color = body[:, :3].lerp(alpha * tint.view(1, 3, 1, 1), share.view(-1, 1, 1, 1))
    spread = 2 * max(1, round(RING * unit)) + 1
    weight = functional.max_pool2d(alpha, spread, 1, spread // 2)
    clear = weight * (1.0 - alpha)

    image = functional.pad(small, (reach,) * 4, mode="replicate")
    size = image.shape[-2:]

    def spectrum(values: Tensor) -> Tensor:
        transform: Tensor = torch.fft.rfft2(values, s=size)
        return transform

    def correlate(left: Tensor, right: Tensor) -> Tensor:
        product = left * right.conj()
        if left.shape == right.shape:  # channel by channel, and then their sum
            product = product.sum(1, keepdim=True)
        values: Tensor = torch.fft.irfft2(product, s=size)[..., : small.shape[-2], : small.shape[-1]]
        return values

    pixels_f, weight_f, clear_f = spectrum(image), spectrum(weight), spectrum(clear)
    squares = correlate(spectrum(image.square().sum(1, keepdim=True)), weight_f)
    sums = correlate(pixels_f, weight_f)
    total = weight.sum((-2, -1), keepdim=True)
    flat = squares - (sums.square() / total).sum(1, keepdim=True)
    overlap = correlate(pixels_f, spectrum(weight * color))
    around = correlate(pixels_f, clear_f) - (clear * color).sum((-2, -1), keepdim=True)
    free = (clear * (1.0 - alpha)).sum((-2, -1), keepdim=True)
    own = (weight * color.square()).sum((1, 2, 3)).view(-1, 1, 1, 1)
    rest = squares - 2.0 * overlap + own - (around.square() / free).sum(1, keepdim=True)
    return (1.0 - rest / (flat + NOISE * total))[:, 0]


def peak(values: Tensor, x: Tensor, y: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """The best place of each map near where it should be; places that are farther away count less.

    Args:
        values: [T, h, w], from `match`.
        x, y: where it should be, short sides from the middle, [T].
        reach: how far from there it is searched for, in short sides.

    Returns:
        x and y of the best place, each [T].
    """
    right, down = places(values)
    far = (right - x[:, None, None]).square() + (down - y[:, None, None]).square()
    near = values - PULL * far / reach**2
    near = near.masked_fill(far > reach**2, -torch.inf).flatten(1)
    index = near.argmax(1)
    width = values.shape[-1]
    return right.flatten()[index % width], down.flatten()[index // width]


def best_near(values: Tensor, x: Tensor, y: Tensor, reach: float) -> Tensor:
    """The largest value of each map within `reach` short sides of a place; arguments as of `peak`. [T]."""
    right, down = places(values)
    far = torch.hypot(right - x[:, None, None], down - y[:, None, None])
    return values.masked_fill(far > reach, -torch.inf).flatten(1).amax(1)


def places(values: Tensor) -> tuple[Tensor, Tensor]:
    """x [1, 1, w] and y [1, h, 1] of the pixels of a map, in short sides from the middle."""
    height, width = values.shape[-2:]
    short = min(height, width)
    right = (torch.arange(width) + 0.5 - width / 2) / short
    down = (torch.arange(height) + 0.5 - height / 2) / short
    return right[None, None, :], down[None, :, None]
