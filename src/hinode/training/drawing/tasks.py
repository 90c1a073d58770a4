"""What a training clip is asked for: to be drawn whole, to be continued, to be filled in."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from hinode.model.land import HIDDEN, hush
from hinode.model.plan_tensors import PlanTensors

WHOLE, FIRST, ENDS, HISTORY, KEYFRAMES, REGION = range(6)
CLIP_SHARES = (0.45, 0.12, 0.08, 0.13, 0.05, 0.17)
"""Of clips in which nothing is known, the first frame is, the first and the last are, the first ones are,
single frames are, and all but a region is."""
IMAGE_SHARES = (0.85, 0.0, 0.0, 0.0, 0.0, 0.15)
SILENT = 0.1
"""Of the clips whose place, time, weather and camera are not said, so that drawing can be guided by them; of
as many the land is not said, and for half of these not what it hides, nor where stars, rain, snow and fog
are."""
INDEPENDENT_NOISE = 0.2
"""Of the clips whose frames share no noise."""
REGION_SIDES = (0.15, 0.8)  # of the frame


def choose_context(video: Tensor, generator: torch.Generator) -> Tensor:
    """1 where a training clip [B, T, 3, H, W] is known from the start, float32 [B, T, 1, H, W]."""
    batch, frames, _, height, width = video.shape
    device = video.device
    shares = torch.tensor(IMAGE_SHARES if frames == 1 else CLIP_SHARES, device=device)
    tasks = torch.multinomial(shares, batch, replacement=True, generator=generator).tolist()
    context_mask = torch.zeros(batch, frames, 1, height, width, device=device)
    draws = torch.rand(batch, 4 + frames, generator=generator, device=device).tolist()
    for row, (task, (low, high, x, y, *each)) in enumerate(zip(tasks, draws, strict=True)):
        clip = context_mask[row]
        if task in (FIRST, ENDS):
            clip[0] = 1
        if task == ENDS:
            clip[-1] = 1
        if task == HISTORY:
            clip[: 1 + int(low * (frames - 1))] = 1
        if task == KEYFRAMES:
            clip[[k for k, value in enumerate(each) if value < max(0.08, 0.4 * low)]] = 1
        if task == REGION:
            minimum, maximum = REGION_SIDES
            h, w = (
                int((minimum + share * (maximum - minimum)) * n)
                for share, n in ((low, height), (high, width))
            )
            top, left = int(y * (height - h)), int(x * (width - w))
            clip[:] = 1
            clip[int(each[0] * frames) if each[-1] < 0.3 else 0 :, :, top : top + h, left : left + w] = 0
    return context_mask


def choose_shares(count: int, generator: torch.Generator) -> Tensor:
    """How much of the noise the frames of each clip share, [count] in 0..1."""
    draw = torch.rand(count, generator=generator, device=generator.device)
    return ((draw - INDEPENDENT_NOISE) / (1 - INDEPENDENT_NOISE)).clamp(min=0.0).sqrt()


def silence(plan: PlanTensors, generator: torch.Generator) -> PlanTensors:
    """The plans, some of them without their facts, and some without their land."""
    device = plan.facts.device
    draws = torch.rand(2, len(plan.facts), 1, generator=generator, device=device)
    facts, land = (draws < SILENT).unbind(0)
    quiet = replace(plan, facts=plan.facts.masked_fill(facts, -1))
    if plan.land is not None and bool(land.any()):
        rows, specks, layout = land[:, 0], (draws[1] < SILENT / 2)[:, 0], plan.land.clone()
        layout[rows] = hush(layout[rows])
        layout[specks, :, HIDDEN:] = 0
        quiet = replace(quiet, land=layout)
    return quiet
