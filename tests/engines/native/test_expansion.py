from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.engines.native.expansion import expand_prompt
from hinode.request import Trajectory
from hinode.world.caption import parse
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
def test_nothing_is_left_open_and_nothing_said_is_changed(prompt: str, seed: int) -> None:
    said, told = parse(prompt), parse(expand_prompt(prompt, seed))
    assert set(told.facts()) == ATTRIBUTES
    assert all(told.facts()[name] == fact for name, fact in said.facts().items())
    assert len(told.subjects) == max(1, len(said.subjects))
    for before, after in zip(said.subjects, told.subjects, strict=False):
        for name in ("kind", "color", "motion"):
            assert getattr(before, name) in (None, getattr(after, name))
        if before.color is None:
            assert (after.color, after.kind) not in HELD_OUT_PAIRS


def test_a_whole_prompt_stays_as_it_is() -> None:
    prompt = "a red balloon rising over the mountains at noon in the rain, zoom in"
    assert expand_prompt(prompt, 3) == prompt


def test_words_of_a_prompt_are_kept_if_its_subject_is_whole() -> None:
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
def test_a_camera_in_numbers_is_said_as_the_nearest_move(track: Trajectory, move: str) -> None:
    assert parse(expand_prompt("a red balloon rising over the sea at noon", 3, camera=track)).camera == move
    said = expand_prompt("a red balloon rising over the sea at noon, the camera zooms in", 3, camera=track)
    assert parse(said).camera == "zoom in"


@pytest.mark.parametrize("relation", RELATIONS)
def test_open_motions_keep_how_two_relate(relation: str) -> None:
    for seed in range(40):
        said = parse(expand_prompt(f"a red kite {relation} a blue boat and a star", seed))
        assert said.relation == relation
        assert [one.kind for one in said.subjects] == ["kite", "boat", "star"]
        first, second = (one.motion for one in said.subjects[:2])
        if relation in ("behind", "in front of"):
            assert first == second
        else:
            leaving = ("rise", "fall") if relation in ("above", "below") else ("left", "right")
            assert {first, second}.isdisjoint(leaving)
    said = parse(expand_prompt(f"a red kite {relation} a blue boat moving left", 1))
    assert said.subjects[1].motion == "left"
    if relation in ("behind", "in front of"):
        assert said.subjects[0].motion == "left"
