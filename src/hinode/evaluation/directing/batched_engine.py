"""The native engine drawing many clips at once: what directed runs ask for at the same time goes through the
network together.

Only that is another than in the product: requests are planned, cut into windows, given their footage and
joined by the same code, and each clip starts from the noise of its own seed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import torch

from hinode.clip import Clip, Frames, Provenance
from hinode.directing.engine import DirectedEngine
from hinode.engines.native.engine import GUIDED, NativeEngine, Plan, decode_frames, make_sampler, to_frames
from hinode.engines.protocol import Cost, Progress, State
from hinode.errors import EngineError
from hinode.model import checkpoint
from hinode.model.checkpoint import Checkpoint
from hinode.model.layers import compute_type
from hinode.request import GUIDE_VIDEO, Capabilities, Request
from hinode.settings import Settings

TOGETHER = 8
"""Clips that go through the network in one batch."""


class Part:
    """See `Run`. One clip that waits until it is drawn with others."""

    def __init__(self, plan: Plan, waiting: list[Part]) -> None:
        """
        Args:
            plan: how it is drawn.
            waiting: where it puts itself to be drawn.
        """
        self.plan = plan
        self.frames: Frames | None = None
        self._waiting = waiting

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`; gives nothing but waits until `frames` are there."""
        self._waiting.append(self)
        while self.frames is None:
            yield Progress("text", 0, 1)

    def state(self) -> State:
        """See `Run.state`.

        Raises:
            EngineError: always, for it is drawn in one go.
        """
        raise EngineError("a clip that is drawn with others cannot be saved", "draw it alone")

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self.frames is None:
            raise EngineError("the clip is not finished", "run all steps first")
        provenance = Provenance(
            engine="native",
            model=self.plan.card.name,
            seed=self.plan.request.seed,
            steps=self.plan.sampling.steps,
            native_size=self.plan.shape.size,
        )
        return Clip(self.frames, self.plan.shape.fps, provenance)

    @property
    def kind(self) -> Hashable:
        """Equal for clips that fit into one batch."""
        request = self.plan.request
        guided = any(reference.role == GUIDE_VIDEO for reference in request.references)
        strength = (GUIDED if request.strength is None else request.strength) if guided else None
        return self.plan.card.path, self.plan.shape, self.plan.drawn_frames, self.plan.sampling, strength


class BatchedEngine:
    """See `Engine`. Clips are planned as `NativeEngine` plans them and drawn when `perform` is called."""

    def __init__(self, settings: Settings, together: int = TOGETHER) -> None:
        """
        Args:
            settings: where models are and what to compute with.
            together: clips in one batch.
        """
        self.native = NativeEngine(settings)
        self.together = together
        self.waiting: list[Part] = []
        self.device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._loaded: Checkpoint | None = None
        self._path: Path | None = None
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)

    @property
    def name(self) -> str:
        """That of the native engine."""
        return self.native.name

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        return self.native.capabilities(model)

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`."""
        return self.native.estimate(request)

    def start(self, request: Request, state: State | None = None) -> Part:
        """See `Engine.start`; there is no state to go on from."""
        return Part(self.native.plan(request), self.waiting)

    def perform(self) -> None:
        """Draw everything that waits."""
        while self.waiting:
            kind = self.waiting[0].kind
            alike = [part for part in self.waiting if part.kind == kind][: self.together]
            for part, frames in zip(alike, self._drawn(alike), strict=True):
                part.frames = frames[: part.plan.frames]
            self.waiting[:] = [part for part in self.waiting if part.frames is None]

    def _drawn(self, parts: Sequence[Part]) -> Frames:
        """Clips of one kind, uint8 [B, T, H, W, 3]."""
        plan = parts[0].plan
        if self._loaded is None or self._path != plan.card.path:
            self._loaded = checkpoint.load(plan.card.path, self.device, compute_type(self.device))
            self._path = plan.card.path
        sampler = make_sampler([part.plan for part in parts], self._loaded, self.device)
        for _ in sampler:
            pass
        return to_frames(decode_frames(sampler, plan.request))


def drawn(requests: Sequence[Request], ensemble: BatchedEngine) -> list[Clip]:
    """The clips that a directed engine makes of some requests, in their order.

    Each run goes on until it waits for the network; then all of them are drawn, and so on to the end.
    """
    engine = DirectedEngine(ensemble)
    runs = [engine.start(request) for request in requests]
    going = [iter(run) for run in runs]
    while going:
        going = [one for one in going if _waits(one, ensemble)]
        ensemble.perform()
    return [run.clip() for run in runs]


def _waits(run: Iterator[Progress], ensemble: BatchedEngine) -> bool:
    """Let a run go on until it waits to be drawn; False if it is over."""
    before = len(ensemble.waiting)
    return any(len(ensemble.waiting) > before for _ in run)
