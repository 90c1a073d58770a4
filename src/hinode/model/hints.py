"""What the network is told of each patch beside the text, as channels: what is given, subject and camera."""

from __future__ import annotations

import torch
from torch import Tensor

GAINS = 24.0, 96.0, 384.0  # given, subject, camera: as 1, they would be learnt slowly beside many pixels
SPREAD = 0.1  # of the soft disc that marks the subject's place, in short sides


def channels(patch_frames: int) -> int:
    """Hints of one patch: given and subject, each per video frame; pan, zoom, and whether they are told."""
    return 2 * patch_frames + 3


def draw(known: Tensor, motion: Tensor | None) -> Tensor:
    """All hints, [B, Tl, h, w, 2f + 3]. known [B, Tl, h, w, f]: whether that patch of that video frame is
    given clean. motion: from `draw_motion`, or None where nothing is told."""
    sizes = [known.shape[-1], 3]
    motion = known.new_zeros(*known.shape[:-1], sum(sizes)).float() if motion is None else motion
    subject, camera = torch.split(motion, sizes, -1)
    return torch.cat((GAINS[0] * known.float(), GAINS[1] * subject, GAINS[2] * camera), -1)


def draw_motion(path: Tensor, camera: Tensor, rows: int, columns: int, patch_frames: int) -> Tensor:
    """A path and a camera as [B, Tl, h, w, f + 3]; T = 1 + f * k video frames.

    path [B, T, 2]: where the subject's centre is, in fractions of width and height. camera [B, T, 2]: how far
    it has panned to the right since the first frame, in short sides, and the logarithm of how far it has
    zoomed in. NaN where nothing is told.
    """

    def tubed(values: Tensor) -> Tensor:  # (B, Tl, f, 2); the first frame fills its tube
        filled = torch.cat((values[:, :1].expand(-1, patch_frames - 1, -1), values), 1)
        return filled.view(len(values), -1, patch_frames, 2)

    short = min(rows, columns)
    x, y = ((torch.arange(count, device=path.device) + 0.5) / short for count in (columns, rows))
    at = tubed(path) * path.new_tensor([columns / short, rows / short])
    apart = (x - at[..., 0, None]).square()[..., None, :] + (y - at[..., 1, None]).square()[..., None]
    subject = torch.exp(-apart / (2 * SPREAD**2)).nan_to_num().permute(0, 1, 3, 4, 2)
    moves = tubed(camera).mean(2)  # (B, Tl, 2)
    told = (~moves.isnan().any(-1, keepdim=True)).float()
    moves = torch.cat((moves.nan_to_num(), told), -1)[:, :, None, None]
    return torch.cat((subject, moves.expand(-1, -1, rows, columns, -1)), -1)
