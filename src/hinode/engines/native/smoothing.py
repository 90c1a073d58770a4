"""Small jumps between patches of time, and flicker, taken out of a drawn clip.

The network draws a few frames as one patch, so its errors are alike within a patch and jump from one to the
next, or from a context frame to a drawn one. Video codecs have the same fault between blocks and the same
remedy: a small jump is an error and is spread over the frames around it; a large one is motion and stays. By
the same reasoning a small difference between any two frames is an error. Every function returns a new clip.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_JUMP = 24 / 127.5
"""Jumps up to this are removed, from twice this on they stay; of a range of -1..1."""

REACH = (1.0, 0.5)
"""Share of a jump that is removed from the frame next to it and from the one after that."""

FLICKER = 6 / 127.5
"""Scale of the differences between neighbouring frames that are averaged away; twice as large ones hardly
are. Rain and snow begin to go at 16 levels."""

EDGE_DIFFERENCE = 12 / 127.5
"""The same between a context frame and a drawn one, which differs a little all over."""

BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Jumps are measured on frames that are blurred so along rows and columns: noise is no jump."""


def smooth_patch_seams(video: Tensor, span: int, fixed: Tensor | None = None) -> Tensor:
    """A clip without small jumps between patches, and between context and drawn frames.

    Args:
        video: float [B, T, 3, H, W] in -1..1; the first frame is a patch of its own.
        span: frames of each patch after it.
        fixed: bool, broadcastable to `video`: pixels of the context, which stay as they are.
    """
    clip, frames = video.clone(), video.shape[1]
    pixels = torch.zeros_like(clip, dtype=torch.bool) if fixed is None else fixed.expand_as(clip)
    pixels = pixels[:, :, :1]
    context = pixels.flatten(2).all(-1)  # frames that are fixed as a whole, (B, T)
    for frame in range(1, frames):
        seam = context[:, frame] != context[:, frame - 1]
        if (frame - 1) % span == 0:
            seam = torch.ones_like(seam)
        if not seam.any():
            continue
        # What exceeds the motion just before and after the seam is the jump.
        motion = [clip[:, k] - clip[:, k - 1] for k in (frame - 1, frame + 1) if 0 < k < frames]
        jump = clip[:, frame] - clip[:, frame - 1]
        if motion:
            jump = jump - torch.stack(motion).mean(0)
        jump = _blurred(jump) * seam[:, None, None, None]
        small = jump.clamp(-MAX_JUMP, MAX_JUMP) * (2 - jump.abs() / MAX_JUMP).clamp(0, 1)
        before, after = pixels[:, frame - 1], pixels[:, frame]
        for distance, part in enumerate(REACH):
            # Each side moves half of the way, or all of it if the other side is fixed.
            if (later := frame + distance) < frames:
                share = torch.where(before, part, part / 2).masked_fill(pixels[:, later], 0)
                clip[:, later] -= share * small
            if (earlier := frame - 1 - distance) >= 0:
                share = torch.where(after, part, part / 2).masked_fill(pixels[:, earlier], 0)
                clip[:, earlier] += share * small
    return clip


def reduce_flicker(video: Tensor) -> Tensor:
    """A clip whose pixels are averaged with the same pixels one frame before and after, where they are alike:
    a bilateral filter in time (Tomasi and Manduchi 1998).

    It is for clips without context: beside context frames, which it may not change, smooth frames would make
    the step between them stand out.

    Args:
        video: float [B, T, 3, H, W] in -1..1.
    """
    step = video.diff(dim=1)
    similarity = _similarity(step, FLICKER)
    return _averaged(video, step, similarity, similarity)


def blend_fixed_edges(video: Tensor, fixed: Tensor) -> Tensor:
    """A clip whose drawn pixels move half of the way to context pixels one frame before or after, where they
    are nearly alike. The context has no error, so a small difference is one of the drawn pixels.

    Args:
        video: float [B, T, 3, H, W] in -1..1.
        fixed: bool, broadcastable to `video`: pixels of the context, which stay as they are.
    """
    step, fixed = video.diff(dim=1), fixed.expand_as(video)[:, :, :1]
    similarity = _similarity(step, EDGE_DIFFERENCE)
    forward, backward = fixed[:, 1:] & ~fixed[:, :-1], fixed[:, :-1] & ~fixed[:, 1:]
    return _averaged(video, step, similarity * forward, similarity * backward)


def _similarity(step: Tensor, scale: float) -> Tensor:
    """1 for two equal pixels, towards 0 for those that differ by more than `scale`; [B, T - 1, 1, H, W]."""
    return (-step.square().mean(2, keepdim=True) / scale**2).exp()


def _averaged(video: Tensor, step: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
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
    padded = F.pad(picture, (2, 2, 2, 2), mode="replicate")
    rows = F.conv2d(padded, line, groups=picture.shape[1])
    return F.conv2d(rows, line.transpose(2, 3), groups=picture.shape[1])
