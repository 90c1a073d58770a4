from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from hinode.model.tokens import SpacetimePatches
from hinode.training.data import training_batch, vocabulary
from hinode.training.directions import KINDS, sample_directions, sample_mask
from hinode.training.recipes import RECIPES, Bucket
from hinode.world.motion import subject_path

PATCHES = SpacetimePatches()
CPU = torch.device("cpu")
CLIP = Bucket(17, 8, 112, 64, 8)


def recipe(**changes: float):
    nano = RECIPES["nano"]()
    stage = dataclasses.replace(nano.stages[-1], mix=((CLIP, 1.0),))
    return dataclasses.replace(nano, stages=(stage,), **changes)


def sample(step: int = 3, **changes: float):
    """A batch, its masks and its motion."""
    chosen = recipe(**changes)
    batch = training_batch(chosen, step, 0.9, vocabulary(), multiple=8)
    return batch, *sample_directions(chosen, batch, PATCHES, CPU)


@pytest.mark.parametrize("shape", [(1, 8, 8, 4), (2, 4, 4, 4), (5, 8, 14, 4), (9, 8, 8, 4)])
def test_a_part_is_given_and_a_part_is_left_to_generate(shape: tuple[int, int, int, int]) -> None:
    rng = random.Random(1)
    for _ in range(300):
        mask = sample_mask(rng, shape)
        assert mask.shape == shape
        assert 0 < mask.float().mean() < 1


def test_all_kinds_of_parts_are_given() -> None:
    rng = random.Random(2)
    kinds = set()
    for _ in range(400):
        mask = sample_mask(rng, (5, 8, 8, 4))
        whole = mask.flatten(1).all(1)
        if whole.any():
            kinds.add(("start" if whole[0] else "") + ("end" if whole[-1] else ""))
        elif (mask[0] == mask).all():
            kinds.add("region")
        else:
            kinds.add("frames")
    assert kinds >= {"start", "end", "startend", "region", "frames"}
    assert len(KINDS) == 6


def test_shares_are_those_of_the_recipe() -> None:
    nothing = sample(mask_share=0.0, path_share=0.0, camera_share=0.0)
    assert not nothing[1].any()
    assert nothing[2].abs().max() == 0
    _, mask, motion = sample(mask_share=1.0, path_share=1.0, camera_share=1.0)
    assert mask.flatten(1).any(1).all()
    assert motion[..., :4].flatten(1).amax(1).min() > 0.3
    assert (motion[..., -1] == 1).all()


def test_a_path_leads_where_the_subject_is_rendered() -> None:
    batch, _, motion = sample(path_share=1.0)
    moments = (torch.arange(17) / 8).expand(8, -1)
    path = subject_path([scene.subjects[0] for scene in batch.scenes], moments, 112 / 64)
    for clip in range(8):
        for latent in range(1, 5):
            frame = 4 * latent  # the last video frame of that latent frame
            x, y = float(path.x[clip, frame]), float(path.y[clip, frame])
            if 0.1 < x < 0.9 and 0.1 < y < 0.9:
                row, column = divmod(int(motion[clip, latent, :, :, 3].argmax()), 14)
                assert abs((column + 0.5) / 14 - x) < 0.06
                assert abs((row + 0.5) / 8 - y) < 0.08


def test_directions_follow_from_the_step() -> None:
    first, again, other = sample(3), sample(3), sample(4)
    assert torch.equal(first[1], again[1])
    assert torch.equal(first[2], again[2])
    assert not torch.equal(first[1], other[1])
