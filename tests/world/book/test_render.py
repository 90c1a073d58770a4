"""Pictures of the book: the same scene gives the same pixels, in any window, batch and order."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from hinode.world.book.picture.render import render
from hinode.world.book.scene import CAMERAS, HELD_OUT_PAIRS, PLACES, Scene, Subject, cast, sample_scene


def draw(scene: Scene, frames: int = 2, **options: object) -> Tensor:
    """A small clip, [T, 3, H, W]."""
    return render([scene], frames=frames, fps=24, width=96, height=54, **options)[0]  # type: ignore[arg-type]


def test_a_window_is_a_part_of_the_frame() -> None:
    scene = Scene(
        (Subject("boat", "red", "right", 0.4, 0.55, 0.4, "water"),), place="sea", camera="pan left", seed=3
    )
    whole = draw(scene)
    part = draw(scene, window=(30, 12, 40, 32))
    torch.testing.assert_close(part, whole[..., 12:44, 30:70], atol=0.02, rtol=0)


def test_a_scene_is_the_same_alone_and_in_a_batch_and_later() -> None:
    rng = random.Random(2)
    scenes = [sample_scene(rng) for _ in range(3)]
    together = render(scenes, frames=3, fps=12, width=64, height=36)
    torch.testing.assert_close(render(scenes[1:2], frames=3, fps=12, width=64, height=36)[0], together[1])
    later = render(scenes[1:2], frames=1, fps=12, width=64, height=36, start=2 / 12)[0]
    assert float((later[0] - together[1, 2]).abs().mean()) < 0.005  # moving layers are interpolated in a clip


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_drawn_in_every_light_and_differs_by_seed(place: str) -> None:
    pictures = [draw(Scene(place=place, time=time, weather=weather, seed=seed), 1)
                for seed, (time, weather) in enumerate((("dawn", "fog"), ("noon", "clear"), ("noon", "clear"),
                                                        ("sunset", "rain"), ("night", "snow")))]  # fmt: skip
    assert all(bool(picture.isfinite().all()) and float(picture.std()) > 0.03 for picture in pictures)
    means = torch.stack([picture.mean((0, 2, 3)) for picture in pictures])
    assert float((pictures[1] - pictures[2]).abs().mean()) > 0.004  # the same light, another land
    assert float((means[1] - means[4]).abs().max()) > 0.1


def test_a_subject_goes_where_its_motion_says_and_does_not_come_back() -> None:
    empty = Scene(place="desert", seed=1)
    for motion, (dx, dy) in {"right": (1, 0), "left": (-1, 0), "rise": (0, -1), "fall": (0, 1)}.items():
        one = Subject("balloon", "red", motion, 0.5, 0.5, 0.3)
        scene = Scene((one,), place="desert", seed=1)
        places = []
        for start in (0.0, 0.5, 8.0):
            change = (draw(scene, 1, start=start) - draw(empty, 1, start=start)).abs().sum((0, 1))
            places.append(change)
        y, x = torch.meshgrid(torch.arange(54.0), torch.arange(96.0), indexing="ij")
        middle = [(float((c * x).sum() / c.sum()), float((c * y).sum() / c.sum())) for c in places[:2]]
        assert (middle[1][0] - middle[0][0]) * dx + (middle[1][1] - middle[0][1]) * dy > 3
        assert float(places[2].sum()) == 0.0


def test_every_camera_moves_the_land_and_a_still_one_does_not() -> None:
    for camera in CAMERAS:
        rocket = Subject("rocket", "red", "right", 0.4, 0.3, 0.3)
        scene = Scene((rocket,) if camera == "follow" else (), place="mountains", camera=camera, seed=4)
        clip = draw(scene, frames=25)
        below = (clip[0] - clip[-1])[:, 30:].abs().mean()
        assert (float(below) > 0.01) == (camera != "still"), camera


def test_samples_hold_out_pairs_and_keep_relations() -> None:
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(400)]
    pairs = {(s.color, s.kind) for scene in scenes for s in scene.subjects}
    assert not pairs & HELD_OUT_PAIRS
    assert {len(scene.subjects) for scene in scenes} == {0, 1, 2, 3}
    first, second = cast(rng, [("kite", "red", "still"), ("ball", "blue", "still")], "meadow", "above")
    assert first.y < second.y
    with pytest.raises(ValueError, match="0 to 3 subjects, not 4"):
        sample_scene(rng, subjects=4)
