from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.evaluation.directing.cases import COUNT, MAKERS, MARGIN, PACE, STAYING, make_cases, read, write
from hinode.world.book.scene import held_out_pair
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import parse

FOLDER = Path(__file__).parents[3] / "benchmarks" / "prompts" / "directing"
NAMES = ("subject", "color", "motion", "time", "place", "weather", "camera")


@pytest.mark.parametrize("metric", MAKERS)
def test_committed_cases_are_what_the_seed_gives(metric: str) -> None:
    committed = read(FOLDER / f"{metric}.jsonl")
    assert len(committed) == COUNT
    assert committed[:10] == make_cases(metric, "evaluation", 10)
    assert make_cases(metric, "trial", 5) != committed[:5]
    assert len({case.prompt for case in committed}) > 0.9 * COUNT


@pytest.mark.parametrize("metric", MAKERS)
def test_prompts_say_what_is_read(metric: str) -> None:
    for case in read(FOLDER / f"{metric}.jsonl"):
        facts, expected = parse(case.prompt, BOOK).facts(), case.facts(*NAMES)
        if metric == "storyboard":
            del expected["motion"], expected["camera"]
        assert {name: facts[name] for name in facts if name in expected}.items() <= expected.items()
        assert {"subject", "color", "time", "place"} <= set(facts)
        assert not held_out_pair(expected["color"], expected["subject"])


def test_a_change_gives_one_fact_another_value_and_the_prompt_says_so() -> None:
    for metric in ("region", "remix"):
        for case in read(FOLDER / f"{metric}.jsonl"):
            ((name, value),) = case.change.items()
            first = case.scene.subjects[0]
            before = {"subject": first.kind, "color": first.color, **vars(case.scene)}
            assert before[name] != value == parse(case.prompt, BOOK).facts()[name]


def test_paths_can_be_followed() -> None:
    for case in read(FOLDER / "trajectory.jsonl"):
        assert case.path[0][0] == 0.0
        assert case.path[-1][0] == 2.0
        assert "motion" not in parse(case.prompt, BOOK).facts()
        for (t, x, y), (later, u, v) in pairwise(case.path):
            assert PACE[0] - 0.01 < ((u - x) ** 2 + (v - y) ** 2) ** 0.5 / (later - t) < PACE[1] + 0.01
            assert MARGIN <= u <= 1 - MARGIN
            assert MARGIN <= v <= 1 - MARGIN


def test_storyboards_have_six_shots_of_one_subject() -> None:
    for case in read(FOLDER / "storyboard.jsonl"):
        facts = [parse(shot, BOOK).facts() for shot in case.shots]
        first = case.scene.subjects[0]
        assert {(shot["subject"], shot["color"], shot["place"]) for shot in facts} == {
            (first.kind, first.color, case.scene.place)
        }
        assert len(facts) == 6


def test_subjects_stay_in_the_frame_for_a_minute() -> None:
    for case in read(FOLDER / "minute.jsonl"):
        assert case.scene.subjects[0].motion in STAYING
        assert case.scene.camera == "still"


def test_moments_are_frames_of_their_own() -> None:
    for case in read(FOLDER / "frames.jsonl"):
        frames = [round(moment * 24) for moment in case.at]
        assert len(set(frames)) == len(frames) == (3 if case.kind == "keyframes" else 1)
        assert 0 <= min(frames) <= max(frames) <= 47


@pytest.mark.parametrize("metric", MAKERS)
def test_cases_are_read_as_they_were_written(metric: str, tmp_path: Path) -> None:
    cases = make_cases(metric, "test", 3)
    write(tmp_path / "cases.jsonl", cases)
    assert read(tmp_path / "cases.jsonl") == cases


def test_files_without_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read") as caught:
        read(tmp_path / "nothing.jsonl")
    assert caught.value.field == "prompts"
    for line in ("{", "7", '{"prompt": "a kite"}', '{"prompt": "a kite", "scene": {"subjects": [{}]}}'):
        (tmp_path / "cases.jsonl").write_text(line)
        with pytest.raises(BadInput, match="no cases of the directing suite"):
            read(tmp_path / "cases.jsonl")
