from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.evaluation.directing.cases import COUNT, MAKERS, MARGIN, PACE, STAYING, make_cases, read, write
from hinode.world.prompts.prompt import parse
from hinode.world.scene import HELD_OUT_PAIRS

FOLDER = Path(__file__).parents[3] / "benchmarks" / "prompts" / "directing"


@pytest.mark.parametrize("metric", MAKERS)
def test_committed_cases_are_what_the_seed_gives(metric: str) -> None:
    committed = read(FOLDER / f"{metric}.jsonl")
    assert len(committed) == COUNT
    assert committed[:100] == make_cases(metric, "evaluation", 100)
    assert make_cases(metric, "trial", 20) != committed[:20]
    assert len({case.prompt for case in committed}) > 0.9 * COUNT


@pytest.mark.parametrize("metric", MAKERS)
def test_prompts_say_what_is_judged(metric: str) -> None:
    for case in read(FOLDER / f"{metric}.jsonl")[:200]:
        facts, expected = parse(case.prompt).facts(), case.expected()
        if metric == "storyboard":
            expected = {name: expected[name] for name in ("subject", "color", "place", "time", "weather")}
        assert {name: facts[name] for name in facts if name in expected}.items() <= expected.items()
        assert {"subject", "color", "time", "place"} <= set(facts)
        assert set(case.change) <= set(facts)
        assert (expected["color"], expected["subject"]) not in HELD_OUT_PAIRS


def test_a_change_gives_one_attribute_another_value() -> None:
    for metric in ("region", "remix"):
        for case in read(FOLDER / f"{metric}.jsonl"):
            ((name, value),) = case.change.items()
            assert case.scene.facts()[name] != value


def test_paths_can_be_followed() -> None:
    for case in read(FOLDER / "trajectory.jsonl"):
        assert case.path[0][0] == 0.0
        assert case.path[-1][0] == 2.0
        assert "motion" not in parse(case.prompt).facts()
        for (t, x, y), (later, u, v) in pairwise(case.path):
            assert PACE[0] - 0.01 < ((u - x) ** 2 + (v - y) ** 2) ** 0.5 / (later - t) < PACE[1] + 0.01
            assert MARGIN <= u <= 1 - MARGIN
            assert MARGIN <= v <= 1 - MARGIN


def test_storyboards_have_six_shots_of_one_subject() -> None:
    for case in read(FOLDER / "storyboard.jsonl")[:200]:
        assert len(case.shots) == 6
        facts = [parse(shot).facts() for shot in case.shots]
        assert {(shot["subject"], shot["color"], shot["place"]) for shot in facts} == {
            (case.scene.subjects[0].kind, case.scene.subjects[0].color, case.scene.place)
        }
        assert len({shot["motion"] for shot in facts}) == 6


def test_subjects_stay_in_the_frame_for_a_minute() -> None:
    for case in read(FOLDER / "minute.jsonl"):
        assert case.scene.subjects[0].motion in STAYING


def test_given_moments_are_frames_of_their_own() -> None:
    for case in read(FOLDER / "frames.jsonl"):
        frames = [round(moment * 8) for moment in case.at]
        assert len(set(frames)) == len(frames) == (3 if case.kind == "keyframes" else 1)
        assert 0 <= min(frames) <= max(frames) <= 15


@pytest.mark.parametrize("metric", MAKERS)
def test_cases_are_read_as_they_were_written(metric: str, tmp_path: Path) -> None:
    cases = make_cases(metric, "test", 5)
    write(tmp_path / "cases.jsonl", cases)
    assert read(tmp_path / "cases.jsonl") == cases


def test_files_without_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read") as caught:
        read(tmp_path / "nothing.jsonl")
    assert caught.value.field == "prompts"
    for line in ("{", "7", '{"prompt": "a kite"}', '{"prompt": "a kite", "scene": {"subject": {}}}'):
        (tmp_path / "cases.jsonl").write_text(line)
        with pytest.raises(BadInput, match="no cases of the directing suite"):
            read(tmp_path / "cases.jsonl")
