from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hinode.clip import Clip, Frames
from hinode.engines.native import catalog, checkpoint, sampling
from hinode.engines.native.engine import NativeEngine, NativeRun
from hinode.engines.native.interpretation import describe
from hinode.engines.native.plan import CONDITIONED_GUIDANCE, EDIT_GUIDANCE, Plan
from hinode.engines.native.sampling import make_sampler
from hinode.engines.protocol import State
from hinode.errors import BadInput, EngineError, ModelError
from hinode.request import Reference, Request
from hinode.settings import Settings
from hinode.world.prompts.prompt import parse

REQUEST = Request("a red balloon rising over the wibbly mountains at noon", 64, 64, seconds=1.0, seed=7)

PAIR = "a red balloon rising left of a blue kite bouncing over the sea at noon, pan left"


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
    # 9 frames are 3 latent frames of 4x4 positions; guidance doubles all passes but the first
    assert (cost.tokens, cost.steps, cost.pixels) == (3 * 4 * 4, 3, 9 * 32 * 32)
    assert cost.passes == 5
    assert engine.estimate(dataclasses.replace(REQUEST, steps=10)).steps == 10


def test_reports_every_step(engine: NativeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "smooth_patch_seams", lambda video, *options: video)  # previews are not
    run = engine.start(REQUEST)
    reports = list(run)
    assert [(report.stage, report.done, report.total) for report in reports] == [
        ("load", 0, 1),
        ("text", 0, 1),
        ("sample", 0, 3),
        ("sample", 1, 3),
        ("sample", 2, 3),
        ("sample", 3, 3),
        ("decode", 0, 1),
        ("decode", 1, 1),
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
    assert list(provenance.stage_seconds) == ["load", "text", "sample", "decode"]
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


def run_to(engine: NativeEngine, steps: int) -> NativeRun:
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


def test_a_resumed_run_of_two_subjects_ends_in_the_same_bytes(control_settings: Settings) -> None:
    engine, request = NativeEngine(control_settings), dataclasses.replace(REQUEST, prompt=PAIR)
    # Each of two subjects takes a pass a step, and the unconditional prediction takes one for both.
    assert engine.estimate(request).passes == 3 * 2 + 2
    run = engine.start(request)
    next(step for step in run if (step.stage, step.done) == ("sample", 1))
    resumed = NativeEngine(control_settings).start(request, run.state())
    assert ("sample", 0) not in [(step.stage, step.done) for step in resumed]
    clip = resumed.clip()
    assert clip.frames.tobytes() == render(engine, prompt=PAIR).frames.tobytes()
    assert "each of the 2 subjects drawn in a place of its own" in clip.provenance.read_as


def test_a_model_without_control_channels_draws_from_one_text(engine: NativeEngine) -> None:
    request = dataclasses.replace(REQUEST, prompt=PAIR)
    assert engine.estimate(request).passes == engine.estimate(REQUEST).passes
    assert "subjects drawn in a place" not in render(engine, prompt=PAIR).provenance.read_as


def test_a_paused_run_goes_on_where_it_was(engine: NativeEngine) -> None:
    run = run_to(engine, 1)
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    assert [step.done for step in run if step.stage == "sample"] == [1, 2, 3]
    assert run.clip().frames.tobytes() == render(engine).frames.tobytes()
    assert list(run)[-1].stage == "decode"  # a finished run stays finished


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


def test_a_negative_prompt_leads_away_from_its_words(engine: NativeEngine) -> None:
    assert engine.capabilities().negative_prompt
    clip, without = render(engine), render(engine, negative_prompt="snow at night")
    assert without.frames.tobytes() != clip.frames.tobytes()
    assert render(engine, negative_prompt="snow at night").frames.tobytes() == without.frames.tobytes()
    assert "avoided: snow at night" in without.provenance.read_as
    # Unknown words change nothing, and it says so.
    unknown = render(engine, negative_prompt="bokeh artefacts")
    assert unknown.frames.tobytes() == clip.frames.tobytes()
    assert "no word of the negative prompt is known" in unknown.provenance.read_as
    assert "negative" not in clip.provenance.read_as


def test_clips_of_one_batch_have_each_its_own_negative_prompt(control_settings: Settings) -> None:
    engine = NativeEngine(control_settings)
    requests = [
        REQUEST,
        dataclasses.replace(REQUEST, negative_prompt="snow at night"),
        dataclasses.replace(REQUEST, prompt=PAIR, seed=8),
    ]
    plans = [engine.plan(request) for request in requests]
    model = checkpoint.load(plans[0].card.path)
    *_, batch = make_sampler(plans, model, torch.device("cpu"))
    for plan, latents in zip(plans, batch.latents, strict=True):
        *_, single = make_sampler([plan], model, torch.device("cpu"))
        torch.testing.assert_close(single.latents[0], latents, rtol=1e-3, atol=1e-3)
    assert (batch.latents[0] - batch.latents[1]).abs().max() > 0.01


def test_a_model_that_does_without_guidance_takes_no_negative_prompt(
    engine: NativeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = dataclasses.replace(catalog.find(None, settings.models), sampling={"guidance": 1.0})
    monkeypatch.setattr(catalog, "find", lambda name, home: card)
    with pytest.raises(BadInput, match="takes no negative prompt"):
        engine.start(dataclasses.replace(REQUEST, negative_prompt="snow"))


def test_references_and_controls_limit_guidance(engine: NativeEngine, settings: Settings) -> None:
    card = dataclasses.replace(catalog.find(None, settings.models), sampling={"guidance": 4.0})
    picture = Reference("first_frame", "ab" * 32, "image/png")
    video = Reference("guide", "ab" * 32, "video/mp4")
    cases = {
        4.0: {},
        CONDITIONED_GUIDANCE: {"references": (picture,)},
        EDIT_GUIDANCE: {"references": (video,), "guide_prompt": "a red ball at noon"},
    }
    for guidance, change in cases.items():
        assert Plan.of(dataclasses.replace(REQUEST, **change), card).sampling.guidance == guidance
    track = ((0.0, 0.2, 0.5), (1.0, 0.8, 0.5))
    for change in ({"path": track}, {"camera": track}):
        plan = Plan.of(dataclasses.replace(REQUEST, **change), card)
        assert plan.sampling.guidance == CONDITIONED_GUIDANCE
    for small in (1.0, 1.5):  # a student's, and that of another model
        card = dataclasses.replace(card, sampling={"guidance": small})
        assert Plan.of(dataclasses.replace(REQUEST, path=track), card).sampling.guidance == small


def test_references_and_operations_that_it_lacks_are_refused(engine: NativeEngine) -> None:
    picture = Reference("keyframe", "ab" * 32, "image/png", at=0.5)
    with pytest.raises(BadInput, match="toy cannot take an image as keyframe; leave it out"):
        engine.start(dataclasses.replace(REQUEST, references=(picture,)))
    with pytest.raises(BadInput, match="native engine cannot 'extend'; it can generate"):
        engine.start(dataclasses.replace(REQUEST, operation="extend"))


def test_a_resumed_run_with_a_negative_prompt_ends_in_the_same_bytes(engine: NativeEngine) -> None:
    request = dataclasses.replace(REQUEST, negative_prompt="snow at night")
    run = engine.start(request)
    for step in run:
        if (step.stage, step.done) == ("sample", 2):
            break
    resumed = engine.start(request, run.state())
    assert [step.done for step in resumed if step.stage == "sample"] == [2, 3]
    assert resumed.clip().frames.tobytes() == render(engine, negative_prompt="snow at night").frames.tobytes()
    with pytest.raises(EngineError, match="another request"):
        engine.start(REQUEST, run.state())


def test_the_model_stays_in_memory_until_its_file_changes(
    engine: NativeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    load = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path, *more: (loaded.append(path), load(path, *more))[1])
    first = render(engine, steps=1).frames.tobytes()
    assert render(engine, steps=1).frames.tobytes() == first
    assert len(loaded) == 1
    weights = settings.models / "toy.safetensors"
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    assert render(engine, steps=1).frames.tobytes() == first
    assert len(loaded) == 2


def test_a_sampler_of_the_future_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    card = dataclasses.replace(catalog.find(None, settings.models), sampling={"telepathy": True})
    monkeypatch.setattr(catalog, "find", lambda name, home: card)
    with pytest.raises(ModelError, match="sampler that is not known"):
        NativeEngine(settings).start(REQUEST)


def test_an_older_file_may_say_that_it_is_not_drawn_by_heun(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = catalog.find(None, settings.models)
    for heun in (False, True):
        changed = dataclasses.replace(card, sampling={"steps": 2, "heun": heun})
        monkeypatch.setattr(catalog, "find", lambda name, home, card=changed: card)
        if not heun:
            assert NativeEngine(settings).plan(REQUEST).sampling.steps == 2
            continue
        with pytest.raises(ModelError, match="sampler that is not known"):
            NativeEngine(settings).plan(REQUEST)


def test_describes_the_facts_of_a_prompt() -> None:
    facts, choices = describe(parse("a red balloon rising over the mountains at noon")).split(
        "; chosen by the model: "
    )
    assert facts == "red balloon rise, time noon, place mountains"
    assert choices == "weather, camera"
    assert describe(parse("colourless ideas dream furiously")).startswith("nothing that it knows; chosen")


# Profiles and students


@pytest.mark.parametrize(
    ("changes", "model", "steps", "passes"),
    [
        ({}, "toy-fast", 4, 4),
        ({"profile": "standard"}, "toy-fast", 4, 4),
        ({"profile": "best"}, "toy", 3, 5),
        ({"profile": "best", "steps": 9}, "toy", 9, 16),
        ({"profile": "draft"}, "toy-fast", 2, 2),
        ({"profile": "draft", "steps": 4}, "toy-fast", 4, 4),
        ({"steps": 2}, "toy-fast", 2, 2),
        ({"steps": 3}, "toy", 3, 5),
        ({"profile": "standard", "steps": 3}, "toy", 3, 5),
        ({"profile": "best", "steps": 4}, "toy", 4, 7),
        ({"negative_prompt": "rain"}, "toy", 3, 5),
        ({"profile": "standard", "negative_prompt": "rain"}, "toy", 3, 5),
        ({"model": "toy-fast"}, "toy-fast", 4, 4),
        ({"model": "toy-fast", "steps": 2}, "toy-fast", 2, 2),
        ({"model": "toy-fast", "profile": "draft"}, "toy-fast", 2, 2),
    ],
)
def test_the_profile_chooses_model_and_steps(
    student_settings: Settings, changes: dict[str, Any], model: str, steps: int, passes: int
) -> None:
    engine = NativeEngine(student_settings)
    request = dataclasses.replace(REQUEST, **changes)
    plan = engine.plan(request)
    assert (plan.card.name, plan.sampling.steps, engine.estimate(request).passes) == (model, steps, passes)


def test_without_a_student_there_are_no_drafts(engine: NativeEngine, student_settings: Settings) -> None:
    assert engine.capabilities().profiles == ("standard", "best")
    for changes, steps in (({}, 3), ({"profile": "standard"}, 3), ({"profile": "best"}, 6)):
        plan = engine.plan(dataclasses.replace(REQUEST, **changes))
        assert (plan.card.name, plan.sampling.steps) == ("toy", steps)
    with pytest.raises(BadInput, match="no profile 'draft'"):
        engine.plan(dataclasses.replace(REQUEST, profile="draft"))
    capabilities = NativeEngine(student_settings).capabilities()
    assert (capabilities.model, capabilities.models) == ("toy", ("toy", "toy-fast"))
    assert capabilities.profiles == ("draft", "standard", "best")
    student = NativeEngine(student_settings).capabilities("toy-fast")
    assert (student.profiles, student.steps) == (("draft", "standard"), (2, 4))


def test_a_student_draws_by_its_own_levels_and_is_named(student_settings: Settings) -> None:
    engine = NativeEngine(student_settings)
    run = engine.start(dataclasses.replace(REQUEST, profile="draft"))
    assert [step.done for step in run if step.stage == "sample"] == [0, 1, 2]
    assert run.plan.sampling.schedule().tolist() == [0.02, 0.3, 1.0]
    assert (run.clip().provenance.model, run.clip().provenance.steps) == ("toy-fast", 2)
    assert run.clip().frames.shape == (8, 32, 32, 3)


@pytest.mark.parametrize("steps", [3, 1, 5])
def test_a_student_takes_no_other_number_of_steps(student_settings: Settings, steps: int) -> None:
    engine = NativeEngine(student_settings)
    choices: tuple[dict[str, Any], ...] = ({"model": "toy-fast"}, {"profile": "draft"})
    for changes in choices:
        with pytest.raises(BadInput, match=r"2 (or|to) 4") as caught:
            engine.plan(dataclasses.replace(REQUEST, steps=steps, **changes))
        assert caught.value.field == "steps"


def test_a_student_takes_no_negative_prompt_and_no_guide(student_settings: Settings) -> None:
    engine = NativeEngine(student_settings)
    with pytest.raises(BadInput, match="under the profile draft; leave it out or choose standard or best"):
        engine.plan(dataclasses.replace(REQUEST, profile="draft", negative_prompt="rain"))
    with pytest.raises(BadInput, match="takes no negative prompt"):
        engine.plan(dataclasses.replace(REQUEST, model="toy-fast", negative_prompt="rain"))
    video = Reference("guide", "ab" * 32, "video/mp4")
    for profile in ("draft", "standard", None):
        remix = dataclasses.replace(REQUEST, profile=profile, references=(video,))
        assert engine.plan(remix).card.name == "toy"


def test_a_damaged_file_is_no_student(student_settings: Settings) -> None:
    path = student_settings.models / "toy-fast.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert NativeEngine(student_settings).capabilities().profiles == ("standard", "best")
