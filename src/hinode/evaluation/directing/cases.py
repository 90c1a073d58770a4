"""The cases of the directing suite: invented once from a seed, committed, and read from their files ever
after."""

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
from hinode.world.scene import (
    COLORS,
    HELD_OUT_PAIRS,
    MOTIONS,
    SUBJECTS,
    TIMES,
    WEATHERS,
    Scene,
    Subject,
    place_subject,
    sample_scene,
)

COUNT = 1000
"""Cases of each bar."""

SECONDS = 2.0
"""Length of what the judge looks at."""

STAYING = ("bounce", "circle", "still")
"""Motions that keep a subject in the picture for as long as a clip lasts."""

PACE = (0.10, 0.45)
"""Slowest and fastest drawn path, in frame widths per second: as fast as subjects of the world move."""
MARGIN = 0.22
"""How far a drawn path stays from every border, in fractions of the frame."""
POINTS = 5
"""Points that a path is drawn with."""


@dataclass(frozen=True)
class Case:
    """One thing that is tried.

    Attributes:
        prompt: what is asked for, in words.
        scene: what the words say, and what is drawn of it where the case needs pictures.
        kind: which kind of the bar's cases it is.
        at: seconds at which a frame is given.
        change: the fact that is to become another one, as a judge names it.
        path: where the subject is to go.
        shots: prompts of the shots of a film.
    """

    prompt: str
    scene: Scene
    kind: str = ""
    at: tuple[float, ...] = ()
    change: Mapping[str, str] = field(default_factory=dict)
    path: Trajectory = ()
    shots: tuple[str, ...] = ()

    def expected(self) -> dict[str, str]:
        """What a judge is to see in the end."""
        return {**self.scene.facts(), **self.change}

    def as_json(self) -> dict[str, Any]:
        """Plain values; what a case does not have is left out."""
        values = {name: value for name, value in vars(self).items() if value}
        scene = dataclasses.asdict(self.scene)
        (scene["subject"],) = scene.pop("subjects")
        del scene["pace"], scene["relation"]  # always the usual one, and none
        return {**values, "scene": scene}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Case:
        """The inverse of `as_json`."""
        scene = dict(values["scene"])
        subject = Subject(**scene.pop("subject"))
        return cls(
            prompt=values["prompt"],
            scene=Scene((subject,), **scene),
            kind=values.get("kind", ""),
            at=tuple(values.get("at", ())),
            change=dict(values.get("change", {})),
            path=tuple((t, x, y) for t, x, y in values.get("path", ())),
            shots=tuple(values.get("shots", ())),
        )


def generate(bar: str, namespace: str, count: int) -> list[Case]:
    """Cases of a bar, the same for the same words.

    Args:
        bar: a key of `INVENTORS`.
        namespace: "evaluation" for the committed ones; settings are tried on cases of another name.
        count: how many.
    """
    rng = random.Random(f"directing/{namespace}/{bar}")
    return [INVENTORS[bar](rng, number) for number in range(count)]


