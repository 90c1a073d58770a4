"""An engine that directs another one: it draws what the other cannot draw in one go."""

from __future__ import annotations

from hinode.directing import segments, source_facts
from hinode.directing.capabilities import extend_capabilities, simple, without_characters
from hinode.directing.layout import Layout
from hinode.directing.run import DirectedRun
from hinode.engines.protocol import Cost, Engine, Run, State
from hinode.media import references
from hinode.request import CHARACTER, Capabilities, Request


class DirectedEngine:
    """See `Engine`. What the engine inside can do by itself it does by itself."""

    def __init__(self, engine: Engine) -> None:
        """
        Args:
            engine: draws.
        """
        self.engine = engine

    @property
    def name(self) -> str:
        """That of the engine inside."""
        return self.engine.name

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        return extend_capabilities(self.engine.capabilities(model))

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`; windows that overlap are counted whole."""
        capabilities = self.engine.capabilities(request.model)
        request = without_characters(request, capabilities)
        if simple(request, capabilities):
            return self.engine.estimate(request)
        run = DirectedRun(self._layout(request, capabilities), self.engine, None)
        works = run.works
        return Cost(
            tokens=max(work.tokens for work in works),
            steps=sum(work.steps for work in works),
            passes=sum(work.passes for work in works),
            pixels=sum(work.pixels for work in works),
        )

    def start(self, request: Request, state: State | None = None) -> Run:
        """See `Engine.start`."""
        capabilities = self.engine.capabilities(request.model)
        if request.reference(CHARACTER) and CHARACTER not in capabilities.references:
            request.check(extend_capabilities(capabilities))
            request = without_characters(source_facts.cast(request), capabilities)
        if simple(request, capabilities):
            return self.engine.start(request, state)
        request.check(extend_capabilities(capabilities))
        return DirectedRun(self._layout(request, capabilities), self.engine, state)

    def _layout(self, request: Request, capabilities: Capabilities) -> Layout:
        source = request.source
        length = float(references.seconds(source)) if source is not None else None
        return Layout(request, capabilities, segments.segments(request, length, capabilities))
