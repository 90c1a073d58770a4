"""Control channels, which the network reads of each patch beside its pixels and the text: which pixels are
context (given clean), where the subject is and how the camera moves."""

from __future__ import annotations

import torch
from torch import Tensor

GAINS = 24.0, 96.0, 384.0  # mask, subject, camera: with 1 they are learned slowly, beside 768 pixel values
RADIUS = 0.1  # of the soft disc that marks the subject, in short sides


def channels(patch_frames: int) -> int:
    """Channels of one patch: mask and subject per video frame; pan, zoom, and whether these are set."""
    return 2 * patch_frames + 3


def encode(mask: Tensor, motion: Tensor | None = None) -> Tensor:
    """All channels, [B, Tl, h, w, 2f + 3]. mask [B, Tl, h, w, f]: which patches of which video frames are
    context. motion: from `encode_motion`, or None for a network that chooses path and camera itself."""
    span = mask.shape[-1]
    motion = mask.new_zeros(*mask.shape[:-1], span + 3).float() if motion is None else motion
    subject, camera = torch.split(motion, [span, 3], -1)
    return torch.cat((GAINS[0] * mask.float(), GAINS[1] * subject, GAINS[2] * camera), -1)


def encode_motion(path: Tensor, camera: Tensor, rows: int, columns: int, patch_frames: int) -> Tensor:
    """A path and a camera as [B, Tl, h, w, f + 3]; NaN in them where the network chooses. path [B, T, 2]:
    centre of the subject, in fractions of width and height. camera [B, T, 2]: pan to the right since the
    first frame in short sides, and the logarithm of the zoom."""

    def per_patch(values: Tensor) -> Tensor:  # (B, Tl, f, 2); the first frame fills its patch
        filled = torch.cat((values[:, :1].expand(-1, patch_frames - 1, -1), values), 1)
        return filled.view(len(values), -1, patch_frames, 2)

    short = min(rows, columns)
    x, y = ((torch.arange(count, device=path.device) + 0.5) / short for count in (columns, rows))
    centre = per_patch(path) * path.new_tensor([columns / short, rows / short])
    across, down = (x - centre[..., 0, None]).square(), (y - centre[..., 1, None]).square()
    subject = torch.exp(-(across[..., None, :] + down[..., None]) / (2 * RADIUS**2))  # (B, Tl, f, h, w)
    moves = per_patch(camera).mean(2)  # (B, Tl, 2)
    is_set = (~moves.isnan().any(-1, keepdim=True)).float()
    moves = torch.cat((moves.nan_to_num(), is_set), -1)[:, :, None, None].expand(-1, -1, rows, columns, -1)
    return torch.cat((subject.nan_to_num().permute(0, 1, 3, 4, 2), moves), -1)
