"""The engine of Hinode's own model, which draws the picture book."""

from __future__ import annotations

from hinode.engines.native import catalog, work
from hinode.engines.protocol import EngineEntry

ENGINE = EngineEntry(
    "hinode.engines.native.engine:NativeEngine",
    capabilities=lambda settings, model: catalog.capabilities(model, settings.models),
    estimate=work.estimate,
    models=lambda settings: tuple(catalog.installed(settings.models)),
)
