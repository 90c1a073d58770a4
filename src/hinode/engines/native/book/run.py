"""A clip of the picture book: planned from the words, drawn by the network, with the sound of its plan."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.engines import saved_state
from hinode.engines.native import catalog, upscaling
from hinode.engines.native.book.drawing_plan import DrawingPlan, describe_plan
from hinode.engines.native.book.scene_plan import plan_frames
from hinode.engines.native.conditioning import to_frames
from hinode.engines.protocol import Progress, State, timed
from hinode.errors import EngineError
from hinode.model.drawing import Drawer, share_noise
from hinode.model.drawing_sampler import DrawingSampler, DrawingState
from hinode.world.book.sounds.sound import RATE
from hinode.world.book.sounds.soundtrack import plan_sound

SHARED_NOISE = 0.995
"""Share of the noise that moves with the land, so that its details hardly change from frame to frame. With
all of it, frames in which nothing moves would be equal."""

if TYPE_CHECKING:
    from hinode.engines.native.engine import NativeEngine


class DrawingRun:
    """See `Run`. Between two steps it is nothing but its frames and a step number."""

    def __init__(self, plan: DrawingPlan, engine: NativeEngine, state: State | None) -> None:
        self.plan, self.engine = plan, engine
        settings = engine.settings
        self.upscaler = upscaling.NAME if settings.upscale and upscaling.available() else ""
        self.stage_seconds: dict[str, float] = {}
        self.device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._resumed = None if state is None else self._restore(state)
        self._network: Drawer | None = None
        self._sampler: DrawingSampler | None = None
        self._frames: Frames | None = None

    def __iter__(self) -> Iterator[Progress]:
        if self._network is None:
            yield Progress("load", 0, 1)
            with timed(self.stage_seconds, "load"):
                self._network = self.engine.load(self.plan.card, self.device)
                if self.upscaler:  # now, because with damaged weights the clip could not be finished
                    upscaling.load(upscaling.path())
        if self._sampler is None:
            yield Progress("plan", 0, 1)
            with timed(self.stage_seconds, "plan"):
                self._sampler = self._make_sampler(self._network)
        steps = self.plan.schedule.steps
        yield Progress("sample", self._sampler.state.step, steps)
        while self._sampler.state.step < steps:
            before = self._sampler.state
            with timed(self.stage_seconds, "sample"):
                after = next(self._sampler)
                preview = self._preview(before, after)
            yield Progress("sample", after.step, steps, preview)
        if self._frames is None:
            frames = to_frames(self._sampler.state.frames)[0]
            self._frames = frames[: self.plan.frames]

    def state(self) -> State:
        """See `Run.state`. Before the first step it holds no frames: the seed gives them again."""
        now = self._sampler.state if self._sampler else self._resumed
        step = now.step if now else 0
        frames = now.frames.cpu() if now and step > self.plan.first_step else None
        values = {"step": step, "frames": frames, "stage_seconds": self.stage_seconds}
        return saved_state.save(catalog.ENGINE, step, self._identity, values)

    def clip(self) -> Clip:
        if self._frames is None:
            raise EngineError("the clip is not finished", "run all steps first")
        plan, sound = self.plan, self._sound()
        provenance = Provenance(
            engine=catalog.ENGINE,
            model=plan.card.name,
            seed=plan.request.seed,
            steps=plan.schedule.steps,
            native_size=plan.shape.size,
            stage_seconds=self.stage_seconds,
            understood=plan.planned.understood,
            not_understood=plan.planned.not_understood,
            read_as=describe_plan(plan),
            licence=plan.card.licence,
            upscaler=self.upscaler,
            plan=plan.scene.model_dump_json(),
        )
        return Clip(self._frames, plan.shape.fps, provenance, sound)

    def _make_sampler(self, network: Drawer) -> DrawingSampler:
        plan = self.plan
        canvas, request = plan.canvas, plan.request
        moments = torch.arange(plan.drawn_frames) / plan.shape.fps
        # On the CPU, because only there the same seed always gives the same noise.
        generator = torch.Generator().manual_seed(request.seed)
        width, height = plan.shape.size
        noise = torch.randn((1, plan.drawn_frames, 3, height, width), generator=generator)
        picture = torch.randn((1, 3, height, width), generator=generator)
        frames = plan_frames(plan.scene, moments, plan.shape.size)
        noise = share_noise(noise, picture, frames.camera, SHARED_NOISE)
        context, guide = canvas.context_frames(request)[None], canvas.guide_frames(request)
        state = self._resumed
        if state is None and guide is not None:
            state = self._start_from(guide[None], noise, network)
        return DrawingSampler(
            network,
            frames.to(self.device),
            noise.to(self.device),
            plan.schedule,
            context=None if bool(context.isnan().all()) else context.to(self.device),
            state=state,
        )

    def _start_from(self, guide: Tensor, noise: Tensor, network: Drawer) -> DrawingState:
        """The state of a run that starts from a video, as noisy as the strength says (arXiv 2108.01073)."""
        step = self.plan.first_step
        level = self.plan.schedule.levels()[step]
        frames = level * guide + (1 - level) * network.config.noise_scale * noise
        return DrawingState(frames.to(self.device), step)

    def _sound(self) -> Sound | None:
        if self.plan.request.sound is False:
            return None
        with timed(self.stage_seconds, "sound"):
            return Sound.from_model(plan_sound(self.plan.scene, seed=self.plan.request.seed), RATE)

    def _preview(self, before: DrawingState, after: DrawingState) -> Frames:
        """A frame from the middle of the clean clip that the last step moved towards."""
        t, following = self.plan.schedule.levels()[before.step : after.step + 1]
        middle = self.plan.frames // 2
        first, second = (state.frames[:, middle : middle + 1] for state in (before, after))
        preview: Frames = to_frames(first.lerp(second, (1 - t) / (following - t)))[0, 0]
        return preview

    @cached_property
    def _identity(self) -> dict[str, object]:
        """What a state has to agree with to be continued here."""
        request, card = self.plan.request, self.plan.card
        return {"request": request.identity(), "model": card.name, "weights": card.fingerprint()}

    def _restore(self, state: State) -> DrawingState | None:
        values = saved_state.restore(state, catalog.ENGINE, self._identity)
        self.stage_seconds.update(values["stage_seconds"])
        if values["frames"] is None:
            return None
        return DrawingState(values["frames"].to(self.device), values["step"])
