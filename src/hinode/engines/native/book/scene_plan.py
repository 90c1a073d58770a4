"""Scene plans on their way to the network: paths and cameras of a person put in, parts cut out, frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinode.model.plan_tensors import PlanTensors
from hinode.request import Size, Trajectory
from hinode.world.book.motion import PROFILES
from hinode.world.book.picture.preview import between, camera_at, plan_land, track_at
from hinode.world.book.plan import MAX_SECONDS, CameraPlan, LandPlan, ScenePlan, key_times
from hinode.world.book.priors import COLORS, KINDS, PLACES
from hinode.world.book.reading import read_motion
from hinode.world.book.scene import CAMERAS, MAX_SUBJECTS, TIMES, WEATHERS
from hinode.world.prompts.facts import ParsedPrompt

LEAST_MOVE = 0.02
"""Short sides of a pan, or e-folds of a zoom, below which a camera in numbers counts as still."""
COORDINATES = (-2.0, 3.0)
"""Range of a plan's places."""


def plan_frames(plan: ScenePlan, moments: Tensor, size: Size) -> PlanTensors:
    """A plan at T `moments` (seconds) as the network reads it in frames of a size, a batch of one."""
    width, height = size
    aspect = width / height
    camera, count, frames = camera_at(plan, moments), len(plan.subjects), len(moments)
    across, down = camera.shift(1.0)
    kinds = torch.full((1, MAX_SUBJECTS), -1)
    colors = kinds.clone()
    tracks = torch.zeros(1, MAX_SUBJECTS, frames, 6)
    tracks[..., 2], tracks[..., 4] = 0.1, 1.0  # no subject: nothing that one cannot divide by
    for slot, subject in enumerate(plan.subjects[:count]):
        kinds[0, slot], colors[0, slot] = KINDS.index(subject.kind), COLORS.index(subject.color)
        path = track_at(plan, slot, moments, camera, aspect)
        values = (path.x, path.y, path.half.clamp(min=0.01), path.tilt, path.facing, path.beat)
        tracks[0, slot] = torch.stack(values, -1)
    facts = (PLACES.index(plan.place), TIMES.index(plan.time), WEATHERS.index(plan.weather),
             CAMERAS.index(plan.camera.move))  # fmt: skip
    moves = torch.stack((across, down, camera.scale(1.0).log(), camera.zoom.log()), -1)
    land = plan_land(plan, moments, width=width, height=height)
    return PlanTensors(
        torch.tensor([facts]), moves[None], kinds, colors, tracks, None if land is None else land[None]
    )


def follow_path(plan: ScenePlan, path: Trajectory) -> ScenePlan:
    """The plan with its first subject on a path (seconds, x, y in fractions of the frame). A plan without
    subjects stays as it is."""
    if not (path and plan.subjects):
        return plan
    when, x, y = (np.array(values) for values in zip(*path, strict=True))
    moments = key_times(plan.seconds).numpy()
    first = plan.subjects[0].model_copy(update={"x": _keys(np.interp(moments, when, x)),
                                                "y": _keys(np.interp(moments, when, y))})  # fmt: skip
    return plan.model_copy(update={"subjects": (first, *plan.subjects[1:])})


def move_camera(plan: ScenePlan, camera: Trajectory, aspect: float, *, fixed: bool = False) -> ScenePlan:
    """The plan seen by a camera in numbers (seconds, pan in short sides, zoom as a factor). With `fixed` the
    first subject stays where it is in the frame."""
    if not camera:
        return plan
    moments = key_times(plan.seconds)
    when, pans, zooms = (np.array(values) for values in zip(*camera, strict=True))
    pan = np.interp(moments.numpy(), when, pans)
    zoom = np.interp(moments.numpy(), when, zooms)
    turned, nearer = pan[-1] - pan[0], math.log(zoom[-1] / zoom[0])
    move = "still"
    if max(abs(turned), abs(nearer)) > LEAST_MOVE:
        sides = ("pan right" if turned > 0 else "pan left", "zoom in" if nearer > 0 else "zoom out")
        move = sides[int(abs(nearer) > abs(turned))]
    keys = CameraPlan(
        move=move, x=_keys(pan - pan[0]), y=_keys(0.0 * pan), scale=_keys(zoom), zoom=_keys(zoom)
    )
    moved = plan.model_copy(update={"camera": keys})
    view = camera_at(moved, moments)
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    subjects = []
    for number, subject in enumerate(plan.subjects):
        if not (fixed and number == 0):
            path = track_at(plan, number, moments, view, aspect)
            subject = subject.model_copy(update={
                "x": _keys((path.x / wide + 0.5).numpy()), "y": _keys((path.y / high + 0.5).numpy()),
                "size": tuple(min(3.0, max(0.0, 2.0 * half)) for half in path.half.tolist()),
            })  # fmt: skip
        subjects.append(subject)
    return moved.model_copy(update={"subjects": tuple(subjects)})


