"""What is decided of a clip before it is drawn, from its words and its seed: who goes where, and noise that
goes along with the camera.

Several subjects are drawn each from words of its own, in a place of its own, and put together at every step.
The network was shown few clips with more than one, and draws one of them well (layouts: arXiv 2309.17444;
several texts in one clip: MultiDiffusion, arXiv 2302.08113).
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from hinode.engines.native.conditioning import Canvas
from hinode.engines.native.expansion import alone
from hinode.model.tokens import SpacetimePatches
from hinode.request import Request
from hinode.world.caption import SubjectFacts, parse
from hinode.world.motion import camera_path, subject_path
from hinode.world.scene import MAX_SUBJECTS, RELATIONS, Scene, Subject, place_cast, place_subject

PATH_GUIDED_MOTIONS = ("bounce", "circle")
"""Motions that the network draws better when it is shown a path than from words alone."""

CAMERA_NOISE_SHARE = 0.5
"""Share of the noise, in deviations, that goes along with the camera."""

MIDWAY = 0.625
"""How fast it goes, in speeds of the nearest layer: between the nearest and the farthest."""

DRAFTS = 32
"""Layouts that are tried for a cast; the one whose subjects keep farthest from each other is taken."""

OVERLAP_OFFSET = 0.165
"""How far two that overlap are apart, in frame widths."""

REACH, REACH_IN_FRONT = 1.4, 1.0
"""How far the words of a subject reach from its middle, in halves of its size: less where it would cover
another that is to be seen behind it."""

CAST_SPEED, INSIDE = 0.75, 0.31
"""How fast those of a cast go that are led, in usual speeds, and how far the middle of their way stays from
the edge of the picture: what turns slowly and is in it whole is drawn whole."""

SOFT, REST = 0.08, 0.05
"""Width of the edge between two texts, in short sides, and what a text weighs where no subject is."""


@dataclass(frozen=True)
class Composition:
    """How a clip is put together.

    Attributes:
        texts: what the network reads: of the whole clip, or of each subject.
        paths: where the subject of each text is, [K, T, 2] in fractions of the width and height; NaN where
            the network chooses.
        shares: how much of each pixel each text decides, [K, T, H, W]; they sum to 1. None for one text.
    """

    texts: tuple[str, ...]
    paths: Tensor
    shares: Tensor | None = None


def compose(request: Request, prompt: str, canvas: Canvas, *, hints: bool = True) -> Composition:
    """Decide who is where.

    Two or three subjects of whom kind and motion are said are drawn each by itself, and one that bounces or
    circles is shown where, if no pictures, footage or path are given.

    Args:
        request: that it is drawn for.
        prompt: what the network reads for it, expanded if it was to be.
        canvas: what it is drawn on.
        hints: whether the network can be shown where somebody is. One that cannot draws from one text.
    """
    said, rng = parse(prompt), random.Random(f"layout/{request.seed}")
    cast, free = said.subjects, hints and not (request.references or request.path)
    if free and len(cast) == 1 and cast[0].motion in PATH_GUIDED_MOTIONS:
        return Composition((prompt,), _paths([place_subject(rng, "", "", cast[0].motion)], canvas))
    told = all(one.kind and one.motion for one in cast)
    if not (free and told and 1 < len(cast) <= MAX_SUBJECTS):
        return Composition((prompt,), canvas.path(request)[None])
    drafts = [_cast(rng, cast, said.relation) for _ in range(DRAFTS)]
    subjects = max(drafts, key=lambda draft: _distance(_paths(draft, canvas)))
    paths = _paths(subjects, canvas)
    overlapping = len(cast) == 2 and said.relation in ("behind", "in front of")
    front = None if not overlapping else 1 if said.relation == "behind" else 0
    shares = _shares(subjects, paths, front, camera(request, prompt, canvas)[1], canvas)
    return Composition(tuple(alone(one, said) for one in cast), paths, shares)


def camera(request: Request, prompt: str, canvas: Canvas) -> tuple[Tensor, Tensor]:
    """How the camera of a request moves, by its numbers or its words, at every frame [T]: how far it has
    panned to the right, in short sides of the nearest layer, and its zoom as a factor."""
    if request.camera:
        pan, zoom = canvas.camera(request).unbind(-1)
        return pan, zoom.exp()
    seen = camera_path([Scene((), camera=parse(prompt).camera or "still")], _moments(canvas))
    return seen.pan[0], seen.zoom[0]


def noise(request: Request, prompt: str, canvas: Canvas) -> Tensor:
    """The noise a clip begins from, standard normal latents [Tl, h, w, C]: where the camera pans over nothing
    but what the words say, a part of it goes along. It is drawn on the CPU, because only there the same seed
    always gives the same noise."""
    generator = torch.Generator().manual_seed(request.seed)
    independent = torch.randn((*canvas.latent_shape, canvas.tokenizer.channels), generator=generator)
    if request.references:
        return independent
    return camera_noise(independent, camera(request, prompt, canvas)[0], canvas.tokenizer, generator)


def camera_noise(noise: Tensor, pan: Tensor, patches: SpacetimePatches, generator: torch.Generator) -> Tensor:
    """Noise [Tl, h, w, C] of which a part is one picture that moves as the land will: the network hears a
    direction in it that it often misses in words (compare arXiv 2501.08331, which trains for it).

    Args:
        noise: independent, standard normal; given back as it is where the camera does not pan.
        pan: how far the camera has panned to the right at every frame [T], in short sides of the nearest
            layer.
        patches: that `noise` is cut into.
        generator: draws the picture.
    """
    if len(pan) < 2 or not pan.any():
        return noise
    height, width = noise.shape[1] * patches.size, noise.shape[2] * patches.size
    picture = torch.randn(3, height, width, generator=generator)
    # the first frame fills its tube: the picture was on its way before it
    before = pan[0] + (pan[1] - pan[0]) * torch.arange(1 - patches.frames, 0)
    pixels = (torch.cat((before, pan)) * -MIDWAY * min(width, height)).round().int().tolist()
    moving = patches.cut(torch.stack([picture.roll(shift, -1) for shift in pixels])[None])[0]
    return math.sqrt(1 - CAMERA_NOISE_SHARE**2) * noise + CAMERA_NOISE_SHARE * moving


def _moments(canvas: Canvas) -> Tensor:
    return torch.arange(canvas.frames)[None] / canvas.fps


def _cast(rng: random.Random, cast: tuple[SubjectFacts, ...], relation: str | None) -> list[Subject]:
    if len(cast) > 2 and relation not in RELATIONS[:2]:
        relation = None  # three stand side by side
    motions = [one.motion or "still" for one in cast]
    _, subjects = place_cast(rng, [(one.kind or "", one.color or "") for one in cast], relation, motions)
    subjects = [_led(one) if one.motion in PATH_GUIDED_MOTIONS else one for one in subjects]
    if relation not in ("behind", "in front of"):
        return subjects
    first, second = subjects
    middle, half = (first.x + second.x) / 2, math.copysign(OVERLAP_OFFSET / 2, first.x - second.x)
    height = (first.y + second.y) / 2
    return [
        dataclasses.replace(first, x=middle + half, y=height),
        dataclasses.replace(second, x=middle - half, y=height),
    ]


def _led(subject: Subject) -> Subject:
    """Slower, and where it stays in the picture all the way."""
    x = subject.x if subject.motion == "bounce" else min(max(subject.x, INSIDE), 1 - INSIDE)
    return dataclasses.replace(subject, x=x, y=min(max(subject.y, INSIDE), 1 - INSIDE), speed=CAST_SPEED)


def _paths(subjects: list[Subject], canvas: Canvas) -> Tensor:
    """[K, T, 2]"""
    moments = _moments(canvas).expand(len(subjects), -1)
    path = subject_path(subjects, moments, canvas.size[0] / canvas.size[1])
    return torch.stack((path.x, path.y), -1)


def _distance(paths: Tensor) -> float:
    """Between the two that come nearest to each other at any moment."""
    pairs = [(one, other) for one in range(len(paths)) for other in range(one)]
    return min(float((paths[one] - paths[other]).norm(dim=-1).min()) for one, other in pairs)


def _shares(
    subjects: list[Subject], paths: Tensor, front: int | None, zoom: Tensor, canvas: Canvas
) -> Tensor:
    """See `Composition.shares`. A soft disc around each subject; `front`: who covers the other."""
    width, height = canvas.size
    short = min(width, height)
    x, y = ((torch.arange(size) + 0.5) / short for size in (width, height))
    at = paths * torch.tensor([width / short, height / short])
    discs = []
    for number, subject in enumerate(subjects):
        reach = (REACH_IN_FRONT if number == front else REACH) * subject.size / 2 * zoom
        across, down = x - at[number, :, :1], y - at[number, :, 1:]
        away = torch.hypot(across[:, None, :], down[:, :, None])
        discs.append(((reach[:, None, None] - away) / SOFT + 0.5).clamp(0, 1))
    if front is not None:
        discs[1 - front] = discs[1 - front] * (1 - discs[front])
    weights = torch.stack(discs) + REST / len(discs)
    return weights / weights.sum(0)
