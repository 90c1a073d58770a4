"""The transformer block that all networks here are made of, and the attention of a whole clip.

The noise level and a summary of what is asked reach a block through adaptive layer norm. Words or facts are a
prefix of keys and values in every attention; it does not depend on the noise, so a sampling run can compute
it once.

Sources: DiT arXiv 2212.09748, shared modulation 2503.20314 (Wan).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model import fast
from hinode.model.layers import HEAD, Linear, Mlp, attend, rms_norm, rotate, waves

ROPE_SPLIT = (16, 24, 24)  # of the 64 values of a head: time, height, width
FEATURES = 128  # width of sinusoidal features
LEVEL_PERIODS = (0.01, 4.0)  # noise level 0..1
TIME_PERIODS, SPACE_PERIODS = (0.5, 40.0), (0.2, 8.0)  # seconds; short sides of the picture

Rope = tuple[Tensor, Tensor]  # cosines and signed sines, each [..., N, 64]; see `rope_table`
Prefix = tuple[Tensor, Tensor]  # keys and values of a text in one block, each [B, heads, L, 64]


@dataclass(frozen=True)
class Condition:
    """A batch of encoded texts: all that the network needs of them at any noise level."""

    prefixes: tuple[Prefix, ...]  # one per block, in the order of the blocks
    bias: Tensor  # [B, 1, 1, L], hides padding
    summary: Tensor  # [B, conditioning]

    def __getitem__(self, rows: slice) -> Condition:
        prefixes = tuple((keys[rows], values[rows]) for keys, values in self.prefixes)
        return Condition(prefixes, self.bias[rows], self.summary[rows])


def rope_table(places: Tensor, dtype: torch.dtype) -> Rope:
    """(cos | cos, -sin | sin) for `rotate`. places [..., 3], see `positions`."""
    periods = (TIME_PERIODS, SPACE_PERIODS, SPACE_PERIODS)
    # Each wave turns a pair of values.
    phases = [waves(places[..., k], *periods[k], count=ROPE_SPLIT[k] // 2) for k in range(3)]
    angles = torch.cat(phases, -1)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)


class Block(nn.Module):
    """One transformer block: attention over [text | tokens], then an MLP, each modulated per latent frame."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.qkv = Linear(width, 3 * width)
        self.text_kv = Linear(text_width, 2 * width)
        self.out = Linear(width, width, zero=True)
        self.mlp = Mlp(width)
        self.q_scale = nn.Parameter(torch.ones(HEAD))
        self.k_scale = nn.Parameter(torch.ones(HEAD))
        # All blocks of a level share one modulation, which starts at zero; each adds its own to it:
        # shift 0, scale 1, gate 1, for the attention and for the MLP.
        start = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
        self.modulation = nn.Parameter(start[:, None].repeat(1, width))

    def text_prefix(self, features: Tensor) -> Prefix:
        """Keys and values of texts with features [B, L, text width]."""
        # (B, L, 2 * D) -> (2, B, heads, L, 64)
        kv = self.text_kv(features).unflatten(-1, (2, -1, HEAD)).permute(2, 0, 3, 1, 4)
        return rms_norm(kv[0]) * self.k_scale.to(kv.dtype), kv[1]

    def forward(self, x: Tensor, shared: Tensor, rope: Rope, text: Prefix, bias: Tensor) -> Tensor:
        """x: tokens [B, Tl, n, D]. shared: modulation [B, Tl, 6, D]. bias: of the text keys [B, 1, 1, L]."""
        modulation = (shared + self.modulation.to(x.dtype)).unsqueeze(2)  # (B, Tl, 1, 6, D)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.unbind(-2)

        y = torch.addcmul(shift, rms_norm(x), scale)
        # Every token of every frame attends to every other: (B, Tl, n, 3 * D) -> (3, B, heads, Tl * n, 64)
        qkv = self.qkv(y).flatten(1, 2).unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        q = rotate(rms_norm(q) * self.q_scale.to(x.dtype), rope)
        k = rotate(rms_norm(k) * self.k_scale.to(x.dtype), rope)
        mixed = attend(q, torch.cat((text[0], k), 2), torch.cat((text[1], v), 2), bias)
        x = torch.addcmul(x, gate, self.out(mixed.transpose(1, 2).flatten(2)).view_as(x))

        y = torch.addcmul(mlp_shift, rms_norm(x), mlp_scale)
        return torch.addcmul(x, mlp_gate, self.mlp(y))


def run_blocks(
    blocks: nn.ModuleList, x: Tensor, places: Tensor, shared: Tensor, prefixes: Sequence[Prefix], bias: Tensor
) -> Tensor:
    """Send tokens [B, Tl, n, D] at `places` [Tl, n, 3] through the blocks. Other shapes as in `Block`."""
    places = places.flatten(0, 1)
    rope = rope_table(places, x.dtype)
    spare = fast.spare_keys(bias.shape[-1] + len(places))  # hidden keys between text and tokens
    bias = F.pad(bias, (0, spare), value=-1e4)
    for block, prefix in zip(blocks, prefixes, strict=True):
        text = F.pad(prefix[0], (0, 0, 0, spare)), F.pad(prefix[1], (0, 0, 0, spare))
        x = block(x, shared, rope, text, bias)
    return x


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
