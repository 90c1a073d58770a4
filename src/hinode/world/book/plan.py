"""Scene plans: what is where at every moment of a clip, before anything is drawn.

A `ScenePlan` is the layout of a clip as values that people can read and edit: seconds, and fractions of the
frame (0, 0 is its left upper corner). The planner draws one from words, the network draws pixels from it, and
every clip of the native engine carries the plan it was drawn from.
"""

from __future__ import annotations

import math
import random
from functools import partial
from typing import Annotated, Self

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo
from torch import Tensor

from hinode.errors import quote
from hinode.world.book import motion
from hinode.world.book.priors import COLORS, KINDS, PLACES, RESTS
from hinode.world.book.scene import CAMERAS, MAX_SUBJECTS, TIMES, WEATHERS, Scene
from hinode.world.book.sounds.sound import EVENTS

STEP = 1 / 6
"""Seconds from key to key: the start and the middle of every third of a second."""
MAX_SECONDS = 60.0
THUNDER = (5.0, 14.0)
"""Seconds from thunder to thunder in the rain."""


def _one_of(values: tuple[str, ...], value: str) -> str:
    if value not in values:
        raise ValueError(f"{quote(value)} is not known; use one of {', '.join(values)}")
    return value


def _choice(values: tuple[str, ...]) -> FieldInfo:
    info: FieldInfo = Field(json_schema_extra={"enum": list(values)})
    return info


Kind = Annotated[str, AfterValidator(partial(_one_of, KINDS)), _choice(KINDS)]
Color = Annotated[str, AfterValidator(partial(_one_of, COLORS)), _choice(COLORS)]
Rest = Annotated[str, AfterValidator(partial(_one_of, RESTS)), _choice(RESTS)]
Move = Annotated[str, AfterValidator(partial(_one_of, CAMERAS)), _choice(CAMERAS)]
Event = Annotated[str, AfterValidator(partial(_one_of, EVENTS)), _choice(EVENTS)]
PlaceName = Annotated[str, AfterValidator(partial(_one_of, PLACES)), _choice(PLACES)]
TimeName = Annotated[str, AfterValidator(partial(_one_of, TIMES)), _choice(TIMES)]
WeatherName = Annotated[str, AfterValidator(partial(_one_of, WEATHERS)), _choice(WEATHERS)]
Place = Annotated[float, Field(ge=-2.0, le=3.0)]
Keys = Annotated[tuple[Place, ...], Field(min_length=2)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SubjectPlan(_Value):
    """One subject. Every list has a value for each key, `STEP` seconds apart from 0 s on.

    `x`, `y`: its middle, as the camera sees it. `size`: its larger side in short sides of the frame. `tilt`:
    degrees, clockwise. `facing`: 1 right, -1 left, between while it turns round. `beat`: phase of its wings
    or steps, 0..1.
    """

    kind: Kind
    color: Color
    rest: Rest = "air"
    x: Keys
    y: Keys
    size: Keys
    tilt: Annotated[tuple[Annotated[float, Field(ge=-1e5, le=1e5)], ...], Field(min_length=2)]
    facing: Annotated[tuple[Annotated[float, Field(ge=-1, le=1)], ...], Field(min_length=2)]
    beat: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=2)]


class CameraPlan(_Value):
    """The camera: the move that words name, and for each key by how much the nearest layer has moved (`x`,
    `y` in short sides) and is enlarged (`scale`), and the farthest layer's `zoom`."""

    move: Move = "still"
    x: Keys
    y: Keys
    scale: Keys
    zoom: Keys


class SoundEvent(_Value):
    """Something that sounds at a moment (seconds) beside what a subject sounds like anyway, by a subject (its
    number from 0, or None for the weather)."""

    time: Annotated[float, Field(ge=0, le=MAX_SECONDS)]
    kind: Event
    subject: Annotated[int, Field(ge=0, lt=MAX_SUBJECTS)] | None = None


