"""One call of a pipeline: its arguments, and what replaces parts of it so that it can be observed."""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hinode.clip import Sound
from hinode.engines.diffusers import conditions
from hinode.engines.diffusers.execution import block_cache
from hinode.engines.diffusers.execution.block_cache import BlockCache
from hinode.engines.diffusers.execution.decode import Decoder, device_failed, enable_tiles, out_of_memory
from hinode.engines.diffusers.execution.previews import Previews
from hinode.engines.diffusers.execution.step_loop import StepLoop, StepState
from hinode.engines.diffusers.execution.stepper import Pause
from hinode.engines.diffusers.loading.acceleration import UNACCELERATED, first_line
from hinode.engines.diffusers.loading.embeddings import Embeddings
from hinode.engines.diffusers.loading.model import Model
from hinode.engines.diffusers.loading.self_test import SelfTests
from hinode.engines.diffusers.memory.allocator import free_memory
from hinode.engines.diffusers.memory.decoding import WHOLE
from hinode.engines.diffusers.memory.plan import MemoryPlan, Residence
from hinode.engines.diffusers.task import Task
from hinode.engines.protocol import Progress
from hinode.errors import DeviceError, EngineError, HinodeError, ModelError

log = logging.getLogger(__name__)


@dataclass
class PipelineCall:
    """Carries out one task in the thread of a `Stepper`.

    Attributes:
        embeddings: cache of encoded prompts.
        self_tests: of the ways to compute denoisers quickly.
        state: where to continue.
        decoder: decodes the clip; None before the call.
        steps: the loop of steps; None before the call.
        cache: what one step keeps for the next; None if nothing.
        remark: how the denoisers computed, if not as their makers do.
    """

    task: Task
    plan: MemoryPlan
    model: Model
    embeddings: Embeddings
    self_tests: SelfTests
    state: StepState | None
    decoder: Decoder | None = None
    steps: StepLoop | None = None
    cache: BlockCache | None = None
    remark: str = ""
    _stages: set[str] = field(default_factory=set)

    @property
    def decodes_sound(self) -> bool:
        """Whether sound is decoded. It is always sampled with the frames: each attends to the other."""
        return self.task.family.sound and self.task.request.sound is not False

    def __call__(self, pause: Pause) -> tuple[Any, Sound | None]:
        """Run the pipeline, and return frames float32 [T, H, W, 3] in 0..1, and their sound, or None.

        Raises:
            EngineError: there is too little memory, or values are not numbers.
            ModelError: the library cannot run this model.
        """
        task, model, state = self.task, self.model, self.state
        generator = torch.Generator("cpu").manual_seed(task.request.seed)
        total, previews = task.profile.steps, Previews(task, model.tiny)
        cache: BlockCache | None = None
        if task.profile.reuse and model.target_execution.reusing:
            self.cache = cache = BlockCache(task.profile.reuse, state.cache_inputs if state else {})
        self.steps = StepLoop(
            schedulers=task.family.schedulers,
            generator=generator,
            device=model.device,
            on_step=lambda step, estimate: pause(Progress("sample", step, total, previews(step, estimate))),
            state=state,
            cache_inputs=lambda: dict(cache.inputs) if cache else {},
        )
        pipeline = self._assemble(self.steps, pause)
        try:
            output = pipeline(**self._arguments(), generator=generator, output_type="np", return_dict=False)
        except HinodeError:
            raise
        except Exception as error:  # whatever the library may raise for files that do not belong together
            if out_of_memory(error):
                message = f"the model {task.entry.name} needs more memory than is free: {first_line(error)}"
                remedy = "ask for a shorter or smaller clip, or end other programs that use the memory"
                raise EngineError(message, remedy) from error
            log.exception("the pipeline failed")
            if device_failed(error):
                message = f"the accelerator failed: {first_line(error)}"
                raise DeviceError(message, "start the program again; see the log of the driver") from error
            message = f"the library cannot run the model {task.entry.name}: {first_line(error)}"
            raise ModelError(message, "see that all of its files are from one checkpoint") from error
        sound = None
        if self.decodes_sound:
            samples = output[1][0].float().cpu().numpy()
            sound = Sound.from_model(samples, int(pipeline.vocoder.config.output_sampling_rate))
        return np.asarray(output[0])[0], sound

    def _assemble(self, steps: StepLoop, pause: Pause) -> Any:
        """A pipeline of this call's own: no other call sees what is changed in its parts."""
        task, model = self.task, self.model
        vae = copy.copy(model.parts["vae"])
        parts: dict[str, Any] = {"scheduler": steps.observe(self._scheduler()), "vae": vae}
        if "guider" in model.checkpoint.part_names:
            parts["guider"] = model.load("guider").new(guidance_scale=task.profile.guidance)
        context = self.cache.context if self.cache else None
        for name in model.checkpoint.denoisers:
            forward = functools.partial(self._forward, pause, name)
            parts[name] = steps.placeholder(model.checkpoint.empty_part(name), forward, context)
        if task.family.sound and not self.decodes_sound:
            parts |= self._silent_parts()
        pipeline = model.assemble(task.pipeline, **parts)
        self._replace_encoders(pipeline, pause)
        self._replace_decoder(vae, pause)
        return pipeline

    def _silent_parts(self) -> dict[str, Any]:
        """Replacements for the parts that decode sound: they answer the pipeline's questions and decode
        nothing."""
        audio_vae = copy.copy(self.model.parts["audio_vae"])
        vocoder = self.model.checkpoint.empty_part("vocoder")
        audio_vae.decode = lambda *args, **kwargs: (None,)
        vocoder.__dict__["forward"] = lambda mel: None
        return {"audio_vae": audio_vae, "vocoder": vocoder}

    def _scheduler(self) -> Any:
        scheduler = self.model.load("scheduler")
        shift = self.task.family.shift(self.task.size, self.task.profile)
        for name in ("flow_shift", "shift"):
            if shift is not None and name in scheduler.config:
                return type(scheduler).from_config(scheduler.config, **{name: shift})
        return scheduler

    def _denoiser(self, name: str, *, plain: bool = False) -> nn.Module:
        """A denoiser with its weights on the device, not accelerated yet if `plain`; if parts take turns, the
        other one leaves."""
        if self.plan.residence is Residence.TURNS:
            for other in self.model.checkpoint.denoisers:
                if other != name:
                    self.model.offload(other)
        self.model.load(name)
        return self.model.place(name, streamed=self.plan.residence.streams, plain=plain)

    @property
    def _untested(self) -> bool:
        """Whether the next pass is computed plainly too, for comparison."""
        return self.self_tests.due(self.model.execution, self.task.family, self.model.device)

    def _forward(self, pause: Pause, name: str, *args: Any, **kwargs: Any) -> Any:
        """A pass of a denoiser. If it fails as accelerated, it and all later ones are computed plainly."""
        assert self.steps is not None
        if self._enter("sample"):
            pause(Progress("load", 0, 1))
            self._denoiser(name, plain=self._untested)
            pause(Progress("sample", self.steps.step, self.task.profile.steps))
        model, family, device = self.model, self.task.family, self.model.device
        reference = None
        if self._untested:
            untouched = self._denoiser(name, plain=True)
            reference = block_cache.forward(name, untouched, UNACCELERATED, None, args, kwargs)
            del untouched
        denoiser = self._denoiser(name)
        try:
            output = block_cache.forward(name, denoiser, model.execution, self.cache, args, kwargs)
            if reference is not None:
                self.self_tests.compare(model.execution, family, device, output, reference)
            _check_numbers(output, f"the {name}")
            self.remark = model.execution.description
            return output
        except Exception as error:  # whatever a library, a compiler or a driver may raise
            if model.execution == UNACCELERATED or out_of_memory(error):
                raise
            accelerated = model.execution.description
            log.warning("a pass failed and is repeated, not %s: %s", accelerated, first_line(error))
            self.self_tests.record_failure(model.execution, family, device)
        del denoiser  # its memory is needed for the one that replaces it
        self.remark = ""
        if self.cache:
            self.cache.clear()
        model.degrade(UNACCELERATED)
        output = block_cache.forward(name, self._denoiser(name), UNACCELERATED, None, args, kwargs)
        _check_numbers(output, f"the {name}")
        return output

    def _replace_decoder(self, vae: Any, pause: Pause) -> None:
        compression = self.task.family.shape.pixels_per_latent
        release = self._release_denoisers
        decoder = self.decoder = Decoder(vae, self.plan.decode, compression, release, self.model.tiny)

        def decode(*args: Any, **kwargs: Any) -> Any:
            pause(Progress("decode", 0, 1))
            if self.cache is not None:
                self.cache.clear()
            if self.plan.residence is Residence.TURNS or self.plan.residence.streams:
                self._release_denoisers()
            _check_numbers(args[:1], "the sampler")
            return decoder(*args, **kwargs)

        def encode(video: Tensor, *args: Any, **kwargs: Any) -> Any:
            if self.plan.decode != WHOLE:
                enable_tiles(vae, video[..., ::compression, ::compression], compression)
            return type(vae).encode(vae, video, *args, **kwargs)

        vae.decode, vae.encode = decode, encode

    def _replace_encoders(self, pipeline: Any, pause: Pause) -> None:
        names = [name for name in self.task.family.encoders if name in self.model.checkpoint.part_names]
        pictures = [name for name in names if name.startswith("image")]
        texts = [name for name in names if name not in pictures]

        def replace(method: str, parts: list[str], *, cached: bool) -> None:
            original = getattr(pipeline, method)

            def encode(*args: Any, **kwargs: Any) -> Any:
                if self._enter("text"):
                    pause(Progress("text", 0, 1))
                key = self._embedding_key(parts, args, kwargs) if cached else None
                return self._encode(pipeline, original, parts, args, kwargs, key)

            setattr(pipeline, method, encode)

        replace("encode_prompt", texts, cached=True)
        if pictures:
            replace("encode_image", pictures, cached=False)

    def _encode(
        self,
        pipeline: Any,
        encode: Callable[..., Any],
        parts: list[str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        key: str | None,
    ) -> Any:
        """What the encoders return for a prompt or a picture. With a key the cache is used."""
        cached = self.embeddings.get(key, self.model.device) if key else None
        # Pipelines set the padding side while they encode a prompt, and read it later.
        tokenizer = getattr(pipeline, "tokenizer", None)
        if cached is not None:
            if tokenizer is not None:
                tokenizer.padding_side = cached["padding_side"]
            return cached["read"]
        for name in parts:
            self.model.load(name)
            streamed = self.plan.residence is Residence.STREAMED
            setattr(pipeline, name, self.model.place(name, streamed=streamed))
        embeddings = encode(*args, **kwargs)
        if self.plan.residence is not Residence.RESIDENT:
            for name in parts:
                setattr(pipeline, name, None)
                self.model.offload(name)
            free_memory()
        if key is not None:
            padding_side = getattr(tokenizer, "padding_side", "right")
            self.embeddings.put(key, {"read": embeddings, "padding_side": padding_side})
        return embeddings

    def _embedding_key(self, parts: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """The key in the cache, or None if not all arguments are plain values."""
        values = {name: value for name, value in kwargs.items() if name != "device"}
        values |= {name: str(value) for name, value in values.items() if isinstance(value, torch.dtype)}
        if not all(isinstance(value, str | int | float | None) for value in (*values.values(), *args)):
            return None
        import diffusers
        import transformers

        checkpoint = self.model.checkpoint
        tokenizers = [name for name in checkpoint.part_names if name.startswith("tokenizer")]
        return self.embeddings.key(
            layout=1,
            model=checkpoint.fingerprint(*parts, *tokenizers),
            pipeline=self.task.pipeline,
            libraries=[diffusers.__version__, transformers.__version__, torch.__version__],
            device=self.model.device.type,
            inputs=list(args),
            options=values,
        )

    def _arguments(self) -> dict[str, Any]:
        task, family, profile = self.task, self.task.family, self.task.profile
        width, height = task.size
        arguments: dict[str, Any] = {
            "prompt": task.request.prompt,
            "height": height,
            "width": width,
            "num_frames": task.network_frames,
            "num_inference_steps": task.schedule_steps,
            **family.arguments,
        }
        # Not in families without it: to their pipelines "" may be a prompt of its own.
        if family.negative_prompt:
            arguments["negative_prompt"] = task.request.negative_prompt
        if family.guidance_argument:
            arguments[family.guidance_argument] = profile.guidance
        if len(self.model.checkpoint.denoisers) > 1 and profile.guidance_2 is not None:
            arguments["guidance_scale_2"] = profile.guidance_2
        if family.rate_argument:
            arguments[family.rate_argument] = family.fps
        arguments |= conditions.arguments(task)
        for name in conditions.DERIVED_ARGUMENTS.get(task.pipeline, ()):
            del arguments[name]
        return arguments

    def _release_denoisers(self) -> None:
        """Take the denoisers out of memory; a run that needs them loads them, or moves them back."""
        for name in self.model.checkpoint.denoisers:
            self.model.offload(name)
        free_memory()

    def _enter(self, stage: str) -> bool:
        """Whether a stage begins with this call."""
        if stage in self._stages:
            return False
        self._stages.add(stage)
        return True


def _check_numbers(output: Any, source: str) -> None:
    """Raise EngineError if a part returned values that are not numbers: they would become a black clip."""
    for tensor in output:
        if isinstance(tensor, Tensor) and not bool(torch.isfinite(tensor).all()):
            message = f"{source} of the model computed values that are not numbers"
            raise EngineError(message, "check its files with `hinode models verify`; another file may work")
