"""Clips drawn by the network: samplers made from plans, and frames from what they draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Frames
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.composition import Composition, initial_noise
from hinode.engines.native.conditioning import Canvas
from hinode.engines.native.plan import Plan
from hinode.engines.native.smoothing import blend_fixed_edges, reduce_flicker, smooth_patch_seams
from hinode.model.dit import Condition, DiT
from hinode.model.flow import Sampler, SamplerState, null_text
from hinode.request import Request
from hinode.world.caption import words


class DirectedSampler(Sampler):
    """A sampler that can also draw a clip from several texts, and start from a video."""

    def __init__(self, model: DiT, *inputs: Any, shares: Tensor | None = None, **options: Any) -> None:
        """See `Sampler`.

        Args:
            shares: [K, B, Tl, h, w, C]. Each clip is drawn from K texts, each with a motion of its own, and
                this is how much of each value is drawn from each text; they sum to 1. The texts and their
                motion then have K * B rows, the first text of every clip before the second of any
                (MultiDiffusion, arXiv 2302.08113).
        """
        self._shares = shares
        self._source: tuple[Tensor, Condition] | None = None
        super().__init__(model, *inputs, **options)

    def combine(self, clean: Tensor) -> Tensor:
        """See `Sampler.combine`: the mean of the predictions [K * B, ...], weighted by the shares."""
        return clean if self._shares is None else (clean.view_as(self._shares) * self._shares).sum(0)

    def follow(self, guide: Tensor, strength: float) -> None:
        """Start from `guide` (clean latents [B, Tl, h, w, C]) with noise on it instead of from noise: SDEdit,
        arXiv 2108.01073. A strength of 1 means noise alone, 0 the guide itself: the first step is the one
        that begins nearest to the noise level 1 - strength."""
        step = self._first_step(strength)
        t = self.times[step]
        self.state = SamplerState(self.with_context(t * guide + (1 - t) * self.start), step)

    @torch.inference_mode()
    def edit(self, source: Tensor, ids: Tensor, strength: float) -> None:
        """Change `source` only where the texts of the clip differ from those of the source: FlowEdit,
        arXiv 2412.08629. The clip moves along the difference of two velocities, its own and that of the
        source under the same noise.

        Args:
            source: clean latents [B, Tl, h, w, C].
            ids: texts that describe it, [B, L].
            strength: as for `follow`. A run that continues from a state ignores it, and needs this call too.

        Raises:
            ValueError: the clip is drawn from several texts, which have no common difference to the source.
        """
        if self._shares is not None:
            raise ValueError("an edit draws each clip from one text")
        self._source = source, self.model.encode_text(ids)
        if self.state.step == 0:
            self.state = SamplerState(self.with_context(source), self._first_step(strength))

    def velocity(self, z: Tensor, t: float) -> Tensor:
        """See `Sampler.velocity`; during an edit, the difference to that of the source."""
        if self._source is None:
            return super().velocity(z, t)
        source, condition = self._source
        noisy = self.with_context(t * source + (1 - t) * self.start)
        control = None if self.control is None else self.control[: len(z)]
        clean: Tensor = self.model(noisy, self.levels(t), condition, self.fps, control)
        z = self.with_context(z + noisy - source)
        return (self.predict(z, t) - z - clean + noisy) / (1 - t)

    def _first_step(self, strength: float) -> int:
        return min(range(len(self.times)), key=lambda step: abs(self.times[step] - (1 - strength)))


def make_sampler(
    plans: Sequence[Plan], model: Checkpoint, device: torch.device, state: SamplerState | None = None
) -> DirectedSampler:
    """A sampler for clips that are drawn as one batch: their plans have one shape and one way of sampling,
    and all of them have guides or none. `state` is one of an earlier sampler of the same plans.

    Raises:
        BadInput: a reference cannot be read.
    """
    canvas, requests = plans[0].canvas, [plan.request for plan in plans]
    parts = [plan.composition for plan in plans]
    count = max(len(part.texts) for part in parts)
    # A clip with fewer texts reads its last one again, with no share in the clip.
    rows = [(part, min(number, len(part.texts) - 1)) for number in range(count) for part in parts]
    negative = [request.negative_prompt for request in requests]
    texts = [part.texts[number] for part, number in rows] + (negative if any(negative) else [])
    ids = model.vocabulary.batch([words(text) for text in texts], limit=plans[0].card.words)
    negative_ids = None
    if any(negative):
        empty = torch.tensor([not text for text in negative])[:, None]
        negative_ids = ids[len(rows) :]
        negative_ids = torch.where(empty, null_text(negative_ids), negative_ids).to(device)

    context = [canvas.context(request) for request in requests]
    motion = [canvas.motion(request, part.paths) for request, part in zip(requests, parts, strict=True)]
    sampler = DirectedSampler(
        model.model,
        ids[: len(rows)].to(device),
        plans[0].shape.fps,
        torch.stack([initial_noise(plan.request, plan.prompt, canvas) for plan in plans]).to(device),
        plans[0].sampling,
        negative_ids=negative_ids,
        context=torch.cat(context).to(device),
        motion=torch.stack([motion[i % len(plans)][number] for i, (_, number) in enumerate(rows)]).to(device),
        shares=_shares(parts, count, canvas).to(device) if count > 1 else None,
        state=state,
    )
    guides = [guide for guide in map(canvas.guide, requests) if guide is not None]
    if guides and requests[0].guide_prompt:
        prompts = [words(request.guide_prompt) for request in requests]
        source_ids = model.vocabulary.batch(prompts, limit=plans[0].card.words)
        sampler.edit(torch.cat(guides).to(device), source_ids.to(device), plans[0].strength)
    elif guides and sampler.state.step == 0:
        sampler.follow(torch.cat(guides).to(device), plans[0].strength)
    return sampler


def _shares(parts: Sequence[Composition], count: int, canvas: Canvas) -> Tensor:
    """See `DirectedSampler`; [count, B, Tl, h, w, C]."""
    width, height = canvas.size
    shares = torch.zeros(count, len(parts), canvas.frames, height, width)
    for index, part in enumerate(parts):
        shares[: len(part.texts), index] = 1.0 if part.shares is None else part.shares
    latents = canvas.tokenizer.encode(shares.flatten(0, 1)[:, :, None].expand(-1, -1, 3, -1, -1))
    return latents.view(count, len(parts), *latents.shape[1:])


def decode_frames(sampler: Sampler, request: Request) -> Tensor:
    """The clips of a finished sampler as video [B, T, 3, H, W] in -1..1, without seams and flicker;
    `request` is one of those that it drew."""
    tokenizer = sampler.model.config.tokenizer
    clip = tokenizer.decode(sampler.state.latents)
    if request.strength == 0:  # the clip is its guide, untouched
        return clip
    fixed = tokenizer.decode(sampler.mask.float()) > 0.5
    clip = smooth_patch_seams(clip, tokenizer.frames, fixed)
    has_context = fixed.flatten(1).any(1).view(-1, 1, 1, 1, 1)
    return torch.where(has_context, blend_fixed_edges(clip, fixed), reduce_flicker(clip))


def to_frames(video: Tensor) -> Frames:
    """Video [B, T, 3, H, W] in -1..1 -> uint8 [B, T, H, W, 3]."""
    levels = ((video + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    frames: Frames = np.ascontiguousarray(levels.permute(0, 1, 3, 4, 2).cpu().numpy())
    return frames