class LandPlan(_Value):
    """Which land of its place a clip shows; a number gives the same hills, houses and clouds every time.

    `x`, `y`: by how much the nearest layer has moved before the plan begins, in short sides. `seconds`: how
    long clouds and waves have moved before, and `pace`: how fast they move, -1 backward.
    """

    number: Annotated[int, Field(ge=0, lt=2**63)]
    x: float = 0.0
    y: float = 0.0
    seconds: float = 0.0
    pace: float = 1.0


class ScenePlan(_Value):
    """The layout of a whole clip. See the module."""

    seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)]
    place: PlaceName
    time: TimeName
    weather: WeatherName
    camera: CameraPlan
    subjects: Annotated[tuple[SubjectPlan, ...], Field(max_length=MAX_SUBJECTS)] = ()
    events: tuple[SoundEvent, ...] = ()
    land: LandPlan | None = None

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        count = key_count(self.seconds)
        owners: dict[str, BaseModel] = {"camera": self.camera}
        owners |= {f"subjects[{number}]": subject for number, subject in enumerate(self.subjects)}
        for owner, value in owners.items():
            for name, keys in value:
                if isinstance(keys, tuple) and len(keys) != count:
                    needed = f"{self.seconds:g} seconds need {count}, one each sixth of a second"
                    raise ValueError(f"{owner}.{name} has {len(keys)} keys; {needed}")
        for k, event in enumerate(self.events):
            if event.subject is not None and event.subject >= len(self.subjects):
                raise ValueError(
                    f"events[{k}].subject is {event.subject}; the plan has {len(self.subjects)} subjects"
                )
        return self


def key_count(seconds: float) -> int:
    """How many keys a plan of so many seconds has."""
    return math.ceil(seconds / STEP - 1e-6) + 1


def key_times(seconds: float, device: torch.device | str = "cpu") -> Tensor:
    """The moments of the keys in seconds, [K]."""
    return torch.arange(key_count(seconds), device=device, dtype=torch.float32) * STEP


def plan_of(scene: Scene, seconds: float, aspect: float, start: float = 0.0) -> ScenePlan:
    """The plan that a scene follows, from `start` on. `aspect`: width / height of the frame."""
    moments = key_times(seconds) + start
    camera = motion.camera_path(scene, moments, aspect)
    across, down = camera.shift(1.0)
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)

    def keys(values: Tensor, digits: int = 4) -> tuple[float, ...]:
        return tuple(round(value, digits) for value in values.tolist())

    subjects, events = [], []
    for number, subject in enumerate(scene.subjects):
        path = motion.track(scene, subject, moments, camera, aspect)
        subjects.append(SubjectPlan(
            kind=subject.kind, color=subject.color, rest=subject.rest,
            x=keys((path.x / wide + 0.5).clamp(-2.0, 3.0)), y=keys((path.y / high + 0.5).clamp(-2.0, 3.0)),
            size=keys((path.half * 2).clamp(max=3.0)), tilt=keys(path.tilt * (180.0 / math.pi), 2),
            facing=keys(path.facing, 3), beat=keys(path.beat, 3),
        ))  # fmt: skip
        events += [SoundEvent(time=round(moment - start, 4), kind="thump", subject=number)
                   for moment in motion.contacts(subject, start, start + seconds)]  # fmt: skip
    events += [SoundEvent(time=moment, kind="thunder") for moment in _thunder(scene, start, seconds)]
    return ScenePlan(
        seconds=seconds, place=scene.place, time=scene.time, weather=scene.weather,
        camera=CameraPlan(move=scene.camera, x=keys(across.clamp(-2.0, 3.0)), y=keys(down),
                          scale=keys(camera.scale(1.0)), zoom=keys(camera.zoom)),
        subjects=tuple(subjects), events=tuple(sorted(events, key=lambda event: event.time)),
        land=LandPlan(number=scene.seed, seconds=start),
    )  # fmt: skip


def _thunder(scene: Scene, start: float, seconds: float) -> list[float]:
    """The moments of thunder in the rain, in seconds from `start`."""
    moments: list[float] = []
    if scene.weather == "rain":
        rng, moment = random.Random(scene.seed), 0.0
        while (moment := moment + rng.uniform(*THUNDER)) < start + seconds:
            moments += [round(moment - start, 4)] if moment >= start else []
    return moments
