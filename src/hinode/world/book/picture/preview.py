"""Plans as pictures: the book's own drawing of a plan, edited or not, before a network draws it."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hinode.world.book.motion import NEARNESS, Camera, Track
from hinode.world.book.picture.canvas import frame_grid
from hinode.world.book.picture.layout import land_map
from hinode.world.book.picture.render import draw_scene
from hinode.world.book.plan import STEP, LandPlan, ScenePlan
from hinode.world.book.reading import read_motion
from hinode.world.book.scene import Scene, Subject


def render_plan(plan: ScenePlan, moments: Tensor, *, width: int, height: int, seed: int) -> Tensor:
    """A plan at T `moments` (seconds), float32 [T, 3, H, W] in 0..1; `seed` chooses the land of a plan that
    does not say its own."""
    aspect = width / height
    subjects = tuple(_subject(plan, number, aspect) for number in range(len(plan.subjects)))
    land = plan.land or LandPlan(number=seed)
    scene = Scene(subjects, plan.time, plan.place, plan.weather, plan.camera.move, None, land.number)
    camera = camera_at(plan, moments)

    def follow(number: int, when: Tensor, viewer: Camera) -> Track:
        return track_at(plan, number, when, viewer, aspect)

    return draw_scene(
        scene,
        moments,
        frame_grid(width, height),
        aspect,
        camera,
        follow,
        land_camera=land_camera(camera, land),
        clock=moments * land.pace + land.seconds,
    )


def land_camera(camera: Camera, land: LandPlan) -> Camera:
    """A camera over a land that has moved before."""
    return dataclasses.replace(camera, pan=camera.pan + land.x, tilt=camera.tilt + land.y)


def plan_land(plan: ScenePlan, moments: Tensor, *, width: int, height: int) -> Tensor | None:
    """The layout of the land of a plan at T `moments` (seconds), see `layout.land_map`; None if it says
    none."""
    if plan.land is None:
        return None
    scene = Scene((), plan.time, plan.place, plan.weather, plan.camera.move, None, plan.land.number)
    camera = land_camera(camera_at(plan, moments), plan.land)
    clock = moments * plan.land.pace + plan.land.seconds
    rests = [subject.rest for subject in plan.subjects]
    return land_map(scene, clock, camera, width=width, height=height, rests=rests)


def camera_at(plan: ScenePlan, moments: Tensor) -> Camera:
    """The camera of a plan at some moments (seconds)."""
    keys = plan.camera
    across, zoom = between(keys.x, moments), between(keys.zoom, moments)
    none = torch.zeros_like(moments)
    orbits = keys.move == "orbit"
    return Camera(
        pan=none if orbits else across,
        tilt=between(keys.y, moments),
        zoom=zoom,
        dolly=between(keys.scale, moments) / zoom,
        orbit=across / (1.0 - NEARNESS) if orbits else none,
    )


def track_at(plan: ScenePlan, number: int, moments: Tensor, camera: Camera, aspect: float) -> Track:
    """The path of a subject of a plan at some moments, as a camera sees it that may be another than the
    plan's."""
    keys, own = plan.subjects[number], camera_at(plan, moments)
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    (left, top), scale = own.shift(NEARNESS), own.scale(NEARNESS)
    x = (between(keys.x, moments) - 0.5) * wide / scale + left
    y = (between(keys.y, moments) - 0.5) * high / scale + top
    across, down = camera.shift(NEARNESS)
    view_scale = camera.scale(NEARNESS)
    low = (
        (max(keys.y) - between(keys.y, moments)) * high
        if read_motion(plan, number, aspect) == "bounce"
        else None
    )
    facing = between(keys.facing, moments)
    return Track(
        x=(x - across) * view_scale,
        y=(y - down) * view_scale,
        half=between(keys.size, moments) / 2 * view_scale / scale,
        tilt=between(keys.tilt, moments) * (math.pi / 180),
        facing=torch.where(facing < 0, facing.clamp(max=-0.15), facing.clamp(min=0.15)),
        beat=_phase(keys.beat, moments),
        height=torch.zeros_like(moments) if low is None else low.clamp(min=0.0),
        stretch=torch.ones_like(moments),
    )


def between(keys: Sequence[float], moments: Tensor) -> Tensor:
    """Values between keys, along a smooth curve through them; a straight line stays straight to its ends."""
    inner = torch.tensor(keys, dtype=torch.float32)
    values = torch.cat((2 * inner[:1] - inner[1:2], inner, 2 * inner[-1:] - inner[-2:-1]))
    place = (moments / STEP).clamp(0.0, len(inner) - 1.0)
    k = place.floor().long().clamp(max=len(inner) - 2)
    t = place - k
    before, first, second, after = (values[k + step] for step in (0, 1, 2, 3))
    bend = (second - before) * t + (2 * before - 5 * first + 4 * second - after) * t**2
    return first + 0.5 * (bend + (3 * (first - second) + after - before) * t**3)


def _phase(beats: Sequence[float], moments: Tensor) -> Tensor:
    """Phases between keys, each taken to follow the one before it by less than a turn."""
    turns = 0.0
    whole = [beats[0]]
    for earlier, later in itertools.pairwise(beats):
        turns += later < earlier
        whole.append(later + turns)
    return torch.remainder(between(whole, moments), 1.0)


def _subject(plan: ScenePlan, number: int, aspect: float) -> Subject:
    keys = plan.subjects[number]
    facing = -1 if sum(keys.facing) < 0 else 1
    motion = read_motion(plan, number, aspect)
    return Subject(
        keys.kind, keys.color, motion, keys.x[0], keys.y[0], keys.size[0], keys.rest, facing=facing
    )
