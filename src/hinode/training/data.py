"""Training data: scenes rendered for every step, never repeated, reproducible from (seed, step)."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.model.flow import null_text
from hinode.model.text import Vocabulary
from hinode.model.tokens import SpacetimePatches
from hinode.training.recipes import Bucket, Recipe
from hinode.world.caption import VOCABULARY, caption, words
from hinode.world.motion import presence
from hinode.world.render import render
from hinode.world.scene import CASTS, Scene, sample_scene

IMAGE_SECONDS = 3.0  # an image shows its scene at a random time within this many seconds
VALIDATION_SCENES = 64
LOG_PACES = (-1.2, 0.7)  # logarithms of the speeds of cameras that a hint describes: 0.3 to 2 times nominal
CAPTION_SHARE = 0.3  # of those cameras, how many the caption describes too
LEVEL_MEAN, LEVEL_SPREAD = -0.8, 0.8  # of the logit-normal noise level
INDEPENDENT = 0.10  # samples with a level per latent frame; the rest has one for the whole clip
EARLY, EARLIEST = 0.25, 0.15  # samples below a level that others seldom have: it decides the camera
TEXT_DROPOUT = 0.10


@dataclass(frozen=True)
class Batch:
    """The clips of one step, before they are rendered."""

    step: int
    bucket: Bucket
    scenes: list[Scene]
    ids: Tensor  # [B, L]
    start: float  # seconds into the scenes
    camera_hints: list[bool]  # whether a hint describes the camera of each scene


def vocabulary() -> Vocabulary:
    """The words of the drawn world."""
    return Vocabulary(tuple(VOCABULARY))


def sample_batch(
    recipe: Recipe,
    bucket: Bucket,
    step: int,
    rng: random.Random,
    vocabulary: Vocabulary,
    *,
    multiple: int = 8,
) -> Batch:
    """Sample scenes and captions for one batch. Scenes never have a held-out pair of colour and subject.

    Cameras that a hint describes move at varied speeds, and most of their captions leave them out, so that
    there is something to learn from the hint. `multiple`: captions are padded to a multiple of so many words.
    """
    densities, weights = zip(*recipe.densities, strict=True)
    scenes = [sample_scene(rng, held_out=False, casts=recipe.cast_shares) for _ in range(bucket.batch_size)]
    cameras = random.Random(f"{recipe.name}/cameras/{recipe.seed}/{step}")
    hints = [cameras.random() < recipe.camera_share for _ in scenes]
    for number, hint in enumerate(hints):
        if hint:
            scenes[number] = dataclasses.replace(scenes[number], pace=math.exp(cameras.uniform(*LOG_PACES)))
    texts = []
    for scene, hint in zip(scenes, hints, strict=True):
        density = rng.choices(densities, weights)[0]
        camera = not hint or cameras.random() < CAPTION_SHARE
        texts.append(words(caption(scene, rng, density, camera=camera)))
    ids = vocabulary.batch(texts, limit=recipe.model.words, multiple=multiple)
    start = rng.uniform(0.0, IMAGE_SECONDS) if bucket.frames == 1 else 0.0
    return Batch(step, bucket, scenes, ids, start, hints)


def training_batch(
    recipe: Recipe, step: int, fraction: float, vocabulary: Vocabulary, *, multiple: int
) -> Batch:
    """The batch of one training step; `fraction` of the run decides which buckets it may have."""
    rng = random.Random(f"{recipe.name}/training/{recipe.seed}/{step}")
    buckets, weights = zip(*recipe.mix(fraction), strict=True)
    bucket = rng.choices(buckets, weights)[0]
    return sample_batch(recipe, bucket, step, rng, vocabulary, multiple=multiple)


def validation_batches(recipe: Recipe, vocabulary: Vocabulary) -> list[Batch]:
    """The fixed set for validation, from a namespace of seeds that training never uses."""
    rng = random.Random(f"{recipe.name}/validation")
    recipe = dataclasses.replace(recipe, camera_share=0.0, cast_shares=CASTS)
    count = max(1, VALIDATION_SCENES // recipe.validation.batch_size)
    return [sample_batch(recipe, recipe.validation, number, rng, vocabulary) for number in range(count)]


@torch.no_grad()
def render_batch(batch: Batch, device: torch.device) -> Tensor:
    """The clips of a batch: video [B, T, 3, H, W] in -1..1."""
    bucket = batch.bucket
    fps, start = bucket.fps, batch.start
    width, height = bucket.rendered
    video = render(
        batch.scenes, frames=bucket.frames, fps=fps, width=width, height=height, start=start, device=device
    )
    return crop_center(video, bucket.width, bucket.height) * 2 - 1


def crop_center(video: Tensor, width: int, height: int) -> Tensor:
    """The middle of a video [..., H, W], `width` by `height`."""
    top, left = (video.shape[-2] - height) // 2, (video.shape[-1] - width) // 2
    return video[..., top : top + height, left : left + width]


@torch.no_grad()
def emphasis(batch: Batch, strength: float, tokenizer: SpacetimePatches, device: torch.device) -> Tensor:
    """Loss weight of each patch, [B, Tl, h, w, 1]: 1, and up to 1 + `strength` where a subject passes.

    Subjects cover a twentieth of the picture and carry half of what a prompt describes. A weight per value
    changes how hard the network tries, not what it aims at: the best prediction under squared error is the
    same mean.
    """
    bucket = batch.bucket
    clock = batch.start + torch.arange(bucket.frames, device=device) / bucket.fps
    columns, rows = bucket.width // tokenizer.size, bucket.height // tokenizer.size
    width, height = bucket.rendered
    counts = width // tokenizer.size, height // tokenizer.size
    x, y = ((torch.arange(count, device=device) + 0.5) / count for count in counts)
    near = presence(batch.scenes, clock.expand(len(batch.scenes), -1), x, y, width / height)
    near = crop_center(near, columns, rows)
    near = torch.cat((near[:, :1].expand(-1, tokenizer.frames - 1, -1, -1), near), 1)
    near = near.reshape(near.shape[0], -1, tokenizer.frames, rows, columns).amax(2)
    return 1 + strength * near[..., None]


def iterate_batches(
    recipe: Recipe,
    step: int,
    fraction: Callable[[], float],
    vocabulary: Vocabulary,
    *,
    ahead: int,
    multiple: int,
) -> Generator[Batch, None, None]:
    """Training batches from `step` on, without end. `ahead`: how many a thread prepares, so that a GPU never
    waits for Python. On a CPU, where the thread would only take time from the training itself, use 0."""

    def sample(number: int) -> Batch:
        return training_batch(recipe, number, fraction(), vocabulary, multiple=multiple)

    if ahead == 0:
        yield from map(sample, itertools.count(step))
        return
    thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
    try:
        pending = deque(thread.submit(sample, step + number) for number in range(ahead))
        for number in itertools.count(step + ahead):
            yield pending.popleft().result()
            pending.append(thread.submit(sample, number))
    finally:
        thread.shutdown(cancel_futures=True)


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
