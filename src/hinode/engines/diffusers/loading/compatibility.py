"""Whether the files of a model are those that its network needs, found out when it is added: each part is
built without memory and compared with the headers of its files, and so is each LoRA."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hinode.engines.diffusers.loading import loras, weight_file
from hinode.engines.diffusers.loading.checkpoint import Checkpoint
from hinode.engines.diffusers.loading.lora_file import CONNECTORS
from hinode.errors import ModelError, quote
from hinode.registry import families, inspection
from hinode.registry.entry import Entry


def check(entry: Entry, home: Path) -> None:
    """Compare the files of a model, all of which are on this machine, with its network; no weight is read.

    Without the library nothing is compared. Everything that can be wrong here is also checked when the model
    is loaded.

    Raises:
        ModelError: a file lacks tensors, has unknown ones or others shapes, or a LoRA does not fit.
    """
    if importlib.util.find_spec("diffusers") is None:
        return
    family = families.find(entry.family)
    checkpoint = Checkpoint(entry, family, home, torch.bfloat16)
    for name in checkpoint.part_names:
        kind = checkpoint.part_class(name)
        if not issubclass(kind, nn.Module):
            continue
        _check_presence(checkpoint, name)
        if not kind.__module__.startswith("diffusers."):
            continue  # transformers rewrites names while it loads
        if name in family.denoisers:
            _check_config(kind, checkpoint.config(name), f"{entry.name}/{name}")
        part = checkpoint.empty_part(name)
        _check_tensors(checkpoint, name, kind, part)
        if name in (*family.denoisers, CONNECTORS):
            for lora in checkpoint.loras:
                if lora.is_for(name, family):
                    loras.check(lora, name, part, family, pickle=entry.pickle)


def _check_presence(checkpoint: Checkpoint, name: str) -> None:
    """Make sure that the library finds weights: it reads only files with names of its own."""
    folder = checkpoint.folder / name
    pickles = [file for file in inspection.walk(folder) if file.suffix in inspection.PICKLED]
    if not checkpoint.weight_files(name) and not (checkpoint.entry.pickle and pickles):
        message = f"the library finds no weights in {quote(str(folder), 200)}"
        remedy = "give them the names that they have on the hub, such as diffusion_pytorch_model.safetensors"
        raise ModelError(message, remedy)


def _check_config(kind: Any, config: dict[str, Any], where: str) -> None:
    """Make sure that the library knows every setting of a denoiser: it ignores those of a newer network."""
    known = inspect.signature(kind.__init__).parameters
    unknown = [name for name, value in config.items() if name not in known and name[:1] != "_" and value]
    if unknown:
        message = f"the installed diffusers does not know {quote(unknown[0])} in the config of {where}"
        raise ModelError(message, "take a version of the model for diffusers 0.42, or install a newer Hinode")


def _check_tensors(checkpoint: Checkpoint, name: str, kind: Any, part: nn.Module) -> None:
    layout = checkpoint.layout(name)
    if not layout:  # pickles
        return
    where, expected = f"{checkpoint.entry.name}/{name}", part.state_dict()
    if (file := checkpoint.single_files.get(name)) is not None:
        where = file.name
        layout = weight_file.to_library_names(layout, kind, checkpoint.config(name), expected)
    for pattern in kind._keys_to_ignore_on_load_unexpected or ():
        layout = {
            key: value for key, value in layout.items() if key in expected or not re.search(pattern, key)
        }
    weight_file.check(layout, expected, where)
