"""A network of toy size with random weights: what it draws is noise, but it draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hinode.engines.native import checkpoint
from hinode.model.dit import DiT, DiTConfig
from hinode.model.text import Vocabulary


def tiny_config(words: int, **changes: Any) -> DiTConfig:
    """The smallest network with all parts, for a vocabulary of `words` ids."""
    widths = dict.fromkeys(("fine_width", "width", "text_width", "conditioning"), 64)
    return DiTConfig(**{"vocabulary": words, "fine_out": 1, "depth": 1, "text_depth": 1, **widths, **changes})


def tiny_model(config: DiTConfig, *, seed: int = 1, std: float = 0.1) -> DiT:
    """A network whose weights are all random, also those where training starts from zero."""
    model = DiT(config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std, generator=generator)
    return model.requires_grad_(False)


def save_tiny_model(path: Path, model: DiT, vocabulary: Vocabulary, facts: Mapping[str, Any]) -> None:
    """Write the network as a model file."""
    checkpoint.save(path, model.state_dict(), model.config, vocabulary, facts)
