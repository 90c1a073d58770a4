"""One call of a pipeline, set up so that it can be followed: what it is given, and who stands in for whom."""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hinode.clip import Sound
from hinode.engines.diffusers import conditions
from hinode.engines.diffusers.execution import acceleration
from hinode.engines.diffusers.execution.acceleration import UNACCELERATED, Reuse
from hinode.engines.diffusers.execution.decode import WHOLE, Decoder, free, lay_tiles, out_of_memory
from hinode.engines.diffusers.execution.previews import Previews
from hinode.engines.diffusers.execution.stepping import Pause
from hinode.engines.diffusers.execution.steps import StepLoop, StepState
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.memory.plan import MemoryPlan, Residence
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import Progress

log = logging.getLogger(__name__)


@dataclass
class PipelineCall:
    """Carries out one task in the thread of a `Stepper`.

    Attributes:
        task: what to draw.
        plan: how the memory is used.
        model: with what.
        embeddings: prompts that were read before.
        kept: where to go on from.
        decoder: what decoded, or is to decode; None before the call.
        steps: how far the call is; None before it.
        reuse: what it takes from one step for the next; None if nothing.
        remark: how the denoisers computed, if not as their makers do.
    """

    task: Task
    plan: MemoryPlan
    model: Model
    embeddings: Embeddings
    kept: StepState | None
    decoder: Decoder | None = None
    steps: StepLoop | None = None
    reuse: Reuse | None = None
    remark: str = ""

    @property
    def sounding(self) -> bool:
        """Whether sound is decoded too. It is always drawn with the frames: each attends to the other."""
        return self.task.family.sound and self.task.request.sound is not False

    def __call__(self, pause: Pause) -> tuple[Any, Sound | None]:
        """Draw.

        Returns:
            Frames float32 [T, H, W, 3] in 0..1, and the sound that goes with them, or None.

        Raises:
            EngineError: the sound is none.
        """
        task, model = self.task, self.model
        generator = torch.Generator("cpu").manual_seed(task.request.seed)
        total, previews = task.profile.steps, Previews(task, model.tiny)
        reuse: Reuse | None = None
        kept = self.kept
        if task.profile.reuse and model.wanted.reusing:
            self.reuse = reuse = Reuse(task.profile.reuse, kept.inputs if kept else {})
        self.steps = StepLoop(
            schedulers=task.family.schedulers,
            generator=generator,
            device=model.device,
            done=lambda step, heading: pause(Progress("sample", step, total, previews(step, heading))),
            kept=kept,
            inputs=lambda: dict(reuse.inputs) if reuse else {},
        )
        pipeline = self._pipeline(self.steps, pause)
        made = pipeline(**self._arguments(), generator=generator, output_type="np", return_dict=False)
        sound = None
        if self.sounding:
            samples = made[1][0].float().cpu().numpy()
            sound = Sound.drawn(samples, int(pipeline.vocoder.config.output_sampling_rate))
        return np.asarray(made[0])[0], sound

    @property
    def _denoisers(self) -> list[str]:
        return [name for name in self.task.family.denoisers if name in self.model.names]

    def _pipeline(self, steps: StepLoop, pause: Pause) -> Any:
        """A pipeline of this call's own: what it changes in its parts, no other call sees."""
        task, model = self.task, self.model
        vae = copy.copy(model.parts["vae"])
        given: dict[str, Any] = {"scheduler": steps.scheduler(self._scheduler()), "vae": vae}
        if "guider" in model.names:
            given["guider"] = model.load("guider").new(guidance_scale=task.profile.guidance)
        begun: list[bool] = []

        def real(name: str) -> nn.Module:
            if begun:
                return self._denoiser(name)
            begun.append(True)
            pause(Progress("load", 0, 1))
            denoiser = self._denoiser(name)
            pause(Progress("sample", steps.step, task.profile.steps))
            return denoiser

        def carried(name: str, *inputs: Any, **options: Any) -> Any:
            return self._carried(name, functools.partial(real, name), inputs, options)

        context = self.reuse.context if self.reuse else None
        for name in self._denoisers:
            given[name] = steps.stand_in(model.empty(name), functools.partial(carried, name), context)
        if task.family.sound and not self.sounding:
            given |= self._muted()
        pipeline = model.assemble(task.pipeline, **given)
        self._listen(pipeline, vae, pause)
        return pipeline

    def _muted(self) -> dict[str, Any]:
        """Stand-ins for what decodes sound: they know what the drawing of it asks them, and make none."""
        audio_vae, vocoder = copy.copy(self.model.parts["audio_vae"]), self.model.empty("vocoder")
        audio_vae.decode = lambda *inputs, **options: (None,)
        vocoder.__dict__["forward"] = lambda mel: None
        return {"audio_vae": audio_vae, "vocoder": vocoder}

    def _scheduler(self) -> Any:
        scheduler = self.model.load("scheduler")
        shift = self.task.family.shift(self.task.size, self.task.profile)
        for name in ("flow_shift", "shift"):
            if shift is not None and name in scheduler.config:
                return type(scheduler).from_config(scheduler.config, **{name: shift})
        return scheduler

    def _denoiser(self, name: str) -> nn.Module:
        """A denoiser with its weights, where it computes; if parts are loaded in turn, the other one goes."""
        if self.plan.place is Residence.TURNS:
            for other in self._denoisers:
                if other != name:
                    self.model.retire(other)
        self.model.load(name)
        return self.model.settle(name, streamed=self.plan.place is Residence.GROUPS)

    def _carried(
        self, name: str, real: Callable[[], nn.Module], inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        """A pass; if it cannot be made as the profile permits, it and all after it are made plainly."""
        model, denoiser = self.model, real()
        try:
            output = acceleration.carried(name, denoiser, model.ways, self.reuse, inputs, options)
            self.remark = model.ways.words
            return output
        except Exception as error:  # whatever a library, a compiler or a driver may raise
            if model.ways == UNACCELERATED or out_of_memory(error):
                raise
            said = acceleration.first_line(error)
            log.warning("a pass failed and is made again, not %s: %s", model.ways.words, said)
        del denoiser  # its memory is needed for the one that takes its place
        self.remark = ""
        if self.reuse:
            self.reuse.forget()
        model.narrow(UNACCELERATED)
        return acceleration.carried(name, self._denoiser(name), UNACCELERATED, None, inputs, options)

    def _listen(self, pipeline: Any, vae: Any, pause: Pause) -> None:
        """Have a pipeline tell when it reads and when it decodes, and do both our way."""
        task, model = self.task, self.model
        decoder = self.decoder = Decoder(
            vae, self.plan.decode, task.family.shape.compression[1], self._make_room, model.tiny
        )
        told: list[bool] = []

        def decode(*inputs: Any, **options: Any) -> Any:
            pause(Progress("decode", 0, 1))
            if self.reuse is not None:
                self.reuse.forget()
            if self.plan.place in (Residence.TURNS, Residence.GROUPS):
                self._make_room()
            return decoder(*inputs, **options)

        def reading(encode: Callable[..., Any], parts: list[str], *, kept: bool) -> Callable[..., Any]:
            def read(*inputs: Any, **options: Any) -> Any:
                if not told:
                    told.append(True)
                    pause(Progress("text", 0, 1))
                return self._read(pipeline, encode, parts, inputs, options, kept=kept)

            return read

        def encode(video: Tensor, *inputs: Any, **options: Any) -> Any:
            if self.plan.decode != WHOLE:
                side = task.family.shape.compression[1]
                lay_tiles(vae, video[..., ::side, ::side], side)
            return type(vae).encode(vae, video, *inputs, **options)

        vae.decode, vae.encode = decode, encode
        encoders = [name for name in task.family.encoders if name in model.names]
        pictures = [name for name in encoders if name.startswith("image")]
        words = [name for name in encoders if name not in pictures]
        pipeline.encode_prompt = reading(pipeline.encode_prompt, words, kept=True)
        if pictures:
            pipeline.encode_image = reading(pipeline.encode_image, pictures, kept=False)

    def _read(
        self,
        pipeline: Any,
        encode: Callable[..., Any],
        parts: list[str],
        inputs: tuple[Any, ...],
        options: dict[str, Any],
        *,
        kept: bool,
    ) -> Any:
        """What the encoders make of a prompt, or of a picture: from the disk if it was made before."""
        key = self._key(parts, inputs, options) if kept else None
        found = self.embeddings.get(key, self.model.device) if key else None
        # Pipelines set this while they read a prompt, and look at it later.
        tokenizer = getattr(pipeline, "tokenizer", None)
        if found is not None:
            if tokenizer is not None:
                tokenizer.padding_side = found["padding_side"]
            return found["read"]
        for name in parts:
            self.model.load(name)
            setattr(pipeline, name, self.model.settle(name))
        read = encode(*inputs, **options)
        if self.plan.place is not Residence.RESIDENT:
            for name in parts:
                setattr(pipeline, name, None)
                self.model.retire(name)
            free()
        if key is not None:
            self.embeddings.put(
                key, {"read": read, "padding_side": getattr(tokenizer, "padding_side", "right")}
            )
        return read

    def _key(self, parts: list[str], inputs: tuple[Any, ...], options: dict[str, Any]) -> str | None:
        """The name of what is made of these arguments, or None if they are not all plain values."""
        plain = {
            name: str(value) if isinstance(value, torch.dtype) else value for name, value in options.items()
        }
        plain.pop("device", None)
        if not all(isinstance(value, str | int | float | None) for value in (*plain.values(), *inputs)):
            return None
        import diffusers
        import transformers

        tokenizers = [name for name in self.model.names if name.startswith("tokenizer")]
        return self.embeddings.key(
            layout=1,
            model=self.model.fingerprint(*parts, *tokenizers),
            pipeline=self.task.pipeline,
            libraries=[diffusers.__version__, transformers.__version__, torch.__version__],
            device=self.model.device.type,
            inputs=list(inputs),
            options=plain,
        )

    def _arguments(self) -> dict[str, Any]:
        task, family, profile = self.task, self.task.family, self.task.profile
        width, height = task.size
        arguments: dict[str, Any] = {
            "prompt": task.request.prompt,
            "height": height,
            "width": width,
            "num_frames": task.drawn,
            "num_inference_steps": task.schedule,
            **family.arguments,
        }
        # As it is where there is no other: a pipeline may take "" for a word of its own.
        if family.negative_prompt:
            arguments["negative_prompt"] = task.request.negative_prompt
        if family.guidance_argument:
            arguments[family.guidance_argument] = profile.guidance
        if len(self._denoisers) > 1 and profile.guidance_2 is not None:
            arguments["guidance_scale_2"] = profile.guidance_2
        if family.rate_argument:
            arguments[family.rate_argument] = family.fps
        arguments |= conditions.arguments(task)
        for followed in conditions.FOLLOWED.get(task.pipeline, ()):
            del arguments[followed]
        return arguments

    def _make_room(self) -> None:
        """Take away what is not needed any more; a run that needs it loads it, or moves it back."""
        for name in self._denoisers:
            self.model.retire(name)
        free()
