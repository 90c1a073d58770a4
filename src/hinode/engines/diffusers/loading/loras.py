"""The LoRAs of a model: which parts they are for, and adding them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from hinode.engines.diffusers.loading import lora_file
from hinode.engines.diffusers.loading.lora_file import CONNECTORS, Change
from hinode.errors import ModelError
from hinode.registry.families.family import Family


class Attachment(NamedTuple):
    """A LoRA of a model: its file, its strength, and for which of two denoisers it is: "high" or "low" noise,
    or "" for both."""

    path: Path
    weight: float
    noise: str

    def is_for(self, name: str, family: Family) -> bool:
        """Whether it may change the part called `name`."""
        if name == CONNECTORS or not self.noise or len(family.denoisers) == 1:
            return name in (CONNECTORS, *family.denoisers)
        return name == family.denoisers[("high", "low").index(self.noise)]


def add(loras: Sequence[Attachment], name: str, part: Any, family: Family, *, pickle: bool) -> list[str]:
    """Add the LoRAs that are for a part to it, and return for each what is to be said of it.

    Args:
        pickle: whether files that can run code are allowed.

    Raises:
        ModelError: one is not for this model.
    """
    weights, remarks = {}, []
    for index, lora in enumerate(loras):
        if not lora.is_for(name, family):
            continue
        layers, settings = lora_file.read(lora.path, pickle=pickle)
        change = lora_file.find_change(layers, settings, name, part, family, lora.path)
        check_change(change, name, lora)
        try:
            lora_file.apply(change, part, f"lora_{index}", lora.weight, lora.path)
        except (ValueError, RuntimeError, KeyError, AttributeError, TypeError) as error:
            message = f"the LoRA {lora.path.name} cannot be added to the part {name}"
            raise ModelError(message, "take one that was trained for this family and size") from error
        if change.pairs:
            weights[f"lora_{index}"] = lora.weight
        if change and name != CONNECTORS:
            remarks.append(describe(change, lora, len(layers), family))
    if weights:
        part.set_adapters(list(weights), list(weights.values()))
    return remarks


def check(lora: Attachment, name: str, part: nn.Module, family: Family, *, pickle: bool) -> None:
    """Raise ModelError if a LoRA does not fit a part without weights; a pickle is not looked into."""
    layers, settings = lora_file.read(lora.path, pickle=pickle, layout=True)
    if layers:
        check_change(lora_file.find_change(layers, settings, name, part, family, lora.path), name, lora)


def check_change(change: Change, name: str, lora: Attachment) -> None:
    """Raise ModelError if a LoRA changes nothing in a part that it has to change."""
    if not change and name != CONNECTORS:
        layer = f"; it has no layer like {change.unknown[0]}" if change.unknown else ""
        message = f"the LoRA {lora.path.name} changes nothing in the {name} of the model{layer}"
        raise ModelError(message, "take one that was trained for this family")


def describe(change: Change, lora: Attachment, layers: int, family: Family) -> str:
    """Which network a LoRA changes, and how many of its layers this network does not have."""
    text = f"LoRA {lora.path.name}"
    if len(family.denoisers) > 1:
        text += f" for {lora.noise} noise" if lora.noise else " for high and low noise"
    if change.unknown:
        text += f", without {len(change.unknown)} of its {layers} layers, which this network does not have"
    return text
