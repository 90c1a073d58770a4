"""How a clip is laid out before it is drawn, from its words and its seed: the place of every subject, and
noise that moves with the camera.

Several subjects are drawn each from a text of its own, in a place of its own, and combined at every step. The
network was trained on few clips with more than one subject, and draws one subject well (layouts: arXiv
2309.17444; several texts in one clip: MultiDiffusion, arXiv 2302.08113).
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from hinode.engines.native.conditioning import Canvas
from hinode.engines.native.expansion import subject_prompt
from hinode.model.tokens import SpacetimePatches
from hinode.request import Request
from hinode.world.motion import camera_path, subject_path
from hinode.world.prompts.prompt import SubjectFacts, parse
from hinode.world.scene import MAX_SUBJECTS, RELATIONS, Scene, Subject, place_cast, place_subject

PATH_GUIDED_MOTIONS = ("bounce", "circle")
"""Motions that the network draws better along a given path than from words alone."""

CAMERA_NOISE_SHARE = 0.5
"""Share of the noise, as a standard deviation, that moves with the camera."""

CAMERA_NOISE_SPEED = 0.625
"""Its speed relative to the nearest layer: between the nearest and the farthest one."""

LAYOUTS = 32
"""Random layouts of several subjects; the one whose subjects stay farthest from each other is used."""

OVERLAP_OFFSET = 0.165
"""Distance between two subjects that overlap, in frame widths."""

REACH, REACH_IN_FRONT = 1.4, 1.0
"""Radius of the disc that a subject's text decides, in halves of the subject's size; smaller for a subject
that would cover another one behind it."""

CAST_SPEED, MARGIN = 0.75, 0.31
"""Among several subjects, the relative speed of one that follows a path, and the least distance of the middle
of its path from the edge of the frame: what moves slowly and is whole in the frame is drawn whole."""

EDGE, BACKGROUND = 0.08, 0.05
"""Width of the border between two texts, in short sides, and the weight of each text where no subject is."""


@dataclass(frozen=True)
class Composition:
    """The texts that a clip is drawn from.

    Attributes:
        texts: one for the whole clip, or one for each subject.
        paths: where the subject of each text is, [K, T, 2] in fractions of the width and height; NaN where
            the network chooses.
        shares: how much of each pixel each text decides, [K, T, H, W]; they sum to 1. None for one text.
    """

    texts: tuple[str, ...]
    paths: Tensor
    shares: Tensor | None = None


def compose(request: Request, prompt: str, canvas: Canvas, *, follows_paths: bool = True) -> Composition:
    """Lay out the subjects of a prompt.

    Two or three subjects with a kind and a motion get a text and a path each, and a single one that bounces
    or circles gets a path, unless the request has references or a path itself. A network that follows no
    paths draws from one text.
    """
    parsed, rng = parse(prompt), random.Random(f"layout/{request.seed}")
    cast = parsed.subjects
    free = follows_paths and not (request.references or request.path)
    if free and len(cast) == 1 and cast[0].motion in PATH_GUIDED_MOTIONS:
        return Composition((prompt,), _paths([place_subject(rng, "", "", cast[0].motion)], canvas))
    complete = all(subject.kind and subject.motion for subject in cast)
    if not (free and complete and 1 < len(cast) <= MAX_SUBJECTS):
        return Composition((prompt,), canvas.path(request)[None])
    layouts = [_layout(rng, cast, parsed.relation) for _ in range(LAYOUTS)]
    subjects = max(layouts, key=lambda layout: _distance(_paths(layout, canvas)))
    paths = _paths(subjects, canvas)
    overlapping = len(cast) == 2 and parsed.relation in ("behind", "in front of")
    front = None if not overlapping else 1 if parsed.relation == "behind" else 0
    shares = _shares(subjects, paths, front, camera(request, prompt, canvas)[1], canvas)
    return Composition(tuple(subject_prompt(subject, parsed) for subject in cast), paths, shares)


def camera(request: Request, prompt: str, canvas: Canvas) -> tuple[Tensor, Tensor]:
    """The camera of a request, by its numbers or its words, at every frame: pan to the right [T], in short
    sides of the nearest layer, and zoom as a factor [T]."""
    if request.camera:
        pan, zoom = canvas.camera(request).unbind(-1)
        return pan, zoom.exp()
    path = camera_path([Scene((), camera=parse(prompt).camera or "still")], _moments(canvas))
    return path.pan[0], path.zoom[0]


def initial_noise(request: Request, prompt: str, canvas: Canvas) -> Tensor:
    """The noise that a clip is drawn from, standard normal latents [Tl, h, w, C]. Where the camera pans and
    the request has no references, a part of it moves with the camera."""
    # On the CPU, because only there the same seed always gives the same noise.
    generator = torch.Generator().manual_seed(request.seed)
    independent = torch.randn((*canvas.latent_shape, canvas.tokenizer.channels), generator=generator)
    if request.references:
        return independent
    return camera_noise(independent, camera(request, prompt, canvas)[0], canvas.tokenizer, generator)


def camera_noise(noise: Tensor, pan: Tensor, patches: SpacetimePatches, generator: torch.Generator) -> Tensor:
    """Noise [Tl, h, w, C] of which a part is one picture that moves as the land will: it tells the network a
    direction that it often misses in words (compare arXiv 2501.08331, which trains for it).

    Args:
        noise: independent, standard normal; returned as it is where the camera does not pan.
        pan: of the camera to the right at every frame [T], in short sides of the nearest layer.
    """
    if len(pan) < 2 or not pan.any():
        return noise
    height, width = noise.shape[1] * patches.size, noise.shape[2] * patches.size
    picture = torch.randn(3, height, width, generator=generator)
    # The first frame fills its patch, as if the picture had moved before it.
    before = pan[0] + (pan[1] - pan[0]) * torch.arange(1 - patches.frames, 0)
    shifts = (torch.cat((before, pan)) * -CAMERA_NOISE_SPEED * min(width, height)).round().int().tolist()
    moving = patches.cut(torch.stack([picture.roll(shift, -1) for shift in shifts])[None])[0]
    return math.sqrt(1 - CAMERA_NOISE_SHARE**2) * noise + CAMERA_NOISE_SHARE * moving


def _moments(canvas: Canvas) -> Tensor:
    return torch.arange(canvas.frames)[None] / canvas.fps


def _layout(rng: random.Random, cast: tuple[SubjectFacts, ...], relation: str | None) -> list[Subject]:
    """Random places of several subjects that keep their relation."""
    if len(cast) > 2 and relation not in RELATIONS[:2]:
        relation = None  # three stand side by side
    motions = [facts.motion or "still" for facts in cast]
    kinds = [(facts.kind or "", facts.color or "") for facts in cast]
    _, subjects = place_cast(rng, kinds, relation, motions)
    subjects = [_slow(subject) if subject.motion in PATH_GUIDED_MOTIONS else subject for subject in subjects]
    if relation not in ("behind", "in front of"):
        return subjects
    first, second = subjects
    middle, half = (first.x + second.x) / 2, math.copysign(OVERLAP_OFFSET / 2, first.x - second.x)
    height = (first.y + second.y) / 2
    places = ((first, middle + half), (second, middle - half))
    return [dataclasses.replace(subject, x=x, y=height) for subject, x in places]


def _slow(subject: Subject) -> Subject:
    """The subject at a lower speed, in a place where it stays in the frame all the time."""
    x = subject.x if subject.motion == "bounce" else min(max(subject.x, MARGIN), 1 - MARGIN)
    return dataclasses.replace(subject, x=x, y=min(max(subject.y, MARGIN), 1 - MARGIN), speed=CAST_SPEED)


def _paths(subjects: list[Subject], canvas: Canvas) -> Tensor:
    """Where the subjects are at every frame, [K, T, 2]."""
    moments = _moments(canvas).expand(len(subjects), -1)
    path = subject_path(subjects, moments, canvas.size[0] / canvas.size[1])
    return torch.stack((path.x, path.y), -1)


def _distance(paths: Tensor) -> float:
    """The smallest distance between two paths at any moment."""
    return min(float((path - other).norm(dim=-1).min()) for path, other in combinations(paths, 2))


def _shares(cast: list[Subject], paths: Tensor, front: int | None, zoom: Tensor, canvas: Canvas) -> Tensor:
    """See `Composition.shares`: a soft disc around each subject on its path, [K, T, 2], under the zoom of the
    camera, [T]. `front` is the subject that covers the other one, or None if none does."""
    width, height = canvas.size
    short = min(width, height)
    x, y = ((torch.arange(size) + 0.5) / short for size in (width, height))
    centres = paths * torch.tensor([width / short, height / short])
    discs = []
    for number, subject in enumerate(cast):
        radius = (REACH_IN_FRONT if number == front else REACH) * subject.size / 2 * zoom
        across, down = x - centres[number, :, :1], y - centres[number, :, 1:]
        distance = torch.hypot(across[:, None, :], down[:, :, None])
        discs.append(((radius[:, None, None] - distance) / EDGE + 0.5).clamp(0, 1))
    if front is not None:
        discs[1 - front] = discs[1 - front] * (1 - discs[front])
    weights = torch.stack(discs) + BACKGROUND / len(discs)
    return weights / weights.sum(0)
