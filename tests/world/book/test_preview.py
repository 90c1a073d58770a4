"""The book's own drawing of a plan is that of the scene that the plan was taken from."""

from __future__ import annotations

import random

import torch

from hinode.world.book.picture.preview import render_plan
from hinode.world.book.picture.render import render
from hinode.world.book.plan import plan_of
from hinode.world.book.scene import CAMERAS, Scene, cast

ASPECT = 96 / 54


def test_a_plan_is_drawn_as_the_scene_it_was_taken_from() -> None:
    rng = random.Random(3)
    moments = torch.arange(0, 24, 4) / 24
    for number, camera in enumerate(CAMERAS):
        kind, motion = (("balloon", "rise"), ("boat", "right"), ("ball", "bounce"))[number % 3]
        members = [(kind, "red", motion)]
        scene = Scene(cast(rng, members, "sea"), place="sea", camera=camera, seed=number)
        truth = render([scene], frames=6, fps=6, width=96, height=54)[0]
        drawn = render_plan(plan_of(scene, 1.0, ASPECT), moments, width=96, height=54, seed=number)
        assert float((drawn - truth).abs().mean()) < 0.006, camera
