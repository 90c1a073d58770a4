"""Ground truth of cases, clips of cases, and whole evaluations of a prompt file."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from hinode.engines.native import catalog
from hinode.engines.native.engine import NativeEngine
from hinode.engines.native.plan import Plan
from hinode.errors import BadInput
from hinode.evaluation import evaluate
from hinode.evaluation.evaluate import evaluate_file, plan_of, to_bytes, true_scene
from hinode.evaluation.prompts import Case, read_cases
from hinode.evaluation.scores import Observation, tally
from hinode.model.tokens import SpacetimePatches
from hinode.request import Request
from hinode.settings import Settings
from hinode.world.caption import caption
from hinode.world.prompts.prompt import parse
from hinode.world.render import render
from hinode.world.scene import sample_scene

PROMPTS = [
    {
        "prompt": "a red balloon rising over the hills at noon",
        "expect": {"subject": "balloon", "color": "red"},
    },
    {"prompt": "a train at night, camera zooms in", "expect": {"time": "night", "camera": "zoom in"}},
    {"prompt": "a blue kite in the snow", "expect": {"color": "blue", "weather": "snow"}},
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in PROMPTS), encoding="utf-8")
    return path


# Ground truth


def test_a_true_scene_has_the_expected_facts() -> None:
    rng = random.Random("truth")
    for _ in range(400):
        facts = sample_scene(rng, subjects=1, held_out=None).facts()
        expect = dict(rng.sample(sorted(facts.items()), rng.randint(0, len(facts))))
        scene = true_scene(Case("a clip", expect), rng)
        assert len(scene.subjects) == 1
        assert expect.items() <= scene.facts().items()
        # Its path begins where a subject of that motion has space.
        (subject,) = scene.subjects
        x, y = subject.x, subject.y
        fits = {"left": x > 0.6, "right": x < 0.4, "rise": y > 0.6, "fall": y < 0.3}
        assert fits.get(subject.motion, True)


@pytest.mark.parametrize("count", [2, 3])
def test_a_true_scene_of_several_subjects_has_their_relation(count: int) -> None:
    rng = random.Random(f"truth of {count}")
    for _ in range(200):
        parsed = parse(caption(sample_scene(rng, subjects=count), rng, "full"))
        scene = true_scene(Case("a clip", parsed.cast_facts()), rng)
        cast = [(subject.kind, subject.color, subject.motion) for subject in scene.subjects]
        assert cast == [(facts.kind, facts.color, facts.motion) for facts in parsed.subjects]
        assert scene.relation == parsed.relation


def test_all_other_facts_vary() -> None:
    rng = random.Random("free")
    scenes = [true_scene(Case("a red clip", {"color": "red"}), rng) for _ in range(60)]
    assert {scene.subjects[0].color for scene in scenes} == {"red"}
    for name in ("subject", "motion", "time", "place", "weather", "camera"):
        assert len({scene.facts()[name] for scene in scenes}) >= 4


def test_frames_become_bytes() -> None:
    video = torch.tensor([-0.3, 0.0, 0.5, 0.9999, 1.0, 1.7]).view(1, 1, 1, 1, 6).expand(1, 2, 3, 4, 6)
    frames = to_bytes(video)
    assert frames.shape == (1, 2, 4, 6, 3)
    assert frames.dtype == torch.uint8
    assert frames[0, 1, 3, :, 2].tolist() == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize("shape", [(17, 8.0, 64, 64), (9, 12.0, 64, 32), (25, 23.976, 32, 48)])
def test_a_compressed_clip_stays_nearly_the_same(shape: tuple[int, float, int, int]) -> None:
    count, fps, width, height = shape
    rng = random.Random("file")
    scenes = [sample_scene(rng) for _ in range(2)]
    frames = to_bytes(render(scenes, frames=count, fps=fps, width=width, height=height))
    decoded = evaluate.compress(frames, fps, SpacetimePatches())
    assert decoded.shape == frames.shape
    assert decoded.dtype == torch.uint8
    error = (decoded.float() - frames.float()).square().mean((1, 2, 3, 4))
    signal = 10 * torch.log10(255**2 / error)
    assert (signal > 26).all()  # decibels; colour is stored at half the width and height
    assert not torch.equal(decoded, frames)
    # Every clip and every frame is in its place.
    differences = (decoded[:, None].float() - frames[None].float()).abs().mean((2, 3, 4, 5))
    assert torch.equal(differences.argmin(1), torch.tensor([0, 1]))
    reversed_error = (decoded.flip(1).float() - frames.float()).square().mean()
    assert reversed_error > 2 * error.mean()


# Clips of cases


def generate(cases: Sequence[Case], plan: Plan, seed: int = 0) -> torch.Tensor:
    batches = list(evaluate.generate(cases, plan, seed=seed))
    assert [i for numbers, _ in batches for i in numbers] == list(range(len(cases)))
    return torch.cat([frames for _, frames in batches])


def toy_plan(settings: Settings, steps: int | None = None) -> Plan:
    return plan_of(catalog.find(None, settings.models), seconds=1.0, steps=steps)


def test_a_clip_is_what_the_command_generates(control_settings: Settings) -> None:
    pair = "a red ball rising left of a blue kite bouncing over the sea at noon, pan left"
    cases = [*(Case(str(line["prompt"]), {}) for line in PROMPTS), Case(pair, {})]
    frames = generate(cases, toy_plan(control_settings), seed=40)
    engine = NativeEngine(control_settings)
    for i, case in enumerate(cases):
        run = engine.start(Request(case.prompt, 32, 32, seconds=1.0, seed=40 + i))
        for _ in run:
            pass
        clip = torch.from_numpy(run.clip().frames.copy())
        assert clip.shape == frames[i].shape
        assert (clip.float() - frames[i].float()).abs().max() <= 1


def test_the_batch_size_does_not_matter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [Case(f"a {color} kite", {}) for color in ("red", "blue", "green", "white", "pink")]
    plan = toy_plan(settings, steps=2)
    whole = generate(cases, plan)
    assert whole.shape == (5, 8, 32, 32, 3)
    monkeypatch.setattr(evaluate, "BATCH", 2)
    assert (generate(cases, plan).float() - whole.float()).abs().max() <= 1


# Evaluations


def test_a_model_is_scored_on_a_prompt_file(settings: Settings, prompts: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips" / "toy.pt"
    result = evaluate_file(prompts, settings=settings, steps=2, seed=3, with_floors=True, save_clips=clips)
    assert json.loads(json.dumps(result)) == result
    assert (result["model"], result["n"], result["steps"], result["guidance"]) == ("toy", 3, 2, 2.0)
    assert (result["size"], result["fps"], result["frames"], result["seed"]) == ([32, 32], 8, 16, 3)
    assert result["prompts_sha256"] == hashlib.sha256(prompts.read_bytes()).hexdigest()
    counts = {"subject": 1, "color": 2, "time": 1, "camera": 1, "weather": 1}
    floors = result["floors"]
    flicker = floors.pop("flicker")
    assert 0 < flicker["low"] <= flicker["ratio"] <= flicker["high"]
    assert set(floors) == {"ground_truth", "tokeniser_and_h264", "static_frame", "shuffled_captions"}
    for scores in (result, *floors.values()):
        assert {name: score["n"] for name, score in scores["attributes"].items()} == counts
        for score in (scores["whole_prompt"], *scores["attributes"].values()):
            assert 0 <= score["low"] <= score["accuracy"] <= score["high"] <= 1

    saved = torch.load(clips, weights_only=True)
    assert saved["frames"].shape == (3, 16, 32, 32, 3)
    assert [case["prompt"] for case in saved["cases"]] == [line["prompt"] for line in PROMPTS]
    readings = [Observation(facts) for facts in saved["seen"]]
    assert tally(readings, read_cases(prompts))["whole_prompt"] == result["whole_prompt"]
    again = evaluate_file(prompts, settings=settings, steps=2, seed=3)
    assert again["attributes"] == result["attributes"]


def test_limit_and_size_choose_cases_and_shape(settings: Settings, prompts: Path) -> None:
    result = evaluate_file(prompts, settings=settings, model="toy", limit=2, size=(640, 360), steps=1)
    assert (result["n"], result["size"]) == (2, [64, 32])


def test_an_unknown_model_is_refused_before_anything_is_generated(settings: Settings, prompts: Path) -> None:
    with pytest.raises(BadInput, match="no model 'sora'"):
        evaluate_file(prompts, settings=settings, model="sora")
