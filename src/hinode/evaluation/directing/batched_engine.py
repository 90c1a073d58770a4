"""The native engine for many clips at once: what directed runs request at the same time goes through the
network together. All else is as in the product, and each clip starts from the noise of its own seed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hinode.clip import Clip, Frames, Provenance
from hinode.directing.engine import DirectedEngine
from hinode.engines.native.engine import NativeEngine
from hinode.engines.native.plan import Plan
from hinode.engines.protocol import Progress, State
from hinode.errors import EngineError
from hinode.evaluation.evaluate import BATCH, generate_batch
from hinode.request import GUIDE_VIDEO, Request
from hinode.settings import Settings


@dataclass(eq=False)
class BatchedRun:
    """See `Run`. One clip that waits until it is generated in a batch."""

    plan: Plan
    pending: list[BatchedRun]  # which it joins when it is started
    frames: Frames | None = None

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`; it reports that it waits until `frames` are there."""
        self.pending.append(self)
        while self.frames is None:
            yield Progress("text", 0, 1)

    def state(self) -> State:
        """See `Run.state`; always EngineError, since a batch is not divided into steps."""
        raise EngineError("a clip of a batch cannot be saved", "generate it alone")

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self.frames is None:
            raise EngineError("the clip is not finished", "run all steps first")
        plan, size = self.plan, self.plan.shape.size
        provenance = Provenance("native", plan.card.name, plan.request.seed, plan.sampling.steps, size)
        return Clip(self.frames, plan.shape.fps, provenance)

    @property
    def batch_key(self) -> Hashable:
        """Equal for clips that fit into one batch."""
        references = self.plan.request.references
        guided = any(reference.role == GUIDE_VIDEO for reference in references)
        strength = self.plan.strength if guided else None
        return self.plan.card.path, self.plan.shape, self.plan.drawn_frames, self.plan.sampling, strength


class BatchedEngine(NativeEngine):
    """A native engine that only plans a clip when it is started, and generates it in `run_pending`."""

    def __init__(self, settings: Settings, batch_size: int = BATCH) -> None:
        super().__init__(settings)
        self.batch_size = batch_size
        self.pending: list[BatchedRun] = []
        self.device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def start(self, request: Request, state: State | None = None) -> BatchedRun:  # type: ignore[override]
        """See `Engine.start`; there is never a state to continue from."""
        return BatchedRun(self.plan(request), self.pending)

    def run_pending(self) -> None:
        """Generate all pending clips."""
        while self.pending:
            key = self.pending[0].batch_key
            batch = [run for run in self.pending if run.batch_key == key][: self.batch_size]
            for run, frames in zip(batch, self._generate([run.plan for run in batch]), strict=True):
                run.frames = frames[: run.plan.frames]
            self.pending[:] = [run for run in self.pending if run.frames is None]

    def _generate(self, plans: Sequence[Plan]) -> Frames:
        """Clips of one batch, uint8 [B, T, H, W, 3]."""
        return generate_batch(plans, self.load(plans[0].card, self.device), self.device)


def generate(requests: Sequence[Request], engine: BatchedEngine) -> list[Clip]:
    """The clips that a directed engine makes of some requests, in their order. Each run advances until it
    waits for the network; then the network runs for all of them, and so on."""
    runs = [DirectedEngine(engine).start(request) for request in requests]
    active = [iter(run) for run in runs]

    def advance(run: Iterator[Progress]) -> bool:
        """Advance a run until it waits for the network; False if it is finished."""
        before = len(engine.pending)
        return any(len(engine.pending) > before for _ in run)

    while active:
        active = list(filter(advance, active))
        engine.run_pending()
    return [run.clip() for run in runs]
