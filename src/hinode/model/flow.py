"""Rectified flow: how noise is added, what is learned, and how a clip is drawn from noise.

Noise level t runs from 0 (pure noise) to 1 (clean): z = t * x + (1 - t) * s * noise. The network predicts the
clean x; the error is measured in velocity v = (x - z) / (1 - t), which weighs nearly clean samples more.
Predicting x keeps large patches learnable, because clean pictures fill a small part of pixel space and noise
does not (arXiv 2511.13720).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.model import hints
from hinode.model.dit import Condition, DiT
from hinode.model.text import NULL, PAD

LEVEL_MEAN, LEVEL_SPREAD = -0.8, 0.8  # of the logit-normal noise level while training
NEAREST = 0.05  # smallest 1 - t in the loss: keeps the weight of almost clean samples finite
INDEPENDENT = 0.10  # samples with a level per latent frame; the rest has one for the whole clip
EARLY, EARLIEST = 0.25, 0.15  # samples below a level that others seldom have: it decides the camera
TEXT_DROPOUT = 0.10


def sample_levels(batch: int, frames: int, generator: torch.Generator) -> Tensor:
    """Noise levels for training, [B, Tl]: a tenth of clips has one per latent frame, a quarter a low one."""
    device = generator.device
    each = torch.randn(batch, frames, generator=generator, device=device)
    alone, early, first = torch.rand(3, batch, 1, generator=generator, device=device)
    levels = torch.sigmoid(LEVEL_MEAN + LEVEL_SPREAD * each)
    shared = torch.where(early < EARLY, EARLIEST * first, levels[:, :1])
    return torch.where(alone < INDEPENDENT, levels, shared)


def drop_text(ids: Tensor, generator: torch.Generator) -> Tensor:
    """Replace a tenth of the texts by the null text: the network also learns the unconditional field."""
    odds = torch.rand(ids.shape[0], 1, generator=generator, device=generator.device)
    return torch.where(odds.to(ids.device) < TEXT_DROPOUT, null_text(ids), ids)


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
    levels: Tensor  # noise levels [B, Tl] they belong to; 1 where a frame was given and does not count


def loss(
    model: DiT,
    x: Tensor,
    ids: Tensor,
    fps: float,
    *,
    levels: Tensor,
    noise: Tensor,
    weight: Tensor | None = None,
    known: Tensor | None = None,
    motion: Tensor | None = None,
) -> Loss:
    """Velocity error of the model on clean latents x [B, Tl, h, w, C] with texts ids [B, L].

    levels: [B, Tl] from `sample_levels`. noise: standard normal, shaped like x. weight: optional per-value
    weight, broadcastable to x. known [B, Tl, h, w, f]: what is given clean and does not count. motion: see
    `hints.draw`. Computed in float32.
    """
    hinted = given = None
    if known is not None:
        hinted = hints.draw(known, motion)
        given = known.repeat_interleave(x.shape[-1] // known.shape[-1], -1)
        levels = levels.masked_fill(known.flatten(2).all(-1), 1.0)
    t = levels[..., None, None, None]
    z = t * x + (1 - t) * model.config.noise_scale * noise
    z = z if given is None else torch.where(given, x, z)
    predicted = model(z, levels, model.encode_text(ids), fps, hinted=hinted)
    squared = (predicted - x).square()
    if weight is not None:
        squared = squared * weight
    if given is not None:  # the mean is over what is drawn
        squared = squared.masked_fill(given, 0.0) / (1 - given.float().mean((2, 3, 4), True)).clamp(min=1e-3)
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
    heun: bool = False  # second order: two network calls per step
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
    """All there is to a run between two steps: save it, and the run continues bit for bit."""

    latents: Tensor  # [B, Tl, h, w, C] float32
    step: int = 0


class Sampler(Iterator[SamplerState]):
    """Draws clips from noise, one step per `next()`; stop, save `state` and go on later whenever you like.

    No randomness after the first noise, so a resumed run gives the same bits as an uninterrupted one.
    """

    def __init__(
        self,
        model: DiT,
        ids: Tensor,
        fps: float,
        noise: Tensor,
        sampling: Sampling,
        *,
        unwanted: Tensor | None = None,
        given: Tensor | None = None,
        motion: Tensor | None = None,
        shares: Tensor | None = None,
        state: SamplerState | None = None,
    ) -> None:
        """ids: texts [B, L]. noise: standard normal latents [B, Tl, h, w, C].

        unwanted: texts [B, L] that guidance leads away from, instead of the null text.
        given: clean latents shaped like `noise`, NaN where the model should draw. A patch of a video frame
        counts as given if it is whole, and is kept as it is. motion: see `hints.draw`. state: go on from
        here. shares [K, B, Tl, h, w, C]: a clip is put together from K texts, each with a motion of its own,
        and this is how much of each value is whose; they sum to 1. `ids` and `motion` then have K * B rows,
        the first text of every clip before the second of any (MultiDiffusion, arXiv 2302.08113).
        """
        self.model, self.fps, self.sampling = model, fps, sampling
        self.times = sampling.schedule().tolist()
        self.given = noise.new_full(noise.shape, torch.nan) if given is None else given
        span = model.config.patch_frames
        known = ~self.given.view(*noise.shape[:-1], span, -1).isnan().any(-1)  # (B, Tl, h, w, f)
        self.kept = known.repeat_interleave(noise.shape[-1] // span, -1)
        self.bound = bool(known.any())
        self.whole = known.flatten(2).all(-1)  # (B, Tl)
        self.shares, self.texts = shares, len(ids) // len(noise)
        self.hinted = hints.draw(known.repeat(self.texts, 1, 1, 1, 1), motion) if model.config.hints else None
        self.untold = hints.draw(known, None)  # guidance leads away from what has neither text nor motion
        # Texts and their unconditional twins are encoded once and go through the network as one batch.
        away = null_text(ids[: len(noise)]) if unwanted is None else unwanted
        embedded = model.config.guidance_embedded
        self.guided = sampling.guidance != 1 and not embedded
        strength = torch.full((ids.shape[0],), sampling.guidance, device=ids.device)
        self.strength = strength if embedded else None
        self.start = noise.float() * model.config.noise_scale
        self.source: tuple[Tensor, Condition] | None = None
        with torch.inference_mode():
            self.condition = model.encode_text(torch.cat((ids, away)) if self.guided else ids)
            self.state = state or SamplerState(self._keep(self.start))

    def follow(self, guide: Tensor, strength: float) -> None:
        """Begin from a noised `guide` (clean latents) instead of noise: SDEdit, arXiv 2108.01073.

        strength: 1 for noise alone, 0 for the guide itself; rounded to a step, those before it are left out.
        """
        step = self._first(strength)
        t = self.times[step]
        self.state = SamplerState(self._keep(t * guide + (1 - t) * self.start), step)

    @torch.inference_mode()
    def edit(self, source: Tensor, ids: Tensor, strength: float) -> None:
        """Change `source` (clean latents), which texts ids [B, L] tell, only in what the sampler's own texts
        tell otherwise: FlowEdit, arXiv 2412.08629.

        The clip moves along the difference of two velocities, that of the wanted clip and that of the source
        under the same noise. strength: as for `follow`. Call it also before going on from a state.
        """
        self.source = source, self.model.encode_text(ids)
        if self.state.step == 0:
            self.state = SamplerState(self._keep(source), self._first(strength))

    def _first(self, strength: float) -> int:
        """The step that begins nearest to noise level 1 - strength."""
        return min(range(len(self.times)), key=lambda step: abs(self.times[step] - (1 - strength)))

    def _keep(self, latents: Tensor) -> Tensor:
        return torch.where(self.kept, self.given, latents) if self.bound else latents

    def predict(self, z: Tensor, t: float) -> Tensor:
        """Clean latents as the model sees them from z at noise level t, guidance applied."""
        told = self.texts * len(z)
        if not (self.guided and self.sampling.guided[0] <= t <= self.sampling.guided[1]):
            return self._joined(self._seen(z, t, self.condition[:told], self.hinted, self.texts))
        both = None if self.hinted is None else torch.cat((self.hinted, self.untold))
        seen = self._seen(z, t, self.condition, both, self.texts + 1)
        with_text, without = self._joined(seen[:told]), seen[told:]
        return without.lerp(with_text, self.sampling.guidance)

    def _joined(self, seen: Tensor) -> Tensor:
        """What the texts of a clip make of it, each in its share."""
        if self.shares is None:
            return seen
        return (seen.view_as(self.shares) * self.shares).sum(0)

    def _seen(self, z: Tensor, t: float, condition: Condition, hinted: Tensor | None, by: int = 1) -> Tensor:
        whole = self.whole.repeat(by, 1)
        levels = z.new_full(whole.shape, t).masked_fill(whole, 1.0)
        clean: Tensor = self.model(z, levels, condition, self.fps, self.strength, hinted)
        return clean

    def velocity(self, z: Tensor, t: float) -> Tensor:
        """Where z moves at noise level t; of an edited source, the difference that the texts make."""
        if self.source is None:
            return (self.predict(z, t) - z).div_(1 - t)
        source, condition = self.source
        beside = self._keep(t * source + (1 - t) * self.start)
        z = self._keep(z + beside - source)
        shown = self._seen(beside, t, condition, self.hinted)
        return (self.predict(z, t) - z - shown + beside) / (1 - t)

    @torch.inference_mode()
    def __next__(self) -> SamplerState:
        """Take one step. StopIteration after the last; `state.latents` is then the clip."""
        if self.state.step == self.sampling.steps:
            raise StopIteration
        z, (now, later) = self.state.latents, self.times[self.state.step : self.state.step + 2]
        slope = self.velocity(z, now)
        ahead = self._keep(z.add(slope, alpha=later - now))
        if self.sampling.heun and later < 1:
            ahead = self._keep(z + (later - now) * (slope + self.velocity(ahead, later)) / 2)
        self.state = SamplerState(ahead, self.state.step + 1)
        return self.state
