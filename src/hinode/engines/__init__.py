"""The engines that turn requests into clips, by name."""

from __future__ import annotations

from collections.abc import Callable

from hinode.engines.protocol import Engine
from hinode.errors import BadInput, listed, shown
from hinode.settings import Settings


def _native(settings: Settings) -> Engine:
    from hinode.engines.native import NativeEngine

    return NativeEngine(settings)


# Each engine is imported when it is asked for, since each brings libraries that take seconds to load.
ENGINES: dict[str, Callable[[Settings], Engine]] = {"native": _native}


def get(name: str, settings: Settings) -> Engine:
    """The engine called `name`.

    Raises:
        BadInput: there is none.
    """
    if name not in ENGINES:
        raise BadInput(
            f"there is no engine {shown(name)}", f"choose {listed(tuple(ENGINES), 'or')}", field="engine"
        )
    return ENGINES[name](settings)
