"""The scene graph of the drawn world: everything that is true about a clip, as frozen values.

A `Scene` holds the facts that a caption can name (subjects, colours, motions, time, place, weather, camera)
and a few free numbers that only vary the picture. The same scene always gives the same pixels.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass

SUBJECTS = ("balloon", "bird", "boat", "kite", "rocket", "ball", "star", "train", "fish")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
MOTIONS = ("left", "right", "rise", "fall", "bounce", "circle", "still")
TIMES = ("dawn", "noon", "sunset", "night")
PLACES = ("hills", "mountains", "sea", "desert", "city")
WEATHERS = ("clear", "rain", "snow", "fog")
CAMERAS = ("still", "pan left", "pan right", "zoom in", "zoom out")
RELATIONS = ("left of", "right of", "above", "below", "behind", "in front of")
ANY = "any"
MAX_SUBJECTS = 3
CASTS = (0.875, 0.125, 0.0)  # shares of scenes with one, two and three subjects

UPRIGHT = ("rise", "fall", "bounce", "circle", "still")  # motions that keep a subject beside another
LEVEL = ("left", "right", "bounce", "circle", "still")  # and above or below it
COLUMNS, ROWS = (0.26, 0.74), (0.25, 0.63)  # places of two subjects side by side, and one above the other
THIRDS = (0.22, 0.5, 0.78)  # of three side by side
SCALES = (1.0, 0.8, 0.68)  # of one, two and three subjects

# Pairs of colour and subject that no training clip shows: a model that draws them can combine what it knows.
HELD_OUT_PAIRS = frozenset(
    {("purple", "boat"), ("green", "bird"), ("pink", "rocket"), ("blue", "star"), ("orange", "fish")}
)


@dataclass(frozen=True)
class Subject:
    """One paper cut-out and its path.

    `x`, `y`: anchor in fractions of the frame (0, 0 = top left); where the path starts, or its centre.
    `size`: height of the cut-out in short sides of the frame. `speed`: 1 = nominal. `phase`: 0..1, shifts
    every periodic movement.
    """

    kind: str
    color: str
    motion: str
    x: float = 0.5
    y: float = 0.42
    size: float = 0.32
    speed: float = 1.0
    phase: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A whole clip: up to three subjects in one place, at one time of day, in one weather, by one camera.

    `relation`: where the first subject is, seen from the second, by the means of their paths over two seconds
    (one of `RELATIONS`); None: no relation is meant. The first subject is nearest to the camera, unless it is
    behind the second. `terrain` (0..12) shifts the landscape, `sun` (-1..1) the sun or moon, `air` (0..1)
    clouds and drops; `pace`: speed of the camera, 1 = nominal.
    """

    subjects: tuple[Subject, ...]
    time: str = "noon"
    place: str = "hills"
    weather: str = "clear"
    camera: str = "still"
    terrain: float = 0.0
    sun: float = 0.0
    air: float = 0.0
    pace: float = 1.0
    relation: str | None = None

    def facts(self) -> dict[str, str]:
        """The attributes of the first subject and of the whole scene, in the judge's names."""
        first = self.subjects[0]
        facts = {"subject": first.kind, "color": first.color, "motion": first.motion}
        return facts | {name: getattr(self, name) for name in ("time", "place", "weather", "camera")}


def place_subject(rng: random.Random, kind: str, color: str, motion: str) -> Subject:
    """Anchor a single subject so that its path stays in the frame for about three seconds."""
    x = 0.5 + rng.uniform(-0.12, 0.12)
    y = 0.42 + rng.uniform(-0.09, 0.09)
    if motion == "left":
        x = rng.uniform(0.66, 0.8)
    elif motion == "right":
        x = rng.uniform(0.2, 0.34)
    elif motion == "rise":
        y = rng.uniform(0.64, 0.74)
    elif motion == "fall":
        y = rng.uniform(0.18, 0.28)
    return Subject(kind, color, motion, x, y, rng.uniform(0.28, 0.36), rng.uniform(0.88, 1.12), rng.random())