def cut_plan(plan: ScenePlan, start: float, seconds: float) -> ScenePlan:
    """The part of a plan from `start` on; beyond its end everything stays as it is there. The camera's moves
    are counted from the beginning of the part."""
    moments = key_times(seconds) + start

    def part(values: Any) -> dict[str, Any]:
        keys = {name: value for name, value in values if isinstance(value, tuple)}
        return {name: _within(name, between(value, moments)) for name, value in keys.items()}

    subjects = tuple(subject.model_copy(update={**part(subject), "beat": _beats(subject.beat, moments)})
                     for subject in plan.subjects)  # fmt: skip
    camera = part(plan.camera)
    land = _later_land(plan, start)
    for name in ("x", "y"):
        camera[name] = tuple(value - camera[name][0] for value in camera[name])
    events = tuple(event.model_copy(update={"time": event.time - start}) for event in plan.events
                   if start <= event.time < start + seconds)  # fmt: skip
    update = {"seconds": seconds, "subjects": subjects, "events": events, "land": land,
              "camera": plan.camera.model_copy(update=camera)}  # fmt: skip
    return plan.model_copy(update=update)


def _later_land(plan: ScenePlan, seconds: float) -> LandPlan | None:
    """The land of a plan as it is some seconds later."""
    if plan.land is None:
        return None
    moment = torch.tensor([seconds])
    x, y = (float(between(keys, moment)) for keys in (plan.camera.x, plan.camera.y))
    land = plan.land
    moved = {"x": land.x + x, "y": land.y + y, "seconds": land.seconds + land.pace * seconds}
    return land.model_copy(update=moved)


def _within(name: str, values: Tensor) -> tuple[float, ...]:
    """Values in the range of their name: a curve through keys may leave it between them."""
    if name == "beat":
        return tuple((values % 1.0).tolist())
    limits = {"facing": (-1.0, 1.0), "tilt": (-1e5, 1e5), "size": (0.02, 3.0), "scale": (0.02, 3.0),
              "zoom": (0.02, 3.0)}  # fmt: skip
    return tuple(values.clamp(*limits.get(name, COORDINATES)).tolist())


def _beats(beats: tuple[float, ...], moments: Tensor) -> tuple[float, ...]:
    turns = np.unwrap(np.array(beats), period=1.0)
    return tuple((between(turns.tolist(), moments) % 1.0).tolist())


def _keys(values: Any) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in np.clip(values, *COORDINATES))


def chain(plans: Sequence[ScenePlan]) -> ScenePlan | None:
    """Plans one after another as one; None if they have different casts."""
    first = plans[0]
    cast = [(subject.kind, subject.color) for subject in first.subjects]
    if any([(subject.kind, subject.color) for subject in plan.subjects] != cast for plan in plans):
        return None
    starts = np.cumsum([0.0, *(plan.seconds for plan in plans)]).tolist()
    if starts[-1] > MAX_SECONDS:
        return None
    moments = key_times(starts[-1])
    numbers = np.searchsorted(starts[1:-1], moments.numpy() + 1e-6, side="right").tolist()

    def keys(owners: Sequence[Any], name: str) -> tuple[float, ...]:
        curves = [getattr(owner, name) for owner in owners]
        if name == "beat":  # a phase that begins anew must not be drawn through the middle
            curves = [tuple(np.unwrap(np.array(curve), period=1.0).tolist()) for curve in curves]
        values = [between(curves[k], moment - starts[k]) for k, moment in zip(numbers, moments, strict=True)]
        return _within(name, torch.stack(values))

    subjects = tuple(
        subject.model_copy(update={name: keys([plan.subjects[number] for plan in plans], name)
                                   for name, value in subject if isinstance(value, tuple)})
        for number, subject in enumerate(first.subjects)
    )  # fmt: skip
    cameras = [first.camera]
    for plan in plans[1:]:  # each part counts its moves from its own beginning
        moved = {name: _shifted(getattr(plan.camera, name), getattr(cameras[-1], name)[-1], False)
                 for name in ("x", "y")}  # fmt: skip
        cameras.append(plan.camera.model_copy(update=moved))
    camera = first.camera.model_copy(
        update={name: keys(cameras, name) for name in ("x", "y", "scale", "zoom")}
    )
    events = tuple(event.model_copy(update={"time": event.time + start})
                   for plan, start in zip(plans, starts, strict=False) for event in plan.events)  # fmt: skip
    return first.model_copy(update={"seconds": starts[-1], "subjects": subjects, "camera": camera,
                                    "events": events})  # fmt: skip


