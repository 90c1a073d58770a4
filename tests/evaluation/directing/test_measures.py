from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from hinode.evaluation.directing.cases import Case, make_cases
from hinode.evaluation.directing.measures import (
    MAX_PSNR,
    at_rest,
    changes,
    distance,
    inside,
    psnr,
    seam,
    subject_mask,
    true_places,
)
from hinode.evaluation.evaluate import to_bytes
from hinode.world.judge import load_judge, places
from hinode.world.render import render
from hinode.world.scene import Scene


def steps(*levels: int) -> np.ndarray:
    """Even frames of these levels."""
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), 4, 6, 3)).copy()


def test_changes_and_seams() -> None:
    frames = steps(10, 12, 14, 20, 22, 24)
    assert changes(frames).tolist() == [2, 2, 6, 2, 2]
    assert seam(frames, 3) == 3.0
    assert seam(frames, 1) == 1.0
    assert seam(frames, 0) == 14 / 2


def test_the_seam_does_not_count_for_the_median() -> None:
    assert seam(steps(0, 90, 92), 1) == 45.0


def test_psnr() -> None:
    frames = steps(100, 100)
    assert psnr(frames, frames) == MAX_PSNR
    assert psnr(frames, frames + 1) == pytest.approx(48.13, abs=0.01)
    other = frames.copy()
    other[0, 0, 0, 0] += 1
    assert psnr(frames, other) < MAX_PSNR


@pytest.mark.parametrize("size", [(64, 64), (112, 64), (64, 112)])
def test_the_judge_locates_subjects(size: tuple[int, int]) -> None:
    scenes = [case.scene for case in make_cases("framing", "test", 12)]
    width, height = size
    frames = to_bytes(render(scenes, frames=16, fps=8.0, width=width, height=height))
    located = places(frames, 8.0, load_judge())
    true = true_places(scenes, width / height)
    assert located.shape == true.shape == (12, 8, 2)
    assert distance(located, true, width / height).mean() < 0.035
    # From the path of another subject it is far.
    assert distance(located, true.roll(1, 0), width / height).mean() > 0.1


def test_distances_are_in_widths() -> None:
    at, others = torch.tensor([0.5, 0.5]), torch.tensor([[0.6, 0.5], [0.5, 0.6]])
    assert distance(at, others, 2.0).tolist() == pytest.approx([0.1, 0.05])


def test_what_is_inside_the_frame() -> None:
    at = torch.tensor([[0.5, 0.5], [0.14, 0.5], [0.5, 0.95]])
    assert inside(at, 0.16, 1.0).tolist() == [True, False, False]
    assert inside(at, 0.16, 16 / 9).tolist() == [True, True, False]  # a short side is less of a long one
    assert inside(at, torch.tensor([0.5, 0.1, 0.01]), 1.0).tolist() == [True, True, True]


def test_at_rest_only_the_small_things_move() -> None:
    scene = next(case.scene for case in make_cases("loop", "test", 40) if case.scene.weather == "clear")
    moving, still = to_bytes(render([scene, at_rest(scene)], frames=16, fps=8.0, width=64, height=64)).numpy()
    assert 0 < changes(still).mean() < changes(moving).mean()


@pytest.mark.parametrize("still", [True, False])
def test_masks_cover_the_subject(still: bool) -> None:
    for case in make_cases("region", "test", 8):
        (frames,) = to_bytes(render([case.scene], frames=16, fps=8.0, width=64, height=64)).numpy()
        bare = to_bytes(render([_without(case)], frames=16, fps=8.0, width=64, height=64)).numpy()[0]
        white = subject_mask(case.scene, 16, 8.0, (64, 64), still=still)[..., 0] > 0
        assert len(white) == (1 if still else 16)
        # A shadow reaches a little further than the paper.
        subject = np.abs(frames.astype(int) - bare).max(-1) > 60
        assert (subject & ~white).sum() <= 0.02 * subject.sum()
        assert white.mean() < 0.75


def _without(case: Case) -> Scene:
    """The scene of a case with its subject too small to be visible."""
    (subject,) = case.scene.subjects
    return dataclasses.replace(case.scene, subjects=(dataclasses.replace(subject, size=0.001),))
