"""Small shapes of a drawing at low noise: convolutions over its pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model.layers import Linear

FOLD = 2
"""Pixels of a side of the square that the convolutions see as one place."""
SIDE = 3  # of a convolution
FROM = 0.4
"""Noise level from which on details are refined; before, a drawing has none."""
ERROR = 0.12
"""Of predicted frames without details, roughly, as a standard deviation in -1..1."""


class Convolution(nn.Module):
    """A 3x3 convolution whose weights are the matrix of a `Linear`, so that the optimiser and the files of
    weights treat it as one."""

    def __init__(self, inputs: int, outputs: int, *, zero: bool = False) -> None:
        super().__init__()
        self.kernel = Linear(inputs * SIDE**2, outputs, zero=zero)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, inputs, h, w] -> [N, outputs, h, w]."""
        kernel = self.kernel.weight.to(x.dtype).view(len(self.kernel.weight), -1, SIDE, SIDE)
        return F.conv2d(x, kernel, padding=SIDE // 2)


class DetailPixels(nn.Module):
    """What predicted frames lack, read from them and from the noisy frames.

    A token predicts 16x16 pixels from 256 values: enough for shapes, too few for windows, leaves and sharp
    edges. At low noise these can be seen in the noisy frames, so the convolutions read by how much the noisy
    frames differ from the predicted ones. What they read and write is scaled by what such a difference is
    worth at a noise level; without that, they learn to add noise (compare arXiv 2206.00364, section 5). A
    part of the channels moves to the frame before and after, so that details are steady.
    """

    def __init__(self, width: int, channels: int, noise_scale: float) -> None:
        """`width` of a token; `channels` of the convolutions; `noise_scale` of the drawing network."""
        super().__init__()
        self.noise_scale = noise_scale
        self.enter = Convolution(7 * FOLD**2, channels)
        self.token = Linear(width, 2 * channels, zero=True)
        self.rise, self.fall = Convolution(channels, channels), Convolution(channels, channels, zero=True)
        self.leave = Convolution(channels, 3 * FOLD**2, zero=True)

    def forward(self, clean: Tensor, z: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """clean [B, T, 3, H, W]; z, with a channel of known pixels [B, T, 4, H, W]; t: noise level of each
        frame [B, T]; tokens [B, T, h, w, D]. Returns the refined clean frames."""
        frames, height, width = clean.shape[1], *clean.shape[3:]
        level = t[:, :, None, None, None]
        noise = self.noise_scale * (1 - level) / level  # of z / level, as a standard deviation
        spread = (ERROR**2 + noise.square()).sqrt()
        context_mask = z[:, :, 3:]
        difference = (torch.where(context_mask > 0, z[:, :, :3], z[:, :, :3] / level) - clean) / spread
        x = torch.cat((clean, difference, context_mask), 2).flatten(0, 1).to(tokens.dtype)
        x = self.enter(F.pixel_unshuffle(x, FOLD).contiguous(memory_format=torch.channels_last))
        values = self.token(tokens).flatten(0, 1).movedim(-1, 1)  # (B * T, 2 * channels, h, w)
        values = F.interpolate(values, (height // FOLD, width // FOLD), mode="bilinear")
        shift, scale = values.chunk(2, 1)
        x = torch.addcmul(shift, x, 1 + scale)
        x = x + self.fall(F.silu(self.rise(move_in_time(x, frames))))
        residual = F.pixel_shuffle(self.leave(x), FOLD).float().view(clean.shape)
        return clean + (ERROR**3 / spread).sqrt() * residual


def move_in_time(x: Tensor, frames: int) -> Tensor:
    """[B * T, C, h, w] with an eighth of the channels from the frame before and as many from the one
    after."""
    if frames == 1:
        return x
    clips, e = x.view(-1, frames, *x.shape[1:]), x.shape[1] // 8
    before = torch.cat((clips[:, :1, :e], clips[:, :-1, :e]), 1)
    after = torch.cat((clips[:, 1:, e : 2 * e], clips[:, -1:, e : 2 * e]), 1)
    return torch.cat((before, after, clips[:, :, 2 * e :]), 2).flatten(0, 1)
