from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.evaluation.directing.cases import COUNT, INVENTORS, MARGIN, PACE, STAYING, generate, read, write
from hinode.world.caption import parse
from hinode.world.scene import HELD_OUT_PAIRS

FOLDER = Path(__file__).parents[3] / "benchmarks" / "prompts" / "directing"


@pytest.mark.parametrize("bar", INVENTORS)
def test_committed_cases_are_what_the_seed_gives(bar: str) -> None:
    committed = read(FOLDER / f"{bar}.jsonl")
    assert len(committed) == COUNT
    assert committed[:100] == generate(bar, "evaluation", 100)
    assert generate(bar, "trial", 20) != committed[:20]
    assert len({case.prompt for case in committed}) > 0.9 * COUNT


@pytest.mark.parametrize("bar", INVENTORS)
def test_words_say_what_will_be_judged(bar: str) -> None:
    for case in read(FOLDER / f"{bar}.jsonl")[:200]:
        said, wanted = parse(case.prompt).facts(), case.expected()
        if bar == "storyboard":
            wanted = {name: wanted[name] for name in ("subject", "color", "place", "time", "weather")}
        assert {name: said[name] for name in said if name in wanted}.items() <= wanted.items(), case.prompt
        assert {"subject", "color", "time", "place"} <= set(said)
        assert set(case.change) <= set(said)
        assert (wanted["color"], wanted["subject"]) not in HELD_OUT_PAIRS


def test_changes_ask_for_one_other_value() -> None:
    for bar in ("region", "remix"):
        for case in read(FOLDER / f"{bar}.jsonl"):
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
        assert {(one["subject"], one["color"], one["place"]) for one in facts} == {
            (case.scene.subjects[0].kind, case.scene.subjects[0].color, case.scene.place)
        }
        assert len({one["motion"] for one in facts}) == 6


def test_nobody_leaves_a_minute() -> None:
    for case in read(FOLDER / "minute.jsonl"):
        assert case.scene.subjects[0].motion in STAYING


def test_given_moments_are_frames_of_their_own() -> None:
    for case in read(FOLDER / "frames.jsonl"):
        frames = [round(moment * 8) for moment in case.at]
        assert len(set(frames)) == len(frames) == (3 if case.kind == "keyframes" else 1)
        assert 0 <= min(frames) <= max(frames) <= 15


@pytest.mark.parametrize("bar", INVENTORS)
def test_cases_come_back_from_their_file(bar: str, tmp_path: Path) -> None:
    cases = generate(bar, "test", 5)
    write(tmp_path / "cases.jsonl", cases)
    assert read(tmp_path / "cases.jsonl") == cases


def test_files_that_hold_no_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read") as caught:
        read(tmp_path / "nothing.jsonl")
    assert caught.value.field == "prompts"
    for line in ("{", "7", '{"prompt": "a kite"}', '{"prompt": "a kite", "scene": {"subject": {}}}'):
        (tmp_path / "cases.jsonl").write_text(line)
        with pytest.raises(BadInput, match="does not hold cases"):
            read(tmp_path / "cases.jsonl")
