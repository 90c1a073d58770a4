from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest
import torch

from hinode.world import scene as world
from hinode.world.motion import subject_path
from hinode.world.scene import (
    COLORS,
    HELD_OUT_PAIRS,
    RELATIONS,
    SUBJECTS,
    Scene,
    Subject,
    sample_scene,
)

FACTS = {
    "kind": SUBJECTS,
    "color": COLORS,
    "motion": world.MOTIONS,
    "time": world.TIMES,
    "place": world.PLACES,
    "weather": world.WEATHERS,
    "camera": world.CAMERAS,
}


def scenes(count: int, seed: str = "scenes", **wishes: object) -> list[Scene]:
    rng = random.Random(seed)
    return [sample_scene(rng, **wishes) for _ in range(count)]  # type: ignore[arg-type]


def pairs(scene: Scene) -> list[tuple[str, str]]:
    return [(subject.color, subject.kind) for subject in scene.subjects]


def test_training_shows_every_colour_and_kind_of_the_held_out_pairs() -> None:
    training = {(color, kind) for color in COLORS for kind in SUBJECTS} - HELD_OUT_PAIRS
    assert len(training) == len(COLORS) * len(SUBJECTS) - len(HELD_OUT_PAIRS)
    assert {color for color, _ in training} == set(COLORS)
    assert {kind for _, kind in training} == set(SUBJECTS)


def test_by_default_every_pair_turns_up_except_those_held_out() -> None:
    sampled = {pair for scene in scenes(6000) for pair in pairs(scene)}
    assert sampled == {(color, kind) for color in COLORS for kind in SUBJECTS} - HELD_OUT_PAIRS


def test_held_out_scenes_star_a_held_out_pair_beside_ordinary_ones() -> None:
    sampled = scenes(600, held_out=True)
    assert {pairs(scene)[0] for scene in sampled} == HELD_OUT_PAIRS
    others = {pair for scene in sampled for pair in pairs(scene)[1:]}
    assert others
    assert not others & HELD_OUT_PAIRS


def test_scenes_without_restriction_hold_both() -> None:
    shares = Counter(pairs(scene)[0] in HELD_OUT_PAIRS for scene in scenes(2000, subjects=1, held_out=None))
    assert 0.5 < shares[True] / 2000 / (len(HELD_OUT_PAIRS) / 72) < 1.6


def test_every_value_of_every_fact_is_sampled() -> None:
    sampled = scenes(1500)
    for name, values in FACTS.items():
        owners = [scene.subjects[0] if name in ("kind", "color", "motion") else scene for scene in sampled]
        counts = Counter(getattr(owner, name) for owner in owners)
        assert set(counts) == set(values)
        assert min(counts.values()) > 0.4 * 1500 / len(values) / (2 if name == "camera" else 1), name


def test_one_scene_in_eight_has_two_subjects_and_never_two_of_a_kind() -> None:
    sampled = scenes(4000)
    double = [scene for scene in sampled if len(scene.subjects) == 2]
    assert 0.10 < len(double) / len(sampled) < 0.15
    assert all(first.kind != second.kind for first, second in (scene.subjects for scene in double))
    assert {len(scene.subjects) for scene in scenes(50, subjects=1)} == {1}
    assert {len(scene.subjects) for scene in scenes(50, subjects=2)} == {2}


def test_the_shares_of_casts_can_be_chosen() -> None:
    sampled = Counter(len(scene.subjects) for scene in scenes(3000, casts=(0.5, 0.3, 0.2)))
    assert sampled[1] / 3000 == pytest.approx(0.5, abs=0.04)
    assert sampled[2] / 3000 == pytest.approx(0.3, abs=0.04)
    assert sampled[3] / 3000 == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("aspect", [1.0, 16 / 9, 9 / 16])
@pytest.mark.parametrize("count", [2, 3])
def test_a_relation_holds_on_the_mean_of_two_seconds(count: int, aspect: float) -> None:
    sampled = scenes(800, f"relations of {count}", subjects=count)
    moments = torch.linspace(0, 2, 21).expand(len(sampled), -1)
    first, second = (
        subject_path([scene.subjects[layer] for scene in sampled], moments, aspect) for layer in (0, 1)
    )
    right, down = (first.x - second.x).mean(1).tolist(), (first.y - second.y).mean(1).tolist()
    expected = {"left of": -1, "right of": 1, "above": -1, "below": 1}
    for scene, dx, dy in zip(sampled, right, down, strict=True):
        if scene.relation in expected:
            apart = dx if scene.relation.endswith("of") else dy
            assert apart * expected[scene.relation] > 0.1, scene
        elif scene.relation is not None:
            a, b = scene.subjects
            assert (a.motion, a.speed, a.phase, a.size) == (b.motion, b.speed, b.phase, b.size)
            assert 0.05 < abs(dx) < 0.15
    kinds = Counter(scene.relation for scene in sampled)
    assert set(kinds) == {None, *(RELATIONS if count == 2 else RELATIONS[:2])}
    assert min(kinds.values()) > 50


@pytest.mark.parametrize("count", [0, 4, -1])
def test_a_scene_of_any_other_number_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 3 subjects, not {count}"):
        sample_scene(random.Random(0), subjects=count)


def test_the_same_seed_gives_the_same_scenes_and_scenes_are_values() -> None:
    assert scenes(50, "a") == scenes(50, "a")
    assert len(set(scenes(50, "a") + scenes(50, "b"))) == 100
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenes(1)[0].time = "noon"  # type: ignore[misc]


@pytest.mark.parametrize("aspect", [1.0, 16 / 9, 9 / 16])
def test_a_subject_stays_in_the_frame_for_two_and_a_half_seconds(aspect: float) -> None:
    sampled = scenes(2000, f"paths at {aspect}", held_out=None, casts=(0.4, 0.4, 0.2))
    for layer in range(3):
        cast = [scene.subjects[layer] for scene in sampled if len(scene.subjects) > layer]
        path = subject_path(cast, torch.linspace(0, 2.5, 26).expand(len(cast), -1), aspect)
        for position in (path.x, path.y):
            assert position.min() > 0
            assert position.max() < 1


def test_two_subjects_side_by_side_pass_each_other_at_different_heights() -> None:
    for scene in scenes(600, subjects=2):
        left, right = scene.subjects
        crossing = [subject.motion in ("left", "right") for subject in scene.subjects]
        if scene.relation is None:
            if not any(crossing):
                assert left.x < 0.5 < right.x
            elif all(crossing):
                assert right.y - left.y > 0.3


def test_facts_speak_of_the_first_subject_and_the_scene() -> None:
    cast = (Subject("kite", "red", "rise"), Subject("boat", "blue", "left"))
    scene = Scene(cast, time="dawn", place="sea", weather="fog", camera="zoom in")
    assert scene.facts() == {
        "subject": "kite",
        "color": "red",
        "motion": "rise",
        "time": "dawn",
        "place": "sea",
        "weather": "fog",
        "camera": "zoom in",
    }
