"""What is measured of an arm: clips of its prompts, the judge's scores, the tokeniser's loss, framing."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hinode.engines.native.sampling import to_frames
from hinode.engines.native.smoothing import smooth_patch_seams
from hinode.evaluation.directing.measures import inside
from hinode.evaluation.evaluate import BATCH, sample_noise, to_bytes, true_scene
from hinode.evaluation.prompts import Case, read_cases
from hinode.evaluation.scores import Observation, tally
from hinode.model.flow import Sampler
from hinode.model.tokens import SpacetimePatches
from hinode.training import data
from hinode.training.recipes import Bucket
from hinode.training.trainer import Trainer
from hinode.world.caption import words
from hinode.world.judge import judge, load_judge, places
from hinode.world.render import render
from research import arms

HALF_SUBJECT = 0.16  # of its size, in short sides: nearer to an edge than this it is cut
MOVING = ("motion", "camera")  # attributes that a single frame cannot show
STRIP_CLIPS, STRIP_FRAMES = 6, (2, 8, 14)  # clips, and frames of each, of the picture of an arm


def read_arm_cases(path: Path, moving: bool) -> list[Case]:
    """The cases of a prompt file; those for single frames expect nothing that moves."""
    cases = read_cases(path)
    if moving:
        return cases
    return [
        Case(case.prompt, {name: value for name, value in case.expect.items() if name not in MOVING})
        for case in cases
    ]


@torch.inference_mode()
def generate(trainer: Trainer, cases: Sequence[Case], bucket: Bucket) -> Tensor:
    """Clips of the averaged weights, case i from noise seed i: uint8 [B, T, H, W, 3]."""
    tokenizer, device, fps = trainer.tokenizer, trainer.device, bucket.fps
    rows, columns = bucket.height // tokenizer.size, bucket.width // tokenizer.size
    shape = tokenizer.latent_frames(bucket.frames), rows, columns, tokenizer.channels
    batch = BATCH if bucket.frames > 1 else 4 * BATCH
    clips = []
    for first in range(0, len(cases), batch):
        part = cases[first : first + batch]
        texts = [words(case.prompt) for case in part]
        ids = trainer.vocabulary.batch(texts, limit=arms.CAPTION_WORDS).to(device)
        noise = sample_noise(range(first, first + len(part)), shape).to(device)
        sampler = Sampler(trainer.average, ids, fps, noise, trainer.recipe.sampling)
        for _ in sampler:
            pass
        video = smooth_patch_seams(tokenizer.decode(sampler.state.latents), tokenizer.frames)
        clips.append(torch.from_numpy(to_frames(video)))
    return torch.cat(clips)


def score(frames: Tensor, cases: Sequence[Case], fps: float) -> dict[str, Any]:
    """The judge's scores: `tally`, the share of all expected facts, and the hits of every case."""
    net = load_judge()
    readings = [
        Observation(verdict.values)
        for part in torch.split(frames, BATCH)
        for verdict in judge(part, fps, net)
    ]
    hits = [
        [int(reading.values[name] == value) for name, value in case.expect.items()]
        for reading, case in zip(readings, cases, strict=True)
    ]
    total = sum(map(len, hits))
    return {
        **tally(readings, cases),
        "facts": round(sum(map(sum, hits)) / total, 4),
        "hits": [[sum(row), len(row)] for row in hits],
    }


@torch.inference_mode()
def measure_reconstruction(tokenizer: SpacetimePatches, cases: Sequence[Case]) -> dict[str, float]:
    """What a tokeniser loses of true clips: PSNR in dB, and the facts that the judge finds before and
    after."""
    clip = arms.CLIP
    rng = random.Random("experiments/reconstruction")
    scenes = [true_scene(case, rng) for case in cases]
    errors, before, after = [], [], []
    for first in range(0, len(scenes), BATCH):
        part = scenes[first : first + BATCH]
        video = render(part, frames=clip.frames, fps=clip.fps, width=clip.width, height=clip.height)
        decoded = ((tokenizer.decode(tokenizer.encode(video * 2 - 1)) + 1) / 2).clamp(0, 1)
        errors += (decoded - video).square().mean((1, 2, 3, 4)).tolist()
        before.append(to_bytes(video))
        after.append(to_bytes(decoded))
    return {
        "psnr": round(-10 * math.log10(sum(errors) / len(errors)), 2),
        "truth": score(torch.cat(before), cases, clip.fps)["facts"],
        "facts": score(torch.cat(after), cases, clip.fps)["facts"],
    }


def training_pictures(trainer: Trainer, count: int = 160) -> Tensor:
    """Training pictures of an arm, from another namespace of seeds, uint8 [B, 1, H, W, 3]; of native shapes
    only the first."""
    recipe, (bucket, _) = trainer.recipe, trainer.recipe.stages[0].mix[0]
    rng, pictures = random.Random("experiments/framing"), []
    for number in range(-(-count // bucket.batch_size)):
        batch = data.sample_batch(recipe, bucket, number, rng, trainer.vocabulary)
        pictures.append(to_bytes((data.render_batch(batch, trainer.device) + 1) / 2))
    return torch.cat(pictures)[:count]


def measure_places(frames: Tensor) -> dict[str, list[float]]:
    """Of each picture [B, 1, H, W, 3], whether the subject is completely in the frame (1 or 0), and its
    distance from the middle in fractions of the frame."""
    aspect = frames.shape[3] / frames.shape[2]
    net = load_judge()
    at = torch.cat([places(part, 8.0, net) for part in torch.split(frames, BATCH)]).mean(1)
    return {
        "inside": inside(at, HALF_SUBJECT, aspect).int().tolist(),
        "middle": [round(distance, 4) for distance in (at - 0.5).norm(dim=-1).tolist()],
    }


def save_strip(frames: Tensor, path: Path) -> None:
    """Some moments of the first clips, one clip a row, as one small PNG."""
    last = frames.shape[1] - 1
    moments = [min(moment, last) for moment in STRIP_FRAMES] if last else [0]
    rows = frames[:STRIP_CLIPS, moments].permute(0, 2, 1, 3, 4).flatten(2, 3).flatten(0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rows.numpy()).save(path, optimize=True)
