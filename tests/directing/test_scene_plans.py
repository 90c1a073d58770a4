"""Directed clips of the picture book: every part follows one plan, which the file carries on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hinode import pipeline
from hinode.clip import Clip
from hinode.directing import operations
from hinode.directing.engine import DirectedEngine
from hinode.directing.material import load_video
from hinode.engines.native.engine import NativeEngine
from hinode.errors import BadInput
from hinode.request import Request
from hinode.settings import Settings
from hinode.world.book.plan import ScenePlan
from tests.marking import MARKING
from tests.tiny_book import save_tiny_book

REQUEST = Request("a red balloon moves right over the sea at sunset", 64, 32, 3.0, seed=3, model="book")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DirectedEngine:
    home = tmp_path_factory.mktemp("home")
    save_tiny_book(home / "models" / "book.safetensors")
    return DirectedEngine(NativeEngine(Settings(home=home, threads=1, device="cpu")))


def render(engine: DirectedEngine, request: Request) -> tuple[Clip, ScenePlan]:
    run = engine.start(request)
    list(run)
    clip = run.clip()
    return clip, ScenePlan.model_validate_json(clip.provenance.plan)


def test_a_long_clip_follows_one_plan_and_is_heard_whole(engine: DirectedEngine) -> None:
    clip, plan = render(engine, REQUEST)
    assert len(clip.frames) == 72
    assert plan.seconds == 3.0
    x = np.diff(plan.subjects[0].x)
    assert np.ptp(x) < 0.02, "it moves at one speed over all windows"
    assert clip.sound is not None
    assert clip.sound.seconds == pytest.approx(3.0, abs=0.01)
    assert "red balloon" in clip.provenance.read_as
    assert render(engine, dataclasses.replace(REQUEST, sound=False))[0].sound is None
    with pytest.raises(BadInput, match="60 seconds at most"):
        engine.start(dataclasses.replace(REQUEST, seconds=90.0))


def test_a_file_carries_its_plan_to_its_extension_remix_and_loop(
    engine: DirectedEngine, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    pipeline.generate(dataclasses.replace(REQUEST, seconds=1.5), engine, path, "mp4", marking=MARKING)
    source = load_video(path)
    whole = dataclasses.replace(REQUEST, prompt="a balloon", references=(source.reference(),))
    clip, plan = render(engine, dataclasses.replace(whole, operation="extend"))
    balloon = plan.subjects[0]
    assert (balloon.kind, balloon.color, plan.time) == ("balloon", "red", "sunset")
    assert np.ptp(np.diff(balloon.x)) < 0.03, "it goes on at its speed"
    assert clip.sound is not None
    assert clip.sound.seconds == pytest.approx(3.0, abs=0.01)

    remix = dataclasses.replace(whole, operation="remix", seconds=1.5, prompt="a blue kite at night")
    _, changed = render(engine, remix)
    kite = changed.subjects[0]
    assert (kite.kind, kite.color, changed.time, changed.place) == ("kite", "blue", "night", plan.place)
    assert kite.x == pytest.approx(balloon.x[: len(kite.x)], abs=0.01)

    loop = operations.loop(dataclasses.replace(REQUEST, operation="loop", seconds=2.0), None, 2.0)
    _, round_trip = render(engine, loop)
    first = round_trip.subjects[0]
    assert first.x[-1] == pytest.approx(first.x[0], abs=0.03)


def test_a_plan_of_the_request_is_cut_for_its_windows(engine: DirectedEngine) -> None:
    _, plan = render(engine, REQUEST)
    subject = plan.subjects[0].model_copy(update={"x": tuple(0.9 for _ in plan.subjects[0].x)})
    edited = plan.model_copy(update={"subjects": (subject,)})
    _, again = render(engine, dataclasses.replace(REQUEST, plan=edited.model_dump_json()))
    assert again.subjects[0].x == pytest.approx(subject.x)
