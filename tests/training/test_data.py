from __future__ import annotations

import dataclasses
import random
import threading
from collections import Counter

import pytest
import torch

from hinode.model.text import NULL, PAD
from hinode.model.tokens import SpacetimePatches
from hinode.training import data
from hinode.training.data import Script
from hinode.training.recipes import RECIPES, Bucket, Recipe
from hinode.world.caption import parse
from hinode.world.motion import subject_path
from hinode.world.scene import HELD_OUT_PAIRS, Scene, Subject

CPU = torch.device("cpu")
KNOWN = data.vocabulary()
SMOKE = RECIPES["smoke"]()
NANO = RECIPES["nano"]()
CLIP = Bucket(9, 8, 64, 32, 4)


def script(step: int, recipe: Recipe = NANO, fraction: float = 0.5) -> Script:
    return data.step_script(recipe, step, fraction, KNOWN, multiple=8)


def same(one: Script, other: Script) -> bool:
    return (
        (one.step, one.bucket, one.start) == (other.step, other.bucket, other.start)
        and one.scenes == other.scenes
        and torch.equal(one.ids, other.ids)
    )


def filmed(*scenes: Scene, bucket: Bucket = CLIP, start: float = 0.0) -> Script:
    return Script(0, bucket, list(scenes), torch.ones(len(scenes), 8, dtype=torch.long), start, [False])


def test_a_step_is_a_function_of_seed_and_number() -> None:
    for step in (0, 1, 500):
        assert same(script(step), script(step))
    assert not same(script(1), script(2))
    assert script(1).scenes != script(1, dataclasses.replace(NANO, seed=NANO.seed + 1)).scenes
    # The random generator of Python at large plays no part.
    random.seed(1)
    one = script(7)
    random.seed(2)
    assert same(one, script(7))


def test_a_script_fills_its_batch_and_its_texts_tell_of_its_scenes() -> None:
    drawn = script(3)
    assert len(drawn.scenes) == len(drawn.ids) == drawn.bucket.batch
    for row, scene in zip(drawn.ids.tolist(), drawn.scenes, strict=True):
        text = " ".join(KNOWN.words[number - 2] for number in row if number != PAD)
        assert NULL not in row
        assert parse(text).subjects[0].kind == scene.subjects[0].kind


def test_training_never_shows_a_held_out_pair() -> None:
    shown = {
        (subject.color, subject.kind)
        for step in range(2000)
        for scene in script(step, SMOKE).scenes
        for subject in scene.subjects
    }
    assert len(shown) == 9 * 8 - len(HELD_OUT_PAIRS)
    assert not shown & HELD_OUT_PAIRS


def test_no_scene_is_ever_drawn_twice_nor_validated_on() -> None:
    trained = [scene for step in range(400) for scene in script(step, SMOKE).scenes]
    validated = [scene for drawn in data.validation_scripts(SMOKE, KNOWN) for scene in drawn.scenes]
    assert len(set(trained + validated)) == len(trained) + len(validated)
    # Not even one of their free numbers is shared.
    assert not {scene.terrain for scene in trained} & {scene.terrain for scene in validated}


def test_validation_is_frozen_whatever_the_seed_of_the_training() -> None:
    one = data.validation_scripts(NANO, KNOWN)
    other = data.validation_scripts(dataclasses.replace(NANO, seed=1), KNOWN)
    assert sum(len(drawn.scenes) for drawn in one) == data.VALIDATION_SCENES
    assert all(same(a, b) for a, b in zip(one, other, strict=True))
    assert {drawn.bucket for drawn in one} == {NANO.validation}


def test_buckets_are_drawn_as_often_as_they_weigh() -> None:
    lean = dataclasses.replace(
        SMOKE, stages=tuple(dataclasses.replace(stage) for stage in SMOKE.stages), seed=3
    )
    counts = Counter(script(step, lean, fraction=0.9).bucket for step in range(1000))
    for bucket, weight in lean.mix(0.9):
        assert counts[bucket] / 1000 == pytest.approx(weight, abs=0.05)
    assert {script(step, lean, fraction=0.1).bucket.frames for step in range(30)} == {1}


