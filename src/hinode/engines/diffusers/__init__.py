"""The engine for open checkpoints: it runs the pipelines of the library diffusers one step at a time.

`engine` starts a run; `task` decides what a request means for a model; `memory`, `loading` and `execution` do
the work, each importing only from those before it. Only `capabilities` and `task` are without torch.
"""

from __future__ import annotations

from hinode.engines.diffusers import capabilities
from hinode.engines.protocol import Cost, EngineEntry
from hinode.registry import entries
from hinode.request import Capabilities, Request
from hinode.settings import Settings


def _capabilities(settings: Settings, model: str | None) -> Capabilities:
    result = capabilities.capabilities(model, settings.home)
    entries.check_present(entries.find(result.model, settings.home), settings.home)
    return result


def _estimate(request: Request, settings: Settings) -> Cost:
    from hinode.engines.diffusers.task import Task  # with the media libraries

    return Task.of(request, settings).estimate()


ENGINE = EngineEntry(
    "hinode.engines.diffusers.engine:DiffusersEngine",
    capabilities=_capabilities,
    estimate=_estimate,
    models=lambda settings: entries.available(entries.ENGINE, settings.home),
)
