"""What a clip will look like, shown while it is drawn: a frame from its middle, by the tiny decoder.

A step gives latents that are still mostly noise; shown is where they are heading. Nothing here changes what
is drawn: no random number is taken, and what fails only leaves a picture out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.diffusers.loading.tiny_decoder import TinyDecoder
from hinode.engines.diffusers.task import Task

log = logging.getLogger(__name__)

MAX_SIDE = 8
"""Pictures of one clip."""


@dataclass
class Previews:
    """The pictures of one clip.

    Attributes:
        task: what is drawn.
        tiny: the decoder, or None for no pictures.
    """

    task: Task
    tiny: TinyDecoder | None

    def __call__(self, step: int, heading: Callable[[], Tensor]) -> Frames | None:
        """The picture after a step, uint8 [H, W, 3], or None.

        Args:
            step: steps that are done.
            heading: gives the latents that the step was heading for.
        """
        total = self.task.profile.steps
        if self.tiny is None or step * MAX_SIDE // total == (step - 1) * MAX_SIDE // total:
            return None
        try:
            latents = self._clip(heading())
            middle = latents.shape[1] // 2
            # With the frame before it, which it remembers: alone it would be drawn as the first of a clip.
            frame = self.tiny.decode(latents[:, max(0, middle - 1) : middle + 1])[:, -1]
        except (RuntimeError, MemoryError) as error:
            log.warning("no more previews: %s", error)
            self.tiny = None
            return None
        made: Frames = np.rint(frame.permute(1, 2, 0).numpy() * np.float32(255)).astype(np.uint8)
        return made

    def _clip(self, latents: Tensor) -> Tensor:
        """The latents of a pipeline, in whichever way it lays them out, as [C, T, h, w]."""
        shape, frames = self.task.family.shape, self.task.latent_frames
        if latents.ndim == 5:
            clip = latents[0].transpose(0, 1) if shape.frames_first else latents[0]
        else:
            # One row of tokens.
            width, height = (side // shape.compression[1] for side in self.task.size)
            tokens = latents[0, -frames * height * width :]
            clip = tokens.reshape(-1, height, width, latents.shape[-1]).permute(3, 0, 1, 2)
        # What goes before the clip, a picture to start from or frames that make the count even, is not shown.
        # In one layout: a run that goes on has its latents in another one, and convolutions round by it.
        return clip[:, -frames:].contiguous()


def heading(
    scheduler: Any, inputs: tuple[Any, ...], answer: tuple[Tensor, ...], options: Mapping[str, Any]
) -> Tensor:
    """The clean latents that a step was heading for, as far as its scheduler lets them be known.

    Args:
        scheduler: after the step.
        inputs: of its step: what the denoiser gave, the time, the latents before.
        answer: what it gave: the latents after, and with some schedulers those that are looked for.
        options: what else its step was told.
    """
    if len(answer) > 1:
        return answer[1]
    remembered = getattr(scheduler, "model_outputs", None) or [None]
    clean = scheduler.config.get("predict_x0") or "++" in str(scheduler.config.get("algorithm_type"))
    if clean and remembered[-1] is not None:
        found: Tensor = remembered[-1]
        return found
    if type(scheduler).__name__.startswith("FlowMatch") and len(inputs) > 2:
        # Rectified flow: z = (1 - sigma) x + sigma noise, and the velocity is noise - x.
        velocity, _, before = inputs[:3]
        if options.get("per_token_timesteps") is not None:
            # A noise level for each token, and the velocity turned round.
            levels = options["per_token_timesteps"] / scheduler.config.num_train_timesteps
            turned: Tensor = before.float() + levels[..., None] * velocity
            return turned
        straight: Tensor = before.float() - scheduler.sigmas[scheduler.step_index - 1] * velocity
        return straight
    return answer[0]
