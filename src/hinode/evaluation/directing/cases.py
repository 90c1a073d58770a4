"""The cases of the directing suite: made once from a seed, committed, and read from their files."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hinode.errors import BadInput
from hinode.request import Trajectory
from hinode.world import lexicon
from hinode.world.caption import caption
from hinode.world.judge import ATTRIBUTES
from hinode.world.scene import HELD_OUT_PAIRS, MOTIONS, Scene, Subject, place_subject, sample_scene

COUNT = 1000  # cases of each metric
SECONDS = 2.0  # what the judge sees of a clip
STAYING = ("bounce", "circle", "still")  # motions that keep a subject in the frame for any time
PACE = (0.10, 0.45)  # slowest and fastest path, in frame widths per second, as subjects of the world move
MARGIN = 0.22  # from every point of a path to the border, in fractions of the frame
POINTS = 5  # of a path


@dataclass(frozen=True)
class Case:
    """One case of a metric."""

    prompt: str
    scene: Scene  # of the prompt, and of the frames or the source that the case needs
    kind: str = ""  # of the metric's cases
    at: tuple[float, ...] = ()  # seconds at which a frame is given
    change: Mapping[str, str] = field(default_factory=dict)  # the fact that has to change
    path: Trajectory = ()  # of the subject
    shots: tuple[str, ...] = ()  # prompts of the shots of a film

    def expected(self) -> dict[str, str]:
        """The facts that the judge has to find."""
        return {**self.scene.facts(), **self.change}

    def as_json(self) -> dict[str, Any]:
        """Plain values; empty fields are left out."""
        values = {name: value for name, value in vars(self).items() if value}
        scene = dataclasses.asdict(self.scene)
        (scene["subject"],) = scene.pop("subjects")
        del scene["pace"], scene["relation"]  # always nominal, and none
        return {**values, "scene": scene}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Case:
        """The inverse of `as_json`."""
        scene = dict(values["scene"])
        subject = Subject(**scene.pop("subject"))
        tuples = {name: tuple(values.get(name, ())) for name in ("at", "shots")}
        path = tuple((t, x, y) for t, x, y in values.get("path", ()))
        return cls(**{**values, **tuples, "path": path, "scene": Scene((subject,), **scene)})


def make_cases(metric: str, namespace: str, count: int) -> list[Case]:
    """Cases of a metric (a key of `MAKERS`), the same for the same arguments. `namespace`: "evaluation" for
    the committed ones; settings are tried on cases of another name."""
    rng = random.Random(f"directing/{namespace}/{metric}")
    return [MAKERS[metric](rng, number) for number in range(count)]


def write(path: Path, cases: list[Case]) -> None:
    """Write cases to a file, one line each."""
    lines = [json.dumps(case.as_json(), separators=(",", ":")) for case in cases]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> list[Case]:
    """The cases of a file. BadInput if there is no such file, or if it has other lines."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Case.of(json.loads(line)) for line in lines]
    except OSError as error:
        remedy = "name the folder benchmarks/prompts/directing of the repository"
        raise BadInput(f"the cases in {path} cannot be read", remedy, field="prompts") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} has lines that are no cases of the directing suite"
        remedy = "write them again with benchmarks/prompts/make.py"
        raise BadInput(message, remedy, field="prompts") from error


def _scene(rng: random.Random, motions: tuple[str, ...] = MOTIONS, cameras: tuple[str, ...] = ()) -> Scene:
    """A scene with one subject, its free numbers short enough to be written down."""
    while True:
        scene = sample_scene(rng, subjects=1)
        (subject,) = scene.subjects
        if subject.motion in motions and (not cameras or scene.camera in cameras):
            break
    numbers = {name: round(getattr(subject, name), 4) for name in ("x", "y", "size", "speed", "phase")}
    free = {name: round(getattr(scene, name), 4) for name in ("terrain", "sun", "air")}
    return dataclasses.replace(scene, subjects=(dataclasses.replace(subject, **numbers),), **free)


