"""Scenes of the picture book: everything that is true about a clip, as frozen values, and how they are
sampled.

A `Scene` holds the facts that words can name and the numbers that only vary the picture. The same scene
always gives the same pixels and sounds.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hinode.world.book import priors
from hinode.world.book.priors import COLORS, KINDS, PLACES
from hinode.world.prompts.facts import MAX_SUBJECTS as MAX_SUBJECTS

MOTIONS = ("left", "right", "rise", "fall", "bounce", "circle", "still")
TIMES = ("dawn", "noon", "sunset", "night")
WEATHERS = ("clear", "rain", "snow", "fog")
CAMERAS = ("still", "pan left", "pan right", "zoom in", "zoom out", "tilt up", "tilt down", "dolly in",
           "dolly out", "orbit", "follow")  # fmt: skip
RELATIONS = ("left of", "right of", "above", "below", "behind", "in front of")
DRY = ("underwater", "space")
"""Places where it neither rains nor snows unless the words ask for it."""

HELD_OUT_PAIRS = frozenset(
    {("purple", "boat"), ("green", "bird"), ("pink", "rocket"), ("blue", "star"), ("orange", "fish"),
     ("red", "camel"), ("turquoise", "cat"), ("black", "whale"), ("yellow", "cottage")}
)  # fmt: skip
"""Pairs of colour and subject that no training clip shows: a model that draws them combines what it knows."""


@dataclass(frozen=True)
class Subject:
    """One paper cut-out and its path.

    `x`, `y`: anchor in fractions of the frame, as the camera sees it at 0 s; where the path starts, or its
    centre. `size`: the cut-out's larger side in short sides of the frame. `speed`: 1 = nominal. `phase`:
    0..1, shifts every periodic movement. `rest`: what it is in or on, one of `priors.RESTS`.
    """

    kind: str
    color: str
    motion: str
    x: float
    y: float
    size: float
    rest: str = "air"
    speed: float = 1.0
    phase: float = 0.0
    facing: int = 1


@dataclass(frozen=True)
class Scene:
    """A whole clip: up to three subjects in one place, at one time, in one weather, by one camera.

    `relation`: where the first subject is, seen from the second (one of `RELATIONS`), or None. `seed` varies
    land, clouds, stars, weather. `pace`: speed of the camera, 1 = nominal.
    """

    subjects: tuple[Subject, ...] = ()
    time: str = "noon"
    place: str = "hills"
    weather: str = "clear"
    camera: str = "still"
    relation: str | None = None
    seed: int = 0
    pace: float = 1.0


def subject(
    rng: random.Random,
    kind: str,
    color: str,
    motion: str,
    place: str,
    *,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    scale: float = 1.0,
) -> Subject:
    """A subject in a place, where such a subject usually is. `x`, `y`: ranges to take the anchor from
    instead; `scale`: factor of its usual size."""
    rest = priors.rest(kind, place, motion)
    size = rng.uniform(*priors.SIZES[kind]) * scale
    across = x or {"left": (0.66, 0.8), "right": (0.2, 0.34)}.get(motion, (0.3, 0.7))
    levels = priors.LEVELS.get((place, rest))
    if levels is not None and y is None:  # its lower edge stands, floats or rolls on a level
        middle = 0.5 + rng.uniform(*levels) - size * priors.FEET.get(kind, 0.5)
        up = (middle, middle)
    else:
        up = y or {"rise": (0.62, 0.74), "fall": (0.14, 0.26)}.get(
            motion, priors.HEIGHTS.get(kind, (0.3, 0.5))
        )
    facing = {"left": -1, "right": 1}.get(motion) or rng.choice((-1, 1))
    return Subject(kind, color, motion, rng.uniform(*across), rng.uniform(*up), size, rest,
                   rng.uniform(0.85, 1.15), rng.random(), facing)  # fmt: skip


def cast(
    rng: random.Random,
    members: Sequence[tuple[str, str, str]],
    place: str,
    relation: str | None = None,
) -> tuple[Subject, ...]:
    """Place up to three subjects, each a (kind, colour, motion), so that all are seen and `relation`
    holds."""
    count = len(members)
    if count == 1:
        return (subject(rng, *members[0], place),)
    scale = (1.0, 0.85, 0.72)[count - 1]
    if relation in ("above", "below"):
        rows = ((0.18, 0.28), (0.62, 0.7)) if relation == "above" else ((0.62, 0.7), (0.18, 0.28))
        return tuple(
            subject(rng, *member, place, x=(0.4, 0.6), y=row, scale=scale)
            for member, row in zip(members, rows, strict=True)
        )
    if relation in ("behind", "in front of"):
        first = subject(rng, *members[0], place, scale=scale)
        second = subject(rng, *members[1], place, scale=scale)
        aside = rng.choice((-1, 1)) * rng.uniform(0.09, 0.12)
        second = dataclasses.replace(second, x=first.x + aside, y=first.y - rng.uniform(0.0, 0.04),
                                     motion=first.motion, speed=first.speed, phase=first.phase,
                                     facing=first.facing, rest=first.rest)  # fmt: skip
        return first, second
    columns = [0.27, 0.73] if count == 2 else [0.2, 0.5, 0.8]
    if relation is None:  # who moves to the right begins on the left, and stays in view longer
        ranks = [({"right": 0, "left": 2}.get(motion, 1), rng.random()) for _, _, motion in members]
        columns = [columns[sorted(ranks).index(rank)] for rank in ranks]
    elif relation == "right of":
        columns[:2] = columns[1::-1]
    loose = 0.05 if count == 2 else 0.03
    heights: list[tuple[float, float] | None] = [None] * count
    if count == 2 and sorted(motion for _, _, motion in members) == ["left", "right"]:
        lanes = rng.sample([(0.2, 0.28), (0.52, 0.6)], 2)  # they pass each other
        in_air = [priors.rest(kind, place, motion) == "air" for kind, _, motion in members]
        heights = [lane if flies else None for lane, flies in zip(lanes, in_air, strict=True)]
    placed = [
        subject(
            rng,
            *member,
            place,
            x=(column - loose, column + loose),
            y=height,
            scale=scale * rng.uniform(0.72, 1.05),
        )
        for member, column, height in zip(members, columns, heights, strict=True)
    ]
    alike = len({(kind, motion) for kind, _, motion in members}) == 1
    if alike:  # two or three of a kind that move alike move together
        head = placed[0]
        placed = [dataclasses.replace(s, speed=head.speed, facing=head.facing) for s in placed]
        if head.motion in ("left", "right") and head.rest == "air":  # in a row, the first one ahead
            way, step = (1 if head.motion == "right" else -1), 0.24 if count == 2 else 0.17
            placed = [dataclasses.replace(s, x=0.5 + way * (0.1 - k * step)) for k, s in enumerate(placed)]
    return tuple(placed)


def sample_scene(rng: random.Random, *, subjects: int | None = None, held_out: bool | None = False) -> Scene:
    """Sample a scene as prompts ask for them. `subjects`: 0 to 3, or None for the usual shares. `held_out`:
    False never uses a pair of `HELD_OUT_PAIRS`, True uses one for the first subject, None allows them."""
    count = subjects if subjects is not None else rng.choices((0, 1, 2, 3), (0.07, 0.68, 0.17, 0.08))[0]
    if count not in range(MAX_SUBJECTS + 1):
        raise ValueError(f"subjects: a scene has 0 to {MAX_SUBJECTS} subjects, not {count}")
    place = rng.choice(PLACES)
    alike = count > 1 and rng.random() < 0.45
    members: list[tuple[str, str, str]] = []
    for number in range(count):
        if alike and members:
            kind, color, motion = members[0]
            if rng.random() < 0.5:
                color = rng.choice([c for c in COLORS if not held_out_pair(c, kind)])
            members.append((kind, color, motion))
            continue
        while True:
            if held_out and number == 0:
                color, kind = rng.choice(sorted(HELD_OUT_PAIRS))
            else:
                # words ask mostly for what is at home somewhere; the rest keeps odd wishes drawable
                kind = rng.choice(priors.HOMES[place]) if rng.random() < 0.6 else rng.choice(KINDS)
                color = rng.choice(COLORS)
                if held_out is not None and held_out_pair(color, kind):
                    continue
            if all(kind != other for other, _, _ in members):
                break
        motion = rng.choice(priors.MOTIONS[kind]) if rng.random() < 0.6 else rng.choice(MOTIONS)
        members.append((kind, color, motion))
    relation = None
    if count == 2 and not alike and rng.random() < 0.6:
        relation = rng.choice(RELATIONS)
    if count == 3 and not alike and rng.random() < 0.5:
        relation = rng.choice(RELATIONS[:2])
    weather = rng.choice(WEATHERS)
    if place in DRY and rng.random() < 0.85:
        weather = "clear"
    return Scene(
        subjects=cast(rng, members, place, relation) if members else (),
        time=rng.choice(TIMES),
        place=place,
        weather=weather,
        camera="still" if rng.random() < 0.5 else rng.choice(CAMERAS[1:]),
        relation=relation,
        seed=rng.randrange(2**31),
        pace=rng.uniform(0.8, 1.2),
    )


def held_out_pair(color: str, kind: str) -> bool:
    """Whether no training clip shows a subject of this kind in this colour."""
    return (color, kind) in HELD_OUT_PAIRS
