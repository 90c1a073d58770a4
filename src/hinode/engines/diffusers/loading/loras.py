"""Adding LoRAs to the parts of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hinode.errors import ModelError

CONNECTORS = "connectors"
"""The part between the text encoder of LTX-2 and its denoiser; a LoRA may be for both."""


def select(
    loras: Sequence[tuple[Path, float]], name: str, denoisers: tuple[str, ...]
) -> list[tuple[Path, float]]:
    """The LoRAs, as (file, weight), that may be for a part: a denoiser, or `CONNECTORS`."""
    return [lora for lora in loras if name == CONNECTORS or name in _denoisers_of(lora[0], denoisers)]


def add(
    loras: Sequence[tuple[Path, float]],
    name: str,
    part: Any,
    pipeline: Any,
    *,
    separate: bool,
    pickle: bool,
    model: str,
) -> None:
    """Add the LoRAs that may be for a part to it; ModelError if one is not for this model.

    Args:
        pipeline: a pipeline of the model that holds the part; it reads the files.
        separate: whether a LoRA may be for `CONNECTORS` too, which are loaded at another time.
        pickle: whether files that can run code are allowed.
        model: name of the model, for errors.
    """
    weights = {}
    for index, (path, weight) in enumerate(loras):
        adapter = f"lora_{index}"
        options = {"weight_name": path.name, "local_files_only": True, "use_safetensors": not pickle}
        try:
            if separate:
                _load_for_part(pipeline, name, part, adapter, path, options)
            else:
                if name == "transformer_2":
                    options["load_into_transformer_2"] = True
                pipeline.load_lora_weights(path.parent, adapter_name=adapter, **options)
        except (OSError, ValueError, RuntimeError, KeyError, IndexError, AttributeError, TypeError) as error:
            message = f"the LoRA {path.name} does not fit the model {model}"
            raise ModelError(message, "take one that was trained for this family and size") from error
        if adapter in (getattr(part, "peft_config", None) or {}):
            weights[adapter] = weight
        elif name != CONNECTORS:
            message = f"the LoRA {path.name} changes nothing in the model {model}"
            raise ModelError(message, "take one that was trained for this family")
    if weights:
        part.set_adapters(list(weights), list(weights.values()))


def _load_for_part(
    pipeline: Any, name: str, part: Any, adapter: str, path: Path, options: dict[str, Any]
) -> None:
    """Load what a LoRA holds for one part. The pipeline by itself would load it into the connectors and the
    denoiser at once."""
    tensors, metadata = pipeline.lora_state_dict(path.parent, return_lora_metadata=True, **options)
    if not all("lora" in key for key in tensors):
        raise ValueError("not all of its tensors are those of a LoRA")
    own = {key: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
    if own:
        pipeline.load_lora_into_transformer(
            own, transformer=part, adapter_name=adapter, metadata=metadata, _pipeline=pipeline, prefix=name
        )


def _denoisers_of(path: Path, denoisers: tuple[str, ...]) -> tuple[str, ...]:
    """Which of two denoisers a LoRA is for: "high" or "low" noise in the name of its file, or both."""
    if len(denoisers) == 1:
        return denoisers
    name = path.name.lower()
    return denoisers[:1] if "high" in name else denoisers[1:] if "low" in name else denoisers
