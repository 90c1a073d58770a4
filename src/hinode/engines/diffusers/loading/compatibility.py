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
from hinode.engines.diffusers.loading.acceleration import first_line
from hinode.engines.diffusers.loading.checkpoint import LIBRARY_ERRORS, Checkpoint, quiet
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
            _check_settings(checkpoint, name, kind)
            continue
        _check_presence(checkpoint, name)
        _check_layers(checkpoint, name)
        if not kind.__module__.startswith("diffusers."):
            _check_encoder(checkpoint, name, kind)
            continue
        if name in family.denoisers:
            _check_config(kind, checkpoint.config(name), f"{entry.name}/{name}")
        try:
            part = checkpoint.empty_part(name)
        except LIBRARY_ERRORS as error:
            raise _unreadable(f"{entry.name}/{name}", error) from error
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


def _check_settings(checkpoint: Checkpoint, name: str, kind: Any) -> None:
    """Make sure that a part without weights, such as a tokenizer, can be read."""
    own = {} if kind.__module__.startswith("diffusers.") else {"trust_remote_code": False}
    try:
        with quiet():
            kind.from_pretrained(checkpoint.folder / name, local_files_only=True, **own)
    except LIBRARY_ERRORS as error:
        raise _unreadable(f"{checkpoint.entry.name}/{name}", error) from error


def _check_layers(checkpoint: Checkpoint, name: str) -> None:
    """Make sure that there is a config, and that it has no more layers than the files have tensors: to build
    billions of them would not end."""
    config, where = checkpoint.config(name), f"{checkpoint.entry.name}/{name}"
    if not config:
        raise ModelError(f"the config of {where} has no settings", "fetch it again")
    layout = checkpoint.layout(name)
    for setting, value in config.items():
        if (
            layout
            and re.fullmatch("num_.*layers", setting)
            and isinstance(value, int)
            and value > len(layout)
        ):
            message = (
                f"the config of {where} says {setting} = {value}, and its files have {len(layout)} tensors"
            )
            raise ModelError(message, "fetch it again")


def _check_config(kind: Any, config: dict[str, Any], where: str) -> None:
    """Make sure that the library knows every setting of a denoiser: it ignores those of a newer network."""
    parameters = inspect.signature(kind.__init__).parameters
    unknown = [name for name, value in config.items() if name not in parameters and name[:1] != "_" and value]
    if unknown:
        message = f"the installed diffusers does not know {quote(unknown[0])} in the config of {where}"
        raise ModelError(message, "take a version of the model for diffusers 0.42, or install a newer Hinode")


def _check_encoder(checkpoint: Checkpoint, name: str, kind: Any) -> None:
    """Transformers rewrites names while it loads, so that it says itself which tensors are missing."""
    layout, where = checkpoint.layout(name), f"{checkpoint.entry.name}/{name}"
    if not layout:  # pickles
        return
    stated, expected = checkpoint.config(name).get("model_type"), kind.config_class.model_type
    if stated not in (None, expected) and kind.config_class.base_config_key not in checkpoint.config(name):
        message = f"{where} is of the type {quote(str(stated))} and not {quote(expected)}"
        raise ModelError(message, "take the part that belongs to the model")
    try:
        config = kind.config_class.from_pretrained(checkpoint.folder / name, local_files_only=True)
        if getattr(config, "quantization_config", None):  # read by a library of its own, on its own device
            return
        with quiet():
            part, info = kind.from_pretrained(
                None,
                config=config,
                state_dict=layout,
                device_map="meta",
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except LIBRARY_ERRORS as error:
        raise _unreadable(where, error) from error
    unknown = weight_file.beside_weights(info["unexpected_keys"], [*part.state_dict(), *layout])
    weight_file.check_names(info["missing_keys"], unknown, where)
    weight_file.check_types(layout, part.state_dict(), where)
    for tensor, shape, expected in sorted(info["mismatched_keys"]):
        weight_file.check({tensor: torch.empty(shape)}, {tensor: torch.empty(expected)}, where)


def _unreadable(where: str, error: Exception) -> ModelError:
    message = f"the library cannot read {where}: {first_line(error)}"
    return ModelError(message, "fetch it again, or install what the sentence names")


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
