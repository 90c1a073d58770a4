"""A reader with random weights: it has every part, and reads nothing right."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch

from hinode.model.reader import Reader
from hinode.training import loop
from hinode.training.reader.trainer import config


def write_reader(path: Path, *, world: float = 9.0) -> Path:
    """Write a small reader; `world`: how sure it is that everything is of this world, as a logit."""
    torch.manual_seed(0)
    sizes = dataclasses.replace(config(), width=8, crop_width=4)
    model = Reader(sizes)
    torch.nn.init.constant_(model.scene.bias[-1:], world)
    header = {"config": dataclasses.asdict(sizes), "facts": {"steps": 0}}
    weights = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    loop.save_weights(path, weights, {"format": "pt", "hinode": json.dumps(header)})
    return path
