"""Cases of the physics suite: scenes whose subject moves, or goes out of sight and comes back."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass

from hinode.world.caption import caption
from hinode.world.motion import CIRCLE_PERIOD, SPEED
from hinode.world.scene import COLORS, MOTIONS, SUBJECTS, Scene, Subject, place_subject, sample_scene

CONTEXT_SECONDS, SECONDS = 1.0, 4.0  # of the footage that is given, and of the whole clip
MOMENTS = (1.25, 1.75, 2.25, 2.75, 3.25, 3.75)  # seconds at which moving subjects are searched for
OPAQUE = ("ball", "balloon")  # cut-outs that hide what is behind them


@dataclass(frozen=True)
class Case:
    """A scene whose beginning is given."""

    scene: Scene
    watched: int  # which of its subjects is searched for
    at: tuple[float, ...]  # seconds at which it is visible: anywhere on its way, or after it came back
    prompt: str

    def snapped(self, fps: float) -> Case:
        """The case with its moments moved to the nearest frames."""
        at = tuple(min(round(moment * fps), SECONDS * fps) / fps for moment in self.at)
        return dataclasses.replace(self, at=at)


def make_motion(rng: random.Random, number: int) -> Case:
    """One subject on its way, every kind of motion in turn."""
    scene = dataclasses.replace(sample_scene(rng, subjects=1), camera="still")
    (subject,) = scene.subjects
    subject = place_subject(rng, subject.kind, subject.color, MOTIONS[number % len(MOTIONS)])
    return _case(rng, scene, (subject,), MOMENTS)


def make_behind(rng: random.Random, number: int) -> Case:
    """A subject passes behind a larger one that stands still."""
    scene = _calm_scene(rng)
    y, speed = rng.uniform(0.38, 0.46), rng.uniform(1.06, 1.12)
    x = 0.06 + rng.uniform(-0.01, 0.01)
    first, second = rng.sample(COLORS, 2)
    near = Subject(rng.choice(OPAQUE), first, "still", 0.5, y, 0.30, 1.0, rng.random())
    kind = rng.choice([kind for kind in SUBJECTS if kind not in OPAQUE])
    motion, start = ("right", x) if number % 2 == 0 else ("left", 1 - x)
    far = Subject(kind, second, motion, start, y, 0.22, speed, rng.random())
    out = (0.27 + 0.5 - x) / (SPEED * speed)  # seconds until it has come out on the other side
    return _case(rng, scene, (near, far), _moments(out))


def make_beyond(rng: random.Random, number: int) -> Case:
    """A subject circles out of the picture and comes back on the same side."""
    scene = _calm_scene(rng)
    right = number % 2 == 0
    speed = rng.uniform(0.95, 1.05)
    turn = speed / CIRCLE_PERIOD  # per second
    # 72 degrees before its farthest
    phase = ((-0.2 if right else 0.3) - turn * CONTEXT_SECONDS) % 1.0
    subject = dataclasses.replace(_watched(rng, "circle", 1.02 if right else -0.02, speed), phase=phase)
    # 126 degrees after its farthest
    return _case(rng, scene, (subject,), _moments(CONTEXT_SECONDS + 0.55 / turn))


def make_around(rng: random.Random, number: int) -> Case:
    """A subject leaves on one side and enters on the other, as paths in this world do."""
    scene = _calm_scene(rng)
    x, speed = rng.uniform(0.78, 0.8), rng.uniform(1.06, 1.12)
    motion, start = ("right", x) if number % 2 == 0 else ("left", 1 - x)
    subject = dataclasses.replace(_watched(rng, motion, start, speed), phase=rng.random())
    return _case(rng, scene, (subject,), _moments(3.5))


METRICS: dict[str, tuple[Callable[[random.Random, int], Case], int]] = {
    "motion": (make_motion, 70),
    "behind": (make_behind, 48),
    "beyond": (make_beyond, 48),
    "around": (make_around, 48),
}
"""What makes the cases of each metric, and how many there are."""


def make_cases(metric: str, count: int | None = None, namespace: str = "evaluation") -> list[Case]:
    """The cases of one metric, always the same ones; of another namespace for choosing settings."""
    make, default = METRICS[metric]
    rng = random.Random(f"physics/{namespace}/{metric}")
    return [make(rng, number) for number in range(default if count is None else count)]


def _calm_scene(rng: random.Random) -> Scene:
    return dataclasses.replace(sample_scene(rng, subjects=1), camera="still", weather="clear")


def _watched(rng: random.Random, motion: str, x: float, speed: float) -> Subject:
    color, _ = rng.sample(COLORS, 2)
    kind, y = rng.choice(SUBJECTS), rng.uniform(0.38, 0.46)
    return Subject(kind, color, motion, x, y, 0.29, speed)


def _moments(first: float) -> tuple[float, ...]:
    return first, first + 0.2, first + 0.4


def _case(rng: random.Random, scene: Scene, subjects: tuple[Subject, ...], at: tuple[float, ...]) -> Case:
    """A case that watches the last of some subjects."""
    scene = dataclasses.replace(scene, subjects=subjects)
    return Case(scene, len(subjects) - 1, at, caption(scene, rng, "full"))
