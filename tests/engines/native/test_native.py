from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hinode import engines
from hinode.clip import Clip, Frames
from hinode.engines.native import catalog
from hinode.engines.native import engine as native
from hinode.engines.native.engine import NativeEngine, NativeRun, Plan, read_as
from hinode.engines.protocol import State
from hinode.errors import BadInput, EngineError, ModelError
from hinode.model import checkpoint
from hinode.request import Reference, Request
from hinode.settings import Settings
from hinode.world.caption import parse

REQUEST = Request("a red balloon rising over the wibbly mountains at noon", 64, 64, seconds=1.0, seed=7)

PAIR = "a red balloon rising left of a blue kite bouncing over the sea at noon, pan left"


@pytest.fixture
def engine(settings: Settings) -> NativeEngine:
    return NativeEngine(settings)


def drawn(engine: NativeEngine, **changes: Any) -> Clip:
    run = engine.start(dataclasses.replace(REQUEST, **changes))
    for _ in run:
        pass
    return run.clip()


def test_a_known_engine_is_found_and_an_unknown_one_is_answered_with_the_known(settings: Settings) -> None:
    assert engines.get("native", settings).name == "native"
    with pytest.raises(BadInput, match="choose native") as caught:
        engines.get("sora", settings)
    assert caught.value.field == "engine"


def test_says_what_it_can_do(engine: NativeEngine) -> None:
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


def test_counts_the_work(engine: NativeEngine) -> None:
    work = engine.estimate(REQUEST)
    # 9 frames are 3 latent frames of 4x4 positions; guidance doubles all passes but the first
    assert (work.tokens, work.steps, work.pixels) == (3 * 4 * 4, 3, 9 * 32 * 32)
    assert work.passes == 5
    assert engine.estimate(dataclasses.replace(REQUEST, steps=10)).steps == 10


def test_draws_and_tells_every_step(engine: NativeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "smooth_patch_seams", lambda video, *how: video)  # previews are not
    run = engine.start(REQUEST)
    told = list(run)
    assert [(step.stage, step.done, step.total) for step in told] == [
        ("load", 0, 1),
        ("text", 0, 1),
        ("sample", 0, 3),
        ("sample", 1, 3),
        ("sample", 2, 3),
        ("sample", 3, 3),
        ("decode", 0, 1),
        ("decode", 1, 1),
    ]
    previews = [step.preview for step in told if step.preview is not None]
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
    assert len(drawn(engine, seconds=seconds, fps=fps, steps=1).frames) == frames


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(engine: NativeEngine) -> None:
    first: Frames = drawn(engine).frames
    assert drawn(engine).frames.tobytes() == first.tobytes()
    assert drawn(engine, seed=8).frames.tobytes() != first.tobytes()
    assert drawn(engine, prompt="a blue fish").frames.tobytes() != first.tobytes()


def stopped_after(engine: NativeEngine, steps: int) -> NativeRun:
    run = engine.start(REQUEST)
    for step in run:
        if (step.stage, step.done) == ("sample", steps):
            return run
    raise AssertionError("the run has fewer steps")


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_saved_run_goes_on_to_the_same_bytes(engine: NativeEngine, settings: Settings, steps: int) -> None:
    state = stopped_after(engine, steps).state()
    assert (state.engine, state.step) == ("native", steps)
    resumed = NativeEngine(settings).start(REQUEST, State(state.engine, state.step, bytes(state.body)))
    told = [(step.stage, step.done) for step in resumed]
    assert ("sample", steps) in told
    assert ("sample", steps - 1) not in told
    assert resumed.clip().frames.tobytes() == drawn(engine).frames.tobytes()
    assert resumed.state().step == 3


def test_a_saved_run_of_two_subjects_goes_on_to_the_same_bytes(hinted_settings: Settings) -> None:
    engine, request = NativeEngine(hinted_settings), dataclasses.replace(REQUEST, prompt=PAIR)
    # Two subjects are two passes a step, and one for both of them that guidance leads away from.
    assert engine.estimate(request).passes == 3 * 2 + 2
    run = engine.start(request)
    next(step for step in run if (step.stage, step.done) == ("sample", 1))
    resumed = NativeEngine(hinted_settings).start(request, run.state())
    assert ("sample", 0) not in [(step.stage, step.done) for step in resumed]
    clip = resumed.clip()
    assert clip.frames.tobytes() == drawn(engine, prompt=PAIR).frames.tobytes()
    assert "each of the 2 subjects drawn in a place of its own" in clip.provenance.read_as


def test_who_is_not_told_where_subjects_are_draws_from_one_text(engine: NativeEngine) -> None:
    request = dataclasses.replace(REQUEST, prompt=PAIR)
    assert engine.estimate(request).passes == engine.estimate(REQUEST).passes
    assert "subjects drawn in a place" not in drawn(engine, prompt=PAIR).provenance.read_as


