from __future__ import annotations

import json
from pathlib import Path

from .conftest import Run


def test_an_evaluation_needs_prompts_or_a_known_suite_with_cases(run: Run) -> None:
    nothing = run("evaluate")
    assert nothing.exit_code == 2
    assert "there is nothing to evaluate; give a file of prompts or a suite" in nothing.stderr
    unknown = run("evaluate", "--suite", "painting")
    assert unknown.exit_code == 2
    assert (
        "there is no suite 'painting'; choose book, directing, fidelity, physics, plan, upscaling or"
        " understanding" in unknown.stderr
    )
    no_cases = run("evaluate", "--suite", "directing", "--only", "loop", "--model", "toy")
    assert no_cases.exit_code == 2
    assert "loop.jsonl cannot be read" in no_cases.stderr
    no_drawing = run("evaluate", "--suite", "book")
    assert no_drawing.exit_code == 2
    assert "add --damages" in no_drawing.stderr
    no_weights = run("evaluate", "--suite", "upscaling")
    assert no_weights.exit_code == 1
    assert "there is no upscaler to measure" in no_weights.stderr


def test_scores_and_floors_are_printed_or_given_as_json(run: Run) -> None:
    prompt = {"prompt": "a red balloon at noon", "expect": {"subject": "balloon", "time": "noon"}}
    Path("prompts.jsonl").write_text(json.dumps(prompt) + "\n")
    result = run("evaluate", "--prompts", "prompts.jsonl", "--floors", "--steps", "1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "toy"
    assert "ground truth" in lines
    assert any(line.startswith("  whole prompt ") for line in lines)
    assert lines[-1] == "1 prompts; in brackets, 95 % intervals"
    result = run("evaluate", "--prompts", "prompts.jsonl", "--steps", "1", "--json")
    assert json.loads(result.stdout)["n"] == 1


def test_a_suite_prints_its_table(run: Run) -> None:
    options = ("evaluate", "--suite", "physics", "--only", "around", "--limit", "1", "--steps", "1")
    lines = run(*options).stdout.splitlines()
    assert lines[0].startswith("metric  what")
    assert lines[1].startswith("around  there again")
    assert lines[-1] == "model toy, 1 steps"
    assert json.loads(run(*options, "--json").stdout)["model"] == "toy"
