"""Losses of the three networks of the reader."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hinode.model import reader
from hinode.model.reader import KEYS, USUAL_SIZE, Reader
from hinode.training.reader.clips import KeyClip
from hinode.training.reader.pictures import damage, foreign
from hinode.world.book.scene import CAMERAS

FRAMES, WHOLE, OTHERS, SPARE = 48, 18, 6, 2
"""Of a step: frames; those of them that the first network sees; pictures of nothing of this world; and crops
beside subjects for each frame that it sees."""
SPREAD = 1.1  # of a subject in the heat map, in cells
PANS = CAMERAS.index("pan left"), CAMERAS.index("pan right")


def frame_losses(model: Reader, pool: Sequence[KeyClip], rng: random.Random) -> dict[str, Tensor]:
    """Losses of the networks that see single frames and crops of them."""
    shape = rng.choice(pool).frames.shape[2:]
    clips = rng.choices([clip for clip in pool if clip.frames.shape[2:] == shape], k=FRAMES)
    keys = [rng.randrange(len(clip.frames)) for clip in clips]
    frames = (
        torch.stack([clip.frames[key] for clip, key in zip(clips, keys, strict=True)]).float() / 127.5 - 1
    )
    tracks = torch.stack([clip.plan.tracks[0, :, key] for clip, key in zip(clips, keys, strict=True)]).clone()
    facts, kinds, colors = (torch.cat([getattr(clip.plan, name) for clip in clips])
                            for name in ("facts", "kinds", "colors"))  # fmt: skip
    mirrored = torch.rand(FRAMES) < 0.5
    frames[mirrored] = frames[mirrored].flip(-1)
    tracks[mirrored] *= torch.tensor([-1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    height, width = shape
    wide, high = width / min(shape), height / min(shape)
    inside = (kinds >= 0) & (tracks[..., 0].abs() < wide / 2) & (tracks[..., 1].abs() < high / 2)
    row, slot = inside.nonzero(as_tuple=True)
    track = tracks[row, slot]  # (N, 6)

    frames = damage(frames)
    size = reader.small_size(width, height)
    small = F.interpolate(frames[:WHOLE], size, mode="bilinear", antialias=True)
    sight = model.see(torch.cat((small, foreign(OTHERS, small, rng))))
    losses = {}
    for k, (name, logits) in enumerate(zip(("place", "time", "weather"), sight.facts, strict=True)):
        losses[name] = F.cross_entropy(logits[:WHOLE], facts[:WHOLE, k])
    truth = torch.cat((torch.ones(WHOLE), torch.zeros(OTHERS)))
    losses["world"] = F.binary_cross_entropy_with_logits(sight.world, truth)
    heat, visible = sight.heat[:WHOLE], row < WHOLE
    rows, columns = heat.shape[1:]
    cell_x, cell_y = (track[:, 0] / wide + 0.5) * columns, (track[:, 1] / high + 0.5) * rows
    target = torch.zeros_like(heat)
    for k, x, y in zip(*(value[visible].tolist() for value in (row, cell_x, cell_y)), strict=True):
        away = (torch.arange(rows)[:, None] + 0.5 - y) ** 2 + (torch.arange(columns) + 0.5 - x) ** 2
        bump = torch.exp(-away / (2 * SPREAD**2))
        bump[int(y), int(x)] = 1.0
        target[k] = torch.maximum(target[k], bump)
    losses["heat"] = 0.5 * _focal(heat, target) / max(1, int(visible.sum()))
    measured = sight.size[row[visible], (cell_y[visible] / 2).long(), (cell_x[visible] / 2).long()]
    losses["size"] = F.smooth_l1_loss(measured, (track[visible, 2] * 2 / USUAL_SIZE).log())

    # Crops at the subjects, as the first network may aim them, and at what it takes for subjects.
    aimed = track[:, :2] + torch.randn(len(row), 2) * (track[:, 2:3] * 0.12 + 0.012)
    guess = track[:, 2] * 2 * torch.exp(0.15 * torch.randn(len(row)))
    false = (heat.detach().sigmoid() + 0.05 * torch.rand_like(heat)).masked_fill(target > 0.01, -1.0)
    spot = false.flatten(1).topk(8).indices[:, torch.randint(8, (SPARE,))]  # (B, SPARE)
    where = torch.stack(((spot % columns + 0.5) / columns * wide, (spot // columns + 0.5) / rows * high), -1)
    where = (where - torch.tensor([wide, high]) / 2).flatten(0, 1)
    row_all = torch.cat((row, torch.arange(WHOLE).repeat_interleave(SPARE)))
    sizes = torch.cat((guess, USUAL_SIZE * torch.exp(0.4 * torch.randn(len(where)))))
    crops = reader.crop(frames, row_all, torch.cat((aimed, where)), sizes)
    named = model.name(crops)
    count = len(row)
    present = torch.cat((torch.ones(count), torch.zeros(len(where))))
    losses["presence"] = F.binary_cross_entropy_with_logits(named.presence, present)
    losses["kind"] = F.cross_entropy(named.kind[:count], kinds[row, slot])
    losses["color"] = F.cross_entropy(named.color[:count], colors[row, slot])
    shift = (track[:, :2] - aimed) / (guess * reader.REACH)[:, None]
    shift = torch.cat((shift, (track[:, 2:3] * 2 / guess[:, None]).log()), 1)
    losses["shift"] = 4 * (named.shift[:count] - shift).abs().mean()
    pose = torch.stack((track[:, 3].cos(), track[:, 3].sin(), track[:, 4]), 1)
    losses["pose"] = 0.3 * F.mse_loss(named.pose[:count], pose)
    return losses


def camera_losses(model: Reader, clips: Sequence[KeyClip]) -> dict[str, Tensor]:
    """Losses of the network that measures the camera."""
    motions = torch.stack([clip.motions.float() for clip in clips])
    moves = torch.cat([clip.plan.facts[:, 3] for clip in clips])
    curves = torch.stack([F.pad(clip.plan.camera[0], (0, 0, 0, KEYS - len(clip.frames))) for clip in clips])
    valid = torch.tensor([[float(k < len(clip.frames)) for k in range(KEYS)] for clip in clips])
    turned = torch.rand(len(clips)) < 0.5
    motions[turned] = reader.mirrored_motions(motions[turned])
    curves[turned, :, 0] *= -1
    swapped = torch.where(moves == PANS[0], PANS[1], torch.where(moves == PANS[1], PANS[0], moves))
    moves = torch.where(turned, swapped, moves)
    found, path = model.follow(motions)
    errors = (path - curves).abs().mean(-1) * valid
    return {"camera": F.cross_entropy(found, moves), "curves": 5 * errors.sum() / valid.sum()}


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    """Penalty-reduced focal loss of a heat map, summed (CenterNet, arXiv 1904.07850)."""
    odds, peak = logits.sigmoid(), target == 1.0
    hit = -F.logsigmoid(logits) * (1 - odds) ** 2
    miss = -F.logsigmoid(-logits) * odds**2 * (1 - target) ** 4
    return torch.where(peak, hit, miss).sum()
