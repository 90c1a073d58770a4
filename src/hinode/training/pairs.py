"""Pairs of small and large pictures of the same moments, for the upscaler to learn from.

What it gets to enlarge in practice is what the model drew: nearly what the world draws at that size, and
wrong at some edges. So of each scene there are two small versions: the world's own, and what the model makes
of it when that is noised and drawn to the end again. The large one is always the world's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.engines.native.catalog import Card
from hinode.engines.native.engine import sampling_of
from hinode.engines.native.smoothing import reduce_flicker, smooth_patch_seams
from hinode.model.checkpoint import Checkpoint
from hinode.model.flow import Sampler
from hinode.world.caption import caption, words
from hinode.world.render import render
from hinode.world.scene import sample_scene

SHAPES = ((64, 64), (64, 112), (112, 64))  # height, width
FRAMES, FPS = 17, 8.0
SHOWN = 4  # neighbouring frames that are there in large
TOGETHER = 8  # scenes that are drawn at once
LEVELS = (0.85, 0.71, 0.6, 0.5)  # noise levels from which the model draws a clip to its end again


@dataclass(frozen=True)
class Pairs:
    """Scenes of one shape; uint8, channels before rows.

    Attributes:
        small: the world's own frames, [N, 17, 3, h, w].
        drawn: the same as the model draws them, [N, 17, 3, h, w].
        large: frames `at` to `at` + 3 at twice the size, [N, 4, 3, 2h, 2w].
        at: the first of those.
    """

    small: Tensor
    drawn: Tensor
    large: Tensor
    at: int


def gather(
    count: int, seed: str, card: Card, model: Checkpoint, shapes: tuple[tuple[int, int], ...] = SHAPES
) -> Iterator[Pairs]:
    """Draw `count` scenes, a few at a time; the same seed gives the same ones."""
    rng = random.Random(seed)
    done = 0
    while done < count:
        scenes = [sample_scene(rng) for _ in range(min(TOGETHER, count - done))]
        height, width = rng.choice(shapes)
        at = rng.randrange(FRAMES - SHOWN + 1)
        small = render(scenes, frames=FRAMES, fps=FPS, width=width, height=height)
        large = render(scenes, frames=SHOWN, fps=FPS, width=2 * width, height=2 * height, start=at / FPS)
        texts = [words(caption(scene, rng, "dense")) for scene in scenes]
        drawn = redrawn(small, texts, rng.choice(LEVELS), rng.getrandbits(32), card, model)
        yield Pairs(levels(small), levels(drawn), levels(large), at)
        done += len(scenes)


@torch.inference_mode()
def redrawn(
    video: Tensor, texts: list[list[str]], level: float, seed: int, card: Card, model: Checkpoint
) -> Tensor:
    """What the model makes of clips [B, T, 3, H, W] in 0..1, noised to the one of its levels nearest to
    `level` and drawn to the end; at least one step is taken."""
    tokenizer = model.model.config.tokenizer
    clean = tokenizer.encode(video * 2 - 1)
    sampling = sampling_of(card)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    ids = model.vocabulary.batch(texts, limit=card.words)
    sampler = Sampler(model.model, ids, FPS, noise, sampling)
    sampler.follow(clean, 1 - min(level, sampler.times[-2]))
    for _ in sampler:
        pass
    return (
        reduce_flicker(smooth_patch_seams(tokenizer.decode(sampler.state.latents), tokenizer.frames)) + 1
    ) / 2


def levels(video: Tensor) -> Tensor:
    """0..1 -> uint8."""
    return (video * 255).round().clamp(0, 255).to(torch.uint8)
