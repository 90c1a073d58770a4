"""What a training clip is told beside its caption: pixels that are given, the subject's path, the
camera's."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from hinode.model import hints
from hinode.model.tokens import SpacetimePatches
from hinode.training.data import Script
from hinode.training.recipes import Recipe
from hinode.world.motion import camera_path, subject_path

KINDS = (("opening", 4), ("start", 3), ("end", 2), ("both", 2), ("frames", 3), ("region", 3))
"""Which part of a clip is given, and how often: the first frame (a picture comes alive), the start (extend),
the end (extend backward), both (connect, loop), some single frames, and everything but a region (edit)."""
MAX_FRAMES = 3
OUTSIDE = 0.3  # of the regions, those where the region is given and everything around it is drawn


def directions(
    recipe: Recipe, script: Script, tokenizer: SpacetimePatches, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Known patches, bool [B, Tl, h, w, f], and motion, [B, Tl, h, w, f + 3], for one batch; see
    `hints.draw`."""
    rng = random.Random(f"{recipe.name}/directions/{recipe.seed}/{script.step}")
    bucket, span = script.bucket, tokenizer.frames
    rows, columns = bucket.height // tokenizer.size, bucket.width // tokenizer.size
    shape = (tokenizer.latent_frames(bucket.frames), rows, columns, span)
    nothing = torch.zeros(shape, dtype=torch.bool)
    known = torch.stack(
        [conditioning_mask(rng, shape) if rng.random() < recipe.known else nothing for _ in script.scenes]
    )
    moments = (script.start + torch.arange(bucket.frames) / bucket.fps).expand(len(script.scenes), -1)
    route = subject_path(
        [scene.subjects[0] for scene in script.scenes], moments, bucket.width / bucket.height
    )
    camera = camera_path(script.scenes, moments)
    zoom = camera.zoom.log()
    path = torch.stack((route.x, route.y), -1)
    moves = torch.stack((camera.pan - camera.pan[:, :1], zoom - zoom[:, :1]), -1)
    for clip in range(len(script.scenes)):
        if rng.random() >= recipe.paths:
            path[clip] = torch.nan
        if not script.told[clip]:
            moves[clip] = torch.nan
    motion = hints.draw_motion(path, moves, rows, columns, span)
    return known.to(device), motion.to(device)


def conditioning_mask(rng: random.Random, shape: tuple[int, int, int, int]) -> Tensor:
    """A random part of a clip that is given, bool [Tl, h, w, f]; never all of it."""
    frames, rows, columns, span = shape
    known = torch.zeros(shape, dtype=torch.bool)
    names, weights = zip(*KINDS, strict=True)
    kind = rng.choices(names, weights)[0] if frames > 1 else "region"
    if kind == "opening":
        known[0] = True
    elif kind in ("start", "end", "both"):
        # Not only where patches of time begin: what goes on from 1.3 seconds begins amid one.
        flat = torch.zeros(1 + (frames - 1) * span, dtype=torch.bool)
        if kind == "both":
            first, last = sorted(rng.sample(range(1, len(flat)), 2))
            flat[:first] = flat[last:] = True
        elif kind == "start":
            flat[: rng.randint(1, len(flat) - 1)] = True
        else:
            flat[rng.randint(1, len(flat) - 1) :] = True
        tubes = torch.cat((flat[:1].expand(span - 1), flat)).view(frames, 1, 1, span)
        known |= tubes
    elif kind == "frames":
        for _ in range(rng.randint(1, MAX_FRAMES)):
            latent = rng.randrange(frames)
            known[latent, :, :, slice(None) if latent == 0 else rng.randrange(span)] = True
    else:
        high, wide = rng.randint(rows // 4, rows * 3 // 4), rng.randint(columns // 4, columns * 3 // 4)
        top, left = rng.randint(0, rows - high), rng.randint(0, columns - wide)
        region = torch.zeros(rows, columns, dtype=torch.bool)
        region[top : top + high, left : left + wide] = True
        known[:] = (region if rng.random() < OUTSIDE else ~region)[:, :, None]
    return known
