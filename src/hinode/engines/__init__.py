"""The engines that turn requests into clips, by name."""

from __future__ import annotations

from collections.abc import Callable

from hinode.engines.diffusers import capabilities as offer
from hinode.engines.native import catalog
from hinode.engines.protocol import Engine
from hinode.errors import BadInput, join_names, quote
from hinode.licensing import licences
from hinode.registry import entries
from hinode.request import Capabilities
from hinode.settings import Settings


def _native(settings: Settings) -> Engine:
    from hinode.engines.native.engine import NativeEngine

    return NativeEngine(settings)


def _testcard(settings: Settings) -> Engine:
    from hinode.engines.testcard.engine import TestcardEngine

    return TestcardEngine(settings)


def _diffusers(settings: Settings) -> Engine:
    from hinode.engines.diffusers.engine import DiffusersEngine

    return DiffusersEngine(settings)


def _remote(settings: Settings) -> Engine:
    from hinode.engines.remote.engine import RemoteEngine

    return RemoteEngine(settings)


# Each engine is imported when it is asked for, since each brings libraries that take seconds to load.
ENGINES: dict[str, Callable[[Settings], Engine]] = {
    "native": _native,
    "testcard": _testcard,
    "diffusers": _diffusers,
    "remote": _remote,
}


def get(name: str, settings: Settings) -> Engine:
    """The engine called `name`.

    Raises:
        BadInput: there is none.
    """
    if name not in ENGINES:
        raise BadInput(
            f"there is no engine {quote(name)}", f"choose {join_names(tuple(ENGINES), 'or')}", field="engine"
        )
    return ENGINES[name](settings)


def capabilities(name: str, settings: Settings, model: str | None = None) -> Capabilities:
    """What can be asked for of a model of the engine `name`; see `Engine.capabilities`.

    Unlike asking the engine itself it never loads torch, so a process that only takes requests stays small.

    Raises:
        BadInput: there is no such engine or model, or its licence excludes the operator.
        ModelError: the weights of the model are missing or damaged.
    """
    if name == catalog.ENGINE:
        capabilities = catalog.capabilities(model, settings.models)
    elif name == offer.ENGINE:
        capabilities = offer.capabilities(model, settings.home)
        entries.check_present(entries.find(capabilities.model, settings.home), settings.home)
    else:
        capabilities = get(name, settings).capabilities(model)
    licences.check(capabilities.licence, settings.home)
    return capabilities


def models(name: str, settings: Settings) -> tuple[str, ...]:
    """Names of the models of the engine `name`, the default first, whether they can be used or not.

    Raises:
        BadInput: there is no such engine.
        ModelError: none of its models can be asked.
    """
    if name == catalog.ENGINE:
        return tuple(catalog.installed(settings.models))
    if name == entries.ENGINE:
        return entries.available(name, settings.home)
    return get(name, settings).capabilities().models


def reserved_names(settings: Settings) -> tuple[str, ...]:
    """Names that an added model cannot have: those of the engines and of the native engine's models."""
    return (*ENGINES, *catalog.installed(settings.models))
