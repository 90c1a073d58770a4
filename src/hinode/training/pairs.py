"""Pairs of small and large frames of the same moments, from which the upscaler learns.

In use it enlarges what the model generates: nearly what the world shows at that size, and wrong at some
edges. So each scene has two small versions: the world's own, and the one that the model makes of it when the
world's is noised and denoised again (SDEdit, arXiv 2108.01073). The large one is always the world's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.engines.native.catalog import Card
from hinode.engines.native.checkpoint import Checkpoint
from hinode.engines.native.plan import default_sampling
from hinode.engines.native.sampling import DirectedSampler
from hinode.engines.native.smoothing import reduce_flicker, smooth_patch_seams
from hinode.world.caption import caption, words
from hinode.world.render import render
from hinode.world.scene import sample_scene

SHAPES = ((64, 64), (64, 112), (112, 64))  # height, width
FRAMES, FPS = 17, 8.0
LARGE_FRAMES = 4  # neighbouring frames that a pair has in large
BATCH = 8  # scenes that are rendered and denoised together
LEVELS = (0.85, 0.71, 0.6, 0.5)  # noise levels from which the model denoises again


@dataclass(frozen=True)
class Pairs:
    """Scenes of one shape; uint8, channels before rows."""

    small: Tensor  # the world's own frames, [N, 17, 3, h, w]
    generated: Tensor  # the same as the model makes them, [N, 17, 3, h, w]
    large: Tensor  # frames `at` to `at` + 3 at twice the size, [N, 4, 3, 2h, 2w]
    at: int


def make_pairs(
    count: int, seed: str, card: Card, model: Checkpoint, shapes: tuple[tuple[int, int], ...] = SHAPES
) -> Iterator[Pairs]:
    """Pairs of `count` scenes, a few at a time; the same seed gives the same ones."""
    rng = random.Random(seed)
    done = 0
    while done < count:
        scenes = [sample_scene(rng) for _ in range(min(BATCH, count - done))]
        height, width = rng.choice(shapes)
        at = rng.randrange(FRAMES - LARGE_FRAMES + 1)
        small = render(scenes, frames=FRAMES, fps=FPS, width=width, height=height)
        wide, high = 2 * width, 2 * height
        large = render(scenes, frames=LARGE_FRAMES, fps=FPS, width=wide, height=high, start=at / FPS)
        texts = [words(caption(scene, rng, "dense")) for scene in scenes]
        generated = regenerate(small, texts, rng.choice(LEVELS), rng.getrandbits(32), card, model)
        yield Pairs(to_levels(small), to_levels(generated), to_levels(large), at)
        done += len(scenes)


@torch.inference_mode()
def regenerate(
    video: Tensor, texts: list[list[str]], level: float, seed: int, card: Card, model: Checkpoint
) -> Tensor:
    """Noise clips [B, T, 3, H, W] in 0..1 to the model's noise level nearest to `level` and denoise them
    again, by at least one step."""
    tokenizer = model.model.config.tokenizer
    clean = tokenizer.encode(video * 2 - 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    ids = model.vocabulary.batch(texts, limit=card.words)
    sampler = DirectedSampler(model.model, ids, FPS, noise, default_sampling(card))
    sampler.follow(clean, 1 - min(level, sampler.times[-2]))
    for _ in sampler:
        pass
    decoded = smooth_patch_seams(tokenizer.decode(sampler.state.latents), tokenizer.frames)
    return (reduce_flicker(decoded) + 1) / 2


def to_levels(video: Tensor) -> Tensor:
    """0..1 -> uint8."""
    return (video * 255).round().clamp(0, 255).to(torch.uint8)
