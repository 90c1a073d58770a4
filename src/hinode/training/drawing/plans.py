"""Scenes of the picture book as plans for the drawing network, frame by frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from hinode.model.plan_tensors import PlanTensors
from hinode.world.book import motion
from hinode.world.book.picture.layout import land_map
from hinode.world.book.priors import COLORS, KINDS, PLACES
from hinode.world.book.scene import CAMERAS, MAX_SUBJECTS, TIMES, WEATHERS, Scene


def plan_tensors(scenes: Sequence[Scene], moments: Sequence[Tensor], aspect: float) -> PlanTensors:
    """The plans of scenes, each at its own T `moments` (seconds). `aspect`: width / height of the frame."""
    frames = len(moments[0])
    facts = torch.tensor([[PLACES.index(s.place), TIMES.index(s.time), WEATHERS.index(s.weather),
                           CAMERAS.index(s.camera)] for s in scenes])  # fmt: skip
    cameras = torch.zeros(len(scenes), frames, 4)
    kinds = torch.full((len(scenes), MAX_SUBJECTS), -1)
    colors = kinds.clone()
    tracks = torch.zeros(len(scenes), MAX_SUBJECTS, frames, 6)
    tracks[..., 2], tracks[..., 4] = 0.1, 1.0  # where there is no subject: nothing that one cannot divide by
    for number, (scene, when) in enumerate(zip(scenes, moments, strict=True)):
        camera = motion.camera_path(scene, when, aspect)
        across, down = camera.shift(1.0)
        cameras[number] = torch.stack((across, down, camera.scale(1.0).log(), camera.zoom.log()), -1)
        for slot, subject in enumerate(scene.subjects):
            path = motion.track(scene, subject, when, camera, aspect)
            kinds[number, slot], colors[number, slot] = KINDS.index(subject.kind), COLORS.index(subject.color)
            tracks[number, slot] = torch.stack(
                (path.x, path.y, path.half, path.tilt, path.facing, path.beat), -1
            )
    return PlanTensors(facts, cameras, kinds, colors, tracks)


def join_plans(plans: Sequence[PlanTensors]) -> PlanTensors:
    """One batch of several."""
    lands = [plan.land for plan in plans if plan.land is not None]
    return PlanTensors(
        torch.cat([plan.facts for plan in plans]),
        torch.cat([plan.camera for plan in plans]),
        torch.cat([plan.kinds for plan in plans]),
        torch.cat([plan.colors for plan in plans]),
        torch.cat([plan.tracks for plan in plans]),
        torch.cat(lands) if len(lands) == len(plans) else None,
    )


def with_land(plan: PlanTensors, scene: Scene, moments: Tensor, width: int, height: int) -> PlanTensors:
    """The plan of one scene at T `moments` (seconds) with the layout of its land in frames of that size."""
    camera = motion.camera_path(scene, moments, width / height)
    rests = [subject.rest for subject in scene.subjects]
    land = land_map(scene, moments, camera, width=width, height=height, rests=rests)
    return dataclasses.replace(plan, land=land[None])
