"""What can be requested of a model of this engine, from the registry alone and without torch."""

from __future__ import annotations

from pathlib import Path

from hinode.errors import BadInput, ModelError, join_names, quote
from hinode.registry import entries
from hinode.registry.entries import ENGINE
from hinode.registry.entry import Entry
from hinode.registry.families import FAMILIES
from hinode.registry.families.family import Family
from hinode.registry.profiles import PROFILES
from hinode.request import Capabilities


def find(name: str | None, home: Path) -> tuple[Entry, Family]:
    """An added model and its family; without a name, the first one that can be used.

    Raises:
        BadInput: there is no such model, or it belongs to another engine.
        ModelError: no model was added, or the entry is damaged.
    """
    names = entries.available(ENGINE, home)
    if not names:
        message = "no model of the diffusers engine is installed"
        raise ModelError(message, "add one with `hinode models add`, see docs/howto/use-open-checkpoints.md")
    if name is not None and name not in names:
        raise BadInput(f"there is no model {quote(name)}", f"choose {join_names(names, 'or')}", field="model")
    entry = entries.find(name or names[0], home)
    if entry.family not in FAMILIES:
        message = f"the model {entry.name} has the unknown family {quote(entry.family)}"
        raise ModelError(message, f"use one of the families {join_names(tuple(FAMILIES), 'or')}")
    return entry, FAMILIES[entry.family]


def capabilities(name: str | None, home: Path) -> Capabilities:
    """See `Engine.capabilities`; the arguments are those of `find`, and so are the errors."""
    entry, family = find(name, home)
    return Capabilities(
        engine=ENGINE,
        model=entry.name,
        models=entries.available(ENGINE, home),
        operations=family.operations,
        seconds=(0.0, family.seconds),
        native_sizes=(),
        native_fps=(family.fps,),
        licence=entry.terms,
        references=family.references,
        negative_prompt=family.negative_prompt,
        sound=family.sound,
        required_references=family.required_references,
        extension_seconds=family.extension_seconds,
        profiles=PROFILES,
    )
