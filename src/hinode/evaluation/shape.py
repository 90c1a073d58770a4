"""The shape of a drawn subject: how well it agrees with the best-fitting rendering of its cut-out.

A subject is segmented in two steps. First its cut-out is rendered over sizes, turns, sides and phases of its
beat, and the rendering and place with the smallest mean squared difference of colours inside its outline is
chosen. Then the pixels of a window around that place belong to the subject if they are nearer to one of its
paper colours than to the background, which is the median of the row outside the window. The measure is the
intersection of these pixels with the body of the rendering over their union, 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from hinode.world import palette
from hinode.world.cutouts import CUTOUTS
from hinode.world.scenery import coverage

SIZES = tuple(0.2 * 1.16**step for step in range(6))  # heights, in short sides of the frame
TILTS = (-0.12, 0.0, 0.12)  # radians
BEATS = (0.0, 0.25, 0.5, 0.75)
EDGE = 0.085  # of cream paper around a cut-out, in halves of its size
NIGHT = 0.86  # light on a cut-out at night
WINDOW = 1.5  # half side of the window around a subject, in halves of its size
MIN_CONTRAST = 24.0  # from the background, in levels of 255


@dataclass(frozen=True)
class Templates:
    """Renderings of one cut-out.

    Attributes:
        colors: [N, 3, K, K], 0..1.
        body: how much of each pixel the paper covers, [N, K, K].
        halves: half the size of each, in pixels.
        papers: its colours, [P, 3], 0..1.
    """

    colors: Tensor
    body: Tensor
    halves: Tensor
    papers: Tensor


def templates(kind: str, color: str, time: str, short_side: int) -> Templates:
    """Every rendering of a cut-out that a subject is compared with, for frames with this short side."""
    light = NIGHT if time == "night" else 1.0
    tones = {role: torch.tensor(paint) / 255 for role, paint in palette.PARTS.items()}
    base = torch.tensor(palette.PAPER[color]) / 255
    tones |= {"base": base, "shade": base * 0.74, "light": base.lerp(tones["cream"], 0.5)}
    tones = {role: tone * light for role, tone in tones.items()}
    reach = int(max(SIZES) / 2 * short_side * (1 + EDGE)) + 2
    grid = torch.arange(-reach, reach + 1).float()
    colors, body, halves, roles = [], [], [], set()
    for size, side, tilt, beat in product(SIZES, (1.0, -1.0), TILTS, BEATS):
        half = size / 2 * short_side
        dx, dy = grid[None, None, None] / half, grid[None, None, :, None] / half
        u = (math.cos(tilt) * dx + math.sin(tilt) * dy) * side
        v = math.cos(tilt) * dy - math.sin(tilt) * dx
        parts = CUTOUTS[kind](u, v, torch.tensor(beat))
        pixel = torch.tensor(1 / half)
        outline = torch.stack([distance.expand(1, 1, *2 * grid.shape) for distance, _ in parts]).amin(0)
        picture = tones["cream"][:, None, None].expand(3, *2 * grid.shape)
        for distance, role in parts:
            picture = picture.lerp(tones[role][:, None, None], coverage(distance, pixel)[0])
            roles.add(role)
        colors.append(picture)
        body.append(coverage(outline - EDGE, pixel)[0, 0])
        halves.append(half)
    papers = torch.stack([tones[role] for role in sorted(roles | {"cream"})])
    return Templates(torch.stack(colors), torch.stack(body), torch.tensor(halves), papers)


def fit(frames: Tensor, cutout: Templates) -> list[tuple[int, int, int]]:
    """The best rendering in each frame of [B, 3, H, W], 0..1, and the row and column of its middle."""
    reach = cutout.body.shape[-1] // 2
    padded = F.pad(frames, (reach,) * 4, mode="replicate")
    weight, colors = cutout.body[:, None], cutout.colors
    # sum of weight * (frame - color)², by three correlations
    error = F.conv2d(padded.square(), weight.expand_as(colors)) - 2 * F.conv2d(padded, weight * colors)
    error = error + (weight * colors.square()).sum((1, 2, 3))[:, None, None]
    error /= cutout.body.sum((1, 2))[:, None, None]
    best = error.flatten(1).argmin(1).tolist()
    height, width = error.shape[-2:]
    return [(index // (height * width), index // width % height, index % width) for index in best]


def agreement(frame: Tensor, cutout: Templates, place: tuple[int, int, int]) -> float:
    """Intersection over union of the segmented subject in a frame [3, H, W], 0..1, with a rendering at a
    place, from `fit`."""
    number, row, column = place
    reach, (height, width) = cutout.body.shape[-1] // 2, frame.shape[-2:]
    whole = torch.zeros(height + 2 * reach, width + 2 * reach)
    whole[row : row + 2 * reach + 1, column : column + 2 * reach + 1] = cutout.body[number]
    body = whole[reach:-reach, reach:-reach] > 0.5
    across, down = torch.arange(width), torch.arange(height)[:, None]
    half = WINDOW * cutout.halves[number]
    window = ((across - column).abs() <= half) & ((down - row).abs() <= half)
    outside = frame.masked_fill(window, math.nan)
    background = outside.nanmedian(-1, keepdim=True).values.nan_to_num()
    contrast = (frame - background).square().sum(0).sqrt()
    paper = (frame - cutout.papers[:, :, None, None]).square().sum(1).sqrt().amin(0)
    subject = (paper < contrast) & (contrast > MIN_CONTRAST / 255) & window
    return int((subject & body).sum()) / max(1, int((subject | body).sum()))


def shapes(frames: Tensor, kind: str, color: str, time: str) -> list[float]:
    """The agreement of the subject in each frame of uint8 or float [T, H, W, 3], 0..255."""
    pictures = frames.permute(0, 3, 1, 2).float() / 255
    cutout = templates(kind, color, time, min(pictures.shape[-2:]))
    places = fit(pictures, cutout)
    return [agreement(picture, cutout, place) for picture, place in zip(pictures, places, strict=True)]
