"""LoRAs put over the parts of a model that they are for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinode.errors import ModelError

if TYPE_CHECKING:
    from hinode.engines.diffusers.loading.model import Model

CONNECTORS = "connectors"
"""What stands between the text encoder of LTX-2 and its denoiser; a LoRA may be for both."""


def add(model: Model, name: str, part: Any) -> None:
    """Put the LoRAs of a model over one of its parts.

    Args:
        name: of a denoiser, or `CONNECTORS`.
        part: it, with its weights.

    Raises:
        ModelError: one of them is not for this model.
    """
    connecting, denoisers = name == CONNECTORS, model.family.denoisers
    meant = [(path, weight) for path, weight in model.loras if connecting or name in _meant(path, denoisers)]
    if not meant:
        return
    # A LoRA for the second network is held against the settings of the first.
    given = {name: part} if connecting else dict.fromkeys((denoisers[0], name), part)
    pipeline = model.assemble(next(iter(model.family.pipelines.values())), **given)
    weights = {}
    for place, (path, weight) in enumerate(meant):
        adapter = f"lora_{place}"
        try:
            if CONNECTORS in model.names:
                _put(pipeline, name, part, adapter, path, pickle=model.entry.pickle)
            else:
                pipeline.load_lora_weights(
                    path.parent,
                    adapter_name=adapter,
                    **_options(path, pickle=model.entry.pickle),
                    **({"load_into_transformer_2": True} if name == "transformer_2" else {}),
                )
        except (OSError, ValueError, RuntimeError, KeyError, IndexError, AttributeError, TypeError) as error:
            raise ModelError(
                f"the LoRA {path.name} does not fit the model {model.entry.name}",
                "take one that was trained for this family and size",
            ) from error
        if adapter in (getattr(part, "peft_config", None) or {}):
            weights[adapter] = weight
        elif not connecting:
            raise ModelError(
                f"the LoRA {path.name} changes nothing in the model {model.entry.name}",
                "take one that was trained for this family",
            )
    if weights:
        part.set_adapters(list(weights), list(weights.values()))


def _put(pipeline: Any, name: str, part: Any, adapter: str, path: Path, *, pickle: bool) -> None:
    """What a LoRA holds for one part: its pipeline would put it over the connectors and the denoiser at once,
    and they are not read at the same time."""
    tensors, about = pipeline.lora_state_dict(
        path.parent, return_lora_metadata=True, **_options(path, pickle=pickle)
    )
    if not all("lora" in key for key in tensors):
        raise ValueError("not all of its tensors are those of a LoRA")
    own = {key: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
    if own:
        pipeline.load_lora_into_transformer(
            own, transformer=part, adapter_name=adapter, metadata=about, _pipeline=pipeline, prefix=name
        )


def _options(path: Path, *, pickle: bool) -> dict[str, Any]:
    return {"weight_name": path.name, "local_files_only": True, "use_safetensors": not pickle}


def _meant(path: Path, denoisers: tuple[str, ...]) -> tuple[str, ...]:
    """Which of two networks a LoRA is for: the file says "high" or "low" for the noise, or it is for both."""
    if len(denoisers) == 1:
        return denoisers
    name = path.name.lower()
    return denoisers[:1] if "high" in name else denoisers[1:] if "low" in name else denoisers
