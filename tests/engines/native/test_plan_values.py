from __future__ import annotations

import random

import pytest
import torch

from hinode.engines.native.plans import plan_values
from hinode.model.planner import SLOTS, Planner, PlannerConfig, sample
from hinode.world.book.plan import plan_of
from hinode.world.book.reading import check_facts, read_motion
from hinode.world.book.scene import sample_scene
from hinode.world.prompts.prompt import ParsedPrompt


def test_a_plan_becomes_values_and_the_same_plan_again() -> None:
    rng = random.Random("plan values")
    for _ in range(60):
        seconds, aspect = rng.choice((1.0, 2.0, 2.5)), rng.choice((16 / 9, 1.0, 9 / 16))
        plan = plan_of(sample_scene(rng), seconds, aspect)
        again = plan_values.decode(plan_values.encode(plan), seconds, aspect)
        assert (again.place, again.time, again.weather, again.camera.move) == (
            plan.place, plan.time, plan.weather, plan.camera.move,
        )  # fmt: skip
        for before, after in zip(plan.subjects, again.subjects, strict=True):
            assert (after.kind, after.color, after.rest) == (before.kind, before.color, before.rest)
            for name in ("x", "y", "size"):
                assert getattr(after, name) == pytest.approx(getattr(before, name), abs=2e-3)
        assert [event.subject for event in again.events] == [event.subject for event in plan.events]
        for landing, found in zip(plan.events, again.events, strict=True):
            assert found.time == pytest.approx(landing.time, abs=0.08)


def test_a_true_plan_is_settled() -> None:
    rng = random.Random("settled plans")
    for _ in range(10):
        values = plan_values.encode(plan_of(sample_scene(rng), 2.0, 1.0))
        assert torch.allclose(plan_values.settle(values), values)


def test_motions_are_read_from_the_paths_of_plans() -> None:
    rng = random.Random("plan motions")
    for _ in range(150):
        scene, aspect = sample_scene(rng), rng.choice((16 / 9, 1.0, 9 / 16))
        plan = plan_of(scene, 2.0, aspect)
        assert [read_motion(plan, k, aspect) for k in range(len(plan.subjects))] == [
            subject.motion for subject in scene.subjects
        ]


def test_a_fact_that_a_plan_lacks_is_found() -> None:
    plan = plan_of(sample_scene(random.Random(3), subjects=0), 1.0, 1.0)
    parsed = ParsedPrompt((), None, plan.place, None, "orbit", (), ())
    assert check_facts(plan, parsed, 1.0) == [("place", True), ("camera", plan.camera.move == "orbit")]


def test_values_of_any_size_become_a_plan() -> None:
    shape = plan_values.shape_of(2.0, 16 / 9)
    generator = torch.Generator().manual_seed(1)
    for scale in (0.0, 1.0, 100.0):
        values = scale * torch.randn(shape.thirds, SLOTS, plan_values.VALUES, generator=generator)
        plan = plan_values.decode(values, 2.0, 16 / 9)
        assert len(plan.camera.x) == 13


def test_a_planner_takes_any_length_and_the_same_noise_gives_the_same_plan() -> None:
    torch.manual_seed(0)
    net = Planner(PlannerConfig(vocabulary=9, values=plan_values.VALUES, width=64, depth=1, text_depth=1))
    for seconds in (1.0, 3.4):
        shape = plan_values.shape_of(seconds, 1.0)
        noise = torch.randn(2, shape.thirds, SLOTS, plan_values.VALUES)
        ids = torch.tensor([[2, 3, 0], [4, 0, 0]])
        plans = sample(net, ids, shape, noise, steps=2)
        assert plans.shape == noise.shape
        assert torch.equal(plans, sample(net, ids, shape, noise, steps=2))
