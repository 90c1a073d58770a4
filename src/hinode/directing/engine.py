"""An engine that directs another one: it makes clips that the other cannot draw in one go."""

from __future__ import annotations

from collections.abc import Callable

from hinode.directing import segments, source_facts
from hinode.directing.capabilities import extend_capabilities, is_direct, without_characters
from hinode.directing.layout import Layout
from hinode.directing.run import DirectedRun, window_costs
from hinode.engines.protocol import Cost, Engine, Run, State
from hinode.media.reading import references
from hinode.request import CHARACTER, Capabilities, Request


class DirectedEngine:
    """See `Engine`. The engine inside carries out alone what it can."""

    def __init__(self, engine: Engine, capabilities: Capabilities | None = None) -> None:
        """`capabilities` are those of the engine inside, if the caller has them and all requests are for one
        model; otherwise they are computed for each request."""
        self.engine = engine
        self._capabilities = capabilities

    @property
    def name(self) -> str:
        """That of the engine inside."""
        return self.engine.name

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        return extend_capabilities(self._engine_capabilities(model))

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`."""
        return estimate(request, self._engine_capabilities(request.model), self.engine.estimate)

    def start(self, request: Request, state: State | None = None) -> Run:
        """See `Engine.start`."""
        capabilities = self._engine_capabilities(request.model)
        request.check(extend_capabilities(capabilities))
        if request.reference(CHARACTER) and CHARACTER not in capabilities.references:
            request = without_characters(source_facts.cast(request), capabilities)
        if is_direct(request, capabilities):
            return self.engine.start(request, state)
        return DirectedRun(_layout(request, capabilities), self.engine, state)

    def _engine_capabilities(self, model: str | None) -> Capabilities:
        return self._capabilities or self.engine.capabilities(model)


def estimate(request: Request, capabilities: Capabilities, alone: Callable[[Request], Cost]) -> Cost:
    """The work of a request; windows that overlap are counted whole.

    Args:
        capabilities: those of the engine alone.
        alone: the work of a request that the engine carries out alone.
    """
    request = without_characters(request, capabilities)
    if is_direct(request, capabilities):
        return alone(request)
    layout = _layout(request, capabilities)
    layout.check()
    costs = window_costs(layout, alone)
    return Cost(
        tokens=max((cost.tokens for cost in costs), default=0),
        steps=sum(cost.steps for cost in costs),
        passes=sum(cost.passes for cost in costs),
        pixels=sum(cost.pixels for cost in costs),
    )


def _layout(request: Request, capabilities: Capabilities) -> Layout:
    source = request.source
    length = float(references.seconds(source)) if source is not None else None
    return Layout(request, capabilities, segments.split(request, length, capabilities))
