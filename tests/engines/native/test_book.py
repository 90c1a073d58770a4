"""Clips of the picture book: planned, drawn by a toy network, and heard."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.clip import Clip
from hinode.engines.native import catalog
from hinode.engines.native.book.scene_plan import (
    arrive,
    chain,
    cut_plan,
    go_on,
    lead,
    plan_frames,
    with_cast,
)
from hinode.engines.native.engine import NativeEngine
from hinode.engines.native.plans.planning import plan_prompt
from hinode.engines.protocol import State
from hinode.errors import BadInput, ModelError
from hinode.media.reading import references
from hinode.request import CONTEXT_VIDEO, FIRST_FRAME, GUIDE_VIDEO, MASK, Reference, Request
from hinode.settings import Settings
from hinode.training.drawing.plans import plan_tensors
from hinode.world.book.plan import ScenePlan, plan_of
from hinode.world.book.scene import Scene, Subject
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import parse
from tests.tiny_book import save_tiny_book

REQUEST = Request("a red fish swims left under the sea", 64, 32, seconds=1.0, seed=5, model="book")


@pytest.fixture
def engine(settings: Settings, tmp_path: Path) -> NativeEngine:
    save_tiny_book(tmp_path / "home" / "models" / "book.safetensors")
    return NativeEngine(dataclasses.replace(settings, home=tmp_path / "home"))


def render(engine: NativeEngine, state: State | None = None, **changes: Any) -> Clip:
    run = engine.start(dataclasses.replace(REQUEST, **changes), state)
    for _ in run:
        pass
    return run.clip()


def picture(folder: Path, role: str, level: int, count: int = 1, at: float = 0.0) -> Reference:
    frames = np.full((count, 32, 64, 3), level, np.uint8)
    if role == FIRST_FRAME:
        return references.save_picture(frames[0], role, folder)
    return references.save_frames(frames, 24, role, folder, at)


def test_a_clip_has_24_frames_a_second_sound_and_its_plan(engine: NativeEngine) -> None:
    clip = render(engine)
    assert clip.frames.shape == (24, 32, 64, 3)
    assert clip.fps == 24
    assert clip.sound is not None
    assert clip.sound.channels == 2
    assert clip.sound.seconds == pytest.approx(1.0, abs=0.01)
    plan = ScenePlan.model_validate_json(clip.provenance.plan)
    assert [(s.kind, s.color) for s in plan.subjects] == [("fish", "red")]
    assert "red fish, place underwater" in clip.provenance.read_as
    assert set(clip.provenance.understood) >= {"red", "fish"}
    assert render(engine, sound=False).sound is None
    assert render(engine, width=32, height=64).frames.shape == (24, 64, 32, 3)
    assert {"draft", "standard", "best"} == set(engine.capabilities("book").profiles)
    assert engine.estimate(dataclasses.replace(REQUEST, steps=6)).passes == 6


def test_a_model_in_several_files_is_one_model(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "models"
    save_tiny_book(folder / "book.safetensors", piece=100_000)
    files = sorted(folder.iterdir())
    assert len(files) > 1
    engine = NativeEngine(dataclasses.replace(settings, home=tmp_path / "home"))
    assert engine.capabilities("book").models == ("book",)
    before = catalog.find("book", folder).fingerprint()
    render(engine, sound=False)
    files[0].write_bytes(files[0].read_bytes() + b"x")
    assert catalog.find("book", folder).fingerprint() != before
    files[0].unlink()
    with pytest.raises(ModelError, match="not whole"):
        render(NativeEngine(engine.settings))


def test_a_saved_run_goes_on_with_the_same_bits(engine: NativeEngine) -> None:
    run = engine.start(REQUEST)
    for progress in run:
        if progress.stage == "sample" and progress.done == 2:
            break
    again = render(engine, run.state())
    whole = render(engine)
    assert np.array_equal(again.frames, whole.frames)
    assert np.array_equal(again.sound.samples, whole.sound.samples)  # type: ignore[union-attr]


def test_what_is_known_is_in_the_clip(engine: NativeEngine, tmp_path: Path) -> None:
    clip = render(engine, references=(picture(tmp_path, FIRST_FRAME, 200),))
    assert np.abs(clip.frames[0].astype(int) - 200).max() <= 1
    assert np.abs(clip.frames[-1].astype(int) - 200).max() > 8
    mask = np.zeros((24, 32, 64, 3), np.uint8)
    mask[:, :, 40:] = 255
    parts = (picture(tmp_path, CONTEXT_VIDEO, 90, 24), references.save_frames(mask, 24, MASK, tmp_path))
    clip = render(engine, references=parts)
    assert np.abs(clip.frames[:, :, :39].astype(int) - 90).max() <= 2
    assert np.abs(clip.frames[:, :, 48:].astype(int) - 90).max() > 8
    guide = (picture(tmp_path, GUIDE_VIDEO, 60, 24),)
    near, far = (render(engine, references=guide, strength=value).frames for value in (0.2, 0.9))
    assert np.abs(near.astype(int) - 60).mean() < np.abs(far.astype(int) - 60).mean()


def test_a_plan_a_path_and_a_camera_are_followed(engine: NativeEngine) -> None:
    planned = plan_prompt("a blue kite over the meadow", seconds=1.0, size=(64, 32), seed=1).plan
    plan = ScenePlan.model_validate_json(render(engine, plan=planned.model_dump_json()).provenance.plan)
    assert plan == planned
    path = ((0.0, 0.2, 0.3), (1.0, 0.8, 0.3))
    plan = ScenePlan.model_validate_json(render(engine, path=path).provenance.plan)
    assert plan.subjects[0].x[::3] == pytest.approx((0.2, 0.5, 0.8))
    camera = ((0.0, 0.0, 1.0), (1.0, 0.3, 1.0))
    moved = ScenePlan.model_validate_json(render(engine, camera=camera, path=path).provenance.plan)
    assert moved.camera.move == "pan right"
    assert moved.subjects[0].x == plan.subjects[0].x
    with pytest.raises(BadInput, match="the plan has 1 seconds"):
        engine.start(dataclasses.replace(REQUEST, seconds=1.5, plan=planned.model_dump_json()))
    wrong = json.dumps({**json.loads(planned.model_dump_json()), "place": "moon"})
    with pytest.raises(BadInput, match="the plan cannot be read: place: 'moon' is not known"):
        engine.start(dataclasses.replace(REQUEST, plan=wrong))


def test_the_network_reads_a_plan_as_it_was_trained_on_its_scene() -> None:
    import torch

    subject = Subject("balloon", "red", "right", 0.4, 0.4, 0.3, "air")
    scene = Scene((subject,), "sunset", "sea", "clear", "pan right", None, 7)
    moments = torch.arange(49) / 24
    true = plan_tensors([scene], [moments], 1.75)
    read = plan_frames(plan_of(scene, 2.0, 1.75), moments, (56, 32))
    assert torch.equal(true.facts, read.facts)
    assert torch.equal(true.kinds, read.kinds)
    torch.testing.assert_close(read.camera, true.camera, atol=2e-3, rtol=0)
    torch.testing.assert_close(read.tracks[..., :5], true.tracks[..., :5], atol=1e-2, rtol=0)
    turns = (read.tracks[..., 5] - true.tracks[..., 5]) * 2 * torch.pi
    torch.testing.assert_close(turns.cos(), torch.ones_like(turns), atol=1e-2, rtol=0)


def test_plans_are_cut_chained_continued_and_led_on() -> None:
    plan = plan_prompt("a red balloon moves right at dusk", seconds=2.0, size=(640, 360), seed=3).plan
    first, second = cut_plan(plan, 0.0, 1.0), cut_plan(plan, 1.0, 1.0)
    whole = chain([first, second])
    assert whole is not None
    assert whole.subjects[0].x == pytest.approx(plan.subjects[0].x, abs=1e-3)
    words = parse("a balloon", BOOK)
    new = plan_prompt("a balloon", seconds=1.0, size=(640, 360), seed=9).plan
    after = go_on(plan, new, words, 16 / 9)
    x, before = after.subjects[0].x, plan.subjects[0].x
    assert (after.time, after.place, after.subjects[0].color) == ("sunset", plan.place, "red")
    assert x[1] - x[0] == pytest.approx(before[-1] - before[-2], abs=0.02)
    there = arrive(plan, new, words, 16 / 9)
    assert there.subjects[0].x[-1] == pytest.approx(before[0], abs=0.02)
    assert with_cast("it sinks", parse("it sinks", BOOK), plan) == "red balloon, it sinks"
    back = lead(plan, plan, 1.0)
    ends = back.subjects[0].x[0], back.subjects[0].x[-1]
    assert ends == pytest.approx((before[-1], before[0]))


def test_what_is_excluded_is_not_planned(engine: NativeEngine) -> None:
    for seed in range(6):
        request = dataclasses.replace(
            REQUEST, prompt="scenery", negative_prompt="rain, night; snow", seed=seed
        )
        drawing = engine.plan(request)
        assert drawing.scene.weather not in ("rain", "snow")
        assert drawing.scene.time != "night"
        assert drawing.planned.excluded == ("rain", "night", "snow")
    with pytest.raises(BadInput, match="a plan is drawn as it is"):
        engine.plan(dataclasses.replace(REQUEST, negative_prompt="rain", plan="{}"))


def test_a_prompt_of_a_drawing_plan_is_planned_once(engine: NativeEngine) -> None:
    plan = engine.plan(REQUEST)
    assert plan.planned is plan.planned
    assert (plan.frames, plan.drawn_frames) == (24, 25)
