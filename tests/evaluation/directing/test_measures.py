from __future__ import annotations

import numpy as np
import pytest
import torch

from hinode.evaluation.directing.cases import generate
from hinode.evaluation.directing.measures import (
    EXACT_DB,
    apart,
    changes,
    inside,
    joint,
    masks,
    psnr,
    resting,
    true_places,
)
from hinode.evaluation.evaluate import to_bytes
from hinode.world.judge import load_judge, places
from hinode.world.render import render


def steps(*levels: int) -> np.ndarray:
    """Even frames of these levels."""
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), 4, 6, 3)).copy()


def test_steps_and_joints() -> None:
    frames = steps(10, 12, 14, 20, 22, 24)
    assert changes(frames).tolist() == [2, 2, 6, 2, 2]
    assert joint(frames, 3) == 3.0
    assert joint(frames, 1) == 1.0
    assert joint(frames, 0) == 14 / 2


def test_the_joint_itself_is_not_what_it_is_measured_by() -> None:
    assert joint(steps(0, 90, 92), 1) == 45.0


def test_likeness() -> None:
    one = steps(100, 100)
    assert psnr(one, one) == EXACT_DB
    assert psnr(one, one + 1) == pytest.approx(48.13, abs=0.01)
    nearly = one.copy()
    nearly[0, 0, 0, 0] += 1
    assert psnr(one, nearly) < EXACT_DB


@pytest.mark.parametrize("size", [(64, 64), (112, 64), (64, 112)])
def test_the_judge_finds_subjects_where_they_are(size: tuple[int, int]) -> None:
    scenes = [case.scene for case in generate("framing", "test", 12)]
    width, height = size
    frames = to_bytes(render(scenes, frames=16, fps=8.0, width=width, height=height))
    found = places(frames, 8.0, load_judge())
    real = true_places(scenes, width / height)
    assert found.shape == real.shape == (12, 8, 2)
    assert apart(found, real, width / height).mean() < 0.035
    # Held against the way of another one it is far away.
    assert apart(found, real.roll(1, 0), width / height).mean() > 0.1


def test_distances_are_in_widths() -> None:
    one, other = torch.tensor([0.5, 0.5]), torch.tensor([[0.6, 0.5], [0.5, 0.6]])
    assert apart(one, other, 2.0).tolist() == pytest.approx([0.1, 0.05])


def test_what_is_in_the_picture() -> None:
    at = torch.tensor([[0.5, 0.5], [0.14, 0.5], [0.5, 0.95]])
    assert inside(at, 0.16, 1.0).tolist() == [True, False, False]
    assert inside(at, 0.16, 16 / 9).tolist() == [True, True, False]  # a short side is less of a long one
    assert inside(at, torch.tensor([0.5, 0.1, 0.01]), 1.0).tolist() == [True, True, True]


def test_at_rest_only_the_small_things_move() -> None:
    scene = next(case.scene for case in generate("loop", "test", 40) if case.scene.weather == "clear")
    moving, still = to_bytes(render([scene, resting(scene)], frames=16, fps=8.0, width=64, height=64)).numpy()
    assert 0 < changes(still).mean() < changes(moving).mean()


@pytest.mark.parametrize("still", [True, False])
def test_masks_cover_the_subject(still: bool) -> None:
    for case in generate("region", "test", 8):
        (frames,) = to_bytes(render([case.scene], frames=16, fps=8.0, width=64, height=64)).numpy()
        bare = to_bytes(render([_without(case)], frames=16, fps=8.0, width=64, height=64)).numpy()[0]
        white = masks(case.scene, 16, 8.0, 64, 64, still=still)[..., 0] > 0
        assert len(white) == (1 if still else 16)
        # A shadow reaches a little further than the paper.
        apart = np.abs(frames.astype(int) - bare).max(-1) > 60
        assert (apart & ~white).sum() <= 0.02 * apart.sum()
        assert white.mean() < 0.75


def _without(case):  # type: ignore[no-untyped-def]
    """The scene of a case with its subject out of sight."""
    import dataclasses

    (one,) = case.scene.subjects
    return dataclasses.replace(case.scene, subjects=(dataclasses.replace(one, size=0.001),))
