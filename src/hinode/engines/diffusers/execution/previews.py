"""Previews: a frame from the middle of the clip while it is sampled, decoded by the tiny decoder. The latents
of a step are still mostly noise, so a preview shows the estimate of the clean latents. Previews change
nothing in the clip: no random number is used, and one that fails is left out."""

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

MAX_PREVIEWS = 8
"""Previews of one clip."""


@dataclass
class Previews:
    """The previews of one clip; there are none without a tiny decoder."""

    task: Task
    tiny: TinyDecoder | None

    def __call__(self, step: int, estimate: Callable[[], Tensor]) -> Frames | None:
        """The preview after `step` finished steps, uint8 [H, W, 3], or None. `estimate` returns the estimate
        of the clean latents."""
        total = self.task.profile.steps
        if self.tiny is None or step * MAX_PREVIEWS // total == (step - 1) * MAX_PREVIEWS // total:
            return None
        try:
            latents = self._clip_latents(estimate())
            middle = latents.shape[1] // 2
            # Together with the previous latent frame: alone it would be decoded as the first of a clip.
            frame = self.tiny.decode(latents[:, max(0, middle - 1) : middle + 1])[:, -1]
        except (RuntimeError, MemoryError) as error:
            log.warning("no more previews: %s", error)
            self.tiny = None
            return None
        preview: Frames = np.rint(frame.permute(1, 2, 0).numpy() * np.float32(255)).astype(np.uint8)
        return preview

    def _clip_latents(self, latents: Tensor) -> Tensor:
        """The latents of a pipeline, in whichever layout, as [C, T, h, w]."""
        shape, frames = self.task.family.shape, self.task.latent_frames
        if latents.ndim == 5:
            clip = latents[0].transpose(0, 1) if shape.frames_first else latents[0]
        else:
            # One sequence of tokens.
            width, height = (side // shape.pixels_per_latent for side in self.task.size)
            tokens = latents[0, -frames * height * width :]
            clip = tokens.reshape(-1, height, width, latents.shape[-1]).permute(3, 0, 1, 2)
        # Frames before the clip, for a reference picture or an even count, are left out. Contiguous, because
        # a resumed run has its latents in another memory layout, and convolutions round differently by it.
        return clip[:, -frames:].contiguous()


def estimate_clean_latents(
    scheduler: Any, args: tuple[Any, ...], result: tuple[Tensor, ...], kwargs: Mapping[str, Any]
) -> Tensor:
    """The clean latents as a step predicts them, as far as its scheduler reveals them after it.

    Args:
        args: of the step: the denoiser's output, the timestep, the latents before.
        result: of the step: the latents after, and from some schedulers the estimate.
        kwargs: of the step.
    """
    if len(result) > 1:
        return result[1]
    outputs = getattr(scheduler, "model_outputs", None) or [None]
    predicts_clean = scheduler.config.get("predict_x0") or "++" in str(scheduler.config.get("algorithm_type"))
    if predicts_clean and outputs[-1] is not None:
        estimate: Tensor = outputs[-1]
        return estimate
    if type(scheduler).__name__.startswith("FlowMatch") and len(args) > 2:
        # Rectified flow: z = (1 - sigma) x + sigma noise, and the velocity is noise - x.
        velocity, _, latents = args[:3]
        latents = latents.float()
        if kwargs.get("per_token_timesteps") is not None:
            # A noise level for each token, and the velocity with the opposite sign.
            levels = kwargs["per_token_timesteps"] / scheduler.config.num_train_timesteps
            estimate = latents + levels[..., None] * velocity
        else:
            estimate = latents - scheduler.sigmas[scheduler.step_index - 1] * velocity
        return estimate
    return result[0]
