"""Every model of every engine, with what a person wants to know of it before asking for a clip."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hinode import engines
from hinode.engines.native import catalog
from hinode.errors import BadInput, HinodeError
from hinode.licensing import licences
from hinode.registry import acquisition, entries
from hinode.registry.entries import Entry
from hinode.request import Capabilities
from hinode.settings import Settings


@dataclass(frozen=True)
class Item:
    """A model as a list shows it.

    Attributes:
        name: what clients ask for.
        engine: who draws with it.
        family: which kind of network it is, or "" if the engine has no families.
        licence: key of the licence of its weights, "" if it cannot be known; with " AND " between where LoRAs
            have others.
        bytes: on this disk.
        usable: whether this operator can use it here and now.
        reason: why not, with what to do about it; "" if they can.
        profiles: who draws under each profile and in how many steps, for native models.
        entry: what was written down when it was added, or None for one that came with its engine.
    """

    name: str
    engine: str
    family: str
    licence: str
    bytes: int
    usable: bool
    reason: str = ""
    entry: Entry | None = None
    profiles: Mapping[str, str] = field(default_factory=dict)


def items(settings: Settings) -> list[Item]:
    """Every model: native ones first, then those of other engines, then those that were added."""
    found = list(_native(settings))
    for engine in engines.ENGINES:
        if engine not in (catalog.ENGINE, entries.ENGINE):
            found += _others(engine, settings)
    found += [_added(name, settings) for name in entries.names(settings.home)]
    return found


def find(name: str, settings: Settings) -> Item:
    """The model called `name`, or ENGINE/NAME.

    Raises:
        BadInput: there is none.
    """
    known = items(settings)
    for item in known:
        if name in (item.name, f"{item.engine}/{item.name}"):
            return item
    entries.find(name, settings.home)  # says that there is none, and which there are
    raise AssertionError(f"{name} is in the registry and not in the list")


def _native(settings: Settings) -> Iterator[Item]:
    for name, path in catalog.installed(settings.models).items():
        size = sum(shard.stat().st_size for shard in catalog.shards(path))
        try:
            card = catalog.read_card(name, path)
        except HinodeError as error:
            yield Item(name, catalog.ENGINE, "", "", size, usable=False, reason=str(error))
        else:
            profiles = {
                profile: f"{drawing.name} in {drawing.steps} steps"
                for profile, drawing in catalog.profiles(card, settings.models).items()
            }
            yield Item(name, catalog.ENGINE, "", card.licence, size, usable=True, profiles=profiles)


def _others(engine: str, settings: Settings) -> Iterator[Item]:
    """The models of an engine that keeps them itself, as far as it answers."""
    try:
        names = engines.models(engine, settings)
    except HinodeError:
        return
    for name in names:
        capabilities: Capabilities | None = None
        reason = ""
        try:
            capabilities = engines.get(engine, settings).capabilities(name)
            licences.check(capabilities.licence, settings.home)
        except HinodeError as error:
            reason = str(error)
        yield Item(
            name,
            engine,
            "",
            capabilities.licence if capabilities else "",
            0,
            usable=not reason,
            reason=reason,
        )


def _added(name: str, settings: Settings) -> Item:
    try:
        entry = entries.read(name, settings.home)
    except HinodeError as error:
        return Item(name, entries.ENGINE, "", "", 0, usable=False, reason=str(error))
    reason = entries.obstacle(entry, settings.home) or _library(entry)
    size = acquisition.sizes(entry, settings.home)
    return Item(name, entry.engine, entry.family, entry.terms, size, not reason, reason, entry)


def _library(entry: Entry) -> str:
    if entry.engine == entries.ENGINE and importlib.util.find_spec("diffusers") is None:
        return "the package diffusers is not installed; install it with `pip install 'hinode[diffusers]'`"
    return ""


def terms(item: Item) -> list[str]:
    """The terms of a model's licence in plain words."""
    lines: list[str] = []
    for key in item.licence.split(licences.AND):
        try:
            lines += licences.describe(licences.find(key))
        except BadInput:
            lines.append(f"{key or 'Its licence'}: not known here; read it yourself.")
    return lines