def _case(rng: random.Random, scene: Scene, **more: Any) -> Case:
    return Case(caption(scene, rng, "full"), scene, **more)


def _change(rng: random.Random, scene: Scene, attribute: str, **more: Any) -> Case:
    """A case whose prompt gives one attribute of a scene another value."""
    before = scene.facts()
    while True:
        value = rng.choice(ATTRIBUTES[attribute])
        after = {**before, attribute: value}
        if value != before[attribute] and (after["color"], after["subject"]) not in HELD_OUT_PAIRS:
            break
    (subject,) = scene.subjects
    subject = dataclasses.replace(subject, kind=after["subject"], color=after["color"])
    target = dataclasses.replace(scene, subjects=(subject,), time=after["time"], weather=after["weather"])
    # Full captions may leave out clear weather.
    density = "dense" if attribute == "weather" else "full"
    return Case(caption(target, rng, density), scene, change={attribute: value}, **more)


def _moving_scene(rng: random.Random) -> Scene:
    """A scene whose subject moves: nothing tells a still one from a clip that is frozen."""
    return _scene(rng, tuple(motion for motion in MOTIONS if motion != "still"))


def _frames(rng: random.Random, number: int) -> Case:
    kind = ("first", "last", "keyframes")[number % 3]
    scene = _moving_scene(rng)
    if kind == "keyframes":
        moments = sorted(rng.sample(range(4), 3))
        at = tuple(moment / 2 + rng.randrange(1, 4) / 8 for moment in moments)
    else:
        at = (0.0,) if kind == "first" else (SECONDS - 1 / 8,)
    return _case(rng, scene, kind=kind, at=at)


def _region(rng: random.Random, number: int) -> Case:
    attribute = ("color", "subject")[number % 2]
    return _change(rng, _scene(rng), attribute, kind=("still mask", "moving mask")[number // 2 % 2])


def _storyboard(rng: random.Random, number: int) -> Case:
    scene = _scene(rng)
    (subject,) = scene.subjects
    motions = rng.sample(MOTIONS, 6)
    cameras = rng.choices(("still", "still", "pan left", "pan right", "zoom in", "zoom out"), k=6)
    shots = []
    for motion, camera in zip(motions, cameras, strict=True):
        moving = place_subject(rng, subject.kind, subject.color, motion)
        shots.append(caption(dataclasses.replace(scene, subjects=(moving,), camera=camera), rng, "full"))
    return Case(shots[0], scene, shots=tuple(shots))


def _trajectory(rng: random.Random, number: int) -> Case:
    scene = _scene(rng, cameras=("still",))
    (subject,) = scene.subjects
    article = "an" if subject.color[0] in "aeiou" else "a"
    time, place = lexicon.TIME_WORDS[scene.time][0], lexicon.PLACE_WORDS[scene.place][0]
    weather = "" if scene.weather == "clear" else f" {lexicon.WEATHER_WORDS[scene.weather][0]}"
    prompt = f"{article} {subject.color} {subject.kind} over the {place} {time}{weather}"
    return Case(prompt, scene, path=_path(rng))


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


PANS = ("still", "pan left", "pan right")
MAKERS: Mapping[str, Callable[[random.Random, int], Case]] = {
    "frames": _frames,
    "extension": lambda rng, number: _case(rng, _scene(rng), kind=("forward", "backward")[number % 2]),
    "loop": lambda rng, number: _case(rng, _moving_scene(rng), kind=("prompt", "clip")[number % 2]),
    "region": _region,
    "remix": lambda rng, number: _change(
        rng, _scene(rng), ("color", "subject", "time", "weather")[number % 4]
    ),
    "storyboard": _storyboard,
    "trajectory": _trajectory,
    # A straight path leaves the frame after four seconds, and a zoom cannot last a minute.
    "minute": lambda rng, number: _case(rng, _scene(rng, STAYING, PANS)),
    "framing": lambda rng, number: _case(rng, _scene(rng, cameras=PANS)),
}
"""What makes the cases of each metric."""
