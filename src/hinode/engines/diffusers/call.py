"""One call of a pipeline, set up so that it can be followed: what it is given, and who stands in for whom."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from hinode.engines import references
from hinode.engines.diffusers.components import Model
from hinode.engines.diffusers.decode import Decoder, free
from hinode.engines.diffusers.embeddings import Embeddings
from hinode.engines.diffusers.plan import Place, Plan
from hinode.engines.diffusers.stepping import Pause
from hinode.engines.diffusers.steps import Kept, Steps
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import Progress

GREY = (128, 128, 128)
"""What VACE takes for a frame that is to be drawn."""


@dataclass
class Call:
    """Carries out one task in the thread of a `Stepper`.

    Attributes:
        task: what to draw.
        plan: how the memory is used.
        model: with what.
        embeddings: prompts that were read before.
        kept: where to go on from.
        decoder: what decoded, or is to decode; None before the call.
        steps: how far the call is; None before it.
    """

    task: Task
    plan: Plan
    model: Model
    embeddings: Embeddings
    kept: Kept | None
    decoder: Decoder | None = None
    steps: Steps | None = None

    def __call__(self, pause: Pause) -> tuple[Any, Tensor | None]:
        """Draw.

        Returns:
            Frames float32 [T, H, W, 3] in 0..1, and the sound, float32 [channels, samples], or None.
        """
        task, model = self.task, self.model
        generator = torch.Generator("cpu").manual_seed(task.request.seed)
        total = task.profile.steps
        self.steps = Steps(
            schedulers=task.family.schedulers,
            generator=generator,
            device=model.device,
            done=lambda step: pause(Progress("sample", step, total)),
            kept=self.kept,
        )
        pipeline = self._pipeline(self.steps, pause)
        made = pipeline(**self._arguments(), generator=generator, output_type="np", return_dict=False)
        return np.asarray(made[0])[0], (made[1][0].float().cpu() if task.family.sound else None)

    @property
    def _denoisers(self) -> list[str]:
        return [name for name in self.task.family.denoisers if name in self.model.names]

    def _pipeline(self, steps: Steps, pause: Pause) -> Any:
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

        for name in self._denoisers:
            given[name] = steps.stand_in(model.empty(name), functools.partial(real, name))
        pipeline = model.assemble(task.family.pipelines[task.role], **given)
        self._listen(pipeline, vae, pause)
        return pipeline

    def _scheduler(self) -> Any:
        scheduler = self.model.load("scheduler")
        shift = self.task.family.shift(self.task.size)
        for name in ("flow_shift", "shift"):
            if shift is not None and name in scheduler.config:
                return type(scheduler).from_config(scheduler.config, **{name: shift})
        return scheduler

    def _denoiser(self, name: str) -> nn.Module:
        """A denoiser with its weights, where it computes; if parts are loaded in turn, the other one goes."""
        if self.plan.place is Place.TURNS:
            for other in self._denoisers:
                if other != name:
                    self.model.retire(other)
        self.model.load(name)
        return self.model.settle(name, streamed=self.plan.place is Place.GROUPS)

    def _listen(self, pipeline: Any, vae: Any, pause: Pause) -> None:
        """Have a pipeline tell when it reads and when it decodes, and do both our way."""
        task, model = self.task, self.model
        decoder = self.decoder = Decoder(
            vae, self.plan.decode, task.family.shape.compression[1], make_room=self._make_room
        )
        told: list[bool] = []

        def decode(*inputs: Any, **options: Any) -> Any:
            pause(Progress("decode", 0, 1))
            if self.plan.place in (Place.TURNS, Place.GROUPS):
                self._make_room()
            return decoder(*inputs, **options)

        def reading(encode: Callable[..., Any], parts: list[str], *, kept: bool) -> Callable[..., Any]:
            def read(*inputs: Any, **options: Any) -> Any:
                if not told:
                    told.append(True)
                    pause(Progress("text", 0, 1))
                return self._read(pipeline, encode, parts, inputs, options, kept=kept)

            return read

        vae.decode = decode
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
        if self.plan.place is not Place.RESIDENT:
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
            pipeline=self.task.family.pipelines[self.task.role],
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
            "num_inference_steps": profile.steps,
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
        if task.first_frame is not None:
            picture = ImageOps.fit(references.picture(task.first_frame), task.size, Image.Resampling.LANCZOS)
            arguments |= self._opening(picture)
        kind = family.pipelines[task.role]
        if kind == "HunyuanVideo15ImageToVideoPipeline":
            del arguments["height"], arguments["width"]  # it follows the picture
        return arguments

    def _opening(self, picture: Image.Image) -> dict[str, Any]:
        """What a pipeline is given for a clip to open with a picture."""
        if not self.task.family.pipelines[self.task.role].startswith("WanVACE"):
            return {"image": picture}
        empty = Image.new("RGB", picture.size, GREY)
        rest = self.task.drawn - 1
        return {
            "video": [picture] + [empty] * rest,
            "mask": [Image.new("L", picture.size, 0)] + [Image.new("L", picture.size, 255)] * rest,
        }

    def _make_room(self) -> None:
        """Take away what is not needed any more; a run that needs it loads it, or moves it back."""
        for name in self._denoisers:
            self.model.retire(name)
        free()
