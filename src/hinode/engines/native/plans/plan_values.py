"""Plans as tensors and back: what the values of the planner's tokens mean.

A token covers a third of a second and has, of what moves, the values at its start, middle and end, so that
each token meets the next. Kinds, colours and the like are one number for each possible value, the same in all
thirds.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hinode.model.planner import SLOTS, PlanShape
from hinode.world.book.plan import STEP, CameraPlan, ScenePlan, SoundEvent, SubjectPlan, key_count
from hinode.world.book.priors import COLORS, KINDS, PLACES, RESTS
from hinode.world.book.reading import read_hops, read_motion, world_path
from hinode.world.book.scene import CAMERAS, MAX_SUBJECTS, TIMES, WEATHERS

PLACE, DEPTH, CHOICE = 2.5, 3.0, 2.0
"""Factors that bring places, logarithms of sizes, and choices to about unit size."""
PAN, TILT, ZOOM = 4.0, 12.0, 8.0
"""The same for moves of the camera in short sides, and for logarithms of its factors."""
USUAL_SIZE = 0.3
SUBJECT_CHOICES = (RESTS, KINDS, COLORS)
SCENE_CHOICES = (PLACES, TIMES, WEATHERS, CAMERAS)
SUBJECT_CURVES = 8
"""x, y, size, cosine and sine of the tilt, facing, cosine and sine of the beat."""
CAMERA_CURVES = 4
"""x, y, scale, zoom."""
PRESENCE, FIRST_CHOICE, LAST_CAMERA = 0, 1 + 3 * SUBJECT_CURVES, 1 + 3 * CAMERA_CURVES
VALUES = FIRST_CHOICE + sum(map(len, SUBJECT_CHOICES))
"""Values of a token: presence, eight curves at three moments, then the choices."""
LEVEL_MOVES = ("still", "pan left", "pan right", "tilt up", "tilt down", "orbit", "follow")
"""Moves of the camera that change no sizes."""
BOB, BOB_SECONDS = 0.012, 2.0
"""Short sides and seconds of the rise and fall of what floats; see `world.book.motion`."""
STEADY = ("still", "left", "right", "rise", "fall")
SCENE = SLOTS - 1
PLACES_AT, TILTS_AT, BEATS_AT = slice(1, 7), slice(10, 16), slice(19, 25)
"""Where the values of x and y, of the tilt and of the beat are."""


def shape_of(seconds: float, aspect: float) -> PlanShape:
    """The shape of the planner's tokens for a clip; `aspect`: width / height of its frame."""
    return PlanShape(math.ceil((key_count(seconds) - 1) / 2), aspect)


def encode(plan: ScenePlan) -> Tensor:
    """A plan as [thirds, SLOTS, VALUES]. A plan whose last third is begun goes on as it ends."""
    thirds = shape_of(plan.seconds, 1.0).thirds
    values = torch.zeros(thirds, SLOTS, VALUES)
    values[:, :SCENE, PRESENCE] = -1.0
    for slot, subject in enumerate(plan.subjects):
        values[:, slot, PRESENCE] = 1.0
        values[:, slot, 1:FIRST_CHOICE] = _thirds(torch.stack(_subject_curves(subject)), thirds)
        choices = zip(SUBJECT_CHOICES, (subject.rest, subject.kind, subject.color), strict=True)
        values[:, slot, FIRST_CHOICE:] = torch.cat([_choice(names, name) for names, name in choices])
    camera = plan.camera
    curves = torch.stack(_camera_curves(camera))
    values[:, SCENE, 1:LAST_CAMERA] = _thirds(curves, thirds)
    chosen = (plan.place, plan.time, plan.weather, camera.move)
    choice = torch.cat([_choice(names, name) for names, name in zip(SCENE_CHOICES, chosen, strict=True)])
    values[:, SCENE, FIRST_CHOICE : FIRST_CHOICE + len(choice)] = choice
    return values


def weights(values: Tensor) -> Tensor:
    """How much each value of plans [..., SLOTS, VALUES] counts: not at all those of absent subjects and spare
    ones, most whether a subject is there, then where it is, and least how it is tilted and beats."""
    weight = torch.ones_like(values)
    weight[..., :SCENE, PLACES_AT] = 4.0
    weight[..., :SCENE, TILTS_AT] = weight[..., :SCENE, BEATS_AT] = 0.5
    absent = values[..., :SCENE, :1] < 0
    weight[..., :SCENE, 1:] *= (~absent).float()
    weight[..., :SCENE, PRESENCE] = 12.0
    weight[..., SCENE, PRESENCE] = 0.0
    weight[..., SCENE, LAST_CAMERA:FIRST_CHOICE] = 0.0
    weight[..., SCENE, FIRST_CHOICE + sum(map(len, SCENE_CHOICES)) :] = 0.0
    return weight


