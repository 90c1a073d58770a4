"""Whether a folder in Diffusers' layout holds a checkpoint of a family: decided by its configs alone. A
pipeline class serves several families, and weights of one may fit into the network of another and draw
nonsense there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hinode.errors import BadInput, join_names
from hinode.registry import families, inspection
from hinode.registry.families.family import Family
from hinode.registry.inspection import CONFIG, INDEX


def check_family(folder: Path, family: Family, *, field: str = "source") -> None:
    """Raise BadInput if a folder is not one of a family.

    Args:
        folder: with a `model_index.json`, which names a class of diffusers.
        field: field that errors name.
    """
    index = inspection.read_json(folder / INDEX)
    misfit = next(_misfits(folder, index, family), "")
    if not misfit:
        return
    others = tuple(
        name
        for name, other in families.FAMILIES.items()
        if index.get("_class_name") in other.classes and not any(_misfits(folder, index, other))
    )
    remedy = f"add it with --family {join_names(others, 'or')}" if others else "take one of this family"
    message = f"the folder {folder.name!r} is no checkpoint of the family {family.name}: {misfit}"
    raise BadInput(message, remedy, field=field)


def _misfits(folder: Path, index: dict[str, Any], family: Family) -> Iterator[str]:
    """What of a folder is not as in a family, each as the end of a sentence."""
    kind = index.get("_class_name")
    if kind is not None and kind not in family.classes:
        yield f"its pipeline is {kind}"
    parts = [
        name for name, value in index.items() if isinstance(value, list) and value[:1] not in ([], [None])
    ]
    for name in family.denoisers:
        if name not in parts:
            yield f"it has no {name}"
    for name in (*family.encoders, "vae"):
        if index.get(name) == [None, None]:
            yield f"it has no {name}"
    if len(family.denoisers) == 1 and "transformer_2" in parts:
        yield "it has two denoisers"
    for trait, expected in family.traits.items():
        place, _, name = trait.rpartition(".")
        value = (_config(folder, place) if place else index).get(name)
        if bool(value) != expected if isinstance(expected, bool) else expected not in (value or ()):
            yield f"{name} in {place or INDEX} is {value!r}"
    latents = _latent_channels(folder)
    factor, more = family.inputs
    for denoiser in family.denoisers:
        channels = _config(folder, denoiser).get("in_channels")
        if channels and latents and channels != factor * latents + more:
            yield f"its {denoiser} takes {channels} channels and not {factor * latents + more}"


def _latent_channels(folder: Path) -> int:
    config = _config(folder, "vae")
    return int(config.get("z_dim") or config.get("latent_channels") or 0)


def _config(folder: Path, part: str) -> dict[str, Any]:
    file = folder / part / CONFIG
    return inspection.read_json(file) if file.is_file() else {}
