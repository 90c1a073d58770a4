from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from hinode.model.tokens import SpacetimePatches
from hinode.training.data import step_script, vocabulary
from hinode.training.directions import KINDS, conditioning_mask, directions
from hinode.training.recipes import RECIPES, Bucket
from hinode.world.motion import subject_path

PATCHES = SpacetimePatches()
CPU = torch.device("cpu")
CLIP = Bucket(17, 8, 112, 64, 8)


def recipe(**changes: float):
    nano = RECIPES["nano"]()
    stage = dataclasses.replace(nano.stages[-1], mix=((CLIP, 1.0),))
    return dataclasses.replace(nano, stages=(stage,), **changes)


def directed(step: int = 3, **changes: float):
    chosen = recipe(**changes)
    script = step_script(chosen, step, 0.9, vocabulary(), multiple=8)
    return script, *directions(chosen, script, PATCHES, CPU)


@pytest.mark.parametrize("shape", [(1, 8, 8, 4), (2, 4, 4, 4), (5, 8, 14, 4), (9, 8, 8, 4)])
def test_something_is_given_and_something_is_left_to_draw(shape: tuple[int, int, int, int]) -> None:
    rng = random.Random(1)
    for _ in range(300):
        known = conditioning_mask(rng, shape)
        assert known.shape == shape
        assert 0 < known.float().mean() < 1


def test_all_kinds_of_parts_are_given() -> None:
    rng = random.Random(2)
    seen = set()
    for _ in range(400):
        known = conditioning_mask(rng, (5, 8, 8, 4))
        whole = known.flatten(1).all(1)
        if whole.any():
            seen.add(("start" if whole[0] else "") + ("end" if whole[-1] else ""))
        elif (known[0] == known).all():
            seen.add("region")
        else:
            seen.add("frames")
    assert seen >= {"start", "end", "startend", "region", "frames"}
    assert len(KINDS) == 6


def test_shares_are_those_of_the_recipe() -> None:
    nothing = directed(known=0.0, paths=0.0, cameras=0.0)
    assert not nothing[1].any()
    assert nothing[2].abs().max() == 0
    _, known, motion = directed(known=1.0, paths=1.0, cameras=1.0)
    assert known.flatten(1).any(1).all()
    assert motion[..., :4].flatten(1).amax(1).min() > 0.3
    assert (motion[..., -1] == 1).all()


def test_a_path_leads_where_the_subject_is_drawn() -> None:
    script, _, motion = directed(paths=1.0)
    moments = (torch.arange(17) / 8).expand(8, -1)
    way = subject_path([scene.subjects[0] for scene in script.scenes], moments, 112 / 64)
    for clip in range(8):
        for latent in range(1, 5):
            frame = 4 * latent  # the last video frame of that latent frame
            x, y = float(way.x[clip, frame]), float(way.y[clip, frame])
            if 0.1 < x < 0.9 and 0.1 < y < 0.9:
                row, column = divmod(int(motion[clip, latent, :, :, 3].argmax()), 14)
                assert abs((column + 0.5) / 14 - x) < 0.06
                assert abs((row + 0.5) / 8 - y) < 0.08


def test_directions_follow_from_the_step() -> None:
    one, same, other = directed(3), directed(3), directed(4)
    assert torch.equal(one[1], same[1])
    assert torch.equal(one[2], same[2])
    assert not torch.equal(one[1], other[1])
