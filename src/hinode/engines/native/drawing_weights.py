"""Weights of the drawing network: matrices as rows of 8-bit integers with a scale each, in files of a few
megabytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinode.errors import ModelError
from hinode.model.drawing import Drawer, DrawingConfig
from hinode.output import replace_file

PIECE = 14 * 2**20
"""Bytes of a file."""
SCALE = ".scale"
ROWS = 4096  # values from which on a matrix is stored as integers


def save_pieces(
    folder: Path, name: str, weights: Mapping[str, Tensor], config: DrawingConfig, facts: Mapping[str, Any]
) -> list[Path]:
    """Write weights as NAME-1.safetensors, NAME-2.safetensors, ...; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, value in weights.items():
        packed = _packed(key, value.detach().float().cpu())
        added = sum(part.numel() * part.element_size() for part in packed.values())
        if size + added > PIECE and pieces[-1]:
            pieces.append({})
            size = 0
        pieces[-1] |= packed
        size += added
    header = {"config": dataclasses.asdict(config), "facts": dict(facts), "pieces": len(pieces)}
    paths = []
    for number, piece in enumerate(pieces, start=1):
        path = folder / f"{name}-{number}.safetensors"
        with replace_file(path) as part:
            save_file(piece, part, {"format": "pt", "hinode-drawing": json.dumps(header)})
        paths.append(path)
    return paths


def _packed(key: str, value: Tensor) -> dict[str, Tensor]:
    if value.ndim < 2 or value.numel() < ROWS:
        return {key: value.to(torch.float16).contiguous()}
    rows = value.flatten(1)
    scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
    return {
        key: (rows / scale).round().to(torch.int8).view(value.shape).contiguous(),
        key + SCALE: scale.half(),
    }


def load_pieces(folder: Path, name: str, device: torch.device | str = "cpu") -> tuple[Drawer, dict[str, Any]]:
    """Read a network that `save_pieces` wrote, and the facts of its training.

    Raises:
        ModelError: a piece is missing or damaged, or belongs to another network.
    """
    path = folder / f"{name}-1.safetensors"
    if not path.exists():
        raise ModelError(
            f"there is no {path.name} in {folder}", "check the name, or train one with `hinode train`"
        )
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["hinode-drawing"])
        stored: dict[str, Tensor] = {}
        for number in range(1, header["pieces"] + 1):
            stored |= load_file(folder / f"{name}-{number}.safetensors", str(device))
        weights = {key: value.float() if value.dtype != torch.int8 else
                   (value.flatten(1).float() * stored[key + SCALE].float()).view(value.shape)
                   for key, value in stored.items() if not key.endswith(SCALE)}  # fmt: skip
        config = {**header["config"], "facts": tuple(header["config"]["facts"])}
        network = Drawer(DrawingConfig(**config))
        network.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        message = f"the weights {name} in {folder} are not whole"
        raise ModelError(message, "fetch or train them again") from error
    return network.to(device).eval().requires_grad_(False), header["facts"]
