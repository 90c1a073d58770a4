"""Profiles: how fast, and how close to the makers' settings, a clip is sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

DRAFT, STANDARD, BEST = "draft", "standard", "best"
PROFILES = (DRAFT, STANDARD, BEST)

DRAFT_PIXELS = 416 * 240
DRAFT_REUSE, STANDARD_REUSE = 0.10, 0.05
"""0.05 is the default of diffusers' first-block cache; the authors of the method use 0.06 to 0.08."""


@dataclass(frozen=True)
class Profile:
    """How a family of checkpoints samples under one profile.

    Attributes:
        steps: sampling steps.
        guidance: scale of classifier-free guidance; 1 for one pass a step instead of two.
        guidance_2: that of the second denoiser, in families that have two; None for the same.
        pixels: highest number of pixels of a sampled frame; a larger frame is sampled smaller and resized.
        shift: timestep shift, or None for that of the family.
        reuse: relative change of the first block's output below which the outputs of the other blocks are
            reused from an earlier step (first-block cache); 0 to compute every block of every step.
        accelerated: whether a GPU may compile the denoiser, compute in 8 bits, and use a faster attention
            than PyTorch's own.
        tiny: whether the tiny decoder decodes the clip, for models that have one.
    """

    steps: int
    guidance: float
    guidance_2: float | None = None
    pixels: int = 0
    shift: float | None = None
    reuse: float = 0.0
    accelerated: bool = False
    tiny: bool = False


def derive_profiles(
    steps: int, guidance: float, guidance_2: float | None = None, *, reuse: bool = True
) -> Mapping[str, Profile]:
    """The profiles of a family from the steps and the guidance that its makers recommend.

    BEST is exactly what the makers do. The others take fewer steps and permit acceleration; DRAFT also
    samples smaller frames. `reuse` says whether diffusers' first-block cache knows the blocks of the
    denoiser, and nothing is added to their outputs in between.
    """
    best = Profile(steps, guidance, guidance_2)
    fast = dataclasses.replace(
        best, steps=max(8, steps * 3 // 5), reuse=STANDARD_REUSE if reuse else 0.0, accelerated=True
    )
    draft = dataclasses.replace(
        fast,
        steps=max(8, steps * 2 // 5),
        reuse=DRAFT_REUSE if reuse else 0.0,
        pixels=DRAFT_PIXELS,
        tiny=True,
    )
    return {DRAFT: draft, STANDARD: fast, BEST: best}


def distil_profile(profile: Profile, steps: int, shift: float | None) -> Profile:
    """The profile with weights, or a LoRA, that were distilled to few steps with this timestep shift.

    Such weights need no guidance, and neighbouring steps differ too much for blocks to be reused.
    """
    guidance_2 = None if profile.guidance_2 is None else 1.0
    return dataclasses.replace(
        profile, steps=steps, guidance=1.0, guidance_2=guidance_2, shift=shift, reuse=0.0
    )
