"""The engine of Hinode's own model: rectified flow over spacetime patches, drawn on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch

from hinode.clip import Clip, Frames, Provenance
from hinode.engines import saved_state
from hinode.engines.native import catalog, checkpoint, upscaling
from hinode.engines.native.catalog import Card
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.interpretation import interpret
from hinode.engines.native.plan import Plan, choose_card
from hinode.engines.native.sampling import decode_frames, make_sampler, to_frames
from hinode.engines.protocol import Cost, Progress, State, timed
from hinode.errors import EngineError
from hinode.model.flow import Sampler, SamplerState
from hinode.model.layers import compute_type
from hinode.request import Capabilities, Request
from hinode.settings import Settings
from hinode.world.prompts.prompt import parse

NAME = catalog.ENGINE


class NativeEngine:
    """See `Engine`. It draws clips of the paper-cut world and knows no other."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The last model stays in memory for the next run, with the state of its file when it was read.
        self._resident: Checkpoint | None = None
        self._resident_key: object = None

    def capabilities(self, model: str | None = None) -> Capabilities:
        return catalog.capabilities(model, self.settings.models)

    def estimate(self, request: Request) -> Cost:
        return self.plan(request).cost

    def plan(self, request: Request) -> Plan:
        """Decide how a request is drawn.

        Raises:
            BadInput: the model cannot draw it.
        """
        request.check(self.capabilities(request.model))
        return Plan.of(request, choose_card(request, self.settings.models))

    def start(self, request: Request, state: State | None = None) -> NativeRun:
        return NativeRun(self.plan(request), self, state)

    def load(self, card: Card, device: torch.device) -> Checkpoint:
        """The model of a card, with its weights on a device."""
        status = card.path.stat()
        key = card.path, status.st_size, status.st_mtime_ns, device
        if self._resident is None or self._resident_key != key:
            self._resident = None  # first, so that two models need not fit into memory
            self._resident = checkpoint.load(card.path, device, compute_type(device))
            self._resident_key = key
        return self._resident


class NativeRun:
    """See `Run`. Between two steps it is nothing but its latents and a step number."""

    def __init__(self, plan: Plan, engine: NativeEngine, state: State | None) -> None:
        self.plan = plan
        self.engine = engine
        settings = engine.settings
        self.upscaler = upscaling.NAME if settings.upscale and upscaling.available() else ""
        self.stage_seconds: dict[str, float] = {}
        self.device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._resumed = None if state is None else self._restore(state)
        self._model: Checkpoint | None = None
        self._sampler: Sampler | None = None
        self._frames: Frames | None = None

    def __iter__(self) -> Iterator[Progress]:
        if self._model is None:
            yield Progress("load", 0, 1)
            with timed(self.stage_seconds, "load"):
                self._model = self.engine.load(self.plan.card, self.device)
                if self.upscaler:  # now, because with damaged weights the clip could not be finished
                    upscaling.load(upscaling.path())
        if self._sampler is None:
            yield Progress("text", 0, 1)
            with timed(self.stage_seconds, "text"):
                self._sampler = make_sampler([self.plan], self._model, self.device, self._resumed)
        steps = self.plan.sampling.steps
        yield Progress("sample", self._sampler.state.step, steps)
        while self._sampler.state.step < steps:
            before = self._sampler.state
            with timed(self.stage_seconds, "sample"):
                after = next(self._sampler)
                preview = self._preview(before, after)
            yield Progress("sample", after.step, steps, preview)
        if self._frames is None:
            yield Progress("decode", 0, 1)
            with timed(self.stage_seconds, "decode"):
                frames = to_frames(decode_frames(self._sampler, self.plan.request))
                self._frames = frames[0][: self.plan.frames]
        yield Progress("decode", 1, 1)

    def state(self) -> State:
        """See `Run.state`. Before the first step it holds no latents: the seed gives them again."""
        now = self._sampler.state if self._sampler else self._resumed
        step = now.step if now else 0
        latents = now.latents.cpu() if now and step else None
        values = {"step": step, "latents": latents, "stage_seconds": self.stage_seconds}
        return saved_state.save(NAME, step, self._identity, values)

    def clip(self) -> Clip:
        if self._frames is None:
            raise EngineError("the clip is not finished", "run all steps first")
        plan, parsed = self.plan, parse(self.plan.request.prompt)
        provenance = Provenance(
            engine=NAME,
            model=plan.card.name,
            seed=plan.request.seed,
            steps=plan.sampling.steps,
            native_size=plan.shape.size,
            stage_seconds=self.stage_seconds,
            understood=parsed.understood,
            not_understood=parsed.not_understood,
            read_as=interpret(plan),
            licence=plan.card.licence,
            upscaler=self.upscaler,
        )
        return Clip(self._frames, plan.shape.fps, provenance)

    def _preview(self, before: SamplerState, after: SamplerState) -> Frames:
        """A frame from the middle of the clean clip that the last step moved towards."""
        assert self._model is not None
        t, t_next = self.plan.sampling.schedule()[before.step : after.step + 1].tolist()
        middle = [0, after.latents.shape[1] // 2]  # a later latent frame decodes only behind the first
        clean = before.latents[:, middle].lerp(after.latents[:, middle], (1 - t) / (t_next - t))
        preview: Frames = to_frames(self._model.model.config.tokenizer.decode(clean))[0, -1]
        return preview

    @cached_property
    def _identity(self) -> dict[str, object]:
        """What a state has to agree with to be continued here."""
        request, card = self.plan.request, self.plan.card
        return {"request": request.identity(), "model": card.name, "weights": card.fingerprint()}

    def _restore(self, state: State) -> SamplerState | None:
        values = saved_state.restore(state, NAME, self._identity)
        self.stage_seconds.update(values["stage_seconds"])
        if values["latents"] is None:
            return None
        return SamplerState(values["latents"].to(self.device), values["step"])