def test_an_image_shows_some_moment_and_a_clip_begins_at_the_beginning() -> None:
    drawn = [script(step, SMOKE, 0.9) for step in range(200)]
    images = [d.start for d in drawn if d.bucket.frames == 1]
    assert 0 <= min(images) < 0.5
    assert data.IMAGE_MOMENTS - 0.5 < max(images) <= data.IMAGE_MOMENTS
    assert {d.start for d in drawn if d.bucket.frames > 1} == {0.0}


def test_a_drawn_script_is_a_video_from_minus_one_to_one() -> None:
    drawn = script(0, SMOKE, 0.9)
    video = data.draw(drawn, CPU)
    bucket = drawn.bucket
    assert video.shape == (bucket.batch, bucket.frames, 3, bucket.height, bucket.width)
    assert -1 <= video.min() < -0.5
    assert 0.5 < video.max() <= 1
    SpacetimePatches().encode(video)  # of a shape that can be cut into patches


def test_emphasis_lies_on_the_way_of_the_subject() -> None:
    mover = Scene((Subject("ball", "red", "right", x=0.25, y=0.375, size=0.3),))
    still = Scene((Subject("kite", "blue", "still", x=0.75, y=0.375, size=0.3),))
    weight = data.emphasis(filmed(mover, still), 4.0, SpacetimePatches(), CPU)
    assert weight.shape == (2, 3, 4, 8, 1)
    assert weight.min() == 1.0
    assert 4.5 < weight.max() <= 5.0
    columns = (torch.arange(8) + 0.5) / 8
    for latent in range(3):
        seconds = torch.tensor([[0.0]]) if latent == 0 else (torch.arange(4) + 1 + 4 * (latent - 1))[None] / 8
        path = subject_path(mover.subjects, seconds, 2.0).x
        extra = weight[0, latent, :, :, 0].amax(0) - 1
        reach = 1.7 * 0.15 / 2 + 1 / 16
        off = (columns[None] - path[0][:, None]).abs().amin(0) > reach
        assert (extra[off] == 0).all()
        assert extra[~off].max() > 3
    assert torch.equal(weight[1, 0], weight[1, 1])


def test_emphasis_of_nothing_is_one_everywhere() -> None:
    scene = Scene((Subject("ball", "red", "still"),))
    weight = data.emphasis(filmed(scene), 0.0, SpacetimePatches(), CPU)
    assert torch.equal(weight, torch.ones(1, 3, 4, 8, 1))


def test_emphasis_of_an_image_is_at_the_moment_it_shows() -> None:
    scene = Scene((Subject("ball", "red", "right", x=0.2, y=0.5, size=0.3),))
    image = Bucket(1, 8, 64, 64, 1)
    early, late = (
        data.emphasis(filmed(scene, bucket=image, start=start), 1.0, SpacetimePatches(), CPU)[0, 0, 4, :, 0]
        for start in (0.0, 2.0)
    )
    assert early.argmax() == 1
    assert late.argmax() == int((0.2 + 2.0 * 0.22) * 8)


@pytest.mark.parametrize("ahead", [0, 3])
def test_scripts_come_in_order_from_the_step_that_is_due(ahead: int) -> None:
    source = data.scripts(SMOKE, 5, lambda: 0.5, KNOWN, ahead=ahead, multiple=8)
    drawn = [next(source) for _ in range(6)]
    source.close()
    assert [d.step for d in drawn] == list(range(5, 11))
    assert all(same(d, script(d.step, SMOKE)) for d in drawn)
    assert "scripts" not in {thread.name for thread in threading.enumerate()}


def test_a_fault_while_writing_ahead_is_raised_where_scripts_are_read() -> None:
    def fraction() -> float:
        raise RuntimeError("the clock stopped")

    source = data.scripts(SMOKE, 0, fraction, KNOWN, ahead=2, multiple=8)
    with pytest.raises(RuntimeError, match="the clock stopped"):
        next(source)
    assert "scripts" not in {thread.name for thread in threading.enumerate()}
