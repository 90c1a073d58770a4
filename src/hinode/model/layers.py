"""The few layers everything else is made of.

Weights stay float32 while training; every layer casts its weights to the type of the activations that reach
it. So the type of the first activation decides the precision of the whole network, without autocast.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model import fast

HEAD = 64  # width of an attention head


class Linear(nn.Linear):
    """A linear map without bias that computes in the type of its input."""

    def __init__(self, inputs: int, outputs: int, *, zero: bool = False) -> None:
        super().__init__(inputs, outputs, bias=False)
        # Fan-in scaling; layers that end a residual branch start at zero so that a new block is the identity.
        nn.init.normal_(self.weight, std=0.0 if zero else inputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Mlp(nn.Module):
    """Width -> 4 x width -> width with GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc_in = Linear(width, 4 * width)
        self.fc_out = Linear(4 * width, width, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc_out(F.gelu(self.fc_in(x)))
        return out


def rms_norm(x: Tensor) -> Tensor:
    """Scale the last axis to root mean square 1, without learned weights."""
    return fast.rms_norm(x) if fast.applies(x) else F.rms_norm(x, x.shape[-1:], eps=1e-6)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Softmax attention: q [B, heads, N, 64], k, v [B, heads, M, 64]; bias [B, 1, 1, P] of the first keys."""
    if fast.prefers_products(q, k):
        return fast.attend(q, k, v, bias)
    bias = bias if bias is None else F.pad(bias, (0, k.shape[2] - bias.shape[-1]))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding, arXiv 2104.09864. x [..., N, 64], rope from `block.rope_table`, [N, 64]."""
    cos, sin = rope
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def waves(values: Tensor, min_period: float, max_period: float, count: int) -> Tensor:
    """Phases [..., count] in radians of values [...] on `count` waves, whose periods, in the unit of the
    values, grow geometrically from `min_period` to `max_period`."""
    steps = torch.linspace(0.0, 1.0, count, device=values.device)
    periods = min_period * (max_period / min_period) ** steps
    return values.float()[..., None] * (2 * math.pi / periods)


def fourier(values: Tensor, min_period: float, max_period: float, width: int) -> Tensor:
    """Sinusoidal features [..., width] of `values` [...]; see `waves` for the periods."""
    phases = waves(values, min_period, max_period, width // 2)
    return torch.cat((phases.cos(), phases.sin()), -1)


def compute_type(device: torch.device) -> torch.dtype:
    """The number type to compute with: bfloat16 where the hardware multiplies it, else float32. Never the
    result of a timing: the two types draw different bits, and a seed has to give the same ones every time."""
    if device.type != "cpu":
        return torch.bfloat16
    processor = torch.cpu.get_capabilities()
    return torch.bfloat16 if processor.get("avx512_bf16") or processor.get("amx_bf16") else torch.float32