def test_a_paused_run_goes_on_where_it_was(engine: NativeEngine) -> None:
    run = stopped_after(engine, 1)
    with pytest.raises(EngineError, match="not finished"):
        run.clip()
    assert [step.done for step in run if step.stage == "sample"] == [1, 2, 3]
    assert run.clip().frames.tobytes() == drawn(engine).frames.tobytes()
    assert list(run)[-1].stage == "decode"  # a finished run stays finished


def test_a_state_knows_where_it_belongs(engine: NativeEngine) -> None:
    state = stopped_after(engine, 1).state()
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
    plain, without = drawn(engine), drawn(engine, negative_prompt="snow at night")
    assert without.frames.tobytes() != plain.frames.tobytes()
    assert drawn(engine, negative_prompt="snow at night").frames.tobytes() == without.frames.tobytes()
    assert "led away from: snow at night" in without.provenance.read_as
    # Words that it does not know lead nowhere, and it says so.
    unknown = drawn(engine, negative_prompt="bokeh artefacts")
    assert unknown.frames.tobytes() == plain.frames.tobytes()
    assert "no word of the negative prompt is known" in unknown.provenance.read_as
    assert "negative" not in plain.provenance.read_as


def test_clips_drawn_together_are_led_away_each_from_its_own(hinted_settings: Settings) -> None:
    engine = NativeEngine(hinted_settings)
    asked = [
        REQUEST,
        dataclasses.replace(REQUEST, negative_prompt="snow at night"),
        dataclasses.replace(REQUEST, prompt=PAIR, seed=8),
    ]
    plans = [engine.plan(request) for request in asked]
    model = checkpoint.load(plans[0].card.path)
    *_, together = native.make_sampler(plans, model, torch.device("cpu"))
    for plan, latents in zip(plans, together.latents, strict=True):
        *_, alone = native.make_sampler([plan], model, torch.device("cpu"))
        torch.testing.assert_close(alone.latents[0], latents, rtol=1e-3, atol=1e-3)
    assert (together.latents[0] - together.latents[1]).abs().max() > 0.01


