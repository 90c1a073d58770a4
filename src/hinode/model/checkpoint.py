"""One file that holds a model.

Weights are bfloat16; sizes, vocabulary and the facts of the training are JSON in the header. Files are
written beside their final name and then renamed, so a reader never meets half a model.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hinode.errors import ModelError
from hinode.model.dit import DiT, DiTConfig
from hinode.model.text import Vocabulary

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to draw, and what is known of it."""

    model: DiT
    vocabulary: Vocabulary
    facts: dict[str, Any]  # recipe, steps, clips seen, losses, ...: JSON values


def save(
    path: Path | str,
    state: Mapping[str, Tensor],
    config: DiTConfig,
    vocabulary: Vocabulary,
    facts: Mapping[str, Any],
    *,
    shard_bytes: int | None = None,
) -> list[Path]:
    """Write weights (usually the moving average) to `path`, e.g. model.safetensors; returns all files.

    With `shard_bytes` the weights are spread over model-00001-of-0000N.safetensors, none larger than that
    (unless one tensor alone is).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "format": FORMAT,
        "config": dataclasses.asdict(config),
        "vocabulary": list(vocabulary.words),
        "facts": dict(facts),
    }
    metadata = {"format": "pt", "hinode": json.dumps(header)}
    weights = {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in state.items()}
    shards = list(_shards(weights, shard_bytes))
    names = [path]
    if shard_bytes is not None:
        names = [
            path.with_name(f"{path.stem}-{number:05d}-of-{len(shards):05d}{path.suffix}")
            for number in range(1, len(shards) + 1)
        ]
    for name, shard in zip(names, shards, strict=True):
        beside = name.with_name(name.name + ".part")
        save_file(shard, beside, metadata)
        beside.replace(name)
    return names


def _shards(weights: dict[str, Tensor], limit: int | None) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    size = 0
    for name, value in weights.items():
        if limit is not None and shard and size + value.nbytes > limit:
            yield shard
            shard, size = {}, 0
        shard[name] = value
        size += value.nbytes
    yield shard


def load(
    path: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Checkpoint:
    """Read a model that `save` wrote. `path` is its file, or the name that its shards share.

    dtype: type of the weights and of the computation. Raises ModelError if the file is missing, damaged,
    incomplete, or from another version.
    """
    path = Path(path)
    files = _files(path)
    header: dict[str, Any] | None = None
    state: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt", device=str(device)) as reader:
                header = json.loads((reader.metadata() or {}).get("hinode", "null"))
                state |= {name: reader.get_tensor(name).to(dtype) for name in reader.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(
                f"The weight file {file} cannot be read ({error})", "fetch or train it again"
            ) from error
    if header is None or header.get("format") != FORMAT:
        raise ModelError(
            f"{path} is not a Hinode model of format {FORMAT}",
            "use one trained or published for this version",
        )
    try:
        config = DiTConfig(**header["config"])
        vocabulary = Vocabulary(tuple(header["vocabulary"]))
        model = DiT(config)
        model.load_state_dict(state, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The weights in {path} do not fit the network they describe", "fetch or train the model again"
        ) from error
    model.compute = dtype
    return Checkpoint(model.eval().requires_grad_(False), vocabulary, header["facts"])


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(path.parent.glob(f"{path.stem}-?????-of-?????{path.suffix}"))
    if not found:
        raise ModelError(f"There is no model at {path}", "check the name, or train one with `hinode train`")
    expected = int(found[0].stem.rpartition("-")[2])
    if len(found) != expected:
        raise ModelError(
            f"{len(found)} of the {expected} shards of {path} are there", "fetch the missing ones"
        )
    return found