def restate(plan: ScenePlan, parsed: ParsedPrompt) -> ScenePlan:
    """The plan with what a prompt says put in: kinds and colours, place, time and weather. Paths and camera
    stay."""
    spec = {name: getattr(parsed, name) for name in ("place", "time", "weather")}
    changes: dict[str, Any] = {name: value for name, value in spec.items() if value is not None}
    subjects = list(plan.subjects)
    for number, (subject, facts) in enumerate(zip(subjects, parsed.subjects, strict=False)):
        names = {"kind": facts.kind, "color": facts.color}
        values = {name: value for name, value in names.items() if value is not None}
        subjects[number] = subject.model_copy(update=values)
    return plan.model_copy(update={**changes, "subjects": tuple(subjects)})


def go_on(before: ScenePlan, plan: ScenePlan, parsed: ParsedPrompt, aspect: float) -> ScenePlan:
    """The plan of a prompt after another plan: what the prompt leaves open stays as it was. Its subjects
    begin where those of the same kind are at the end of `before`, and what moves along a line goes on with
    its speed, unless the prompt says otherwise. `aspect`: width / height."""
    lasting = {name: getattr(before, name) for name in ("place", "time", "weather")
               if getattr(parsed, name) is None}  # fmt: skip
    colors = {facts.kind: facts.color for facts in parsed.subjects}
    moving = {facts.kind for facts in parsed.subjects if facts.motion}
    left = dict(enumerate(before.subjects))
    subjects = []
    for number, subject in enumerate(plan.subjects):
        spec = colors.get(subject.kind)
        same = [k for k, old in left.items() if old.kind == subject.kind and spec in (None, old.color)]
        if same:
            old = left.pop(same[0])
            subject = subject.model_copy(update={"color": old.color, "rest": old.rest})
            motion = read_motion(before, same[0], aspect)
            straight = motion in ("left", "right", "rise", "fall") and (
                subject.kind not in moving or motion == read_motion(plan, number, aspect)
            )
            changes = {"facing": _shifted(subject.facing, old.facing[-1], True)} if straight else {}
            for name in ("x", "y", "size"):
                keys, last = getattr(old, name), getattr(old, name)[-1]
                values = _shifted(getattr(subject, name), last, straight and name == "size")
                if straight and name != "size":
                    step = (last - keys[max(0, len(keys) - 4)]) / min(3, len(keys) - 1)
                    values = _keys(last + step * np.arange(len(subject.x)))
                changes[name] = values if name != "size" else _sizes(values)
            subject = subject.model_copy(update=changes)
        subjects.append(subject)
    update: dict[str, Any] = {**lasting, "subjects": tuple(subjects)}
    land = _later_land(before, before.seconds)
    if land is not None and update.get("place", plan.place) == before.place:
        update |= _same_land(before, plan, land)
    return plan.model_copy(update=update)


def _same_land(before: ScenePlan, plan: ScenePlan, land: LandPlan) -> dict[str, Any]:
    """The land and the camera of a plan that goes on where another ends, at its `land`: nothing jumps."""
    camera, last = plan.camera, before.camera
    moved = {"x": land.x - camera.x[0], "y": land.y - camera.y[0], "pace": 1.0}
    keys = {}
    for name in ("scale", "zoom"):
        values, factor = getattr(camera, name), getattr(last, name)[-1] / getattr(camera, name)[0]
        keys[name] = _sizes(tuple(value * factor for value in values))
    return {"land": land.model_copy(update=moved), "camera": camera.model_copy(update=keys)}


