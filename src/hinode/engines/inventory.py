"""Every model of every engine, with what a person wants to know before asking for a clip."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hinode import engines
from hinode.engines.native import catalog
from hinode.errors import BadInput, HinodeError
from hinode.licensing import licences
from hinode.registry import acquisition, entries
from hinode.registry.entry import Entry
from hinode.settings import Settings


@dataclass(frozen=True)
class Item:
    """A model in the list.

    Attributes:
        family: key of `families.FAMILIES`, or "" if the engine has no families.
        licence: of its weights, an expression of `licences`; "" if it is not known.
        bytes: size on this disk.
        reason: why this operator cannot use it here and now, with the remedy; "" if they can.
        entry: its entry in the registry, or None if it came with its engine.
        profiles: for native models, the model and the steps under each profile.
    """

    name: str
    engine: str
    family: str = ""
    licence: str = ""
    bytes: int = 0
    reason: str = ""
    entry: Entry | None = None
    profiles: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        return not self.reason


def items(settings: Settings) -> list[Item]:
    """Every model: native ones first, then those of other engines, then added ones."""
    result = list(_native(settings))
    for engine in engines.names():
        if engine not in (catalog.ENGINE, entries.ENGINE):
            result += _others(engine, settings)
    return result + [_added(name, settings) for name in entries.names(settings.home)]


def find(name: str, settings: Settings) -> Item:
    """The model called `name`, or ENGINE/NAME.

    Raises:
        BadInput: there is none.
    """
    for item in items(settings):
        if name in (item.name, f"{item.engine}/{item.name}"):
            return item
    entries.find(name, settings.home)  # raises, and lists the names that exist
    raise AssertionError(f"{name} is in the registry and not in the list")


def _native(settings: Settings) -> Iterator[Item]:
    for name, path in catalog.installed(settings.models).items():
        size = sum(file.stat().st_size for file in catalog.model_files(path))
        try:
            card = catalog.read_card(name, path)
        except HinodeError as error:
            yield Item(name, catalog.ENGINE, bytes=size, reason=str(error))
        else:
            profiles = {
                profile: f"{model.name} in {model.steps} steps"
                for profile, model in catalog.profiles(card).items()
            }
            yield Item(name, catalog.ENGINE, licence=card.licence, bytes=size, profiles=profiles)


def _others(engine: str, settings: Settings) -> Iterator[Item]:
    """The models of an engine that has its own list of them; none if it does not answer."""
    try:
        names = engines.models(engine, settings)
    except HinodeError:
        return
    for name in names:
        licence = reason = ""
        try:
            licence = engines.get(engine, settings).capabilities(name).licence
            licences.check(licence, settings.home)
        except HinodeError as error:
            reason = str(error)
        yield Item(name, engine, licence=licence, reason=reason)


def _added(name: str, settings: Settings) -> Item:
    try:
        entry = entries.read(name, settings.home)
    except HinodeError as error:
        return Item(name, entries.ENGINE, reason=str(error))
    reason = entries.obstacle(entry, settings.home) or ""
    if not reason and entry.engine == entries.ENGINE and importlib.util.find_spec("diffusers") is None:
        reason = "the package diffusers is not installed; install it with `pip install 'hinode[diffusers]'`"
    size = acquisition.size(entry, settings.home)
    return Item(name, entry.engine, entry.family, entry.terms, size, reason, entry)


def describe_terms(item: Item) -> list[str]:
    """The terms of a model's licences in plain sentences."""
    lines: list[str] = []
    for key in item.licence.split(licences.AND):
        try:
            lines += licences.describe(licences.find(key))
        except BadInput:
            lines.append(f"{key or 'Its licence'}: not known here; read it yourself.")
    return lines
