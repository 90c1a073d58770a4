"""Clips of the picture book at their keys, drawn now or read from the chunks of a drawing run."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from hinode.model import reader
from hinode.model.plan_tensors import PlanTensors
from hinode.model.reader import KEYS, SHORT
from hinode.training.drawing.plans import plan_tensors
from hinode.training.drawing.recipes import FPS, nano
from hinode.training.drawing.store import read_chunk
from hinode.training.reader.pictures import damage
from hinode.world.book.picture.render import render
from hinode.world.book.plan import STEP
from hinode.world.book.scene import CAMERAS, sample_scene

SHAPES: tuple[tuple[tuple[int, int], float], ...] = (((168, 96), 0.6), ((96, 168), 0.22), ((96, 96), 0.18))
"""Width and height of drawn frames, and their shares."""
SCALES = (1.0, 1.0, 1.0, 4 / 3)  # how much larger frames are drawn, then made smaller
MAX_START = 1.5  # seconds into its scene at which a clip may begin
WHOLE = 0.75  # share of clips with all keys
DAMAGED = 0.4  # share of clips whose camera is read from damaged frames
SEED = 1


@dataclass(frozen=True)
class KeyClip:
    """A clip at its keys: `frames` uint8 [K, 3, H, W], `motions` of `reader.motions_of`, and its plan."""

    frames: Tensor
    motions: Tensor
    plan: PlanTensors


def draw_clip(number: int) -> KeyClip:
    """The clip of a number; the same number gives the same one."""
    rng = random.Random(f"reader/{SEED}/{number}")
    width, height = rng.choices([shape for shape, _ in SHAPES], [share for _, share in SHAPES])[0]
    scene, start, scale = sample_scene(rng), rng.uniform(0.0, MAX_START), rng.choice(SCALES)
    keys = KEYS if rng.random() < WHOLE else rng.randint(2, KEYS - 1)
    torch.manual_seed(number)
    wide, high = round(width * scale), round(height * scale)
    frames = render([scene], frames=keys, fps=1 / STEP, width=wide, height=high, start=start)[0]
    if scale != 1.0:
        frames = F.interpolate(frames, (height, width), mode="bilinear", antialias=True)
    plan = plan_tensors([scene], [torch.arange(keys) * STEP + start], width / height)
    return _key_clip(frames, plan)


def read_clips(path: Path) -> list[KeyClip]:
    """The clips of a chunk of `drawing.store` at their keys."""
    chunk, every = read_chunk(nano(), path), round(FPS * STEP)
    height, width = chunk.video.shape[-2:]
    short = min(height, width)
    size = round(height / short * SHORT), round(width / short * SHORT)
    clips = []
    torch.manual_seed(int(path.stem))
    for row, video in enumerate(chunk.video[:, ::every].float() / 255):
        frames = F.interpolate(video, size, mode="bilinear", antialias=True)
        plan = chunk.plans[row : row + 1]
        plan = dataclasses.replace(plan, camera=plan.camera[:, ::every], tracks=plan.tracks[:, :, ::every])
        clips.append(_key_clip(frames, plan))
    return clips


def _key_clip(frames: Tensor, plan: PlanTensors) -> KeyClip:
    clean = frames.mul(255).round().byte()
    if torch.rand(()) < DAMAGED:
        frames = damage(frames * 2 - 1) / 2 + 0.5
    return KeyClip(clean, reader.motions_of(frames).half(), visible_camera(plan))


def visible_camera(plan: PlanTensors) -> PlanTensors:
    """The plan with its camera relative to the first key. A camera that follows what stays is a still one."""
    camera = plan.camera - plan.camera[:, :1]
    facts = plan.facts.clone()
    idle = camera.abs().amax((1, 2)) < 0.01
    facts[idle, 3] = CAMERAS.index("still")
    return dataclasses.replace(plan, camera=camera, facts=facts)
