"""Small checkpoints on disk, and adding them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from hinode import engines
from hinode.registry import acquisition
from hinode.registry.entries import ENGINE
from hinode.registry.entry import Entry
from hinode.registry.inspection import ignore_progress
from hinode.registry.loras import parse as parse_loras
from hinode.registry.tiny_decoders import Layout
from hinode.settings import Settings


def write_weights(path: Path, fill: float = 0.5, count: int = 64) -> Path:
    """A safetensors file of one tensor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weight": np.full((count, 16), fill, dtype=np.float32)}, path)
    return path


def tiny_decoder_tensors(channels: int = 16) -> dict[str, np.ndarray]:
    """The tensors of a narrow tiny decoder for Wan 2.1 in TAEHV's layout, all zero."""
    shapes = Layout(channels, (8, 8, 8, 8), (1, 2, 2), 1).shapes()
    return {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}


def write_gguf(path: Path, tensors: int = 1) -> Path:
    """A GGUF header, and zeros in place of the rest."""
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, tensors, 0) + bytes(64))
    return path


def write_pipeline(folder: Path) -> Path:
    """A folder in Diffusers' layout: two parts with weights, two without."""
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(
        json.dumps(
            {
                "_class_name": "WanPipeline",
                "_diffusers_version": "0.42.1",
                "scheduler": ["diffusers", "UniPCMultistepScheduler"],
                "tokenizer": ["transformers", "T5TokenizerFast"],
                "transformer": ["diffusers", "WanTransformer3DModel"],
                "transformer_2": [None, None],
                "vae": ["diffusers", "AutoencoderKLWan"],
                "boundary_ratio": None,
                "shifts": [1.0, 5.0],
            }
        )
    )
    for part, name in (("scheduler", "scheduler_config"), ("tokenizer", "tokenizer"), ("vae", "config")):
        (folder / part).mkdir()
        (folder / part / f"{name}.json").write_text("{}")
    write_weights(folder / "transformer" / "diffusion_pytorch_model.safetensors", 1.0)
    (folder / "transformer" / "config.json").write_text("{}")
    write_weights(folder / "vae" / "diffusion_pytorch_model.safetensors", 2.0)
    return folder


def add(
    home: Path,
    name: str = "wan",
    *,
    loras: Sequence[str] = (),
    lora_licences: Sequence[str] = (),
    **options: Any,
) -> Entry:
    """Add a model of the family Wan 2.1, as the command does."""
    values = {"family": "wan2.1-t2v", "loras": parse_loras(loras, lora_licences), **options}
    watch = values.pop("watch", ignore_progress)
    reserved = engines.reserved_names(Settings(home=home))
    return acquisition.add(Entry(name, ENGINE, **values), home, reserved_names=reserved, watch=watch)