def settle(values: Tensor) -> Tensor:
    """Predicted plans [..., thirds, SLOTS, VALUES] with what does not count at zero, as `encode` has it: the
    values of a subject by the share to which it is there."""
    share = ((values[..., :SCENE, :1].mean(-3, keepdim=True) + 1) / 2).clamp(0.0, 1.0)
    settled = values * (weights(values) > 0)
    settled[..., :SCENE, 1:] = values[..., :SCENE, 1:] * share
    return settled


def decode(values: Tensor, seconds: float, aspect: float) -> ScenePlan:
    """The plan nearest to tokens [thirds, SLOTS, VALUES]. Choices are those of the greatest mean over the
    clip, numbers are brought into their ranges, and the contacts of what bounces become events. `aspect`:
    width over height."""
    count = key_count(seconds)
    place, time, weather, move = _choices(values[:, SCENE], SCENE_CHOICES)
    subjects = []
    for slot in range(MAX_SUBJECTS):
        if values[:, slot, PRESENCE].mean() > 0:
            subjects.append(_subject(values[:, slot], count))
    x, y, scale, zoom = _keys(values[:, SCENE, 1:LAST_CAMERA], count)
    scale, zoom = (torch.exp((v / ZOOM).clamp(-1.5, 1.5)) for v in (scale, zoom))
    if move in LEVEL_MOVES:
        scale, zoom = torch.ones_like(scale), torch.ones_like(zoom)
    if not move.startswith(("pan", "orbit", "follow")):
        x = torch.zeros_like(x)
    if not move.startswith("tilt"):
        y = torch.zeros_like(y)
    camera = CameraPlan(
        move=move,
        x=_numbers((x / PAN).clamp(-2.0, 3.0)),
        y=_numbers((y / TILT).clamp(-2.0, 3.0)),
        scale=_numbers(scale),
        zoom=_numbers(zoom),
    )
    plan = ScenePlan(
        seconds=seconds, place=place, time=time, weather=weather, camera=camera, subjects=tuple(subjects)
    )
    return plan.model_copy(update={"events": contacts(plan, aspect)})


def steady(plan: ScenePlan, aspect: float) -> ScenePlan:
    """The plan with steady ways: what stays or goes along a line, and the camera, keep the line nearest to
    their predicted keys, or the parabola while the camera zooms; what floats bobs. The eye sees a speed that
    changes from key to key. `aspect`: width over height."""
    degree = 1 if plan.camera.move in LEVEL_MOVES else 2
    subjects = []
    for number, subject in enumerate(plan.subjects):
        motion = read_motion(plan, number, aspect)
        paths = {"size": _fitted(subject.size, degree)}
        if motion in STEADY:
            paths |= {name: _fitted(getattr(subject, name), degree) for name in ("x", "y")}
            if subject.rest == "water" or (
                subject.rest == "air" and subject.kind not in ("planet", "rocket")
            ):
                moments = np.arange(len(subject.y)) * STEP
                bob = BOB * np.sin(2 * np.pi * (moments / BOB_SECONDS + subject.beat[0])) / max(1 / aspect, 1)
                paths["y"] = _numbers(torch.from_numpy(np.array(paths["y"]) + bob))
        subjects.append(subject.model_copy(update=paths))
    camera = {name: _fitted(getattr(plan.camera, name), degree) for name in ("x", "y", "scale", "zoom")}
    return plan.model_copy(update={"subjects": tuple(subjects),
                                   "camera": plan.camera.model_copy(update=camera)})  # fmt: skip


def _fitted(keys: tuple[float, ...], degree: int) -> tuple[float, ...]:
    """The values of the polynomial nearest to keys."""
    moments = np.linspace(-1.0, 1.0, len(keys))
    curve = np.polyval(np.polyfit(moments, keys, min(degree, len(keys) - 1)), moments)
    return _numbers(torch.from_numpy(curve))