def place_cast(
    rng: random.Random,
    cast: Sequence[tuple[str, str]],
    relation: str | None = ANY,
    motions: Sequence[str] = (),
) -> tuple[str | None, list[Subject]]:
    """Anchor subjects, each a (kind, colour); returns the relation of the first to the second, and them.

    `relation`: one of `RELATIONS`, None for none, or by default any that so many subjects can have. Three
    stand side by side. `motions`: of the subjects, by default any that keep the relation.
    """
    count = len(cast)
    if count == 1:
        ((kind, color),) = cast
        return None, [place_subject(rng, kind, color, motions[0] if motions else rng.choice(MOTIONS))]
    if relation == ANY:
        relation = None if rng.random() < 0.3 else rng.choice(RELATIONS if count == 2 else RELATIONS[:2])
    if relation in ("behind", "in front of"):
        return relation, _overlapping(rng, cast, motions[0] if motions else rng.choice(MOTIONS))
    upright = relation not in ("above", "below")
    fitting = UPRIGHT if relation in RELATIONS[:2] or count == 3 else MOTIONS if upright else LEVEL
    subjects, loose = [], 0.05 if count == 2 else 0.02
    if upright:
        places = list(COLUMNS if count == 2 else rng.sample(THIRDS, 3))
        ascending = {"right of": False, "left of": True}.get(relation or "", places[0] < places[1])
        places[:2] = sorted(places[:2], reverse=not ascending)
    else:
        places = list(ROWS if relation == "above" else ROWS[::-1])
    for number, ((kind, color), place) in enumerate(zip(cast, places, strict=True)):
        motion = motions[number] if motions else rng.choice(fitting)
        subject = place_subject(rng, kind, color, motion)
        x, y, passes = subject.x, subject.y, motion in ("left", "right")
        if not upright:
            x = x if passes else 0.5 + rng.uniform(-0.12, 0.12)
            y = place + rng.uniform(-0.03, 0.03)
        elif passes:  # they pass each other at different heights
            y = (0.25 if place < 0.5 else 0.65) + rng.uniform(-0.03, 0.03)
        else:
            x = place + rng.uniform(-loose, loose)
        subjects.append(dataclasses.replace(subject, x=x, y=y, size=subject.size * SCALES[count - 1]))
    return relation, subjects


def _overlapping(rng: random.Random, cast: Sequence[tuple[str, str]], motion: str) -> list[Subject]:
    """Two subjects that move together, one covering a part of the other."""
    (first_kind, first_color), (kind, color) = cast
    first = place_subject(rng, first_kind, first_color, motion)
    x = {"left": max(first.x, 0.72), "right": min(first.x, 0.28)}.get(motion, first.x)
    first = dataclasses.replace(first, x=x, size=first.size * 0.85, speed=min(first.speed, 1.0))
    aside, up = rng.choice((-1, 1)) * rng.uniform(0.12, 0.145), rng.uniform(-0.04, 0.04)
    second = dataclasses.replace(first, kind=kind, color=color, x=first.x + aside, y=first.y + up)
    return [dataclasses.replace(subject, x=subject.x - aside / 3) for subject in (first, second)]


def sample_scene(
    rng: random.Random,
    *,
    subjects: int | None = None,
    held_out: bool | None = False,
    casts: tuple[float, float, float] = CASTS,
) -> Scene:
    """Sample a random scene. `subjects`: 1, 2, 3, or None for a mix with the shares `casts`. `held_out`:
    False never uses a pair of `HELD_OUT_PAIRS`, True uses one for the first subject, None allows them."""
    single, *several = casts  # in this order, so that seeds give the scenes that they gave before `casts`
    count = subjects if subjects is not None else rng.choices((2, 3, 1), (*several, single))[0]
    if count not in range(1, MAX_SUBJECTS + 1):
        raise ValueError(f"a scene has 1 to {MAX_SUBJECTS} subjects, not {count}")
    cast: list[tuple[str, str]] = []
    for index in range(count):
        while True:
            if held_out and index == 0:
                color, kind = rng.choice(sorted(HELD_OUT_PAIRS))
            else:
                kind, color = rng.choice(SUBJECTS), rng.choice(COLORS)
                if held_out is not None and (color, kind) in HELD_OUT_PAIRS:
                    continue
            if all(kind != other for other, _ in cast):  # words cannot tell two of a kind apart
                break
        cast.append((kind, color))
    relation, placed = place_cast(rng, cast)
    return Scene(
        subjects=tuple(placed),
        time=rng.choice(TIMES),
        place=rng.choice(PLACES),
        weather=rng.choice(WEATHERS),
        # most prompts mean a still camera, so half of the world's clips have one
        camera="still" if rng.random() < 0.5 else rng.choice(CAMERAS[1:]),
        terrain=rng.uniform(0.0, 12.0),
        sun=rng.uniform(-1.0, 1.0),
        air=rng.random(),
        relation=relation,
    )
