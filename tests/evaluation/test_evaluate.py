from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from hinode.engines.native import catalog
from hinode.engines.native.engine import NativeEngine, Plan
from hinode.errors import BadInput
from hinode.evaluation import evaluate
from hinode.evaluation.evaluate import (
    Case,
    Observation,
    Score,
    evaluate_file,
    read_cases,
    tally,
    to_bytes,
    truth,
)
from hinode.evaluation.flicker import beside, flicker
from hinode.model.tokens import SpacetimePatches
from hinode.request import Request
from hinode.settings import Settings
from hinode.world.caption import caption, parse
from hinode.world.detector import Cast, Detection
from hinode.world.judge import ATTRIBUTES, load_judge
from hinode.world.render import render
from hinode.world.scene import Scene, Subject, sample_scene

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
    path.write_text("\n".join(json.dumps(line) for line in PROMPTS) + "\n\n", encoding="utf-8")
    return path


def plan_of(settings: Settings, prompt: str = "a clip", **more: int) -> Plan:
    card = catalog.find(None, settings.models)
    return Plan.of(Request(prompt, width=32, height=32, seconds=1.0, **more), card)  # type: ignore[arg-type]


# Scores


# Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_wilsons(right: int, n: int, low: float, high: float) -> None:
    score = Score(right, n).as_json()
    assert (score["low"], score["high"]) == (low, high)
    assert score["accuracy"] == pytest.approx(right / n, abs=1e-4)
    assert score["n"] == n
    other = Score(n - right, n).as_json()
    assert other["low"] == pytest.approx(1 - high, abs=1e-4)
    assert other["high"] == pytest.approx(1 - low, abs=1e-4)


def test_a_score_of_nothing_is_nothing() -> None:
    assert Score(0, 0).as_json() == {"accuracy": 0.0, "low": 0.0, "high": 0.0, "n": 0}


def seen(**facts: str) -> Observation:
    return Observation({**{name: values[0] for name, values in ATTRIBUTES.items()}, **facts})


def test_only_what_was_expected_is_tallied() -> None:
    cases = [
        Case("one", {"subject": "boat", "color": "blue"}),
        Case("two", {"subject": "boat"}),
        Case("three", {"time": "night", "subject": "fish"}),
    ]
    result = tally(
        [
            seen(subject="boat", color="blue", time="noon"),
            seen(subject="kite", color="white"),
            seen(subject="fish", time="dawn"),
        ],
        cases,
    )
    assert result["n"] == 3
    assert result["whole_prompt"] == Score(1, 3).as_json()
    assert result["attributes"] == {
        "subject": Score(2, 3).as_json(),
        "color": Score(1, 1).as_json(),
        "time": Score(0, 1).as_json(),
    }


def test_the_facts_of_several_subjects_are_tallied_together_and_found_by_kind() -> None:
    asked = {
        "subject": "boat", "color": "blue", "subject 2": "kite", "motion 2": "rise", "subject 3": "star",
        "relation": "left of", "count": "3", "time": "noon",
    }  # fmt: skip
    found = {
        "kite": Detection("kite", "red", "rise", 0.8, 0.5),
        "boat": Detection("boat", "blue", "still", 0.3, 0.5),
    }
    clip = Observation(seen(time="noon").values, Cast(found, frozenset()))
    result = tally([clip], [Case("all", asked)])
    assert result["whole_prompt"]["accuracy"] == 0.0
    assert {name: (score["n"], score["accuracy"]) for name, score in result["attributes"].items()} == {
        "subject": (3, 0.6667),
        "color": (1, 1.0),
        "motion": (1, 1.0),
        "time": (1, 1.0),
        "relation": (1, 1.0),
        "count": (1, 0.0),
    }


def test_a_case_that_expects_nothing_is_always_right() -> None:
    assert tally([seen()], [Case("anything", {})])["whole_prompt"]["accuracy"] == 1.0


def test_every_case_needs_a_clip() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        tally([seen()], [Case("one", {}), Case("two", {})])


# Prompt files


