"""Weight files: weights in bfloat16, with sizes, vocabulary and facts of the training as JSON in the
header."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinode.engines.native.catalog import NOT_A_MODEL, read_header
from hinode.errors import ModelError
from hinode.model.dit import DiT, DiTConfig
from hinode.model.text import Vocabulary
from hinode.output import replace_file

FORMAT = 2
RENAMED = {  # names of weights in format 1
    "first": "first_frame",
    "hints.weight": "control_proj.weight",
    "place.weight": "position_proj.weight",
    "pool.weight": "text_proj.weight",
    "rate.weight": "fps_proj.weight",
    "text.place": "text.positions",
}


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to draw, with the facts of its training."""

    model: DiT
    vocabulary: Vocabulary
    facts: dict[str, Any]  # recipe, steps, clips, losses, ...: JSON values


def save(
    path: Path | str,
    state: Mapping[str, Tensor],
    config: DiTConfig,
    vocabulary: Vocabulary,
    facts: Mapping[str, Any],
) -> None:
    """Write weights (usually the moving average) to `path`, such as model.safetensors.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "format": FORMAT,
        "config": dataclasses.asdict(config),
        "vocabulary": list(vocabulary.words),
        "facts": dict(facts),
    }
    weights = {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in state.items()}
    with replace_file(path) as part:
        save_file(weights, part, {"format": "pt", "hinode": json.dumps(header)})


def load(
    path: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Checkpoint:
    """Read a model that `save` wrote; `dtype` is the type of the weights and of the computation.

    Raises:
        ModelError: the file is missing, damaged, incomplete, or from another version.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no model at {path}", "check the name, or train one with `hinode train`")
    header = read_header(path)
    if header.get("format") not in (1, FORMAT):
        raise ModelError(f"{path} is not a Hinode model of format {FORMAT}", NOT_A_MODEL)
    try:
        state = {name: value.to(dtype) for name, value in load_file(path, str(device)).items()}
        config = header["config"]
        if header["format"] == 1:
            config, state = _from_format_1(config, state)
        model = DiT(DiTConfig(**config))
        model.load_state_dict(state, assign=True)
        vocabulary = Vocabulary(tuple(header["vocabulary"]))
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        message = f"the weights in {path} do not fit their description"
        raise ModelError(message, "fetch or train the model again") from error
    model.compute = dtype
    return Checkpoint(model.eval().requires_grad_(False), vocabulary, header["facts"])


def _from_format_1(
    config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of an older file under the names of today."""
    config = {**config, "control": config.get("hints", False)}
    # No network was ever published that has its guidance as an input.
    config = {name: value for name, value in config.items() if name not in ("hints", "guidance_embedded")}
    return config, {
        RENAMED.get(name, name).replace("mlp.rise", "mlp.fc_in").replace("mlp.fall", "mlp.fc_out"): value
        for name, value in state.items()
    }
