"""Small jumps where patches of time meet, taken out of a drawn clip.

The network draws a few frames as one patch, so what it gets slightly wrong is alike within a patch and jumps
from one to the next, or from a given frame to a drawn one. Video codecs have the same trouble between blocks
and the same remedy: a small jump is an error and is spread over the frames around it, a large one is motion
and stays.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LIMIT = 24 / 127.5
"""Jumps up to this are taken out whole, from twice this on they stay; of a range of -1..1."""

REACH = (1.0, 0.5)
"""How much of a jump is taken out of the frame next to it and of the one after that."""

BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Jumps are looked at this softly, along rows and columns: their noise is none of theirs."""


def smoothed(video: Tensor, span: int, kept: Tensor | None = None) -> Tensor:
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


def _blurred(picture: Tensor) -> Tensor:
    """[B, 3, H, W] -> the same."""
    line = picture.new_tensor(BLUR).expand(picture.shape[1], 1, 1, -1)
    wide = F.pad(picture, (2, 2, 2, 2), mode="replicate")
    wide = F.conv2d(wide, line, groups=picture.shape[1])
    return F.conv2d(wide, line.transpose(2, 3), groups=picture.shape[1])
