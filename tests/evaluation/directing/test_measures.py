from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from hinode.clip import Frames
from hinode.evaluation.directing.measures import (
    MAX_PSNR,
    at_rest,
    changes,
    psnr,
    seam,
    subject_mask,
)
from hinode.evaluation.directing.reader import Reader
from hinode.world.book.picture.render import render
from hinode.world.book.plan import plan_of
from hinode.world.book.scene import Scene, Subject

SIZE = WIDTH, HEIGHT = 112, 64
BOAT = Scene((Subject("boat", "red", "right", 0.3, 0.6, 0.34, "water"),), place="sea", seed=3)
PLAN = plan_of(BOAT, 2.0, WIDTH / HEIGHT)
FACTS = {"subject": "boat", "color": "red", "motion": "right"}


def draw(scene: Scene, count: int = 48) -> Frames:
    """A true clip at 24 frames a second."""
    video = render([scene], frames=count, fps=24.0, width=WIDTH, height=HEIGHT)[0]
    frames: Frames = video.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return frames


def steps(*levels: int) -> Frames:
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


def test_at_rest_only_the_small_things_move() -> None:
    moving, still = draw(BOAT, 12), draw(at_rest(BOAT), 12)
    assert 0 < changes(still).mean() < changes(moving).mean()


@pytest.mark.parametrize("still", [True, False])
def test_masks_cover_the_subject(still: bool) -> None:
    balloon = Subject("balloon", "red", "rise", 0.4, 0.6, 0.34)
    scene, bare = (Scene((dataclasses.replace(balloon, size=size),)) for size in (0.34, 0.001))
    white = subject_mask(plan_of(scene, 1.0, WIDTH / HEIGHT), 24, SIZE, still=still)[..., 0] > 0
    assert len(white) == (1 if still else 24)
    paper = np.abs(draw(scene, 24).astype(int) - draw(bare, 24)).max(-1) > 60
    assert (paper & ~white).sum() <= 0.01 * paper.sum()
    assert white.mean() < 0.5


@pytest.mark.slow
def test_a_true_clip_is_read_as_what_it_is() -> None:
    reader = Reader(PLAN, FACTS, 48, SIZE)
    for reading in (reader.true, reader.read(draw(BOAT))):
        assert reading.right == {"subject": True, "color": True, "motion": True}
        assert all(reading.presence)
        assert len(reading.x) == 12
    (path,) = PLAN.subjects
    assert reader.distance(reading, path.x, path.y) < 0.01
    assert reader.distance(reading, np.array(path.x) + 0.2, path.y) == pytest.approx(0.2, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("facts", "right"),
    [
        ({**FACTS, "color": "blue"}, {"color": False}),
        ({**FACTS, "subject": "cottage"}, {"subject": False}),
        ({**FACTS, "motion": "still"}, {"subject": True, "color": True, "motion": False}),
    ],
)
def test_what_is_not_there_is_not_read(facts: dict[str, str], right: dict[str, bool]) -> None:
    read = Reader(PLAN, facts, 48, SIZE).read(draw(BOAT)).right
    assert {name: read[name] for name in right} == right


@pytest.mark.slow
def test_a_subject_that_is_not_there_is_a_width_away() -> None:
    empty = draw(dataclasses.replace(BOAT, subjects=()))
    reader = Reader(PLAN, FACTS, 48, SIZE)
    reading = reader.read(empty)
    assert not any(reading.right.values())
    assert reader.distance(reading, PLAN.subjects[0].x, PLAN.subjects[0].y) == 1.0
