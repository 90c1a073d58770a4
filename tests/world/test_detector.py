from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from torch import Tensor

from hinode.world.detector import Cast, CastNet, Detection, PairNet, facts
from hinode.world.judge import MOMENTS, judge_cast, load_cast
from hinode.world.render import render
from hinode.world.scene import RELATIONS, SUBJECTS, Scene, sample_scene


def clips(scenes: list[Scene], width: int = 64, height: int = 64) -> Tensor:
    """uint8 [B, 17, H, W, 3], as the judge gets them."""
    video = render(scenes, frames=17, fps=8.0, width=width, height=height)
    return (video * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2)


def at(kind: str, x: float, y: float) -> Detection:
    return Detection(kind, "red", "still", x, y)


@pytest.mark.parametrize(
    ("x", "y", "ahead", "relation"),
    [
        (0.2, 0.5, True, "left of"),
        (0.8, 0.6, True, "right of"),
        (0.6, 0.1, False, "above"),
        (0.4, 0.9, False, "below"),
        (0.6, 0.55, True, "in front of"),
        (0.6, 0.55, False, "behind"),
    ],
)
def test_a_relation_follows_from_the_places_of_two_subjects(
    x: float, y: float, ahead: bool, relation: str
) -> None:
    pair = ("boat", "kite") if ahead else ("kite", "boat")
    cast = Cast({"boat": at("boat", x, y), "kite": at("kite", 0.5, 0.5)}, frozenset({pair}))
    assert cast.relation("boat", "kite") == relation
    assert cast.relation("boat", "star") is None


def test_facts_come_in_the_order_of_the_prompt() -> None:
    cast = Cast(
        {"boat": at("boat", 0.2, 0.5), "kite": Detection("kite", "blue", "rise", 0.8, 0.5)}, frozenset()
    )
    assert facts(cast, ["kite", "boat", "star"]) == {
        "count": "2",
        "subject": "kite", "color": "blue", "motion": "rise",
        "subject 2": "boat", "color 2": "red", "motion 2": "still",
        "subject 3": "none", "color 3": "none", "motion 3": "none",
        "relation": "right of",
    }  # fmt: skip
    assert "relation" not in facts(cast, ["kite"])


def test_a_swapped_pair_has_the_opposite_answer() -> None:
    torch.manual_seed(1)
    net = PairNet().eval()
    frames, where = torch.rand(5, 4, 3, 64, 64) * 2 - 1, torch.rand(5, 4, 2, 2) - 0.5
    kinds, colors = torch.randint(len(SUBJECTS), (5, 2)), torch.randint(8, (5, 2))
    answer = net(frames, where, kinds, colors)
    swapped = net(frames, where.flip(2), kinds.flip(1), colors.flip(1))
    assert torch.allclose(answer, -swapped, atol=1e-5)


def test_a_clip_is_read_independently_of_its_batch() -> None:
    torch.manual_seed(2)
    net = CastNet().eval()
    video = torch.rand(2, MOMENTS, 3, 64, 64)
    batch = net.detect(video)
    assert [net.detect(video[k : k + 1])[0].subjects.keys() for k in range(2)] == [
        cast.subjects.keys() for cast in batch
    ]
    assert net.detect(video[:0]) == []


def shares(count: int, clips_per_shape: int) -> dict[str, float]:
    """Of each attribute, the share that the shipped detector reads correctly on ground truth."""
    rng = random.Random(f"casts of {count}")
    net = load_cast()
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for width, height in ((64, 64), (112, 64), (64, 112), (64, 64)):
        scenes = [sample_scene(rng, subjects=count, held_out=None) for _ in range(clips_per_shape)]
        for scene, cast in zip(scenes, judge_cast(clips(scenes, width, height), 8.0, net), strict=True):
            reading = facts(cast, [subject.kind for subject in scene.subjects])
            truth = {"count": str(count)}
            for number, subject in enumerate(scene.subjects):
                suffix = f" {number + 1}" if number else ""
                truth["subject" + suffix] = subject.kind
                truth["color" + suffix] = subject.color
                truth["motion" + suffix] = subject.motion
            if scene.relation in RELATIONS:
                truth["relation"] = scene.relation
            for name, value in truth.items():
                total[name.rstrip(" 23")] += 1
                right[name.rstrip(" 23")] += reading[name] == value
    return {name: right[name] / total[name] for name in total}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shipped_detector_reads_ground_truth(count: int) -> None:
    """At least 97 in 100 of every attribute, but 94 of relations and of three being three: wide and tall
    clips are squeezed into a square, where the shipped detector misses more of these."""
    result = shares(count, 32)
    minimum = dict.fromkeys(result, 0.97) | ({"relation": 0.94} if count > 1 else {})
    minimum |= {"count": 0.94} if count == 3 else {}
    assert all(result[name] > minimum[name] for name in result), result


@pytest.mark.parametrize("count", [2, 3])
def test_the_shipped_detector_reads_a_few_clips(count: int) -> None:
    result = shares(count, 8)
    assert result.pop("relation") > 0.85, result  # of some twenty
    assert all(share > 0.95 for share in result.values()), result
