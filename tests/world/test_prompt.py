"""Prompts as people type them."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest

from hinode.evaluation.understanding import CASES, evaluate_understanding
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.grammar import MANY
from hinode.world.prompts.prompt import ParsedPrompt, parse

ROOT = Path(__file__).resolve().parents[2]


def subjects(parsed: ParsedPrompt) -> list[str]:
    """Each subject in words, "-" for what the text leaves open."""
    return [
        " ".join((*(f"{mention.count}x",) * (mention.count > 1), mention.color or "-", mention.kind or "-",
                  mention.motion or "-"))
        for mention in parsed.mentions
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("two birds", ["2x - bird -"]),
        ("five red kites rising", [f"{MANY}x red kite rise"]),
        ("balloons over the sea", [f"{MANY}x - balloon -"]),
        ("a pair of white boats", ["2x white boat -"]),
        ("a balloon that is red over the sea", ["red balloon -"]),
        ("a kite, bright yellow, over the hills", ["yellow kite -"]),
        ("the boat is painted blue", ["blue boat -"]),
        ("a red dragon and a green boat", ["green boat -"]),
        ("a dog runs left, then a red ball bounces", ["red ball bounce"]),
        ("a golden sunset, a white cloud and a red kite", ["red kite -"]),
        ("the sea is dark blue and the boat is white", ["white boat -"]),
        ("a red balloon rises. The balloon drifts left", ["red balloon rise"]),
        ("a red balloon and a blue balloon", ["red balloon -", "blue balloon -"]),
        ("a train drifting slowly to the left", ["- train left"]),
        ("a boat on the left of the sea", ["- boat -"]),
        ("not a green fish, a red one", ["red fish -"]),
        ("a goldfish", ["orange fish -"]),
        ("🎈🎈 over the 🌊", ["2x - balloon -"]),
    ],
)
def test_subjects(prompt: str, expected: list[str]) -> None:
    assert subjects(parse(prompt, BOOK)) == expected


@pytest.mark.parametrize(
    ("prompt", "absent", "scene"),
    [
        ("no snow, a red balloon over the mountains", ("weather", "snow"), {"place": "mountains"}),
        ("a boat at night without rain", ("weather", "rain"), {"time": "night"}),
        ("a snow-free morning", ("weather", "snow"), {"time": "dawn"}),
        ("it isn't raining over the city", ("weather", "rain"), {}),
        ("no birds over the sea", ("subject", "bird"), {"place": "sea"}),
        ("no rain or snow at night", ("weather", "snow"), {"time": "night"}),
        ("the sea but no birds", ("subject", "bird"), {"place": "sea"}),
        ("not at night, a kite", ("time", "night"), {}),
    ],
)
def test_what_is_negated_is_absent(prompt: str, absent: tuple[str, str], scene: dict[str, str]) -> None:
    parsed = parse(prompt, BOOK)
    assert absent in parsed.absent
    attribute, value = absent
    assert value not in (getattr(parsed, attribute, None), *(mention.kind for mention in parsed.mentions))
    assert {name: getattr(parsed, name) for name in scene} == scene


@pytest.mark.parametrize(
    ("prompt", "readings"),
    [
        (
            "a purpel ballon over the mountans",
            {"purpel": "purple", "ballon": "balloon", "mountans": "mountains"},
        ),
        ("a navy kite", {"navy": "blue"}),
        ("a boot on the trail", {}),  # English words are not typos of others
        ("a maroon balloon", {"maroon": "red"}),
    ],
)
def test_words_that_are_read_as_others_are_named(prompt: str, readings: dict[str, str]) -> None:
    assert dict(parse(prompt, BOOK).readings) == readings


def test_a_prompt_of_gibberish_is_read() -> None:
    """Each of its words is near to millions of others."""
    rng = random.Random("gibberish")
    tokens = ["".join(rng.choices(string.ascii_lowercase, k=10)) for _ in range(300)]
    assert parse(" ".join([*tokens, "x" * 40]), BOOK).not_understood == tuple(
        dict.fromkeys([*tokens, "x" * 40])
    )


def test_a_clip_shows_three_subjects_at_most() -> None:
    assert [facts.kind for facts in parse("five birds and a boat", BOOK).subjects] == ["bird", "bird", "boat"]


def test_the_camera_moves_and_not_the_subject() -> None:
    parsed = parse("a red boat, the camera slowly moves to the left", BOOK)
    assert (parsed.camera, parsed.mentions[0].motion) == ("pan left", None)


def test_the_committed_prompts_are_understood() -> None:
    facts, reports, _ = evaluate_understanding(ROOT / CASES)["rows"][:3]
    assert (facts["holds"], reports["holds"]) == (True, True)
