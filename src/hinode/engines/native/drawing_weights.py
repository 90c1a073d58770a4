"""Weights of the drawing network: matrices as rows of 8-bit integers with a scale each, in one file or in
several of a few megabytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinode.engines.native.catalog import read_header
from hinode.errors import ModelError
from hinode.model.drawing import Drawer, DrawingConfig
from hinode.model.layers import Linear
from hinode.output import replace_file

PIECE = 14 * 2**20
"""Bytes of a file."""
SCALE = ".scale"
ROWS = 4096  # values from which on a matrix is stored as integers


def save_pieces(
    path: Path,
    weights: Mapping[str, Tensor],
    config: DrawingConfig,
    facts: Mapping[str, Any],
    *,
    piece: float = PIECE,
) -> list[Path]:
    """Write weights as NAME.safetensors, NAME.2.safetensors, ..., of `piece` bytes or a little more each;
    returns the files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pieces: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, value in weights.items():
        packed = _packed(key, value.detach().float().cpu())
        added = sum(part.numel() * part.element_size() for part in packed.values())
        if size + added > piece and pieces[-1]:
            pieces.append({})
            size = 0
        pieces[-1] |= packed
        size += added
    header = {"config": dataclasses.asdict(config), "facts": dict(facts), "pieces": len(pieces)}
    paths = [_piece_path(path, number) for number in range(1, len(pieces) + 1)]
    for file, values in zip(paths, pieces, strict=True):
        with replace_file(file) as part:
            save_file(values, part, {"format": "pt", "hinode": json.dumps(header)})
    return paths


def _piece_path(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}.{number}.safetensors")


def _packed(key: str, value: Tensor) -> dict[str, Tensor]:
    if value.ndim < 2 or value.numel() < ROWS:
        return {key: value.to(torch.float16).contiguous()}
    rows = value.flatten(1)
    scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
    return {
        key: (rows / scale).round().to(torch.int8).view(value.shape).contiguous(),
        key + SCALE: scale.half(),
    }


def load_pieces(
    path: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Drawer, dict[str, Any]]:
    """Read a network that `save_pieces` wrote, and the facts of its training; `dtype` is the type of its
    matrices and of the computation.

    Raises:
        ModelError: a piece is missing or damaged, or belongs to another network.
    """
    header = read_header(path)
    try:
        stored: dict[str, Tensor] = {}
        for number in range(1, header["pieces"] + 1):
            stored |= load_file(_piece_path(path, number), str(device))
        weights = {key: value.float() if value.dtype != torch.int8 else
                   (value.flatten(1).float() * stored[key + SCALE].float()).view(value.shape)
                   for key, value in stored.items() if not key.endswith(SCALE)}  # fmt: skip
        config = {**header["config"], "facts": tuple(header["config"]["facts"])}
        network = Drawer(DrawingConfig(**config))
        network.load_state_dict(weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        message = f"the weights {path} are not whole"
        raise ModelError(message, "fetch or train them again") from error
    network.compute = dtype
    for part in network.modules():
        if isinstance(part, Linear):
            part.weight.data = part.weight.data.to(dtype)
    return network.to(device).eval().requires_grad_(False), header["facts"]
