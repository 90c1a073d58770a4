"""The engines that turn requests into clips, by name.

An engine is a package with an `EngineEntry`, named by an entry point in the group "hinode.engines". So a
distribution of somebody else can add an engine without a change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint
from pkgutil import iter_modules

from hinode.engines.protocol import Cost, Engine, EngineEntry
from hinode.errors import BadInput, ModelError, join_names, quote
from hinode.licensing import licences
from hinode.request import Capabilities, Request
from hinode.settings import Settings

GROUP = "hinode.engines"


def names() -> tuple[str, ...]:
    """Names of all installed engines, the default first."""
    return tuple(_entry_points())


def get(name: str, settings: Settings) -> Engine:
    """The engine called `name`.

    Raises:
        BadInput: there is no such engine.
        ModelError: it cannot be imported.
    """
    return _entry(name).load(settings)


def capabilities(name: str, settings: Settings, model: str | None = None) -> Capabilities:
    """What a model of the engine `name` can do; see `Engine.capabilities`.

    It does not import torch, so a process that only accepts requests stays small.

    Raises:
        BadInput: there is no such engine or model, or its licence excludes the operator.
        ModelError: the weights of the model are missing or damaged, or the engine cannot be imported.
    """
    entry = _entry(name)
    if entry.capabilities is None:
        capabilities = entry.load(settings).capabilities(model)
    else:
        capabilities = entry.capabilities(settings, model)
    licences.check(capabilities.licence, settings.home)
    return capabilities


def models(name: str, settings: Settings) -> tuple[str, ...]:
    """Names of the models of the engine `name`, the default first, whether they can be used or not.

    Raises:
        BadInput: there is no such engine.
        ModelError: it has no models, or cannot be imported.
    """
    entry = _entry(name)
    return entry.models(settings) if entry.models else entry.load(settings).capabilities().models


def estimate(request: Request, settings: Settings) -> Cost:
    """The work of a request; see `Engine.estimate`. As with `capabilities`, the engines here load no torch.

    Raises:
        BadInput: there is no such engine or model, or it cannot carry out the request.
        ModelError: the weights of the model are missing or damaged, or the engine cannot be imported.
    """
    entry = _entry(request.engine)
    if entry.estimate is None:
        return entry.load(settings).estimate(request)
    return entry.estimate(request, settings)


def is_external(name: str) -> bool:
    """Whether the clips of the engine `name` are made by the servers of others."""
    return name in external_names()


@lru_cache(maxsize=1)
def external_names() -> frozenset[str]:
    """Names of the installed engines whose clips are made by the servers of others."""
    external = set()
    for name in names():
        with suppress(ModelError):  # what cannot be imported sends nothing
            if _entry(name).external:
                external.add(name)
    return frozenset(external)


def reserved_names(settings: Settings) -> tuple[str, ...]:
    """Names that an added model cannot have: those of the engines and of the default engine's models."""
    return (*names(), *models(Request.engine, settings))


def _entry(name: str) -> EngineEntry:
    if name not in _entry_points():
        message = f"there is no engine {quote(name)}"
        raise BadInput(message, f"choose {join_names(names(), 'or')}", field="engine")
    point = _entry_points()[name]
    try:
        entry = point.load()
    except Exception as error:  # whatever the code of another distribution raises
        raise ModelError(f"the engine {name} cannot be imported ({error})", "update or remove it") from error
    if not isinstance(entry, EngineEntry):
        raise ModelError(f"the engine {name} has no EngineEntry at {point.value}", "update or remove it")
    return entry


@lru_cache(maxsize=1)
def _entry_points() -> Mapping[str, EntryPoint]:
    points = {
        # The metadata of an installation in place may be older than the packages in it.
        **{
            module.name: EntryPoint(module.name, f"{__name__}.{module.name}:ENGINE", GROUP)
            for module in iter_modules(__path__)
            if module.ispkg
        },
        **{point.name: point for point in metadata.entry_points(group=GROUP)},
    }
    return dict(sorted(points.items(), key=lambda item: item[0] != Request.engine))
