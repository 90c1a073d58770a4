"""Measures of clips of the picture book."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import pytest
import torch

from hinode.evaluation.book import damages, land
from hinode.evaluation.book.generation import evaluate_generation
from hinode.evaluation.book.suite import MEASURES, DrawnClip, measure, score
from hinode.evaluation.book.trials import TRIALS, sample, try_damages
from hinode.settings import Settings
from hinode.world.book.picture.render import render
from hinode.world.book.plan import ScenePlan, plan_of
from hinode.world.book.scene import Scene, Subject
from tests.tiny_book import save_tiny_book

FRAMES, WIDTH, HEIGHT = 16, 112, 64
BOAT = Scene((Subject("boat", "red", "right", 0.3, 0.6, 0.34, "water"),), place="sea", seed=3)


PLAN = plan_of(BOAT, FRAMES / 24, WIDTH / HEIGHT)


@cache
def boat() -> tuple[torch.Tensor, ScenePlan]:
    """A red boat at sea, and its plan."""
    return render([BOAT], frames=FRAMES, fps=24, width=WIDTH, height=HEIGHT)[0], PLAN


@cache
def true_values() -> dict[str, float]:
    """The measures of the true clip."""
    video, plan = boat()
    return measure(DrawnClip(video, plan, video))[0]


def test_a_true_clip_has_its_shape_in_its_place_and_no_fault() -> None:
    values = true_values()
    assert values["shape"] > 0.8
    assert values["distance from the plan, worst frame"] < 0.01
    assert values["faults"] == 0
    assert values["distinct frames"] == 1


def test_a_subject_beside_its_plan_keeps_its_shape_and_shows_its_distance() -> None:
    video, plan = boat()
    moved = torch.roll(video, 6, -1)
    values, _ = measure(DrawnClip(moved, plan))
    assert values["shape"] > 0.75
    assert values["distance from the plan"] == pytest.approx(6 / WIDTH, abs=0.01)


@pytest.mark.parametrize(
    ("name", "measures"),
    [("warped", ("shape", "shape, worst frame")), ("missing", ("shape", "faults")), ("doubled", ("faults",))],
)
def test_a_damaged_subject_is_told_from_the_true_one(name: str, measures: tuple[str, ...]) -> None:
    video, plan = boat()
    match name:
        case "warped":
            damaged = damages.warped(video, plan)
        case "missing":
            damaged = damages.missing(BOAT, FRAMES, WIDTH, HEIGHT)
        case _:
            damaged = damages.doubled(video, plan)
    values, _ = measure(DrawnClip(damaged, plan, video))
    for title in measures:
        sign = next(sign for trial, damage, sign in TRIALS if (trial, damage) == (title, name))
        assert sign * (true_values()[title] - values[title]) > 0


def test_a_clip_that_jumps_back_has_a_fault() -> None:
    video, plan = boat()
    order = torch.arange(FRAMES)
    order[8:] -= 8
    values, _ = measure(DrawnClip(video[order], plan, video))
    assert values["faults"] > 0


def test_a_scene_without_subjects_has_only_measures_of_its_pictures() -> None:
    empty = Scene(place="city", seed=5)
    video = render([empty], frames=FRAMES, fps=24, width=WIDTH, height=HEIGHT)[0]
    values, fits = measure(DrawnClip(video, plan_of(empty, FRAMES / 24, WIDTH / HEIGHT), video))
    assert not fits
    assert math.isnan(values["shape"])
    assert values["sharpness, city, fine"] > 0


def test_a_report_has_every_measure_beside_the_truth() -> None:
    video, plan = boat()
    report = score([DrawnClip(damages.blurred(video), plan, video)])
    rows = {(row.metric, row.what): row for row in report.rows}
    assert rows["sharpness, land, fine", "drawn over true"].reached is False
    assert rows["no fault of count or path", "true"].figure == 1
    assert {metric for metric, _ in rows} <= {*MEASURES}


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([], "clips: there is nothing to measure"),
        ([DrawnClip(torch.zeros(4, 3, 64, 112), PLAN)], "video: a clip is"),
        ([DrawnClip(torch.zeros(16, 3, 64, 112), PLAN, torch.zeros(16, 3, 8, 8))], "truth: it is"),
        ([DrawnClip(torch.zeros(48, 3, 64, 112), PLAN)], "plan: it covers"),
    ],
)
def test_a_clip_that_cannot_be_measured_is_refused(clips: list[DrawnClip], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(clips)


def test_land_is_nearer_to_the_truth_than_blurred_and_shuffled_land() -> None:
    scenes = [Scene(place=place, seed=seed) for seed in range(6) for place in ("hills", "city", "sea")]
    frames = render(scenes, frames=1, fps=1, width=WIDTH, height=HEIGHT)[:, 0]
    first, second = frames[:9], frames[9:]
    reference = land.features(first)
    true, blurred, shuffled = (
        land.distance(reference, land.features(those))
        for those in (second, damages.blurred(second, 1.5), land.shuffled_patches(second))
    )
    assert true < blurred < shuffled


@pytest.mark.slow
def test_place_time_and_weather_are_read_from_true_frames() -> None:
    scenes = [sample(number) for number in range(1000, 1040)]
    frames = render(scenes, frames=1, fps=1, width=WIDTH, height=HEIGHT)[:, 0]
    facts = land.read_land(frames)
    hits = [
        seen[fact] == getattr(scene, fact) for seen, scene in zip(facts, scenes, strict=True) for fact in seen
    ]
    assert sum(hits) > 0.8 * len(hits)


@pytest.mark.slow
def test_the_trial_prints_a_row_for_each_measure_and_damage() -> None:
    result = try_damages(limit=4)
    assert len(result["rows"]) > len(TRIALS)
    shape = next(row for row in result["rows"] if row["bar"] == "shape")
    assert shape["figure"] == 1


@pytest.mark.slow  # it learns to read land first
def test_whole_prompts_are_counted_beside_the_truth(tmp_path: Path) -> None:
    save_tiny_book(tmp_path / "models" / "book.safetensors", shapes=((49, 24, 64, 32),))
    facts = {"subject": "balloon", "color": "red", "motion": "rise", "place": "hills", "time": "noon"}
    others = {"subject 2": "kite", "color 2": "blue", "relation": "behind", "count": "2"}
    lines = [
        {"prompt": "a red balloon rising over the hills at noon", "expect": facts},
        {
            "prompt": "a red balloon rising behind a blue kite over the hills at noon",
            "expect": facts | others,
        },
        {"prompt": "a red balloon rising over the hills at noon", "expect": {**facts, "color": "blue"}},
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    settings = Settings(home=tmp_path, threads=1, device="cpu")
    result = evaluate_generation(path, model="book", settings=settings, steps=1)
    rows = {row["what"]: row for row in result["rows"] if row["bar"] == "whole prompt"}
    assert rows["drawn"]["figure"] == 0
    assert rows["true"]["figure"] <= rows["all facts in the plan"]["figure"] == pytest.approx(2 / 3, abs=1e-3)
    assert rows["facts that no plan holds: relation behind"]["figure"] == 1
    path.write_text('{"prompt": "a red balloon"}')
    result = evaluate_generation(path, model="book", settings=settings, steps=1)
    assert "whole prompt" not in {row["bar"] for row in result["rows"]}
