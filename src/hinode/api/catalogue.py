"""Models by the names that clients use, with their capabilities; none is loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from hinode import engines
from hinode.directing.capabilities import extend_capabilities
from hinode.engines.native import catalog
from hinode.errors import BadInput, HinodeError, join_names, quote
from hinode.request import Capabilities
from hinode.routing import pools
from hinode.routing.pools import Pool
from hinode.settings import Settings

log = logging.getLogger(__name__)

SORA = ("sora-2", "sora-2-pro", "sora-2-2025-10-06", "sora-2-pro-2025-10-06", "sora-2-2025-12-08")
"""Sora's own names. A dated one stands for the same model as the undated one, unless it has an alias."""
DEFAULT = "sora-2"
FRESH_SECONDS = 5.0
MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class Model:
    """A model under the name that a client wrote, with the capabilities of its engine alone.

    `created_at` is when its weights were made or installed, in seconds since 1970; 0 if it has none. The
    capabilities of a `pool` are those of its first member.
    """

    name: str
    engine_capabilities: Capabilities
    created_at: float = 0.0
    pool: Pool | None = None

    @property
    def engine(self) -> str:
        """Name of its engine."""
        return self.engine_capabilities.engine

    @property
    def model(self) -> str:
        """Its name within the engine."""
        return self.engine_capabilities.model

    @cached_property
    def capabilities(self) -> Capabilities:
        """Those of the engine, and the operations that are composed from them."""
        return extend_capabilities(self.engine_capabilities)


class Catalogue:
    """The models that this server offers, each cached for a few seconds. Safe to use from several threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[float, Model]] = {}

    def find(self, name: str | None) -> Model:
        """The model called `name`: a pool, an alias, one of Sora's names, ENGINE/MODEL, ENGINE or MODEL; None
        is the default.

        Raises:
            BadInput: there is no such model.
            ModelError: its weights are missing or damaged.
        """
        name = DEFAULT if name is None else name.strip()
        if not (len(name) <= MAX_NAME_LENGTH and name.isprintable()):
            raise BadInput(f"there is no model {quote(name)}", "GET /v1/models lists them", field="model")
        now = self.clock()
        with self._lock:
            looked_up_at, model = self._cache.get(name, (0.0, None))
        if model is not None and 0 <= now - looked_up_at < FRESH_SECONDS:
            return model
        model = self._look_up(name)
        with self._lock:
            self._cache[name] = now, model
        return model

    def check_aliases(self) -> None:
        """Look up every alias, and log those whose weights are missing or whose engine cannot be asked now.

        Raises:
            BadInput: an alias stands for a model that is not there.
        """
        for name, target in self.settings.aliases.items():
            try:
                self.find(name)
            except BadInput as error:
                message = f"HINODE_MODELS has {name}={target}: {error.message}"
                raise BadInput(message, error.remedy, field="HINODE_MODELS") from error
            except HinodeError as error:
                log.warning("the model %s cannot be used: %s", name, error)

    def all(self) -> list[Model]:
        """Every usable model, under each of its names."""
        models = []
        for name in dict.fromkeys((*SORA, *self.settings.aliases, *self._pools(), *self._installed())):
            with suppress(HinodeError):
                models.append(self.find(name))
        return models

    def _pools(self) -> tuple[str, ...]:
        with suppress(HinodeError):
            return tuple(pools.read(self.settings.home))
        return ()

    def _installed(self) -> Iterator[str]:
        for engine in engines.names():
            with suppress(HinodeError):
                yield from engines.models(engine, self.settings)

    def _look_up(self, name: str) -> Model:
        target = self._target(name)
        engine, _, model = target.partition("/")
        # A pool that is described wrongly is no obstacle to other models.
        pool = None if engine in engines.names() else pools.find(target, self.settings.home)
        if pool is not None:
            return Model(name, pool.lead(self.settings), pool=pool)
        if engine not in engines.names():
            engine, model = self._engine_of(target), target
        capabilities, created_at = engines.capabilities(engine, self.settings, model or None), 0.0
        if engine == catalog.ENGINE:
            created_at = catalog.installed(self.settings.models)[capabilities.model].stat().st_mtime
        return Model(name, capabilities, created_at)

    def _target(self, name: str) -> str:
        """The pool, ENGINE/MODEL, ENGINE or MODEL that a name stands for, or the name itself."""
        aliases, before, pooled = self.settings.aliases, {name}, self._pools()
        if name in SORA and name not in aliases and name not in pooled:
            name = DEFAULT if "-pro" not in name else f"{DEFAULT}-pro"
        while name in aliases and aliases[name] not in before:  # an alias may name another one
            name = aliases[name]
            before.add(name)
        return catalog.ENGINE if name in SORA and name not in pooled else name

    def _engine_of(self, model: str) -> str:
        for engine in engines.names():
            with suppress(HinodeError):
                if model in engines.models(engine, self.settings):
                    return engine
        names = dict.fromkeys((*SORA[:2], *self.settings.aliases, *self._pools(), *self._installed()))
        message = f"there is no model {quote(model)}"
        raise BadInput(message, f"choose {join_names(tuple(names), 'or')}", field="model")
