"""The planner: words to the layout of a clip, as values, before a pixel is drawn.

A plan is a grid of tokens, `SLOTS` for each third of a second: up to three subjects and the scene. What the
values of a token mean is the caller's; here they are numbers of about unit size. The planner is a small
transformer that denoises all tokens of a plan together by rectified flow, as `drawing` does for pixels, with
the words as a prefix of every attention. Its blocks are those of `block`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hinode.model.block import Block, Condition, run_blocks
from hinode.model.layers import HEAD, Linear, fourier, rms_norm
from hinode.model.text import TextEncoder, null_text, padding_bias

SLOTS = 4
"""Tokens of a third of a second: three subjects, then the scene."""
THIRD = 1 / 3
FEATURES = 64  # width of sinusoidal features
LEVEL_PERIODS, ASPECT_PERIODS, LENGTH_PERIODS = (0.01, 4.0), (0.5, 8.0), (0.5, 64.0)
NEAREST = 0.1  # smallest 1 - t in the loss


@dataclass(frozen=True)
class PlannerConfig:
    """All sizes of the network. Widths are multiples of 64, the size of an attention head."""

    vocabulary: int  # number of word ids
    values: int  # of a token
    width: int = 128
    depth: int = 4
    text_depth: int = 2
    words: int = 32  # longest text

    def __post_init__(self) -> None:
        if self.width % HEAD:
            raise ValueError(f"width is {self.width}; it must be a multiple of {HEAD}.")


@dataclass(frozen=True)
class PlanShape:
    """The shape of a clip: `thirds` of a second, and `aspect`, the width of its frame over its height."""

    thirds: int
    aspect: float


class Planner(nn.Module):
    """Noisy plans, a noise level and words in, predicted clean plans out."""

    def __init__(self, config: PlannerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.text = TextEncoder(config.vocabulary, width, config.text_depth, config.words)
        self.text_proj = Linear(width, width)
        self.level_mlp = nn.Sequential(Linear(FEATURES, width), nn.SiLU(), Linear(width, width))
        self.shape_proj = Linear(2 * FEATURES, width)
        self.subject_in, self.scene_in = Linear(config.values, width), Linear(config.values, width)
        self.slots = nn.Parameter(torch.randn(SLOTS, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, width) for _ in range(config.depth))
        self.modulation = Linear(width, 6 * width, zero=True)
        self.subject_out = Linear(width, config.values, zero=True)
        self.scene_out = Linear(width, config.values, zero=True)

    def encode_text(self, ids: Tensor) -> Condition:
        """Word ids [B, L] -> everything that depends on them alone."""
        features, mean = self.text(ids, torch.float32)
        prefixes = tuple(block.text_prefix(features) for block in self.blocks)  # type: ignore[operator]
        return Condition(prefixes, padding_bias(ids, torch.float32), self.text_proj(mean))

    def forward(self, z: Tensor, t: Tensor, condition: Condition, shape: PlanShape) -> Tensor:
        """Predict clean plans [B, thirds, SLOTS, values] from noisy ones z of that shape at noise levels t
        [B], where 1 is clean."""
        thirds = z.shape[1]
        c = self.level_mlp(fourier(t, *LEVEL_PERIODS, FEATURES)) + condition.summary
        frame = torch.tensor([math.log2(shape.aspect)]), torch.tensor([shape.thirds * THIRD])
        features = [
            fourier(v, *p, FEATURES) for v, p in zip(frame, (ASPECT_PERIODS, LENGTH_PERIODS), strict=True)
        ]
        c = F.silu(c + self.shape_proj(torch.cat(features, -1).to(z.device)))
        shared = self.modulation(c).unflatten(-1, (6, -1))[:, None].expand(-1, thirds, -1, -1)
        x = torch.cat((self.subject_in(z[:, :, :-1]), self.scene_in(z[:, :, -1:])), 2) + self.slots
        seconds = (torch.arange(thirds, device=z.device) + 0.5) * THIRD
        places = F.pad(seconds[:, None, None].expand(-1, SLOTS, 1), (0, 2))
        x = run_blocks(self.blocks, x, places, shared, condition.prefixes, condition.bias)
        x = rms_norm(x)
        return torch.cat((self.subject_out(x[:, :, :-1]), self.scene_out(x[:, :, -1:])), 2)


def loss(
    model: Planner, plans: Tensor, weight: Tensor, ids: Tensor, shape: PlanShape, t: Tensor, noise: Tensor
) -> Tensor:
    """Velocity error on clean plans [B, thirds, SLOTS, values] with texts ids [B, L].

    `weight`: of each value, shaped like the plans; 0 where nothing is, such as the path of an absent subject.
    `t`: noise levels [K * B], `noise`: standard normal [K * B, thirds, SLOTS, values]; each plan is seen K
    times, and its text encoded once.
    """
    copies = len(t) // len(plans)
    plans, weight = (values.repeat(copies, 1, 1, 1) for values in (plans, weight))
    level = t[:, None, None, None]
    z = level * plans + (1 - level) * noise
    clean = model(z, t, _repeat(model.encode_text(ids), copies), shape)
    errors: Tensor = ((clean - plans).square() * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    return (errors / (1 - t).clamp(min=NEAREST).square()).mean()


def _repeat(condition: Condition, copies: int) -> Condition:
    prefixes = tuple((k.repeat(copies, 1, 1, 1), v.repeat(copies, 1, 1, 1)) for k, v in condition.prefixes)
    return Condition(prefixes, condition.bias.repeat(copies, 1, 1, 1), condition.summary.repeat(copies, 1))


@torch.inference_mode()
def sample(
    model: Planner,
    ids: Tensor,
    shape: PlanShape,
    noise: Tensor,
    steps: int = 8,
    guidance: float = 2.0,
    settle: Callable[[Tensor], Tensor] = lambda plans: plans,
) -> Tensor:
    """Plans [B, thirds, SLOTS, values] from texts ids [B, L] and standard normal noise of their shape.

    `settle`: brings predicted plans nearer to true ones. Values that did not count in training have to be
    what they were there: otherwise the network soon sees plans such as it never saw.
    """
    condition, z = model.encode_text(torch.cat((ids, null_text(ids)))), noise
    for t, t_next in pairwise(torch.linspace(0, 1, steps + 1).tolist()):
        cond, uncond = model(torch.cat((z, z)), torch.full((2 * len(z),), t), condition, shape).chunk(2)
        z = z + (t_next - t) / (1 - t) * (settle(uncond.lerp(cond, guidance)) - z)
    return z
