"""Models by the names that clients use, and what each can do; known here without loading any of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hinode import directing, engines
from hinode.engines.native import catalog
from hinode.errors import BadInput, HinodeError, join_names, quote
from hinode.request import Capabilities, Request
from hinode.settings import Settings

SORA = ("sora-2", "sora-2-pro", "sora-2-2025-10-06", "sora-2-pro-2025-10-06", "sora-2-2025-12-08")
"""Sora's own names. A dated one means what the name without its date means, unless it is mapped itself."""
DEFAULT = "sora-2"
FALLBACK = catalog.ENGINE
FRESH_SECONDS = 5.0
MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class Model:
    """A model by the name it was asked for.

    Attributes:
        name: as the client wrote it.
        able: what can be asked for of it.
        created_at: when its weights were made or installed, seconds since 1970; 0 if it has none.
    """

    name: str
    capabilities: Capabilities
    created_at: float = 0.0

    @property
    def engine(self) -> str:
        return self.capabilities.engine

    @property
    def model(self) -> str:
        return self.capabilities.model


class Catalogue:
    """The models that this server offers. Safe to use from several threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """
        Args:
            settings: `aliases` and the folder of models.
            clock: seconds since 1970; what was found out is looked up again after five.
        """
        self.settings = settings
        self.clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Model]] = {}

    def check(self, request: Request, source_seconds: float | None) -> None:
        """See `directing.check`.

        Raises:
            BadInput: the request cannot be carried out.
        """
        directing.check(request, self.settings, source_seconds)

    def find(self, name: str | None) -> Model:
        """The model called `name`: an alias, one of Sora's names, ENGINE/MODEL, ENGINE or MODEL.

        Args:
            name: as the client wrote it, or None for the default.

        Raises:
            BadInput: there is no such model.
            ModelError: its weights are missing or damaged.
        """
        name = DEFAULT if name is None else name.strip()
        now = self.clock()
        with self._lock:
            seen_at, model = self._known.get(name, (0.0, None))
        if model is not None and 0 <= now - seen_at < FRESH_SECONDS:
            return model
        model = self._look(name)
        with self._lock:
            self._known[name] = now, model
        return model

    def named(self) -> list[Model]:
        """Every model by each name that it is offered under; one that cannot be used is left out."""
        names = [*dict.fromkeys((*SORA, *self.settings.aliases))]
        for engine in engines.names():
            try:
                names += engines.models(engine, self.settings)
            except HinodeError:
                continue
        found = []
        for name in dict.fromkeys(names):
            try:
                found.append(self.find(name))
            except HinodeError:
                continue
        return found

    def _look(self, name: str) -> Model:
        target = self._target(name)
        engine, _, model = target.partition("/")
        if engine in engines.names():
            capabilities = directing.capabilities(engine, self.settings, model or None)
        else:
            capabilities = self._by_model(name)
        return Model(name, capabilities, self._made(capabilities))

    def _target(self, name: str) -> str:
        """ENGINE/MODEL that a name stands for, or the name itself."""
        if name in self.settings.aliases:
            return self.settings.aliases[name]
        if name in SORA:
            plain = DEFAULT if "-pro" not in name else f"{DEFAULT}-pro"
            return self.settings.aliases.get(plain, FALLBACK)
        return name

    def _by_model(self, name: str) -> Capabilities:
        offered: list[str] = []
        for engine in engines.names():
            try:
                models = engines.models(engine, self.settings)
            except HinodeError:
                continue
            if name in models:
                return directing.capabilities(engine, self.settings, name)
            offered += models
        names = dict.fromkeys((*SORA[:2], *self.settings.aliases, *offered))
        raise BadInput(
            f"there is no model {quote(name)}", f"choose {join_names(tuple(names), 'or')}", field="model"
        )

    def _made(self, capabilities: Capabilities) -> float:
        if capabilities.engine != catalog.ENGINE:
            return 0.0
        path = catalog.installed(self.settings.models)[capabilities.model]
        return path.stat().st_mtime
