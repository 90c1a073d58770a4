"""What is random in a training sample beside its noise: the noise levels, and whether it has its text."""

from __future__ import annotations

import torch
from torch import Tensor

from hinode.model.flow import null_text

LEVEL_MEAN, LEVEL_SPREAD = -0.8, 0.8  # of the logit-normal noise level
INDEPENDENT = 0.10  # samples with a level per latent frame; the rest has one for the whole clip
EARLY, EARLIEST = 0.25, 0.15  # samples below a level that others seldom have: it decides the camera
TEXT_DROPOUT = 0.10


def sample_levels(batch: int, frames: int, generator: torch.Generator) -> Tensor:
    """Noise levels for training, [B, Tl]: a tenth of clips has one per latent frame, a quarter a low one."""
    device = generator.device
    each = torch.randn(batch, frames, generator=generator, device=device)
    alone, early, first = torch.rand(3, batch, 1, generator=generator, device=device)
    levels = torch.sigmoid(LEVEL_MEAN + LEVEL_SPREAD * each)
    shared = torch.where(early < EARLY, EARLIEST * first, levels[:, :1])
    return torch.where(alone < INDEPENDENT, levels, shared)


def drop_text(ids: Tensor, generator: torch.Generator) -> Tensor:
    """Replace a tenth of the texts by the null text: the network also learns the unconditional field."""
    odds = torch.rand(ids.shape[0], 1, generator=generator, device=generator.device)
    return torch.where(odds.to(ids.device) < TEXT_DROPOUT, null_text(ids), ids)
