"""What can be asked for of a model of this engine; known from the registry alone, without torch."""

from __future__ import annotations

from pathlib import Path

from hinode.engines.limits import FPS, PIXELS, PROMPT_CHARACTERS, SIDE, STEPS
from hinode.errors import BadInput, ModelError, join_names, quote
from hinode.registry import entries
from hinode.registry.entries import Entry
from hinode.registry.families import FAMILIES
from hinode.registry.family import PROFILES, Family
from hinode.request import Capabilities

ENGINE = "diffusers"


def find(name: str | None, home: Path) -> tuple[Entry, Family]:
    """A model and its family.

    Args:
        name: name of a model that was added, or None for the first one that can be used.
        home: `Settings.home`.

    Raises:
        BadInput: there is no such model, or the registry gives it to another engine.
        ModelError: no model was added, or the entry is damaged.
    """
    offered = entries.available(ENGINE, home)
    if not offered:
        raise ModelError(
            "no model of the diffusers engine is installed",
            "add one with `hinode models add`, see docs/models.md",
        )
    if name is not None and name not in offered:
        raise BadInput(
            f"there is no model {quote(name)}", f"choose {join_names(offered, 'or')}", field="model"
        )
    entry = entries.find(name or offered[0], home)
    if entry.family not in FAMILIES:
        raise ModelError(
            f"the model {entry.name} is of the family {quote(entry.family)}, which is not known here",
            f"use one of the families {join_names(tuple(FAMILIES), 'or')}",
        )
    return entry, FAMILIES[entry.family]


def capabilities(name: str | None, home: Path) -> Capabilities:
    """See `Engine.capabilities`.

    Args:
        name: name of a model that was added, or None for the first one that can be used.
        home: `Settings.home`.

    Raises:
        BadInput: there is no such model.
        ModelError: no model was added, or the entry is damaged.
    """
    entry, family = find(name, home)
    return Capabilities(
        engine=ENGINE,
        model=entry.name,
        models=entries.available(ENGINE, home),
        operations=family.operations,
        prompt_characters=PROMPT_CHARACTERS,
        side=SIDE,
        pixels=PIXELS,
        seconds=(0.0, family.seconds),
        fps=FPS,
        steps=STEPS,
        native_sizes=(),
        native_fps=(family.fps,),
        licence=entry.terms,
        references=family.references,
        negative_prompt=family.negative_prompt,
        sound=family.sound,
        required_references=family.required,
        extension_seconds=family.extension_seconds,
        profiles=PROFILES,
    )
