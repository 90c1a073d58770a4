"""The scene graph of the drawn world: everything that is true about a clip, as frozen values.

A `Scene` holds facts a caption can name (who, what colour, doing what, when, where, which weather, which
camera move) and a few free numbers that only vary the drawing. The same scene always draws the same pixels.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

SUBJECTS = ("balloon", "bird", "boat", "kite", "rocket", "ball", "star", "train", "fish")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
MOTIONS = ("left", "right", "rise", "fall", "bounce", "circle", "still")
TIMES = ("dawn", "noon", "sunset", "night")
PLACES = ("hills", "mountains", "sea", "desert", "city")
WEATHERS = ("clear", "rain", "snow", "fog")
CAMERAS = ("still", "pan left", "pan right", "zoom in", "zoom out")

# Colour-subject pairs that no training clip ever shows: a model that draws them has learnt to combine.
HELD_OUT_PAIRS: frozenset[tuple[str, str]] = frozenset(
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
    """A whole clip: one or two subjects in one place, at one time of day, in one weather, by one camera.

    `terrain` (0..12) shifts the landscape, `sun` (-1..1) the sun or moon, `air` (0..1) clouds and drops;
    `pace` is how fast the camera moves, 1 the usual.
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

    def facts(self) -> dict[str, str]:
        """The attributes a judge is asked for, of the first subject and of the whole scene."""
        first = self.subjects[0]
        return {
            "subject": first.kind,
            "color": first.color,
            "motion": first.motion,
            "time": self.time,
            "place": self.place,
            "weather": self.weather,
            "camera": self.camera,
        }


def place_subject(rng: random.Random, kind: str, color: str, motion: str, side: int = 0) -> Subject:
    """Anchor a subject so that its path stays in the frame for about three seconds.

    `side`: 0 = the frame is its own, -1 / 1 = keep to the left / right half (scenes with two subjects).
    """
    wide = 0.06 if side else 0.12
    x = 0.5 + 0.24 * side + rng.uniform(-wide, wide)
    y = 0.42 + rng.uniform(-0.09, 0.09)
    if motion == "left":
        x = rng.uniform(0.66, 0.8)
    elif motion == "right":
        x = rng.uniform(0.2, 0.34)
    elif motion == "rise":
        y = rng.uniform(0.64, 0.74)
    elif motion == "fall":
        y = rng.uniform(0.18, 0.28)
    if side and motion in ("left", "right"):
        y = 0.45 + 0.2 * side + rng.uniform(-0.03, 0.03)
    size = rng.uniform(0.28, 0.36) * (0.8 if side else 1.0)
    return Subject(kind, color, motion, x, y, size, rng.uniform(0.88, 1.12), rng.random())


def sample_scene(rng: random.Random, *, subjects: int | None = None, held_out: bool | None = False) -> Scene:
    """Draw a random scene.

    `subjects`: 1, 2, or None for a mix (one in eight scenes has two). `held_out`: False never uses a pair of
    `HELD_OUT_PAIRS`, True uses one for the first subject, None does not care.
    """
    count = subjects if subjects is not None else (2 if rng.random() < 0.125 else 1)
    if count not in (1, 2):
        raise ValueError(f"a scene has 1 or 2 subjects, not {count}")
    cast: list[Subject] = []
    for index in range(count):
        while True:
            if held_out and index == 0:
                color, kind = rng.choice(sorted(HELD_OUT_PAIRS))
            else:
                kind, color = rng.choice(SUBJECTS), rng.choice(COLORS)
                if held_out is not None and (color, kind) in HELD_OUT_PAIRS:
                    continue
            if all(kind != other.kind for other in cast):  # two of a kind could not be told apart in words
                break
        side = 0 if count == 1 else (-1, 1)[index]
        cast.append(place_subject(rng, kind, color, rng.choice(MOTIONS), side))
    return Scene(
        subjects=tuple(cast),
        time=rng.choice(TIMES),
        place=rng.choice(PLACES),
        weather=rng.choice(WEATHERS),
        # a still camera is what most prompts mean, so half of the world's clips have one
        camera="still" if rng.random() < 0.5 else rng.choice(CAMERAS[1:]),
        terrain=rng.uniform(0.0, 12.0),
        sun=rng.uniform(-1.0, 1.0),
        air=rng.random(),
    )
