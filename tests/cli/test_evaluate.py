from __future__ import annotations

import json
from pathlib import Path

from .conftest import Run

CASE = {
    "prompt": "a red balloon at noon",
    "class": "plain",
    "subjects": [{"kind": "balloon", "color": "red", "count": 1, "motion": None}],
    "time": "noon",
    "place": None,
    "weather": None,
    "camera": None,
    "unknown": [],
}


def test_an_evaluation_needs_a_known_suite_with_cases(run: Run) -> None:
    nothing = run("evaluate")
    assert nothing.exit_code == 2
    assert "plans.jsonl cannot be read" in nothing.stderr
    assert "name a file of prompts" in nothing.stderr
    unknown = run("evaluate", "--suite", "painting")
    assert unknown.exit_code == 2
    assert (
        "there is no suite 'painting'; choose book, decoding, describe, directing, plan or understanding"
        in unknown.stderr
    )
    no_cases = run("evaluate", "--suite", "directing", "--only", "loop", "--model", "toy")
    assert no_cases.exit_code == 2
    assert "loop.jsonl cannot be read" in no_cases.stderr
    no_weights = run("evaluate", "--suite", "decoding")
    assert no_weights.exit_code == 1
    assert "there is no decoder to measure" in no_weights.stderr


def test_a_suite_prints_its_table_or_json(run: Run) -> None:
    Path("cases.jsonl").write_text(json.dumps(CASE) + "\n")
    words = ("evaluate", "--suite", "understanding", "--prompts", "cases.jsonl")
    lines = run(*words).stdout.splitlines()
    assert lines[0].startswith("metric ")
    assert lines[1].startswith("understanding  facts right")
    (first, *_) = json.loads(run(*words, "--json").stdout)["rows"]
    assert (first["what"], first["figure"]) == ("facts right", 1.0)


def test_clips_of_prompts_are_measured_beside_true_ones(run: Run) -> None:
    Path("prompts.jsonl").write_text(json.dumps({"prompt": "a red balloon at noon"}) + "\n")
    words = ("evaluate", "--prompts", "prompts.jsonl", "--steps", "1", "--save-clips", "clips.pt")
    short = run(*words, "--seconds", "0.1")
    assert short.exit_code == 2
    assert "the measures need 16 frames" in short.stderr
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["model"], facts["steps"], facts["clips"]) == ("toy", 1, 1)
    assert {"drawn", "true"} <= {row["what"] for row in facts["rows"]}
    assert Path("clips.pt").is_file()


def test_an_option_of_another_suite_is_refused_before_anything_is_drawn(run: Run) -> None:
    for words, flag in (
        (("--suite", "describe", "--steps", "2"), "--steps"),
        (("--suite", "plan", "--save-clips", "clips.pt"), "--save-clips"),
        (("--suite", "book", "--only", "loop"), "--only"),
        (("--damages", "--seconds", "4"), "--seconds"),
        (("--suite", "plan", "--damages"), "--damages"),
    ):
        result = run("evaluate", *words)
        assert result.exit_code == 2
        assert f"{flag} is no option of the suite" in result.stderr
