"""Video to latents and back.

A video of T = 1 + 4k frames has Tl = 1 + k latent frames: the first frame stands alone, so that an image is a
video of one frame, and every later latent frame covers four frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SpacetimePatches:
    """Lossless: a latent is the raw pixels of one patch of spacetime (C = frames * size * size * 3).

    The first frame is repeated to fill its patch and averaged back on decode, so decode(encode(x)) == x.
    """

    frames: int = 4
    size: int = 8

    @property
    def channels(self) -> int:
        return self.frames * self.size * self.size * 3

    def encode(self, video: Tensor) -> Tensor:
        """video [B, T, 3, H, W] -> latents [B, Tl, h, w, C]; ValueError if it cannot be cut into patches."""
        _, frames, _, height, width = video.shape
        f, s = self.frames, self.size
        if (frames - 1) % f or height % s or width % s:
            raise ValueError(
                f"A video of {frames} frames of {width}x{height} cannot be cut into patches: "
                f"use 1 + {f}k frames and a width and height that are multiples of {s}."
            )
        return self.cut(torch.cat((video[:, :1].expand(-1, f - 1, -1, -1, -1), video), 1))

    def cut(self, video: Tensor) -> Tensor:
        """The patches of a video [B, f * Tl, 3, H, W] whose first frame has been repeated."""
        batch, _, _, height, width = video.shape
        f, s = self.frames, self.size
        grid = video.reshape(batch, -1, f, 3, height // s, s, width // s, s)
        return grid.permute(0, 1, 4, 6, 2, 5, 7, 3).flatten(4)  # (B, Tl, h, w, [f, s, s, 3])

    def decode(self, latents: Tensor) -> Tensor:
        """latents [B, Tl, h, w, C] -> video [B, T, 3, H, W]."""
        f, s = self.frames, self.size
        grid = latents.reshape(*latents.shape[:-1], f, s, s, 3)
        video = grid.permute(0, 1, 4, 7, 2, 5, 3, 6).flatten(6).flatten(4, 5).flatten(1, 2)
        return torch.cat((video[:, :f].mean(1, keepdim=True), video[:, f:]), 1)

    def latent_frames(self, frames: int) -> int:
        """Latent frames Tl that hold `frames` video frames (rounded up)."""
        return 1 + -(-(frames - 1) // self.frames)


def positions(
    latent_frames: int, rows: int, columns: int, fps: float, frames: int, device: torch.device
) -> Tensor:
    """Centres of all patches in physical units, so that one model serves any frame rate, size and duration:
    [Tl, h * w, 3], seconds from the first frame, then vertical and horizontal distance from the middle of the
    picture in short sides. frames: video frames per latent frame."""
    index = torch.arange(latent_frames, device=device, dtype=torch.float32)
    seconds = torch.where(index == 0, 0.0, ((index - 1) * frames + (frames + 1) / 2) / fps)
    y, x = (
        (torch.arange(count, device=device) + 0.5 - count / 2) / min(rows, columns)
        for count in (rows, columns)
    )
    return torch.stack(torch.meshgrid(seconds, y, x, indexing="ij"), -1).flatten(1, 2)
