from __future__ import annotations

import json
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.evaluation.plans import CASES, evaluate_plans, expected_facts, text


def test_the_rules_hold_the_facts_of_prompts() -> None:
    result = evaluate_plans(CASES, limit=40)
    rows = {(row["bar"], row["what"]): row for row in result["rows"]}
    assert rows["truth", "motions read"]["figure"] >= 0.99
    assert rows["rules", "facts held"]["figure"] >= 0.97
    assert "rules" in text(result)


def test_the_cases_are_500_prompts_half_of_them_typed() -> None:
    sources = [json.loads(line)["source"] for line in CASES.read_text().splitlines()]
    assert [sources.count(name) for name in ("typed", "caption")] == [250, 250]


def test_a_file_that_is_no_list_of_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        evaluate_plans(tmp_path / "nothing.jsonl")


def test_facts_of_the_older_world_are_those_of_its_words() -> None:
    prompt = "a white seagull rising behind a red bird falling over the green fields at dawn, push in"
    expect = {"subject": "bird", "color": "white", "motion": "rise", "subject 2": "bird", "color 2": "red",
              "motion 2": "fall", "place": "hills", "time": "dawn", "camera": "zoom in",
              "relation": "behind", "count": "2"}  # fmt: skip
    found = expected_facts({"prompt": prompt, "expect": expect})
    assert found is not None
    facts, missing = found
    assert [subject.kind for subject in facts.mentions] == ["gull", "bird"]
    assert (facts.place, facts.time, facts.camera, facts.weather) == ("meadow", "dawn", "dolly in", None)
    assert facts.relation is None
    assert missing == ("relation behind",)
    assert expected_facts({"prompt": prompt}) is None