def test_a_model_that_does_without_guidance_takes_no_negative_prompt(
    engine: NativeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode.engines.native import catalog

    card = catalog.find(None, settings.models)
    for change in ({"guidance_embedded": True}, {"sampling": {"guidance": 1.0}}):
        monkeypatch.setattr(catalog, "find", lambda name, home, to=change: dataclasses.replace(card, **to))
        with pytest.raises(BadInput, match="takes no negative prompt"):
            engine.start(dataclasses.replace(REQUEST, negative_prompt="snow"))


def test_guidance_gives_way_to_what_is_given(engine: NativeEngine, settings: Settings) -> None:
    card = dataclasses.replace(catalog.find(None, settings.models), sampling={"guidance": 4.0})
    picture = Reference("first_frame", "ab" * 32, "image/png")
    footage = Reference("guide", "ab" * 32, "video/mp4")
    asked = {
        4.0: {},
        native.CONDITIONED_GUIDANCE: {"references": (picture,)},
        native.EDIT_GUIDANCE: {"references": (footage,), "guide_prompt": "a red ball at noon"},
    }
    for guidance, change in asked.items():
        assert Plan.of(dataclasses.replace(REQUEST, **change), card).sampling.guidance == guidance
    way = ((0.0, 0.2, 0.5), (1.0, 0.8, 0.5))
    for change in ({"path": way}, {"camera": way}):
        assert (
            Plan.of(dataclasses.replace(REQUEST, **change), card).sampling.guidance
            == native.CONDITIONED_GUIDANCE
        )
    for little in (1.0, 1.5):  # a student's, and somebody's own
        card = dataclasses.replace(card, sampling={"guidance": little})
        assert Plan.of(dataclasses.replace(REQUEST, path=way), card).sampling.guidance == little


def test_what_it_cannot_do_it_says(engine: NativeEngine) -> None:
    picture = Reference("keyframe", "ab" * 32, "image/png", at=0.5)
    with pytest.raises(BadInput, match="toy cannot take an image as keyframe; leave it out"):
        engine.start(dataclasses.replace(REQUEST, references=(picture,)))
    with pytest.raises(BadInput, match="native engine cannot 'extend'; it can generate"):
        engine.start(dataclasses.replace(REQUEST, operation="extend"))


def test_a_saved_run_with_a_negative_prompt_goes_on_to_the_same_bytes(engine: NativeEngine) -> None:
    request = dataclasses.replace(REQUEST, negative_prompt="snow at night")
    run = engine.start(request)
    for step in run:
        if (step.stage, step.done) == ("sample", 2):
            break
    resumed = engine.start(request, run.state())
    assert [step.done for step in resumed if step.stage == "sample"] == [2, 3]
    assert resumed.clip().frames.tobytes() == drawn(engine, negative_prompt="snow at night").frames.tobytes()
    with pytest.raises(EngineError, match="another request"):
        engine.start(REQUEST, run.state())


def test_the_model_stays_in_memory_until_its_file_changes(
    engine: NativeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode.model import checkpoint

    loaded: list[Path] = []
    load = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path, *more: (loaded.append(path), load(path, *more))[1])
    first = drawn(engine, steps=1).frames.tobytes()
    assert drawn(engine, steps=1).frames.tobytes() == first
    assert len(loaded) == 1
    weights = settings.models / "toy.safetensors"
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    assert drawn(engine, steps=1).frames.tobytes() == first
    assert len(loaded) == 2


def test_a_sampler_of_the_future_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    card = dataclasses.replace(catalog.find(None, settings.models), sampling={"telepathy": True})
    monkeypatch.setattr(catalog, "find", lambda name, home: card)
    with pytest.raises(ModelError, match="sampler that is not known"):
        NativeEngine(settings).start(REQUEST)


def test_says_how_a_prompt_was_read() -> None:
    said, left = read_as(parse("a red balloon rising over the mountains at noon")).split(
        "; chosen by the model: "
    )
    assert said == "red balloon rise, time noon, place mountains"
    assert left == "weather, camera"
    assert read_as(parse("colourless ideas sleep furiously")).startswith("nothing that it knows; chosen")


# Profiles and students


@pytest.mark.parametrize(
    ("asked", "who", "steps", "passes"),
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
def test_a_profile_says_who_draws_and_in_how_many_steps(
    quick: Settings, asked: dict[str, Any], who: str, steps: int, passes: int
) -> None:
    engine = NativeEngine(quick)
    request = dataclasses.replace(REQUEST, **asked)
    plan = engine.plan(request)
    assert (plan.card.name, plan.sampling.steps, engine.estimate(request).passes) == (who, steps, passes)


def test_without_a_student_there_are_no_drafts(engine: NativeEngine, quick: Settings) -> None:
    assert engine.capabilities().profiles == ("standard", "best")
    for asked, steps in (({}, 3), ({"profile": "standard"}, 3), ({"profile": "best"}, 6)):
        plan = engine.plan(dataclasses.replace(REQUEST, **asked))
        assert (plan.card.name, plan.sampling.steps) == ("toy", steps)
    with pytest.raises(BadInput, match="no profile 'draft'"):
        engine.plan(dataclasses.replace(REQUEST, profile="draft"))
    capabilities = NativeEngine(quick).capabilities()
    assert (capabilities.model, capabilities.models) == ("toy", ("toy", "toy-fast"))
    assert capabilities.profiles == ("draft", "standard", "best")
    student = NativeEngine(quick).capabilities("toy-fast")
    assert (student.profiles, student.steps) == (("draft", "standard"), (2, 4))


def test_a_student_draws_by_its_own_levels_and_is_named(quick: Settings) -> None:
    engine = NativeEngine(quick)
    run = engine.start(dataclasses.replace(REQUEST, profile="draft"))
    assert [step.done for step in run if step.stage == "sample"] == [0, 1, 2]
    assert run.plan.sampling.schedule().tolist() == [0.02, 0.3, 1.0]
    assert (run.clip().provenance.model, run.clip().provenance.steps) == ("toy-fast", 2)
    assert run.clip().frames.shape == (8, 32, 32, 3)


@pytest.mark.parametrize("steps", [3, 1, 5])
def test_a_student_takes_no_other_number_of_steps(quick: Settings, steps: int) -> None:
    engine = NativeEngine(quick)
    choices: tuple[dict[str, Any], ...] = ({"model": "toy-fast"}, {"profile": "draft"})
    for asked in choices:
        with pytest.raises(BadInput, match=r"2 (or|to) 4") as caught:
            engine.plan(dataclasses.replace(REQUEST, steps=steps, **asked))
        assert caught.value.field == "steps"


def test_a_student_is_led_by_nothing(quick: Settings) -> None:
    engine = NativeEngine(quick)
    with pytest.raises(BadInput, match="under the profile draft; leave it out or choose standard or best"):
        engine.plan(dataclasses.replace(REQUEST, profile="draft", negative_prompt="rain"))
    with pytest.raises(BadInput, match="takes no negative prompt"):
        engine.plan(dataclasses.replace(REQUEST, model="toy-fast", negative_prompt="rain"))
    video = Reference("guide", "ab" * 32, "video/mp4")
    for profile in ("draft", "standard", None):
        remix = dataclasses.replace(REQUEST, profile=profile, references=(video,))
        assert engine.plan(remix).card.name == "toy"


def test_a_damaged_file_is_nobodys_student(quick: Settings) -> None:
    path = quick.models / "toy-fast.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert NativeEngine(quick).capabilities().profiles == ("standard", "best")
