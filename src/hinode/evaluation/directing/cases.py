"""The cases of the directing suite: made once from a seed, committed, and read from their files."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hinode.errors import BadInput
from hinode.request import Trajectory
from hinode.world.book.plan import plan_of
from hinode.world.book.priors import COLORS, KINDS
from hinode.world.book.scene import (
    MOTIONS,
    TIMES,
    WEATHERS,
    Scene,
    held_out_pair,
    sample_scene,
    subject,
)
from hinode.world.book.words.caption import caption, restate
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import ParsedPrompt, SubjectFacts, parse

COUNT = 100  # cases of each metric
SECONDS = 2.0  # of a clip, unless its metric says otherwise
ASPECT = 16 / 9
STAYING = ("bounce", "circle", "still")  # motions that keep a subject in the frame for any time
PACE = (0.10, 0.45)  # slowest and fastest path, in frame widths per second
MARGIN = 0.22  # from every point of a path to the border, in fractions of the frame
POINTS = 5  # of a path
MOMENTS = 4  # of a clip, from which those of keyframes are chosen
VALUES = {"subject": KINDS, "color": COLORS, "time": TIMES, "weather": WEATHERS}
"""Facts that a prompt changes, with all their values."""


@dataclass(frozen=True)
class Case:
    """One case of a metric.

    Attributes:
        scene: of the prompt, and of the frames or the source that the case needs.
        kind: of the metric's cases.
        at: seconds at which a frame of the scene is shown.
        change: the fact that the prompt says otherwise than the scene.
        path: of the subject.
        shots: prompts of the shots of a film.
    """

    prompt: str
    scene: Scene
    kind: str = ""
    at: tuple[float, ...] = ()
    change: Mapping[str, str] = field(default_factory=dict)
    path: Trajectory = ()
    shots: tuple[str, ...] = ()

    def facts(self, *names: str) -> dict[str, str]:
        """What the clip has to show, by the names of the facts: "subject" (its kind), "color", "motion" and
        those of the scene."""
        scene, (first,) = self.scene, self.scene.subjects
        values = {**vars(scene), "subject": first.kind, "color": first.color, "motion": first.motion}
        values |= self.change
        return {name: values[name] for name in names}


_JSON = TypeAdapter(Case)


def make_cases(metric: str, namespace: str, count: int) -> list[Case]:
    """Cases of a metric (a key of `MAKERS`), the same for the same arguments. `namespace`: "evaluation" for
    the committed ones; settings are tried on cases of another name."""
    rng = random.Random(f"directing/{namespace}/{metric}")
    return [MAKERS[metric](rng, number) for number in range(count)]


def write(path: Path, cases: list[Case]) -> None:
    """Write cases to a file, one line each; what is as usual is left out."""
    lines = [_JSON.dump_json(case, exclude_defaults=True) for case in cases]
    path.write_bytes(b"\n".join(lines) + b"\n")


def read(path: Path) -> list[Case]:
    """The cases of a file. BadInput if there is no such file, or if it has other lines."""
    try:
        return [_JSON.validate_json(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        remedy = "name the folder benchmarks/prompts/directing of the repository"
        raise BadInput(f"the cases in {path} cannot be read", remedy, field="prompts") from error
    except ValidationError as error:
        message = f"{path} has lines that are no cases of the directing suite"
        remedy = "write them again with benchmarks/prompts/make.py"
        raise BadInput(message, remedy, field="prompts") from error


def _scene(rng: random.Random, motions: tuple[str, ...] = MOTIONS, cameras: tuple[str, ...] = ()) -> Scene:
    """A scene whose subject is completely in the frame for two seconds; its numbers are short."""
    while True:
        scene = sample_scene(rng, subjects=1)
        (first,) = scene.subjects
        numbers = {name: round(getattr(first, name), 4) for name in ("x", "y", "size", "speed", "phase")}
        first = dataclasses.replace(first, **numbers)
        scene = dataclasses.replace(scene, subjects=(first,), pace=round(scene.pace, 4))
        if first.motion in motions and (not cameras or scene.camera in cameras) and _is_seen(scene):
            return scene


def _is_seen(scene: Scene) -> bool:
    (keys,) = plan_of(scene, SECONDS, ASPECT).subjects
    return all(
        size / 2 <= x * ASPECT <= ASPECT - size / 2 and size / 2 <= y <= 1 - size / 2
        for x, y, size in zip(keys.x, keys.y, keys.size, strict=True)
    )


def _case(rng: random.Random, scene: Scene, **more: Any) -> Case:
    return Case(caption(scene, rng, "full"), scene, **more)


def _change(rng: random.Random, attribute: str, **more: Any) -> Case:
    """A case whose prompt gives one fact of a scene another value, and says so."""
    while True:
        scene = _scene(rng)
        (changed,) = scene.subjects
        value = rng.choice(VALUES[attribute])
        if attribute in ("subject", "color"):
            kind, color = {"subject": (value, changed.color), "color": (changed.kind, value)}[attribute]
            changed = dataclasses.replace(changed, kind=kind, color=color)
            target = dataclasses.replace(scene, subjects=(changed,))
        else:
            facts: dict[str, Any] = {attribute: value}
            target = dataclasses.replace(scene, **facts)
        prompt = caption(target, rng, "dense")
        spoken = parse(prompt, BOOK).facts().get(attribute) == value
        if target != scene and spoken and not held_out_pair(changed.color, changed.kind):
            return Case(prompt, scene, change={attribute: value}, **more)


MOVING = tuple(motion for motion in MOTIONS if motion != "still")
"""Nothing tells a still subject from a clip that is frozen."""


def _frames(rng: random.Random, number: int) -> Case:
    kind = ("first", "last", "keyframes")[number % 3]
    if kind == "keyframes":
        moments = sorted(rng.sample(range(MOMENTS), 3))
        at = tuple(moment / 2 + rng.randrange(1, MOMENTS) / 8 for moment in moments)
    else:
        at = (0.0,) if kind == "first" else (round(SECONDS - 1 / 24, 4),)
    return _case(rng, _scene(rng, MOVING), kind=kind, at=at)


def _storyboard(rng: random.Random, number: int) -> Case:
    scene = _scene(rng)
    (first,) = scene.subjects
    motions = rng.sample(MOTIONS, 6)
    cameras = rng.choices(("still", "still", "pan left", "pan right", "zoom in", "zoom out"), k=6)
    shots = []
    for motion, camera in zip(motions, cameras, strict=True):
        moving = subject(rng, first.kind, first.color, motion, scene.place)
        shots.append(caption(dataclasses.replace(scene, subjects=(moving,), camera=camera), rng, "full"))
    return Case(shots[0], scene, shots=tuple(shots))


def _trajectory(rng: random.Random, number: int) -> Case:
    scene = _scene(rng, cameras=("still",))
    (first,) = scene.subjects
    words = ParsedPrompt((SubjectFacts(first.kind, first.color),), scene.time, scene.place, scene.weather,
                         camera=None, understood=(), not_understood=())  # fmt: skip
    return Case(restate(words), scene, path=_path(rng))


def _path(rng: random.Random) -> Trajectory:
    """A path as a person might draw it: straight, curved or winding, anywhere in the frame."""
    step = SECONDS / (POINTS - 1)
    while True:
        x, y = rng.uniform(MARGIN, 1 - MARGIN), rng.uniform(MARGIN, 1 - MARGIN)
        direction, pace = rng.uniform(0, 2 * math.pi), rng.uniform(*PACE)
        curvature, winding = rng.choice((0.0, rng.uniform(-0.9, 0.9))), rng.choice((0.0, 0.5))
        path = [(0.0, round(x, 3), round(y, 3))]
        for index in range(1, POINTS):
            x, y = x + pace * step * math.cos(direction), y + pace * step * math.sin(direction)
            direction += curvature + rng.gauss(0, winding)
            path.append((index * step, round(x, 3), round(y, 3)))
        if all(MARGIN <= value <= 1 - MARGIN for _, *place in path for value in place):
            return tuple(path)


MAKERS: Mapping[str, Callable[[random.Random, int], Case]] = {
    "frames": _frames,
    "extension": lambda rng, number: _case(rng, _scene(rng), kind=("forward", "backward")[number % 2]),
    "loop": lambda rng, number: _case(rng, _scene(rng, MOVING), kind=("prompt", "clip")[number % 2]),
    "region": lambda rng, number: _change(
        rng, ("color", "subject")[number % 2], kind=("still mask", "moving mask")[number // 2 % 2]
    ),
    "remix": lambda rng, number: _change(rng, tuple(VALUES)[number % len(VALUES)]),
    "storyboard": _storyboard,
    "trajectory": _trajectory,
    # A straight path leaves the frame, and so does whatever stands still before a camera that pans.
    "minute": lambda rng, number: _case(rng, _scene(rng, STAYING, ("still",))),
    "framing": lambda rng, number: _case(rng, _scene(rng)),
}
"""What makes the cases of each metric."""
