"""The same arithmetic as in `layers`, quicker on a processor while nothing is differentiated. A test holds
both to the same values."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def applies(x: Tensor) -> bool:
    """Whether x is on a processor and needs no gradient."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()


def rms_norm(x: Tensor) -> Tensor:
    """`F.rms_norm` takes seven operations on a processor, most of them in float32; this takes three."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return x * (math.sqrt(x.shape[-1]) / norm).clamp(max=1e3).to(x.dtype)


def prefers_products(q: Tensor, k: Tensor) -> bool:
    """Whether `attend` beats torch's fused kernel: for few keys, and in bfloat16 for many. In float32 the
    scores of many keys are megabytes, allocated anew each time; and training would have to keep them."""
    many = 4096 if q.dtype == torch.bfloat16 and not torch.is_grad_enabled() else 256
    return q.device.type == "cpu" and k.shape[2] <= many


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Attention as two matrix products. Shapes as in `layers.attend`."""
    scores = q / math.sqrt(q.shape[-1]) @ k.transpose(-1, -2)
    if bias is not None:
        scores[..., : bias.shape[-1]] += bias
    return scores.softmax(-1) @ v


def spare_keys(keys: int) -> int:
    """Hidden keys that fill `keys` up to whole vector registers: the softmax is twice as quick then."""
    return -keys % 32
