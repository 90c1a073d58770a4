"""An engine that directs another one: it draws what the other cannot draw in one go."""

from __future__ import annotations

from hinode.directing import segments, source_facts
from hinode.directing.capabilities import simple, widened, without_characters
from hinode.directing.layout import Layout
from hinode.directing.run import DirectedRun
from hinode.engines.protocol import Engine, Run, State, Work
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
        return widened(self.engine.capabilities(model))

    def work(self, request: Request) -> Work:
        """See `Engine.work`; windows that overlap are counted whole."""
        able = self.engine.capabilities(request.model)
        request = without_characters(request, able)
        if simple(request, able):
            return self.engine.work(request)
        run = DirectedRun(self._layout(request, able), self.engine, None)
        works = run.works
        return Work(
            tokens=max(work.tokens for work in works),
            steps=sum(work.steps for work in works),
            passes=sum(work.passes for work in works),
            pixels=sum(work.pixels for work in works),
        )

    def start(self, request: Request, state: State | None = None) -> Run:
        """See `Engine.start`."""
        able = self.engine.capabilities(request.model)
        if request.reference(CHARACTER) and CHARACTER not in able.references:
            request.check(widened(able))
            request = without_characters(source_facts.cast(request), able)
        if simple(request, able):
            return self.engine.start(request, state)
        request.check(widened(able))
        return DirectedRun(self._layout(request, able), self.engine, state)

    def _layout(self, request: Request, able: Capabilities) -> Layout:
        source = request.source
        length = float(references.seconds(source)) if source is not None else None
        return Layout(request, able, segments.segments(request, length, able))