def arrive(after: ScenePlan, plan: ScenePlan, parsed: ParsedPrompt, aspect: float) -> ScenePlan:
    """The plan of a prompt before another plan: what `go_on` is, backward in time."""
    there = _reversed(go_on(_reversed(after), _reversed(plan), parsed, aspect))
    if after.land is None or there.place != after.place:
        return there.model_copy(update={"land": plan.land})
    camera = there.camera
    ends = {"x": after.land.x + after.camera.x[0] - camera.x[-1], "y": after.land.y + after.camera.y[0] -
            camera.y[-1], "seconds": after.land.seconds - there.seconds, "pace": 1.0}  # fmt: skip
    return there.model_copy(update={"land": after.land.model_copy(update=ends)})


def _reversed(plan: ScenePlan) -> ScenePlan:
    def backward(owner: Any) -> Any:
        return owner.model_copy(
            update={name: value[::-1] for name, value in owner if isinstance(value, tuple)}
        )

    subjects = tuple(backward(subject) for subject in plan.subjects)
    return plan.model_copy(update={"subjects": subjects, "camera": backward(plan.camera)})


def with_cast(words: str, parsed: ParsedPrompt, beside: ScenePlan) -> str:
    """A prompt that names no subject, with those of the plan beside it: "it sinks" beside a red balloon is
    "red balloon, it sinks"."""
    if any(mention.kind for mention in parsed.mentions):
        return words
    absent = {value for _, value in parsed.absent}
    cast = [f"{subject.color} {subject.kind}" for subject in beside.subjects if subject.kind not in absent]
    return ", ".join(filter(None, (" and ".join(cast), words)))


def lead(before: ScenePlan, after: ScenePlan, seconds: float) -> ScenePlan:
    """A plan that goes from the end of one to the beginning of another. What is in one of them only stays
    where it is."""
    share = np.linspace(0.0, 1.0, len(key_times(seconds)))
    share = share**2 * (3 - 2 * share)

    def between_ends(owner: Any, other: Any) -> dict[str, tuple[float, ...]]:
        names = [name for name, value in owner if isinstance(value, tuple)]
        ends = {name: (getattr(owner, name)[-1], getattr(other, name)[0]) for name in names}
        if "facing" in ends and owner.kind not in PROFILES:
            ends["facing"] = (owner.facing[-1],) * 2
        if "beat" in ends:  # to the next moment of that phase
            first, last = ends["beat"]
            return {**_blend(ends, share), "beat": tuple((first + ((last - first) % 1.0) * share) % 1.0)}
        return _blend(ends, share)

    others = list(after.subjects)
    subjects = []
    for subject in before.subjects:
        same = next((other for other in others if (other.kind, other.color) == (subject.kind, subject.color)),
                    None)  # fmt: skip
        if same is not None:
            others.remove(same)
            subjects.append(subject.model_copy(update=between_ends(subject, same)))
        else:
            subjects.append(subject.model_copy(update=_blend(
                {name: (value[-1], value[-1]) for name, value in subject if isinstance(value, tuple)}, share
            )))  # fmt: skip
    land, target = _later_land(before, before.seconds), after.land
    moves = dict.fromkeys(("x", "y"), (0.0, 0.0))
    if land is not None and target is not None and land.number == target.number:
        moves = {name: (0.0, getattr(target, name) + getattr(after.camera, name)[0] - getattr(land, name))
                for name in ("x", "y")}  # fmt: skip
        land = land.model_copy(update={"pace": (target.seconds - land.seconds) / seconds})
    moves |= {name: (getattr(before.camera, name)[-1], getattr(after.camera, name)[0])
             for name in ("scale", "zoom")}  # fmt: skip
    camera = before.camera.model_copy(update={"move": "still", **_blend(moves, share)})
    return before.model_copy(update={"seconds": seconds, "subjects": tuple(subjects), "camera": camera,
                                     "land": land, "events": ()})  # fmt: skip


def _blend(ends: dict[str, tuple[float, float]], share: Any) -> dict[str, tuple[float, ...]]:
    return {name: tuple((a + (b - a) * share).tolist()) for name, (a, b) in ends.items()}


def _shifted(values: tuple[float, ...], start: float, constant: bool) -> tuple[float, ...]:
    """Values moved so that they begin at `start`, or all of them `start`."""
    return tuple(start if constant else value + start - values[0] for value in values)


def _sizes(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(min(3.0, max(0.02, value)) for value in values)
