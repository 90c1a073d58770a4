"""Rectified flow: how noise is added, what is learned, and how a clip is drawn from noise.

Noise level t runs from 0 (pure noise) to 1 (clean): z = t * x + (1 - t) * s * noise. The network predicts the
clean x, which keeps large patches learnable: clean pictures fill a small part of pixel space, noise all of it
(arXiv 2511.13720). The error is measured in velocity v = (x - z) / (1 - t): nearly clean samples weigh more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from hinode.model import controls
from hinode.model.dit import DiT
from hinode.model.text import NULL, PAD

NEAREST = 0.05  # smallest 1 - t in the loss: keeps the weight of almost clean samples finite


@torch.inference_mode()
def sample(
    model: DiT, ids: Tensor, fps: float, noise: Tensor, steps: int = 20, guidance: float = 2.5
) -> Tensor:
    """Draw clips: texts ids [B, L] and standard normal noise [B, Tl, h, w, C] -> clean latents. This is the
    whole method. `Sampler` does the same, can stop between two steps, and follows controls."""
    cond, uncond = model.encode_text(ids), model.encode_text(null_text(ids))
    z = model.config.noise_scale * noise
    for t, t_next in pairwise(Sampling(steps).schedule().tolist()):
        levels = z.new_full(z.shape[:2], t)
        x = model(z, levels, uncond, fps).lerp(model(z, levels, cond, fps), guidance)
        z = z + (t_next - t) * (x - z) / (1 - t)
    return z


def null_text(ids: Tensor) -> Tensor:
    """The null text in the shape of `ids` [B, L]."""
    null = torch.full_like(ids, PAD)
    null[:, 0] = NULL
    return null


@dataclass(frozen=True)
class Loss:
    """The velocity error of one batch."""

    value: Tensor  # mean, a scalar to differentiate
    errors: Tensor  # the same per latent frame, [B, Tl], detached
    levels: Tensor  # noise levels [B, Tl] they belong to; 1 for a frame of context, which does not count


def loss(
    model: DiT,
    x: Tensor,
    ids: Tensor,
    fps: float,
    *,
    levels: Tensor,
    noise: Tensor,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    motion: Tensor | None = None,
) -> Loss:
    """Velocity error of the model on clean latents x [B, Tl, h, w, C] with texts ids [B, L], in float32.
    levels: noise levels [B, Tl]. noise: standard normal, shaped like x. weight: optional per-value weight,
    broadcastable to x. mask [B, Tl, h, w, f]: context, which the model sees clean and which does not count.
    motion: from `controls.encode_motion`."""
    control = fixed = None
    if mask is not None:
        control = controls.encode(mask, motion)
        fixed = mask.repeat_interleave(x.shape[-1] // mask.shape[-1], -1)
        levels = levels.masked_fill(mask.flatten(2).all(-1), 1.0)
    t = levels[..., None, None, None]
    z = t * x + (1 - t) * model.config.noise_scale * noise
    z = z if fixed is None else torch.where(fixed, x, z)
    squared = (model(z, levels, model.encode_text(ids), fps, control) - x).square()
    if weight is not None:
        squared = squared * weight
    if fixed is not None:
        # The mean below is over all values of a frame; this makes it one over those that are not context.
        squared = squared.masked_fill(fixed, 0.0) / (1 - fixed.float().mean((2, 3, 4), True)).clamp(min=1e-3)
    errors = squared.mean((2, 3, 4))
    errors = errors / (1 - levels).clamp(min=NEAREST).square()
    counted = (levels < 1).float()
    value = (errors * counted).sum() / counted.sum().clamp(min=1)
    return Loss(value, errors.detach(), levels)


@dataclass(frozen=True)
class Sampling:
    """How to draw a clip. Every published number names these."""

    steps: int = 20
    guidance: float = 2.5  # 1 is none
    guided: tuple[float, float] = (0.1, 1.0)  # noise levels t at which guidance is applied
    shift: float = 2.0  # > 1 spends more steps at high noise (arXiv 2403.03206)
    learnt: tuple[tuple[float, ...], ...] = ()  # a student's own levels, for each number of steps it learnt

    def schedule(self) -> Tensor:
        """Noise levels from 0 (or where a student begins) to 1, [steps + 1], float64."""
        for levels in self.learnt:
            if len(levels) == self.steps:
                return torch.tensor((*levels, 1.0), dtype=torch.float64)
        noise = torch.linspace(1, 0, self.steps + 1, dtype=torch.float64)
        return 1 - self.shift * noise / (1 + (self.shift - 1) * noise)


@dataclass(frozen=True)
class SamplerState:
    """A run between two steps."""

    latents: Tensor  # [B, Tl, h, w, C] float32
    step: int = 0


class Sampler(Iterator[SamplerState]):
    """Draws clips from noise, one step per `next()`. Nothing is random after the first noise, so a run that
    continues from a saved `state` gives the same bits as an uninterrupted one."""

    def __init__(
        self,
        model: DiT,
        ids: Tensor,
        fps: float,
        noise: Tensor,
        sampling: Sampling,
        *,
        negative_ids: Tensor | None = None,
        context: Tensor | None = None,
        motion: Tensor | None = None,
        state: SamplerState | None = None,
    ) -> None:
        """ids: texts [B, L]. noise: standard normal latents [B, Tl, h, w, C]. negative_ids: texts [B, L] that
        guidance leads away from, instead of the null text. context: clean latents shaped like `noise`, NaN
        where the model draws; a patch of a video frame that is whole is kept as it is. motion: from
        `controls.encode_motion`. state: continue from here."""
        self.model, self.fps, self.sampling = model, fps, sampling
        self.times = sampling.schedule().tolist()
        self.context = noise.new_full(noise.shape, torch.nan) if context is None else context
        span = model.config.patch_frames
        mask = ~self.context.view(*noise.shape[:-1], span, -1).isnan().any(-1)  # (B, Tl, h, w, f)
        self.mask = mask.repeat_interleave(noise.shape[-1] // span, -1)  # (B, Tl, h, w, C)
        self.frame_mask = mask.flatten(2).all(-1)  # latent frames that are all context, (B, Tl)
        # Texts and null texts are encoded once and go through the network as one batch. A subclass may read
        # several texts of each clip: all the first texts come first, and the null texts last.
        self.texts, self.guided = len(ids) // len(noise), sampling.guidance != 1
        if self.guided:
            ids = torch.cat((ids, null_text(ids[: len(noise)]) if negative_ids is None else negative_ids))
        self.control = None
        if model.config.control:
            cond, uncond = controls.encode(mask.repeat(self.texts, 1, 1, 1, 1), motion), controls.encode(mask)
            self.control = torch.cat((cond, uncond))
        self.start = model.config.noise_scale * noise.float()
        with torch.inference_mode():
            self.condition = model.encode_text(ids)
            self.state = state or SamplerState(self.with_context(self.start))

    def with_context(self, latents: Tensor) -> Tensor:
        """Latents with the context put in."""
        return torch.where(self.mask, self.context, latents)

    def levels(self, t: float, texts: int = 1) -> Tensor:
        """Noise levels [texts * B, Tl]; context is clean."""
        return self.frame_mask.float().clamp(min=t).repeat(texts, 1)

    def predict(self, z: Tensor, t: float) -> Tensor:
        """Clean latents as the model sees them from z at noise level t, guidance applied."""
        guided = self.guided and self.sampling.guided[0] <= t <= self.sampling.guided[1]
        texts, rows = self.texts + guided, self.texts * len(z)
        read = slice(texts * len(z))
        control = None if self.control is None else self.control[read]
        clean = self.model(z, self.levels(t, texts), self.condition[read], self.fps, control)
        cond = self.combine(clean[:rows])
        return clean[rows:].lerp(cond, self.sampling.guidance) if guided else cond

    def combine(self, clean: Tensor) -> Tensor:
        """One prediction for each clip from those of all its texts; here it has one."""
        return clean

    def velocity(self, z: Tensor, t: float) -> Tensor:
        """Where z moves at noise level t."""
        return (self.predict(z, t) - z).div_(1 - t)

    @torch.inference_mode()
    def __next__(self) -> SamplerState:
        """Take one step. StopIteration after the last; `state.latents` is then the clip."""
        if self.state.step == self.sampling.steps:
            raise StopIteration
        z, (t, t_next) = self.state.latents, self.times[self.state.step : self.state.step + 2]
        z = z.add(self.velocity(z, t), alpha=t_next - t)
        self.state = SamplerState(self.with_context(z), self.state.step + 1)
        return self.state
