"""What a training clip is conditioned on beside its caption: given pixels, the path of the subject, the path
of the camera."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from hinode.model import controls
from hinode.model.tokens import SpacetimePatches
from hinode.training.data import Batch
from hinode.training.recipes import Recipe
from hinode.world.motion import camera_path, subject_path

KINDS = (("opening", 4), ("start", 3), ("end", 2), ("both", 2), ("frames", 3), ("region", 3))
"""Parts of a clip that are given, with their weights: the first frame (animate), the start (extend), the end
(extend backward), both (blend, loop), some single frames, and everything but a region (edit)."""
MAX_FRAMES = 3
OUTPAINT_SHARE = 0.3  # of the regions: those that are given while everything around them is generated


def sample_directions(
    recipe: Recipe, batch: Batch, tokenizer: SpacetimePatches, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Given patches, bool [B, Tl, h, w, f], and motion, [B, Tl, h, w, f + 3], of one batch; see
    `controls.encode_motion`."""
    rng = random.Random(f"{recipe.name}/directions/{recipe.seed}/{batch.step}")
    bucket, span, count = batch.bucket, tokenizer.frames, len(batch.scenes)
    rows, columns = bucket.height // tokenizer.size, bucket.width // tokenizer.size
    shape = (tokenizer.latent_frames(bucket.frames), rows, columns, span)
    nothing = torch.zeros(shape, dtype=torch.bool)
    masks = [sample_mask(rng, shape) if rng.random() < recipe.mask_share else nothing for _ in range(count)]
    moments = (batch.start + torch.arange(bucket.frames) / bucket.fps).expand(count, -1)
    aspect = bucket.width / bucket.height
    path = subject_path([scene.subjects[0] for scene in batch.scenes], moments, aspect).places
    camera = camera_path(batch.scenes, moments)
    zoom = camera.zoom.log()
    moves = torch.stack((camera.pan - camera.pan[:, :1], zoom - zoom[:, :1]), -1)
    for clip in range(count):
        if rng.random() >= recipe.path_share:
            path[clip] = torch.nan
        if not batch.camera_hints[clip]:
            moves[clip] = torch.nan
    motion = controls.encode_motion(path, moves, rows, columns, span)
    return torch.stack(masks).to(device), motion.to(device)


def sample_mask(rng: random.Random, shape: tuple[int, int, int, int]) -> Tensor:
    """A random part of a clip that is given, bool [Tl, h, w, f]; never all of it."""
    frames, rows, columns, span = shape
    mask = torch.zeros(shape, dtype=torch.bool)
    names, weights = zip(*KINDS, strict=True)
    kind = rng.choices(names, weights)[0] if frames > 1 else "region"
    if kind == "opening":
        mask[0] = True
    elif kind in ("start", "end", "both"):
        # By video frames, not by patches: a clip that continues from 1.3 seconds begins inside a patch.
        flags = torch.zeros(1 + (frames - 1) * span, dtype=torch.bool)
        if kind == "both":
            first, last = sorted(rng.sample(range(1, len(flags)), 2))
            flags[:first] = flags[last:] = True
        elif kind == "start":
            flags[: rng.randint(1, len(flags) - 1)] = True
        else:
            flags[rng.randint(1, len(flags) - 1) :] = True
        mask |= torch.cat((flags[:1].expand(span - 1), flags)).view(frames, 1, 1, span)
    elif kind == "frames":
        for _ in range(rng.randint(1, MAX_FRAMES)):
            latent = rng.randrange(frames)
            mask[latent, :, :, slice(None) if latent == 0 else rng.randrange(span)] = True
    else:
        height, width = rng.randint(rows // 4, rows * 3 // 4), rng.randint(columns // 4, columns * 3 // 4)
        top, left = rng.randint(0, rows - height), rng.randint(0, columns - width)
        region = torch.zeros(rows, columns, dtype=torch.bool)
        region[top : top + height, left : left + width] = True
        mask[:] = (region if rng.random() < OUTPAINT_SHARE else ~region)[:, :, None]
    return mask
