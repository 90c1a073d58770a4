from __future__ import annotations

import json
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.evaluation.prompts import Case, read_cases

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


def test_prompts_and_expectations_are_read(prompts: Path) -> None:
    assert read_cases(prompts) == [Case(str(p["prompt"]), dict(p["expect"])) for p in PROMPTS]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "text", "value"),
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
def test_a_fact_may_be_a_synonym(tmp_path: Path, name: str, text: str, value: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "a clip", "expect": {name: text}}), encoding="utf-8")
    assert read_cases(path) == [Case("a clip", {name: value})]


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
def test_the_wrong_line_is_named(prompts: Path, line: str, text: str) -> None:
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
    for missing in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read_cases(missing)
