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
from hinode.training.data import Batch
from hinode.training.recipes import RECIPES, Bucket, Recipe
from hinode.world.motion import subject_path
from hinode.world.prompts.prompt import parse
from hinode.world.scene import HELD_OUT_PAIRS, Scene, Subject

CPU = torch.device("cpu")
WORDS = data.vocabulary()
SMOKE = RECIPES["smoke"]()
NANO = RECIPES["nano"]()
CLIP = Bucket(9, 8, 64, 32, 4)


def batch(step: int, recipe: Recipe = NANO, fraction: float = 0.5) -> Batch:
    return data.training_batch(recipe, step, fraction, WORDS, multiple=8)


def same(first: Batch, second: Batch) -> bool:
    return (
        (first.step, first.bucket, first.start) == (second.step, second.bucket, second.start)
        and first.scenes == second.scenes
        and torch.equal(first.ids, second.ids)
    )


def batch_of(*scenes: Scene, bucket: Bucket = CLIP, start: float = 0.0) -> Batch:
    return Batch(0, bucket, list(scenes), torch.ones(len(scenes), 8, dtype=torch.long), start, [False])


def test_a_step_is_a_function_of_seed_and_number() -> None:
    for step in (0, 1, 500):
        assert same(batch(step), batch(step))
    assert not same(batch(1), batch(2))
    assert batch(1).scenes != batch(1, dataclasses.replace(NANO, seed=NANO.seed + 1)).scenes
    # The random generator of Python at large plays no part.
    random.seed(1)
    first = batch(7)
    random.seed(2)
    assert same(first, batch(7))


def test_a_batch_is_full_and_its_captions_describe_its_scenes() -> None:
    sample = batch(3)
    assert len(sample.scenes) == len(sample.ids) == sample.bucket.batch_size
    for row, scene in zip(sample.ids.tolist(), sample.scenes, strict=True):
        text = " ".join(WORDS.words[number - 2] for number in row if number != PAD)
        assert NULL not in row
        assert parse(text).subjects[0].kind == scene.subjects[0].kind


def test_training_never_has_a_held_out_pair() -> None:
    pairs = {
        (subject.color, subject.kind)
        for step in range(2000)
        for scene in batch(step, SMOKE).scenes
        for subject in scene.subjects
    }
    assert len(pairs) == 9 * 8 - len(HELD_OUT_PAIRS)
    assert not pairs & HELD_OUT_PAIRS


def test_no_scene_is_repeated_or_validated_on() -> None:
    trained = [scene for step in range(400) for scene in batch(step, SMOKE).scenes]
    validated = [scene for sample in data.validation_batches(SMOKE, WORDS) for scene in sample.scenes]
    assert len(set(trained + validated)) == len(trained) + len(validated)
    # Not even one of their free numbers is shared.
    assert not {scene.terrain for scene in trained} & {scene.terrain for scene in validated}


def test_validation_is_frozen_whatever_the_seed_of_the_training() -> None:
    batches = data.validation_batches(NANO, WORDS)
    others = data.validation_batches(dataclasses.replace(NANO, seed=1), WORDS)
    assert sum(len(sample.scenes) for sample in batches) == data.VALIDATION_SCENES
    assert all(same(a, b) for a, b in zip(batches, others, strict=True))
    assert {sample.bucket for sample in batches} == {NANO.validation}


def test_buckets_are_sampled_by_their_weights() -> None:
    recipe = dataclasses.replace(SMOKE, seed=3)
    counts = Counter(batch(step, recipe, fraction=0.9).bucket for step in range(1000))
    for bucket, weight in recipe.mix(0.9):
        assert counts[bucket] / 1000 == pytest.approx(weight, abs=0.05)
    assert {batch(step, recipe, fraction=0.1).bucket.frames for step in range(30)} == {1}


def test_an_image_shows_any_moment_and_a_clip_starts_at_zero() -> None:
    batches = [batch(step, SMOKE, 0.9) for step in range(200)]
    images = [b.start for b in batches if b.bucket.frames == 1]
    assert 0 <= min(images) < 0.5
    assert data.IMAGE_SECONDS - 0.5 < max(images) <= data.IMAGE_SECONDS
    assert {b.start for b in batches if b.bucket.frames > 1} == {0.0}


def test_a_rendered_batch_is_a_video_from_minus_one_to_one() -> None:
    sample = batch(0, SMOKE, 0.9)
    video = data.render_batch(sample, CPU)
    bucket = sample.bucket
    assert video.shape == (bucket.batch_size, bucket.frames, 3, bucket.height, bucket.width)
    assert -1 <= video.min() < -0.5
    assert 0.5 < video.max() <= 1
    SpacetimePatches().encode(video)  # of a shape that can be cut into patches


def test_emphasis_lies_on_the_path_of_the_subject() -> None:
    mover = Scene((Subject("ball", "red", "right", x=0.25, y=0.375, size=0.3),))
    still = Scene((Subject("kite", "blue", "still", x=0.75, y=0.375, size=0.3),))
    weight = data.emphasis(batch_of(mover, still), 4.0, SpacetimePatches(), CPU)
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


def test_without_emphasis_every_weight_is_one() -> None:
    scene = Scene((Subject("ball", "red", "still"),))
    weight = data.emphasis(batch_of(scene), 0.0, SpacetimePatches(), CPU)
    assert torch.equal(weight, torch.ones(1, 3, 4, 8, 1))


def test_emphasis_of_an_image_is_at_the_moment_it_shows() -> None:
    scene = Scene((Subject("ball", "red", "right", x=0.2, y=0.5, size=0.3),))
    image = Bucket(1, 8, 64, 64, 1)
    early, late = (
        data.emphasis(batch_of(scene, bucket=image, start=start), 1.0, SpacetimePatches(), CPU)[0, 0, 4, :, 0]
        for start in (0.0, 2.0)
    )
    assert early.argmax() == 1
    assert late.argmax() == int((0.2 + 2.0 * 0.22) * 8)


@pytest.mark.parametrize("ahead", [0, 3])
def test_batches_come_in_order_from_the_current_step(ahead: int) -> None:
    source = data.iterate_batches(SMOKE, 5, lambda: 0.5, WORDS, ahead=ahead, multiple=8)
    batches = [next(source) for _ in range(6)]
    source.close()
    assert [b.step for b in batches] == list(range(5, 11))
    assert all(same(b, batch(b.step, SMOKE)) for b in batches)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_error_while_sampling_ahead_is_raised_where_batches_are_read() -> None:
    def fraction() -> float:
        raise RuntimeError("the clock stopped")

    source = data.iterate_batches(SMOKE, 0, fraction, WORDS, ahead=2, multiple=8)
    with pytest.raises(RuntimeError, match="the clock stopped"):
        next(source)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]
