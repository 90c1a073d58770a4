"""One clip being drawn by a pipeline of diffusers, a step at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch

from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.engines import saved_state
from hinode.engines.diffusers import conditions
from hinode.engines.diffusers.capabilities import ENGINE
from hinode.engines.diffusers.execution.acceleration import Execution
from hinode.engines.diffusers.execution.pipeline_call import PipelineCall
from hinode.engines.diffusers.execution.stepping import Stepper
from hinode.engines.diffusers.execution.steps import StepState
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.memory.plan import MemoryPlan
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import Progress, State, timed
from hinode.errors import EngineError


class DiffusersRun:
    """See `Run`. Between two steps it is a pipeline that waits; what `state` keeps of it is its latents, what
    its scheduler remembers, and where its random numbers are."""

    def __init__(
        self,
        task: Task,
        plan: MemoryPlan,
        model: Model,
        embeddings: Embeddings,
        state: State | None,
    ) -> None:
        """
        Args:
            task: what to draw.
            plan: how the memory is used.
            model: with what; its weights need not be loaded.
            embeddings: prompts that were read before.
            state: where to go on from.

        Raises:
            EngineError: the state is not one of this task and model.
        """
        self.task = task
        self.plan = plan
        self.model = model
        self.stage_seconds: dict[str, float] = {}
        self._embeddings = embeddings
        self._resumed = None if state is None else self._read(state)
        self._call: PipelineCall | None = None
        self._stepper: Stepper | None = None
        self._frames: Frames | None = None
        self._sound: Sound | None = None
        self._last = Progress("load", 0, 1)

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`."""
        if self._frames is not None:
            return
        if self._stepper is None:
            yield Progress("load", 0, 1)
            with timed(self.stage_seconds, "load"):
                self.model.prepare()
                self._call = PipelineCall(self.task, self.plan, self.model, self._embeddings, self._resumed)
                self._stepper = Stepper(self._call)
        while True:
            with timed(self.stage_seconds, self._last.stage):
                progress = self._stepper.advance()
            if progress is None:
                break
            self._last = progress
            yield progress
        frames, sound = self._stepper.result
        self._frames = conditions.joined(self.task, pixels(frames))
        if sound is not None:
            self._sound = sound.until(self.task.frames / self.task.family.fps)
        self._stepper.close()
        yield Progress("decode", 1, 1)

    def state(self) -> State:
        """See `Run.state`. Before the first step there is nothing in it: the seed gives that again."""
        kept = self._kept
        head = {
            "identity": self._identity,
            "ways": dataclasses.asdict(self.model.ways),
            "stage_seconds": self.stage_seconds,
        }
        body = {"head": head, "kept": None if kept is None else vars(kept)}
        return State(ENGINE, kept.step if kept else 0, saved_state.dump(body))

    def abandon(self) -> None:
        """Give the run up at once, and what it holds in memory with it."""
        if self._stepper is not None:
            self._stepper.close()

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self._frames is None:
            raise EngineError("the clip is not finished", "run all steps first")
        height, width = self._frames.shape[1:3]
        return Clip(
            self._frames,
            self.task.family.fps,
            Provenance(
                engine=ENGINE,
                model=self.task.entry.name,
                seed=self.task.request.seed,
                steps=self.task.profile.steps,
                native_size=(width, height),
                stage_seconds=self.stage_seconds,
                read_as=self._remarks(),
                licence=self.task.entry.terms,
            ),
            self._sound,
        )

    def _remarks(self) -> str:
        family = self.task.family
        parts = [f"the whole prompt, by {family.title}, profile {self.task.entry.profile}"]
        if self.task.strength is not None:
            parts.append(f"the video drawn over with a strength of {self.task.strength:g}")
        if self.task.before:
            parts.append(f"behind the video, drawn on from the last {self.task.overlap} frames of it")
        if self._call is not None and self._call.remark:
            parts.append(self._call.remark)
        if self._call is not None and self._call.decoder is not None:
            parts += [self._call.decoder.remark] if self._call.decoder.remark else []
        return "; ".join(parts)

    @property
    def _kept(self) -> StepState | None:
        if self._call is not None and self._call.steps is not None:
            return self._call.steps.kept
        return self._resumed

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What a state has to agree with to be continued here."""
        import diffusers

        return {
            "request": self.task.request.identity(),
            "model": self.task.entry.name,
            "weights": self.model.fingerprint(),
            "loras": [[path.name, weight] for path, weight in self.model.loras],
            "profile": self.task.entry.profile,
            "steps": self.task.profile.steps,
            "guidance": [self.task.profile.guidance, self.task.profile.guidance_2],
            "shift": self.task.family.shift(self.task.size, self.task.profile),
            "light": self.plan.light,
            "bits": self.model.wanted.bits,
            "diffusers": diffusers.__version__,
        }

    def _read(self, state: State) -> StepState | None:
        try:
            body = saved_state.load(state.body, self.model.device)
            identity, seconds = body["head"]["identity"], dict(body["head"]["stage_seconds"])
            ways = Execution(**body["head"].get("ways", {}))
            kept = None if body["kept"] is None else StepState(**body["kept"])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError("the saved run is damaged", "start it again") from error
        if state.engine != ENGINE or identity != self._identity:
            raise EngineError(
                "the saved run belongs to another request, to other weights or to another diffusers",
                "start from the beginning",
            )
        # What failed before the run was saved is not tried again in the middle of a clip.
        if kept is not None and self.model.ways.shared(ways) != self.model.ways:
            self.model.narrow(self.model.ways.shared(ways))
        self.stage_seconds.update(seconds)
        return kept


def pixels(frames: Any) -> Frames:
    """Frames float32 [T, H, W, 3] in 0..1 as uint8, rounded; one at a time, for a clip may be large."""
    count, height, width, channels = frames.shape
    made = np.empty((count, height, width, channels), np.uint8)
    for place in range(count):
        made[place] = np.rint(np.asarray(frames[place], np.float32) * 255.0).clip(0, 255)
    return made


def device_of(name: str | None) -> torch.device:
    """Where to compute: the device named, else a GPU if there is one."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
