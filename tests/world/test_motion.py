from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hinode.world import motion
from hinode.world.motion import Path, camera_path, presence, subject_path
from hinode.world.scene import CAMERAS, MOTIONS, Scene, Subject

MOMENTS = torch.linspace(0.0, 2.0, 81)[None]


def follow(doing: str, moments: Tensor = MOMENTS, aspect: float = 1.0, **numbers: float) -> Path:
    return subject_path([Subject("ball", "red", doing, **numbers)], moments, aspect)


def film(move: str) -> motion.Camera:
    return camera_path([Scene((Subject("ball", "red", "still"),), camera=move)], MOMENTS)


# A frame's y grows downwards: what rises has a falling y.
@pytest.mark.parametrize(
    ("doing", "across", "down"), [("left", -1, 0), ("right", 1, 0), ("rise", 0, -1), ("fall", 0, 1)]
)
@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_straight_paths_go_their_way_at_an_even_pace(
    doing: str, across: int, down: int, speed: float
) -> None:
    path = follow(doing, x=0.5, y=0.45, speed=speed)
    travelled = motion.SPEED * speed * MOMENTS
    assert torch.allclose(path.x, 0.5 + across * travelled, atol=1e-6)
    assert torch.allclose(path.y, 0.45 + down * travelled, atol=1e-6)


def test_what_is_still_stays() -> None:
    path = follow("still", x=0.3, y=0.6)
    assert path.x.unique().tolist() == pytest.approx([0.3])
    assert path.y.unique().tolist() == pytest.approx([0.6])


@pytest.mark.parametrize("phase", [0.0, 0.3])
def test_a_bounce_touches_its_floor_once_a_period(phase: float) -> None:
    path = follow("bounce", x=0.4, y=0.5, phase=phase)
    assert path.x.unique().tolist() == pytest.approx([0.4])
    floor, top = 0.5 + motion.BOUNCE_HEIGHT / 2, 0.5 - motion.BOUNCE_HEIGHT / 2
    assert float(path.y.max()) == pytest.approx(floor, abs=1e-4)
    assert float(path.y.min()) == pytest.approx(top, abs=1e-4)
    period = round(motion.BOUNCE_PERIOD / 0.025)
    assert torch.allclose(path.y[:, period:], path.y[:, :-period], atol=1e-5)
    landings = (path.y[0] > floor - 1e-3).sum()
    assert landings == (2 if phase else 3)
    # Under gravity the height is a parabola: its second difference is the same all the way up and down.
    air = path.y[0, torch.remainder(MOMENTS[0] + phase, 1.0) < 0.94]
    bend = air[:5].diff().diff()
    assert (bend > 0).all()
    assert torch.allclose(bend, bend.mean().expand(3), rtol=0.02)


@pytest.mark.parametrize("aspect", [1.0, 16 / 9, 9 / 16])
def test_a_circle_is_round_in_pixels(aspect: float) -> None:
    path = follow("circle", aspect=aspect, x=0.5, y=0.4)
    across, down = (path.x - 0.5) * max(aspect, 1.0), (path.y - 0.4) * max(1 / aspect, 1.0)
    assert torch.allclose(torch.hypot(across, down), torch.tensor(motion.CIRCLE_RADIUS), atol=1e-5)
    turned = torch.atan2(down, across)[0].diff()
    turned = torch.remainder(turned, 2 * math.pi)  # clockwise on screen, at an even pace
    assert torch.allclose(turned, torch.tensor(2 * math.pi * 0.025 / motion.CIRCLE_PERIOD), atol=1e-4)


@pytest.mark.parametrize("doing", MOTIONS)
def test_a_long_path_leaves_the_frame_and_comes_back_on_the_other_side(doing: str) -> None:
    moments = torch.linspace(0, 60, 2401)[None]
    path = follow(doing, moments, x=0.5, y=0.45)
    for position in (path.x, path.y):
        assert position.min() >= -motion.MARGIN - 1e-6
        assert position.max() <= 1 + motion.MARGIN + 1e-6
    if doing in ("left", "right", "rise", "fall"):
        position = path.x if doing in ("left", "right") else path.y
        assert (position < 0).any()
        assert (position > 1).any()
        jumps = position[0].diff().abs()
        jumps = jumps[jumps > 0.1]
        assert torch.allclose(jumps, torch.tensor(1 + 2 * motion.MARGIN), atol=0.01)
        assert len(jumps) == round(60 * motion.SPEED / (1 + 2 * motion.MARGIN))


