"""The native engine as every engine has to behave, with a toy network."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode.clip import Clip, Frames
from hinode.engines.native import engine as module
from hinode.engines.native.engine import NativeEngine
from hinode.engines.protocol import Run, State
from hinode.errors import BadInput, EngineError
from hinode.request import Request
from hinode.settings import Settings

REQUEST = Request("a red balloon rising over the wibbly mountains at noon", 64, 64, seconds=1.0, seed=7)


@pytest.fixture
def engine(settings: Settings) -> NativeEngine:
    return NativeEngine(settings)


def render(engine: NativeEngine, **changes: Any) -> Clip:
    run = engine.start(dataclasses.replace(REQUEST, **changes))
    for _ in run:
        pass
    return run.clip()


def test_names_its_capabilities(engine: NativeEngine) -> None:
    capabilities = engine.capabilities()
    assert (capabilities.engine, capabilities.model, capabilities.models) == ("native", "toy", ("toy",))
    assert capabilities.native_sizes == ((32, 32), (64, 32), (32, 64))
    assert capabilities.native_fps == (8, 12)
    assert capabilities.seconds == (0.0, 17 / 8)
    with pytest.raises(BadInput, match="no model"):
        engine.capabilities("sora")


def test_refuses_what_does_not_fit_before_anything_is_loaded(engine: NativeEngine) -> None:
    with pytest.raises(BadInput, match=r"at most 2\.125"):
        engine.start(dataclasses.replace(REQUEST, seconds=60.0))


def test_estimates_the_cost(engine: NativeEngine) -> None:
    cost = engine.estimate(REQUEST)
    assert (cost.tokens, cost.steps, cost.passes, cost.pixels) == (9 * 2 * 2, 3, 3, 9 * 32 * 32)
    assert engine.estimate(dataclasses.replace(REQUEST, steps=10)).steps == 10


def test_reports_every_step(engine: NativeEngine) -> None:
    run = engine.start(REQUEST)
    reports = list(run)
    assert [(report.stage, report.done, report.total) for report in reports] == [
        ("load", 0, 1),
        ("plan", 0, 1),
        ("sample", 0, 3),
        ("sample", 1, 3),
        ("sample", 2, 3),
        ("sample", 3, 3),
    ]
    previews = [report.preview for report in reports if report.preview is not None]
    assert [preview.shape for preview in previews] == [(32, 32, 3)] * 3
    clip = run.clip()
    assert clip.frames.shape == (8, 32, 32, 3)
    # The last step heads for the clip itself.
    assert (np.abs(clip.frames.astype(int) - previews[-1]).max((1, 2, 3)) <= 1).any()
    assert clip.fps == 8
    provenance = clip.provenance
    assert (provenance.engine, provenance.model, provenance.seed, provenance.steps) == ("native", "toy", 7, 3)
    assert provenance.native_size == (32, 32)
    assert list(provenance.stage_seconds) == ["load", "plan", "sample", "sound"]
    assert provenance.not_understood == ("wibbly",)
    assert "balloon" in provenance.understood


@pytest.mark.parametrize(
    ("seconds", "fps", "frames"),
    [(1.0, None, 8), (0.1, None, 1), (1.125, None, 9), (1.0, 12.0, 12), (0.55, None, 5)],
)
def test_draws_as_many_frames_as_the_seconds_need(
    engine: NativeEngine, seconds: float, fps: float | None, frames: int
) -> None:
    assert len(render(engine, seconds=seconds, fps=fps, steps=1).frames) == frames


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(engine: NativeEngine) -> None:
    first: Frames = render(engine).frames
    assert render(engine).frames.tobytes() == first.tobytes()
    assert render(engine, seed=8).frames.tobytes() != first.tobytes()
    assert render(engine, prompt="a blue fish").frames.tobytes() != first.tobytes()


def run_to(engine: NativeEngine, steps: int) -> Run:
    run = engine.start(REQUEST)
    for step in run:
        if (step.stage, step.done) == ("sample", steps):
            return run
    raise AssertionError("the run has fewer steps")


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_resumed_run_ends_in_the_same_bytes(engine: NativeEngine, settings: Settings, steps: int) -> None:
    state = run_to(engine, steps).state()
    assert (state.engine, state.step) == ("native", steps)
    resumed = NativeEngine(settings).start(REQUEST, State(state.engine, state.step, bytes(state.body)))
    reports = [(step.stage, step.done) for step in resumed]
    assert ("sample", steps) in reports
    assert ("sample", steps - 1) not in reports
    assert resumed.clip().frames.tobytes() == render(engine).frames.tobytes()
    assert resumed.state().step == 3


def test_a_paused_run_goes_on_where_it_was(engine: NativeEngine) -> None:
    run = run_to(engine, 1)
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    assert [step.done for step in run if step.stage == "sample"] == [1, 2, 3]
    assert run.clip().frames.tobytes() == render(engine).frames.tobytes()
    assert list(run)[-1].done == 3  # a finished run stays finished


def test_a_state_of_another_request_or_a_damaged_one_is_refused(engine: NativeEngine) -> None:
    state = run_to(engine, 1).state()
    for request in (dataclasses.replace(REQUEST, seed=8), dataclasses.replace(REQUEST, prompt="a blue fish")):
        with pytest.raises(EngineError, match="another request"):
            engine.start(request, state)
    with pytest.raises(EngineError, match="another request"):
        engine.start(REQUEST, dataclasses.replace(state, engine="other"))
    for body in (b"", state.body[:40], state.body[:-8], b"\xff" * 64):
        with pytest.raises(EngineError, match="damaged"):
            engine.start(REQUEST, dataclasses.replace(state, body=body))


def test_the_model_stays_in_memory_until_its_file_changes(
    engine: NativeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    load = module.load_pieces
    monkeypatch.setattr(
        module, "load_pieces", lambda path, *more: (loaded.append(path), load(path, *more))[1]
    )
    first = render(engine, steps=1).frames.tobytes()
    assert render(engine, steps=1).frames.tobytes() == first
    assert len(loaded) == 1
    weights = settings.models / "toy.safetensors"
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    assert render(engine, steps=1).frames.tobytes() == first
    assert len(loaded) == 2
