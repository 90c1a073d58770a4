"""Training data: scenes drawn fresh for every step, never seen twice, reproducible from (seed, step)."""

from __future__ import annotations

import dataclasses
import math
import queue
import random
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.model.text import Vocabulary
from hinode.model.tokens import SpacetimePatches
from hinode.training.recipes import Bucket, Recipe
from hinode.world.caption import VOCABULARY, caption, words
from hinode.world.motion import presence
from hinode.world.render import render
from hinode.world.scene import CASTS, Scene, sample_scene

IMAGE_MOMENTS = 3.0  # an image shows its scene at a random time within this many seconds
VALIDATION_SCENES = 64
PACES = (-1.2, 0.7)  # logarithms of how fast cameras are that are told by a hint: 0.3 to 2 times as usual
CAMERA_SAID_TOO = 0.3  # of those, how many are named in the caption as others are


@dataclass(frozen=True)
class Script:
    """What a step will be trained on, before anything is drawn."""

    step: int
    bucket: Bucket
    scenes: list[Scene]
    ids: Tensor  # [B, L]
    start: float  # seconds into the scenes
    told: list[bool]  # whether the camera of each scene is told by a hint


def vocabulary() -> Vocabulary:
    """The words of the drawn world."""
    return Vocabulary(tuple(VOCABULARY))


def write(
    recipe: Recipe, bucket: Bucket, step: int, rng: random.Random, known: Vocabulary, *, multiple: int = 8
) -> Script:
    """Sample scenes and captions for one batch. Scenes never hold a held-out pair of colour and subject.

    Cameras that are told by a hint move at speeds of their own, and their captions mostly say nothing of
    them, so that there is something to learn from the hint.
    """
    names, weights = zip(*recipe.densities, strict=True)
    scenes = [sample_scene(rng, held_out=False, casts=recipe.casts) for _ in range(bucket.batch)]
    camera = random.Random(f"{recipe.name}/cameras/{recipe.seed}/{step}")
    told = [camera.random() < recipe.cameras for _ in scenes]
    scenes = [
        dataclasses.replace(scene, pace=math.exp(camera.uniform(*PACES))) if hint else scene
        for scene, hint in zip(scenes, told, strict=True)
    ]
    texts = [
        words(
            caption(
                scene,
                rng,
                rng.choices(names, weights)[0],
                camera=not hint or camera.random() < CAMERA_SAID_TOO,
            )
        )
        for scene, hint in zip(scenes, told, strict=True)
    ]
    limit = recipe.model.words
    ids = known.batch(texts, limit=limit, multiple=multiple)
    start = rng.uniform(0.0, IMAGE_MOMENTS) if bucket.frames == 1 else 0.0
    return Script(step, bucket, scenes, ids, start, told)


def step_script(recipe: Recipe, step: int, fraction: float, known: Vocabulary, *, multiple: int) -> Script:
    """The script of one training step; `fraction` of the run decides which buckets are drawn."""
    rng = random.Random(f"{recipe.name}/training/{recipe.seed}/{step}")
    buckets, weights = zip(*recipe.mix(fraction), strict=True)
    bucket = rng.choices(buckets, weights)[0]
    return write(recipe, bucket, step, rng, known, multiple=multiple)


def validation_scripts(recipe: Recipe, known: Vocabulary) -> list[Script]:
    """The frozen set that validation is measured on, from a namespace of seeds that training never uses."""
    rng = random.Random(f"{recipe.name}/validation")
    recipe = dataclasses.replace(recipe, cameras=0.0, casts=CASTS)
    batches = max(1, VALIDATION_SCENES // recipe.validation.batch)
    return [write(recipe, recipe.validation, number, rng, known) for number in range(batches)]


@torch.no_grad()
def draw(script: Script, device: torch.device) -> Tensor:
    """Render a script: video [B, T, 3, H, W] in -1..1."""
    bucket = script.bucket
    width, height = bucket.cut_from or (bucket.width, bucket.height)
    video = render(
        script.scenes,
        frames=bucket.frames,
        fps=bucket.fps,
        width=width,
        height=height,
        start=script.start,
        device=device,
    )
    video = middle(video, bucket.width, bucket.height)
    latent_range: Tensor = video * 2 - 1
    return latent_range


def middle(video: Tensor, width: int, height: int) -> Tensor:
    """The middle of a video [..., H, W], `width` by `height`."""
    top, left = (video.shape[-2] - height) // 2, (video.shape[-1] - width) // 2
    return video[..., top : top + height, left : left + width]


@torch.no_grad()
def emphasis(script: Script, strength: float, tokenizer: SpacetimePatches, device: torch.device) -> Tensor:
    """Loss weight of each patch, [B, Tl, h, w, 1]: 1, and up to 1 + `strength` where a subject passes.

    Subjects cover a twentieth of the picture and carry half of what a prompt asks for. A weight per value
    changes how hard the network tries, not what it aims at: the best prediction under squared error is the
    same mean.
    """
    bucket = script.bucket
    clock = script.start + torch.arange(bucket.frames, device=device) / bucket.fps
    columns, rows = bucket.width // tokenizer.size, bucket.height // tokenizer.size
    width, height = bucket.cut_from or (bucket.width, bucket.height)
    whole_columns, whole_rows = width // tokenizer.size, height // tokenizer.size
    x = (torch.arange(whole_columns, device=device) + 0.5) / whole_columns
    y = (torch.arange(whole_rows, device=device) + 0.5) / whole_rows
    near = presence(script.scenes, clock.expand(len(script.scenes), -1), x, y, width / height)
    near = middle(near, columns, rows)
    near = torch.cat((near[:, :1].expand(-1, tokenizer.frames - 1, -1, -1), near), 1)
    near = near.reshape(near.shape[0], -1, tokenizer.frames, rows, columns).amax(2)
    return 1 + strength * near[..., None]


def scripts(
    recipe: Recipe, step: int, fraction: Callable[[], float], known: Vocabulary, *, ahead: int, multiple: int
) -> Generator[Script, None, None]:
    """Scripts from `step` on, without end.

    With `ahead` > 0 a thread keeps that many ready, so that a GPU never waits for Python; on a CPU, where the
    thread would only take time from the training itself, use 0.
    """

    def forever() -> Generator[Script, None, None]:
        number = step
        while True:
            yield step_script(recipe, number, fraction(), known, multiple=multiple)
            number += 1

    if ahead == 0:
        yield from forever()
        return

    ready: queue.Queue[Script | BaseException] = queue.Queue(ahead)
    closed = threading.Event()

    def hand_over(item: Script | BaseException) -> None:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def fill() -> None:
        try:
            for script in forever():
                hand_over(script)
                if closed.is_set():
                    return
        except BaseException as error:  # raised again where the scripts are read
            hand_over(error)

    thread = threading.Thread(target=fill, name="scripts", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()