def test_only_what_goes_left_faces_left() -> None:
    facing = {doing: float(follow(doing).facing) for doing in MOTIONS}
    assert facing == {doing: -1.0 if doing == "left" else 1.0 for doing in MOTIONS}


def test_phase_shifts_what_repeats_and_nothing_else() -> None:
    for doing in MOTIONS:
        early, late = follow(doing, phase=0.0), follow(doing, phase=0.35)
        moved = not torch.allclose(early.x, late.x) or not torch.allclose(early.y, late.y)
        assert moved == (doing in ("bounce", "circle")), doing
        assert not torch.allclose(early.beat, late.beat)
    beat = follow("left", phase=0.9).beat
    assert beat.min() >= 0
    assert beat.min() < 0.05
    assert 0.95 < beat.max() < 1


def test_paths_of_a_batch_do_not_touch_each_other() -> None:
    cast = [Subject("ball", "red", doing, x=0.3 + 0.02 * i) for i, doing in enumerate(MOTIONS)]
    moments = torch.rand(len(cast), 9, generator=torch.Generator().manual_seed(1)) * 3
    together = subject_path(cast, moments, 16 / 9)
    for row, subject in enumerate(cast):
        alone = subject_path([subject], moments[row : row + 1], 16 / 9)
        assert torch.allclose(alone.x[0], together.x[row], atol=1e-6)
        assert torch.allclose(alone.y[0], together.y[row], atol=1e-6)


@pytest.mark.parametrize("move", CAMERAS)
def test_the_camera_does_what_its_name_says(move: str) -> None:
    camera = film(move)
    pan, growth = camera.pan[0], camera.zoom[0].diff()
    sign = {"pan left": -1, "pan right": 1}.get(move, 0)
    assert torch.allclose(pan, sign * motion.PAN_SPEED * MOMENTS[0])
    if move == "zoom in":
        assert (growth > 0).all()
    elif move == "zoom out":
        assert (growth < 0).all()
    else:
        assert (camera.zoom == 1).all()


def test_a_zoom_begins_at_its_rate_and_eases_out() -> None:
    for move, sign in (("zoom in", 1), ("zoom out", -1)):
        pace = film(move).zoom[0].log().diff() / 0.025 * sign
        assert float(pace[0]) == pytest.approx(motion.ZOOM_RATE, rel=0.01)
        assert (pace.diff() < 1e-3).all()
        assert 0.4 < float(pace[-1] / pace[0]) < 0.8
        # Whichever way it goes, two seconds of it stay within half and double size.
        assert film(move).zoom.min() > 0.5
        assert film(move).zoom.max() < 2


def test_presence_is_whole_on_the_subject_and_nothing_far_away() -> None:
    scene = Scene((Subject("ball", "red", "right", x=0.25, y=0.4, size=0.3),))
    moments = torch.tensor([[0.0, 1.0, 2.0]])
    x, y = torch.linspace(0, 1, 65), torch.linspace(0, 1, 33)
    near = presence([scene], moments, x, y, 2.0)
    assert near.shape == (1, 3, 33, 65)
    path = subject_path(scene.subjects, moments, 2.0)
    for k in range(3):
        distance = torch.hypot((x[None] - path.x[0, k]) * 2.0, y[:, None] - path.y[0, k])
        assert (near[0, k][distance < 0.5 * 0.15] == 1).all()
        assert (near[0, k][distance > 1.7 * 0.15] == 0).all()
        assert near[0, k].max() == 1


def test_presence_sees_both_subjects_and_grows_with_the_zoom() -> None:
    first, second = Subject("ball", "red", "still", 0.2, 0.5), Subject("kite", "blue", "still", 0.8, 0.5)
    grid = torch.linspace(0, 1, 41)
    start, end = torch.zeros(3, 1), torch.full((3, 1), 2.0)
    cast = [Scene((first,)), Scene((first, second)), Scene((first,), camera="zoom in")]
    single, double, zoomed = presence(cast, start, grid, grid, 1.0)
    assert torch.equal(single[0, :, :20], double[0, :, :20])
    assert torch.allclose(double[0, :, :20], double[0, :, 21:].flip(1), atol=1e-5)
    later = presence(cast, end, grid, grid, 1.0)
    assert torch.equal(later[0], single)
    assert later[2].sum() > 1.5 * zoomed.sum()
    assert later.max() <= 1