def write(path: Path, cases: list[Case]) -> None:
    """Write cases into a file, a line each."""
    lines = [json.dumps(case.as_json(), separators=(",", ":")) for case in cases]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> list[Case]:
    """The cases of a file.

    Raises:
        BadInput: there is no such file, or it has other lines.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Case.of(json.loads(line)) for line in lines]
    except OSError as error:
        raise BadInput(
            f"the cases in {path} cannot be read",
            "name the folder benchmarks/prompts/directing of the repository",
            field="prompts",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path} does not hold cases of the directing suite",
            "write them again with benchmarks/prompts/make.py",
            field="prompts",
        ) from error


def _scene(rng: random.Random, motions: tuple[str, ...] = MOTIONS, cameras: tuple[str, ...] = ()) -> Scene:
    """A scene with one subject, its free numbers short enough to be written down."""
    while True:
        scene = sample_scene(rng, subjects=1)
        (one,) = scene.subjects
        if one.motion in motions and (not cameras or scene.camera in cameras):
            break
    numbers = {name: round(getattr(one, name), 4) for name in ("x", "y", "size", "speed", "phase")}
    free = {name: round(getattr(scene, name), 4) for name in ("terrain", "sun", "air")}
    return dataclasses.replace(scene, subjects=(dataclasses.replace(one, **numbers),), **free)


def _told(rng: random.Random, scene: Scene, **more: Any) -> Case:
    return Case(caption(scene, rng, "full"), scene, **more)


def _changed(rng: random.Random, scene: Scene, attribute: str, **more: Any) -> Case:
    """A case that asks for another value of one attribute of a scene."""
    now = scene.facts()
    values = {"subject": SUBJECTS, "color": COLORS, "time": TIMES, "weather": WEATHERS}[attribute]
    while True:
        value = rng.choice(values)
        wanted = {**now, attribute: value}
        if value != now[attribute] and (wanted["color"], wanted["subject"]) not in HELD_OUT_PAIRS:
            break
    (one,) = scene.subjects
    one = dataclasses.replace(one, kind=wanted["subject"], color=wanted["color"])
    other = dataclasses.replace(scene, subjects=(one,), time=wanted["time"], weather=wanted["weather"])
    # Full captions may pass over clear weather.
    density = "dense" if attribute == "weather" else "full"
    return Case(caption(other, rng, density), scene, change={attribute: value}, **more)


def _frames(rng: random.Random, number: int) -> Case:
    kind = ("first", "last", "keyframes")[number % 3]
    # What does not move in the world cannot be told from a clip that stands still.
    scene = _scene(rng, tuple(motion for motion in MOTIONS if motion != "still"))
    if kind == "keyframes":
        moments = sorted(rng.sample(range(4), 3))
        at = tuple(moment / 2 + rng.randrange(1, 4) / 8 for moment in moments)
    else:
        at = (0.0,) if kind == "first" else (SECONDS - 1 / 8,)
    return _told(rng, scene, kind=kind, at=at)


def _extension(rng: random.Random, number: int) -> Case:
    return _told(rng, _scene(rng), kind=("forward", "backward")[number % 2])


def _loop(rng: random.Random, number: int) -> Case:
    scene = _scene(rng, tuple(motion for motion in MOTIONS if motion != "still"))
    return _told(rng, scene, kind=("prompt", "clip")[number % 2])


def _region(rng: random.Random, number: int) -> Case:
    attribute = ("color", "subject")[number % 2]
    return _changed(rng, _scene(rng), attribute, kind=("still mask", "moving mask")[number // 2 % 2])


def _remix(rng: random.Random, number: int) -> Case:
    return _changed(rng, _scene(rng), ("color", "subject", "time", "weather")[number % 4])


def _storyboard(rng: random.Random, number: int) -> Case:
    scene = _scene(rng)
    (one,) = scene.subjects
    motions = rng.sample(MOTIONS, 6)
    cameras = rng.choices(("still", "still", "pan left", "pan right", "zoom in", "zoom out"), k=6)
    shots = []
    for motion, camera in zip(motions, cameras, strict=True):
        moving = place_subject(rng, one.kind, one.color, motion)
        shots.append(caption(dataclasses.replace(scene, subjects=(moving,), camera=camera), rng, "full"))
    return Case(shots[0], scene, shots=tuple(shots))


def _trajectory(rng: random.Random, number: int) -> Case:
    scene = _scene(rng, cameras=("still",))
    (one,) = scene.subjects
    article = "an" if one.color[0] in "aeiou" else "a"
    time, place = lexicon.TIME_WORDS[scene.time][0], lexicon.PLACE_WORDS[scene.place][0]
    weather = "" if scene.weather == "clear" else f" {lexicon.WEATHER_WORDS[scene.weather][0]}"
    prompt = f"{article} {one.color} {one.kind} over the {place} {time}{weather}"
    return Case(prompt, scene, path=_path(rng))


def _path(rng: random.Random) -> Trajectory:
    """A path as a person might draw it: straight, bent, or winding, and anywhere in the picture."""
    step = SECONDS / (POINTS - 1)
    while True:
        x, y = rng.uniform(MARGIN, 1 - MARGIN), rng.uniform(MARGIN, 1 - MARGIN)
        direction, pace = rng.uniform(0, 2 * math.pi), rng.uniform(*PACE)
        bend, winding = rng.choice((0.0, rng.uniform(-0.9, 0.9))), rng.choice((0.0, 0.5))
        path = [(0.0, round(x, 3), round(y, 3))]
        for index in range(1, POINTS):
            x, y = x + pace * step * math.cos(direction), y + pace * step * math.sin(direction)
            direction += bend + rng.gauss(0, winding)
            path.append((index * step, round(x, 3), round(y, 3)))
        if all(MARGIN <= value <= 1 - MARGIN for _, *place in path for value in place):
            return tuple(path)


def _minute(rng: random.Random, number: int) -> Case:
    # A straight path leaves the picture after four seconds, and a zoom cannot go on for a minute.
    return _told(rng, _scene(rng, STAYING, ("still", "pan left", "pan right")))


def _framing(rng: random.Random, number: int) -> Case:
    return _told(rng, _scene(rng, cameras=("still", "pan left", "pan right")))


INVENTORS: Mapping[str, Callable[[random.Random, int], Case]] = {
    "frames": _frames,
    "extension": _extension,
    "loop": _loop,
    "region": _region,
    "remix": _remix,
    "storyboard": _storyboard,
    "trajectory": _trajectory,
    "minute": _minute,
    "framing": _framing,
}
"""What invents the cases of each bar."""