def test_reads_prompts_and_what_they_expect(prompts: Path) -> None:
    assert read_cases(prompts) == [Case(str(p["prompt"]), dict(p["expect"])) for p in PROMPTS]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("motion", "rising", "rise"),
        ("time", "Sunrise", "dawn"),
        ("time", "dusk", "sunset"),
        ("subject", "sailboat", "boat"),
        ("camera", "pan_left", "pan left"),
        ("camera", "zoom-in", "zoom in"),
        ("camera", "still", "still"),
        ("motion", "still", "still"),
        ("place", " ocean ", "sea"),
        ("color", "crimson", "red"),
        ("weather", "clear", "clear"),
        ("color 2", "crimson", "red"),
        ("subject 3", "sailboat", "boat"),
        ("relation", "left of", "left of"),
        ("count", "2", "2"),
    ],
)
def test_a_fact_may_be_written_as_people_write_it(
    tmp_path: Path, name: str, written: str, meant: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "a clip", "expect": {name: written}}), encoding="utf-8")
    assert read_cases(path) == [Case("a clip", {name: meant})]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "is not an object with prompt and expect"),
        ("7", "is not an object with prompt and expect"),
        ("[]", "is not an object with prompt and expect"),
        ('{"prompt": "a kite"}', "is not an object with prompt and expect"),
        ('{"prompt": "", "expect": {}}', "needs a prompt in words"),
        ('{"prompt": ["a kite"], "expect": {}}', "needs a prompt in words"),
        ('{"prompt": "a kite", "expect": ["kite"]}', "needs a prompt in words and an object"),
        ('{"prompt": "a kite", "expect": {"mood": "gay"}}', "expects 'mood', but only subject, color"),
        ('{"prompt": "a kite", "expect": {"time 2": "noon"}}', "expects 'time 2', but only subject, color"),
        ('{"prompt": "a kite", "expect": {"count": "4"}}', "expects count '4', which is none of 1, 2, 3"),
        ('{"prompt": "a kite", "expect": {"color": "mauve"}}', "expects color 'mauve', which is none of red"),
        ('{"prompt": "a kite", "expect": {"camera": "left"}}', "expects camera 'left', which is none"),
        ('{"prompt": "a kite", "expect": {"color": null}}', "expects color None"),
    ],
)
def test_names_the_line_that_is_wrong(prompts: Path, line: str, text: str) -> None:
    with prompts.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(BadInput, match=rf"^line 5 of .*prompts\.jsonl {text}") as caught:
        read_cases(prompts)
    assert caught.value.field == "prompts"
    assert "\n" not in str(caught.value)
    assert "write lines like" in caught.value.remedy


