from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.engines.native.expansion import expand_prompt
from hinode.request import Trajectory
from hinode.world.prompts.prompt import parse
from hinode.world.scene import HELD_OUT_PAIRS, RELATIONS

ATTRIBUTES = {"subject", "color", "motion", "time", "place", "weather", "camera"}
PROMPTS = (
    "a balloon",
    "a red balloon",
    "a balloon rising over the sea at night",
    "snow falls on the city",
    "something strange",
    "a kite and a blue boat",
    "zoom in on a fish",
)


@pytest.mark.parametrize("prompt", PROMPTS)
@given(seed=st.integers(0, 2**63 - 1))
def test_every_fact_is_named_and_those_of_the_prompt_stay(prompt: str, seed: int) -> None:
    short, full = parse(prompt), parse(expand_prompt(prompt, seed))
    assert set(full.facts()) == ATTRIBUTES
    assert all(full.facts()[name] == fact for name, fact in short.facts().items())
    assert len(full.subjects) == max(1, len(short.subjects))
    for before, after in zip(short.subjects, full.subjects, strict=False):
        for name in ("kind", "color", "motion"):
            assert getattr(before, name) in (None, getattr(after, name))
        if before.color is None:
            assert (after.color, after.kind) not in HELD_OUT_PAIRS


def test_a_complete_prompt_stays_as_it_is() -> None:
    prompt = "a red balloon rising over the mountains at noon in the rain, zoom in"
    assert expand_prompt(prompt, 3) == prompt


def test_the_words_of_a_prompt_with_a_complete_subject_stay() -> None:
    prompt = "a large red balloon rising slowly over the mountains at noon."
    assert expand_prompt(prompt, 3).startswith(
        "a large red balloon rising slowly over the mountains at noon, "
    )


def test_the_seed_decides() -> None:
    assert expand_prompt("a balloon", 1) == expand_prompt("a balloon", 1)
    assert len({expand_prompt("a balloon", seed) for seed in range(20)}) > 5


def test_shots_of_one_film_choose_alike() -> None:
    first, second = (parse(expand_prompt(f"a balloon {doing}", 5)) for doing in ("rising", "moving left"))
    assert first.subjects[0].color == second.subjects[0].color
    assert (first.place, first.time) == (second.place, second.time)


@pytest.mark.parametrize(
    ("track", "move"),
    [
        (((0.0, 0.0, 1.0), (2.0, 0.5, 1.0)), "pan right"),
        (((0.0, 0.0, 1.0), (2.0, -0.5, 1.1)), "pan left"),
        (((0.0, 0.0, 1.0), (1.0, 0.05, 1.3)), "zoom in"),
        (((0.0, 0.3, 2.0), (2.0, 0.3, 1.0)), "zoom out"),
        (((0.0, 0.0, 1.0), (4.0, 0.1, 1.0)), "still"),
        (((0.0, 0.0, 1.0), (4.0, 0.1, 0.0)), "still"),
    ],
)
def test_a_camera_in_numbers_is_named_as_the_nearest_move(track: Trajectory, move: str) -> None:
    assert parse(expand_prompt("a red balloon rising over the sea at noon", 3, camera=track)).camera == move
    prompt = expand_prompt("a red balloon rising over the sea at noon, the camera zooms in", 3, camera=track)
    assert parse(prompt).camera == "zoom in"


@pytest.mark.parametrize("relation", RELATIONS)
def test_open_motions_keep_how_two_relate(relation: str) -> None:
    for seed in range(40):
        parsed = parse(expand_prompt(f"a red kite {relation} a blue boat and a star", seed))
        assert parsed.relation == relation
        assert [subject.kind for subject in parsed.subjects] == ["kite", "boat", "star"]
        first, second = (subject.motion for subject in parsed.subjects[:2])
        if relation in ("behind", "in front of"):
            assert first == second
        else:
            leaving = ("rise", "fall") if relation in ("above", "below") else ("left", "right")
            assert {first, second}.isdisjoint(leaving)
    parsed = parse(expand_prompt(f"a red kite {relation} a blue boat moving left", 1))
    assert parsed.subjects[1].motion == "left"
    if relation in ("behind", "in front of"):
        assert parsed.subjects[0].motion == "left"