def _subject(values: Tensor, count: int) -> SubjectPlan:
    rest, kind, color = _choices(values, SUBJECT_CHOICES)
    x, y, size, tilt_cos, tilt_sin, facing, beat_cos, beat_sin = _keys(values[:, 1:FIRST_CHOICE], count)
    tilt = torch.from_numpy(np.unwrap(torch.atan2(tilt_sin, tilt_cos).numpy()))
    facing = facing.clamp(-1.0, 1.0)
    return SubjectPlan(
        kind=kind,
        color=color,
        rest=rest,
        x=_numbers((x / PLACE + 0.5).clamp(-2.0, 3.0)),
        y=_numbers((y / PLACE + 0.5).clamp(-2.0, 3.0)),
        size=_numbers((torch.exp(size / DEPTH) * USUAL_SIZE).clamp(0.02, 3.0)),
        tilt=_numbers(torch.rad2deg(tilt), 2),
        facing=_numbers(torch.where(facing.abs() > 0.85, facing.sign(), facing), 3),
        beat=_numbers(torch.remainder(torch.atan2(beat_sin, beat_cos) / (2 * math.pi), 1.0), 3),
    )


def contacts(plan: ScenePlan, aspect: float) -> tuple[SoundEvent, ...]:
    """The moments at which subjects that bounce touch the ground."""
    events = []
    for number in range(len(plan.subjects)):
        if read_motion(plan, number, aspect) == "bounce":
            _, y = world_path(plan, number, aspect)
            hops = read_hops(np.arange(len(y)) * STEP, y)
            moments = [moment for moment in hops.contacts if 0 <= moment < plan.seconds]
            events += [SoundEvent(time=round(moment, 4), kind="thump", subject=number) for moment in moments]
    return tuple(sorted(events, key=lambda event: event.time))


def _subject_curves(subject: SubjectPlan) -> list[Tensor]:
    """The curves of a subject at each key."""
    x, y, size, tilt, facing, beat = (
        torch.tensor(getattr(subject, name)) for name in ("x", "y", "size", "tilt", "facing", "beat")
    )
    tilt, beat = torch.deg2rad(tilt), beat * (2 * math.pi)
    return [(x - 0.5) * PLACE, (y - 0.5) * PLACE, torch.log(size.clamp(min=1e-3) / USUAL_SIZE) * DEPTH,
            tilt.cos(), tilt.sin(), facing, beat.cos(), beat.sin()]  # fmt: skip


def _camera_curves(camera: CameraPlan) -> list[Tensor]:
    x, y, scale, zoom = (torch.tensor(getattr(camera, name)) for name in ("x", "y", "scale", "zoom"))
    return [x * PAN, y * TILT, scale.clamp(min=1e-3).log() * ZOOM, zoom.clamp(min=1e-3).log() * ZOOM]


def _thirds(curves: Tensor, thirds: int) -> Tensor:
    """Curves [C, keys] as their values at start, middle and end of each third, [thirds, 3 * C]."""
    lack = 2 * thirds + 1 - curves.shape[1]
    curves = torch.cat((curves, curves[:, -1:].expand(-1, lack)), 1)
    return curves.unfold(1, 3, 2).transpose(0, 1).flatten(1)


def _keys(values: Tensor, count: int) -> Tensor:
    """The inverse of `_thirds`: [thirds, 3 * C] -> [C, count]; where two thirds meet, the mean of both."""
    parts = values.reshape(len(values), -1, 3).transpose(0, 1)  # (C, thirds, 3)
    keys = parts.new_zeros(len(parts), 2 * parts.shape[1] + 1)
    keys[:, 1::2] = parts[:, :, 1]
    keys[:, 0], keys[:, -1] = parts[:, 0, 0], parts[:, -1, 2]
    keys[:, 2:-1:2] = (parts[:, 1:, 0] + parts[:, :-1, 2]) / 2
    return keys[:, :count]


def _choice(names: tuple[str, ...], name: str) -> Tensor:
    """One number for each of several names, large for the one that is chosen."""
    return torch.tensor([CHOICE - 0.25 if other == name else -0.25 for other in names])


def _choices(values: Tensor, tables: tuple[tuple[str, ...], ...]) -> list[str]:
    """The name of the greatest mean of each table in tokens [thirds, VALUES]."""
    means, first, chosen = values.mean(0), FIRST_CHOICE, []
    for names in tables:
        chosen.append(names[int(means[first : first + len(names)].argmax())])
        first += len(names)
    return chosen


def _numbers(values: Tensor, digits: int = 4) -> tuple[float, ...]:
    return tuple(round(value, digits) for value in values.tolist())
