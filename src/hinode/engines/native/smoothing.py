"""Small jumps where patches of time meet, and small trembling, taken out of a drawn clip.

The network draws a few frames as one patch, so what it gets slightly wrong is alike within a patch and jumps
from one to the next, or from a given frame to a drawn one. Video codecs have the same trouble between blocks
and the same remedy: a small jump is an error and is spread over the frames around it, a large one is motion
and stays. What trembles a little from each frame to the next is an error by the same reasoning.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LIMIT = 24 / 127.5
"""Jumps up to this are taken out whole, from twice this on they stay; of a range of -1..1."""

REACH = (1.0, 0.5)
"""How much of a jump is taken out of the frame next to it and of the one after that."""

TREMBLE = 6 / 127.5
"""Differences between neighbouring frames that are averaged away; twice as large ones hardly are. Rain and
snow begin to go at 16 levels."""

NEARLY = 12 / 127.5
"""The same between a given frame and a drawn one, which looks a little different all over."""

BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Jumps are looked at this softly, along rows and columns: their noise is none of theirs."""


def smooth_patch_seams(video: Tensor, span: int, kept: Tensor | None = None) -> Tensor:
    """A clip without small jumps between patches, and between what is given and what is drawn.

    Args:
        video: float [B, T, 3, H, W] in -1..1; the first frame is a patch of its own.
        span: frames of each patch after it.
        kept: bool, broadcastable to `video`: pixels that are given and stay as they are.

    Returns:
        A new clip, [B, T, 3, H, W].
    """
    clip, frames = video.clone(), video.shape[1]
    fixed = (
        torch.zeros_like(clip[:, :, :1], dtype=torch.bool) if kept is None else kept.expand_as(clip)[:, :, :1]
    )
    given = fixed.flatten(2).all(-1)
    for at in range(1, frames):
        here = given[:, at] != given[:, at - 1]
        if (at - 1) % span == 0:
            here = torch.ones_like(here)
        if not here.any():
            continue
        usual = [clip[:, k] - clip[:, k - 1] for k in (at - 1, at + 1) if 0 < k < frames]
        jump = clip[:, at] - clip[:, at - 1]
        if usual:
            jump = jump - torch.stack(usual).mean(0)
        jump = _blurred(jump) * here[:, None, None, None]
        small = jump.clamp(-LIMIT, LIMIT) * (2 - jump.abs() / LIMIT).clamp(0, 1)
        before, after = fixed[:, at - 1], fixed[:, at]
        for away, part in enumerate(REACH):
            # Each side gives half way; all of it where the other one is given.
            if at + away < frames:
                share = torch.where(before, part, part / 2).masked_fill(fixed[:, at + away], 0)
                clip[:, at + away] -= share * small
            if at - 1 - away >= 0:
                share = torch.where(after, part, part / 2).masked_fill(fixed[:, at - 1 - away], 0)
                clip[:, at - 1 - away] += share * small
    return clip


def reduce_flicker(video: Tensor) -> Tensor:
    """A clip whose pixels are averaged with themselves one frame before and after, where they are alike: a
    bilateral filter in time (Tomasi and Manduchi 1998).

    It is for clips of which nothing is given: beside given frames, which it may not touch, calm ones would
    make the step between them stand out.

    Args:
        video: float [B, T, 3, H, W] in -1..1.

    Returns:
        A new clip, [B, T, 3, H, W].
    """
    step = video.diff(dim=1)
    alike = _alike(step, TREMBLE)
    return _drawn_together(video, step, alike, alike)


def blend_fixed_edges(video: Tensor, kept: Tensor) -> Tensor:
    """A clip whose pixels meet given ones, a frame before or after, half way where they are nearly alike: the
    given ones have no error, so what differs a little is the drawn ones'.

    Args:
        video: float [B, T, 3, H, W] in -1..1.
        kept: bool, broadcastable to `video`: pixels that are given and stay as they are.

    Returns:
        A new clip, [B, T, 3, H, W].
    """
    step, given = video.diff(dim=1), kept.expand_as(video)[:, :, :1]
    alike = _alike(step, NEARLY)
    return _drawn_together(
        video, step, alike * (given[:, 1:] & ~given[:, :-1]), alike * (given[:, :-1] & ~given[:, 1:])
    )


def _alike(step: Tensor, levels: float) -> Tensor:
    """How much two pixels count as one by the difference of all their colours, [B, T - 1, 1, H, W]."""
    return (-step.square().mean(2, keepdim=True) / levels**2).exp()


def _drawn_together(video: Tensor, step: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    """Averages of pixels with those after (weights `forward`) and before them (`backward`), own weight 1."""
    total, change = torch.ones_like(video[:, :, :1]), torch.zeros_like(video)
    total[:, :-1] += forward
    total[:, 1:] += backward
    change[:, :-1] += forward * step
    change[:, 1:] -= backward * step
    return video + change / total


def _blurred(picture: Tensor) -> Tensor:
    """[B, 3, H, W] -> the same."""
    line = picture.new_tensor(BLUR).expand(picture.shape[1], 1, 1, -1)
    wide = F.pad(picture, (2, 2, 2, 2), mode="replicate")
    wide = F.conv2d(wide, line, groups=picture.shape[1])
    return F.conv2d(wide, line.transpose(2, 3), groups=picture.shape[1])