def test_a_file_without_prompts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n \n", encoding="utf-8")
    with pytest.raises(BadInput, match="is empty"):
        read_cases(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        read_cases(path)
    for nothing in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read_cases(nothing)


# Ground truth


def test_the_truth_of_a_case_shows_what_it_expects() -> None:
    rng = random.Random("truth")
    for _ in range(400):
        facts = sample_scene(rng, subjects=1, held_out=None).facts()
        expect = dict(rng.sample(sorted(facts.items()), rng.randint(0, len(facts))))
        scene = truth(Case("a clip", expect), rng)
        assert len(scene.subjects) == 1
        assert expect.items() <= scene.facts().items()
        # Its path begins where a subject of that motion has room.
        (subject,) = scene.subjects
        x, y = subject.x, subject.y
        room = {"left": x > 0.6, "right": x < 0.4, "rise": y > 0.6, "fall": y < 0.3}
        assert room.get(subject.motion, True)


@pytest.mark.parametrize("count", [2, 3])
def test_the_truth_of_several_subjects_shows_them_as_they_are_said_to_relate(count: int) -> None:
    rng = random.Random(f"truth of {count}")
    for _ in range(200):
        said = parse(caption(sample_scene(rng, subjects=count), rng, "full"))
        scene = truth(Case("a clip", said.cast_facts()), rng)
        cast = [(one.kind, one.color, one.motion) for one in scene.subjects]
        assert cast == [(one.kind, one.color, one.motion) for one in said.subjects]
        assert scene.relation == said.relation


def test_a_trembling_background_flickers_and_a_subject_does_not_count() -> None:
    rng = random.Random("flicker")
    ball = Subject("ball", "red", "still", x=0.3, y=0.4)
    calm = Scene((ball,), place="desert")
    frames = to_bytes(render([calm, calm], frames=9, fps=8.0, width=64, height=64))
    rest = flicker(frames, 8.0, load_judge())
    assert rest[0] == rest[1] < 1
    shaken = frames.clone()
    for number in range(9):  # only where the ball is
        shaken[0, number, 14:36, 10:30] += rng.randrange(8)
    shaken[1, ::2, :, 48:] ^= 8
    worse = flicker(shaken, 8.0, load_judge())
    assert worse[0] == pytest.approx(rest[0], abs=0.05)
    assert worse[1] > rest[1] + 2


def test_flicker_is_compared_in_pairs() -> None:
    result = beside([2.0, 4.0, float("nan")], [1.0, 2.0, 3.0])
    assert result == {"drawn": 3.0, "true": 1.5, "ratio": 2.0, "low": 2.0, "high": 2.0, "n": 2}
    assert beside([float("nan")], [1.0]) == {"n": 0}


def test_what_is_not_expected_varies() -> None:
    rng = random.Random("free")
    scenes = [truth(Case("a red clip", {"color": "red"}), rng) for _ in range(60)]
    assert {scene.subjects[0].color for scene in scenes} == {"red"}
    for name in ("subject", "motion", "time", "place", "weather", "camera"):
        assert len({scene.facts()[name] for scene in scenes}) >= 4


def test_pictures_become_bytes() -> None:
    video = torch.tensor([-0.3, 0.0, 0.5, 0.9999, 1.0, 1.7]).view(1, 1, 1, 1, 6).expand(1, 2, 3, 4, 6)
    frames = to_bytes(video)
    assert frames.shape == (1, 2, 4, 6, 3)
    assert frames.dtype == torch.uint8
    assert frames[0, 1, 3, :, 2].tolist() == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize("shape", [(17, 8.0, 64, 64), (9, 12.0, 64, 32), (25, 23.976, 32, 48)])
def test_a_clip_comes_back_from_a_file_nearly_as_it_went_in(shape: tuple[int, float, int, int]) -> None:
    count, fps, width, height = shape
    rng = random.Random("file")
    scenes = [sample_scene(rng) for _ in range(2)]
    frames = to_bytes(render(scenes, frames=count, fps=fps, width=width, height=height))
    back = evaluate._through_file(frames, fps, SpacetimePatches())
    assert back.shape == frames.shape
    assert back.dtype == torch.uint8
    error = (back.float() - frames.float()).square().mean((1, 2, 3, 4))
    signal = 10 * torch.log10(255**2 / error)
    assert (signal > 26).all()  # decibels; colour is stored at half the width and height
    assert not torch.equal(back, frames)
    # Every clip and every frame in its place.
    apart = (back[:, None].float() - frames[None].float()).abs().mean((2, 3, 4, 5))
    assert torch.equal(apart.argmin(1), torch.tensor([0, 1]))
    turned = (back.flip(1).float() - frames.float()).square().mean()
    assert turned > 2 * error.mean()


# Drawing


def drawn(cases: Sequence[Case], plan: Plan, seed: int = 0) -> torch.Tensor:
    batches = list(evaluate.draw(cases, plan, seed=seed, threads=1))
    assert [i for numbers, _ in batches for i in numbers] == list(range(len(cases)))
    return torch.cat([frames for _, frames in batches])


def test_a_case_is_drawn_as_the_command_would_draw_it(hinted_settings: Settings) -> None:
    settings = hinted_settings
    pair = "a red ball rising left of a blue kite bouncing over the sea at noon, pan left"
    cases = [*(Case(str(line["prompt"]), {}) for line in PROMPTS), Case(pair, {})]
    frames = drawn(cases, plan_of(settings), seed=40)
    engine = NativeEngine(settings)
    for i, case in enumerate(cases):
        run = engine.start(Request(case.prompt, 32, 32, seconds=1.0, seed=40 + i))
        for _ in run:
            pass
        clip = torch.from_numpy(run.clip().frames.copy())
        assert clip.shape == frames[i].shape
        assert (clip.float() - frames[i].float()).abs().max() <= 1


def test_cases_are_drawn_in_batches_that_do_not_matter(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [Case(f"a {color} kite", {}) for color in ("red", "blue", "green", "white", "pink")]
    plan = plan_of(settings, steps=2)
    whole = drawn(cases, plan)
    assert whole.shape == (5, 8, 32, 32, 3)
    monkeypatch.setattr(evaluate, "BATCH", 2)
    assert (drawn(cases, plan).float() - whole.float()).abs().max() <= 1


def test_scores_a_model_on_a_prompt_file(settings: Settings, prompts: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips" / "toy.pt"
    result = evaluate_file(prompts, settings=settings, steps=2, seed=3, with_floors=True, save_clips=clips)
    assert json.loads(json.dumps(result)) == result
    assert (result["model"], result["n"], result["steps"], result["guidance"]) == ("toy", 3, 2, 2.0)
    assert (result["size"], result["fps"], result["frames"], result["seed"]) == ([32, 32], 8, 16, 3)
    assert result["prompts_sha256"] == hashlib.sha256(prompts.read_bytes()).hexdigest()
    asked = {"subject": 1, "color": 2, "time": 1, "camera": 1, "weather": 1}
    floors = result["floors"]
    flickering = floors.pop("flicker")
    assert 0 < flickering["low"] <= flickering["ratio"] <= flickering["high"]
    assert set(floors) == {"ground_truth", "tokeniser_and_h264", "static_frame", "shuffled_captions"}
    for scores in (result, *floors.values()):
        assert {name: score["n"] for name, score in scores["attributes"].items()} == asked
        for score in (scores["whole_prompt"], *scores["attributes"].values()):
            assert 0 <= score["low"] <= score["accuracy"] <= score["high"] <= 1

    saved = torch.load(clips, weights_only=True)
    assert saved["frames"].shape == (3, 16, 32, 32, 3)
    assert [case["prompt"] for case in saved["cases"]] == [line["prompt"] for line in PROMPTS]
    again_seen = [Observation(facts) for facts in saved["seen"]]
    assert tally(again_seen, read_cases(prompts))["whole_prompt"] == result["whole_prompt"]
    again = evaluate_file(prompts, settings=settings, steps=2, seed=3)
    assert again["attributes"] == result["attributes"]


def test_only_the_first_cases_and_the_nearest_shape_if_so_asked(settings: Settings, prompts: Path) -> None:
    result = evaluate_file(prompts, settings=settings, model="toy", limit=2, size=(640, 360), steps=1)
    assert (result["n"], result["size"]) == (2, [64, 32])


def test_an_unknown_model_is_refused_before_anything_is_drawn(settings: Settings, prompts: Path) -> None:
    with pytest.raises(BadInput, match="no model 'sora'"):
        evaluate_file(prompts, settings=settings, model="sora")
