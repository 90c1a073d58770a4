"""The engine of Hinode's own model, which draws the paper-cut world."""

from __future__ import annotations

from hinode.engines.native import catalog
from hinode.engines.protocol import EngineEntry

ENGINE = EngineEntry(
    "hinode.engines.native.engine:NativeEngine",
    capabilities=lambda settings, model: catalog.capabilities(model, settings.models),
    models=lambda settings: tuple(catalog.installed(settings.models)),
)
