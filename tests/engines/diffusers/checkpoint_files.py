"""Checkpoints of tiny models, added as the command does it, and changes of their files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hinode.engines.diffusers.loading import compatibility
from hinode.engines.diffusers.loading.model import Model
from hinode.registry import acquisition, entries
from hinode.registry.entry import Entry
from hinode.registry.families import FAMILIES
from tests.engines.diffusers.conftest import ModelHome

FAMILY = "wan2.1-t2v"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def add(models: ModelHome, source: Path, family: str = FAMILY, **options: Any) -> Model:
    """A model that was added as the command does it."""
    name = f"added-{len(entries.names(models.home))}"
    entry = Entry(name, "diffusers", family, str(source), licence="Apache-2.0", **options)
    entry = acquisition.add(entry, models.home, check=compatibility.check)
    return Model(entry, FAMILIES[family], models.home, torch.device("cpu"), torch.float32)


def copy(models: ModelHome, folder: Path, family: str = FAMILY) -> Path:
    """A copy of the tiny model of a family."""
    shutil.copytree(models.checkpoint(family), folder)
    return folder


def rewrite(file: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    """Change the tensors in a file, which may not exist yet."""
    tensors = safetensors.torch.load_file(file)
    change(tensors)
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})
    return file


def middle(tensors: dict[str, torch.Tensor]) -> str:
    """The name of a matrix in the first half of a part."""
    return sorted(name for name, tensor in tensors.items() if tensor.ndim > 1)[len(tensors) // 4]
