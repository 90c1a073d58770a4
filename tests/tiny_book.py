"""A network of the picture book of toy size with random weights: it follows plans and draws noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hinode.engines.native.drawing_weights import save_pieces
from hinode.model.drawing import Drawer, DrawingConfig

CONFIG = DrawingConfig(fine_width=64, width=64, depth=1, fine_in=1, fine_out=1, conditioning=64, textures=4)


SHAPES = ((41, 24, 64, 32), (41, 24, 32, 64))
"""Frames, rate, width and height: wide and upright."""


def save_tiny_book(
    path: Path, piece: float = 2**30, *, shapes: Sequence[tuple[int, int, int, int]] = SHAPES, seed: int = 0
) -> None:
    """Write the network as a model file, or in files of `piece` bytes."""
    torch.manual_seed(seed)
    network = Drawer(CONFIG)
    for part in (network.final.weight, network.pixels.out.weight):
        torch.nn.init.normal_(part, std=0.02)
    facts = {"shapes": shapes, "sampling": {"steps": 3}}
    save_pieces(path, network.state_dict(), CONFIG, facts, piece=piece)
