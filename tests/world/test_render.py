from __future__ import annotations

import dataclasses
import itertools
import random
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hinode.world import palette, scene
from hinode.world.motion import camera_path, presence, subject_path
from hinode.world.render import render
from hinode.world.scene import Scene, Subject, sample_scene

BALL = Subject("ball", "red", "still", x=0.5, y=0.3, size=0.34)
SCENE = Scene((BALL,), terrain=2.0, air=0.5)


def film(*scenes: Scene, side: int = 64, frames: int = 1, fps: float = 8.0, **more: Any) -> Tensor:
    size = {"width": side, "height": side, **more}
    return render(scenes, frames=frames, fps=fps, **size)


def cast(**changes: Any) -> Scene:
    return dataclasses.replace(SCENE, subjects=(dataclasses.replace(BALL, **changes),))


def mixed(count: int) -> list[Scene]:
    rng = random.Random("mixed")
    return [sample_scene(rng, held_out=None) for _ in range(count)]


def assert_same_picture(picture: Tensor, other: Tensor) -> None:
    """Equal but for a pixel here and there that rounding takes over an edge."""
    difference = (picture - other).abs()
    assert difference.mean() < 3e-4
    assert (difference > 2 / 255).float().mean() < 0.01
    assert (difference > 0.1).float().mean() < 2e-4


@pytest.mark.parametrize(("width", "height"), [(64, 64), (112, 64), (64, 112), (96, 40), (33, 57), (8, 8)])
def test_any_shape_is_rendered(width: int, height: int) -> None:
    scenes = mixed(12)
    video = render(scenes, frames=3, fps=8, width=width, height=height)
    assert video.shape == (12, 3, 3, height, width)
    assert video.dtype == torch.float32
    assert video.min() >= 0
    assert video.max() <= 1
    assert not video.isnan().any()
    # Every picture is of something, and no two are alike.
    assert (video.flatten(2).std(2) > 0.02).all()
    assert len({clip.sum().item() for clip in video}) == 12


def test_the_same_scene_gives_the_same_pixels() -> None:
    scenes = mixed(6)
    assert torch.equal(film(*scenes, frames=3), film(*scenes, frames=3))


def test_a_scene_does_not_depend_on_its_batch() -> None:
    scenes = mixed(16)
    together = film(*scenes, frames=3)
    for scene_alone, expected in zip(scenes, together, strict=True):
        assert (film(scene_alone, frames=3)[0] - expected).abs().max() < 0.5 / 255
    assert (film(*scenes[::-1], frames=3).flip(0) - together).abs().max() < 0.5 / 255


def test_frame_k_shows_the_moment_k_frames_after_the_start() -> None:
    scenes = mixed(16)
    clip = film(*scenes, frames=7, fps=8.0, start=0.25)
    for k in (0, 3, 6):
        assert_same_picture(film(*scenes, start=0.25 + k / 8)[:, 0], clip[:, k])
    # Half the rate shows every other picture.
    assert_same_picture(film(*scenes, frames=4, fps=4.0, start=0.25), clip[:, ::2])


def test_every_scene_may_start_at_its_own_time() -> None:
    first, second = mixed(2)
    both = film(first, second, frames=2, start=[0.5, 1.75])
    assert_same_picture(film(first, frames=2, start=0.5)[0], both[0])
    assert_same_picture(film(second, frames=2, start=1.75)[0], both[1])


def test_a_larger_picture_is_the_same_picture() -> None:
    scenes = mixed(12)
    small, large = film(*scenes, frames=2), film(*scenes, frames=2, side=128)
    shrunk = F.avg_pool2d(large.flatten(0, 1), 2).view_as(small)
    assert (shrunk - small).abs().flatten(1).mean(1).max() < 0.012
    assert (film(*scenes[::-1], frames=2) - small).abs().mean() > 0.05  # what unlike pictures differ by


def test_edges_are_smooth_so_small_moves_change_little() -> None:
    # A jagged edge jumps by its whole contrast as soon as it crosses the middle of a pixel.
    quarter = [film(cast(x=0.5 + step / 4 / 64))[0, 0] for step in range(5)]
    for before, after in itertools.pairwise(quarter):
        assert 0.02 < (after - before).abs().max() < 0.45
    assert (quarter[4] - quarter[0]).abs().max() > 0.6


@pytest.mark.parametrize("time", scene.TIMES)
def test_a_subject_has_its_own_colour_and_no_other(time: str) -> None:
    dim = 0.86 if time == "night" else 1.0
    papers = torch.tensor([palette.PAPER[color] for color in scene.COLORS]) / 255 * dim
    for kind in scene.SUBJECTS:
        casts = [dataclasses.replace(cast(kind=kind, color=color), time=time) for color in scene.COLORS]
        pictures = film(*casts, start=0.3, side=96)[:, 0]
        window = pictures[:, :, 29 - 17 : 29 + 17, 48 - 17 : 48 + 17].flatten(2)
        off = (window[:, None] - papers[None, :, :, None]).abs().amax(2)  # (picture, paper, pixel)
        counts = (off < 4 / 255).sum(2)
        assert torch.equal(counts.argmax(1), torch.arange(len(scene.COLORS))), kind
        own = counts.diag()
        assert (own > 12).all(), kind
        assert (counts - torch.diag(own)).max() <= 2, kind


def test_a_subject_is_where_its_path_says() -> None:
    """What two clips that differ in the colour of the subject differ in, lies around the path."""
    doings = [cast(motion=doing, kind="rocket", x=0.45, y=0.45, size=0.2) for doing in scene.MOTIONS]
    recolored = [
        dataclasses.replace(s, subjects=(dataclasses.replace(s.subjects[0], color="blue"),)) for s in doings
    ]
    width, height = 112, 64
    size = {"frames": 6, "fps": 4.0, "width": width, "height": height}
    changed = (render(doings, **size) - render(recolored, **size)).abs().sum(2)  # type: ignore[arg-type]
    moments = (torch.arange(6) / 4).expand(len(doings), -1)
    path = subject_path([s.subjects[0] for s in doings], moments, width / height)
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    total = changed.sum((2, 3))
    assert (total > 5).all()
    assert torch.allclose((changed.sum(2) * x).sum(2) / total, path.x, atol=0.012)
    assert torch.allclose((changed.sum(3) * y).sum(2) / total, path.y, atol=0.03)
    outside = presence(doings, moments, x, y, width / height) == 0
    assert changed[outside].max() < 1e-5


def sideways(before: Tensor, after: Tensor, columns: slice) -> int:
    """By how many pixels the land in these columns has gone to the right from one picture to the other."""
    land = slice(36, 60)
    reference = after[:, land, columns]

    def mismatch(shift: int) -> float:
        return float((before.roll(shift, 2)[:, land, columns] - reference).abs().mean())

    return min(range(-14, 15), key=mismatch)


# The sheets of land move at 0.35 to 1 times the pace of the camera.
@pytest.mark.parametrize("place", ["mountains", "hills", "desert", "city"])
def test_a_pan_moves_the_scenery_the_other_way(place: str) -> None:
    scenes = [dataclasses.replace(cast(y=0.15, size=0.1), place=place, camera=move) for move in scene.CAMERAS]
    clip = film(*scenes, frames=4)
    whole = {s.camera: sideways(v[0], v[3], slice(16, 48)) for s, v in zip(scenes, clip, strict=True)}
    pace = 3 / 8 * 0.24 * 64  # pixels of the nearest sheet
    assert whole["still"] == 0
    assert 0.3 * pace - 1 <= whole["pan left"] <= pace + 1
    assert -pace - 1 <= whole["pan right"] <= 1 - 0.3 * pace


def test_a_zoom_opens_up_and_closes_in_on_land_and_subject() -> None:
    for move, sign in (("zoom in", 1), ("zoom out", -1)):
        clip = film(dataclasses.replace(SCENE, camera=move, place="mountains"), frames=9)[0]
        red = (clip[:, 0] - clip[:, 1:].amax(1) > 0.3).sum((1, 2))
        assert (red.diff() * sign >= 0).all()
        zoom = camera_path([dataclasses.replace(SCENE, camera=move)], torch.tensor([[0.0, 1.0]])).zoom[0]
        assert float(red[8] / red[0]) == pytest.approx(float(zoom[1] / zoom[0]) ** 2, rel=0.12)
        assert sideways(clip[0], clip[6], slice(0, 16)) * sign < 0
        assert sideways(clip[0], clip[6], slice(48, 64)) * sign > 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kind", scene.SUBJECTS),
        ("color", scene.COLORS),
        ("motion", scene.MOTIONS),
        ("time", scene.TIMES),
        ("place", scene.PLACES),
        ("weather", scene.WEATHERS),
        ("camera", scene.CAMERAS),
    ],
)
def test_every_value_of_every_fact_looks_different(name: str, values: tuple[str, ...]) -> None:
    of_subject = name in ("kind", "color", "motion")
    scenes = [cast(**{name: v}) if of_subject else dataclasses.replace(SCENE, **{name: v}) for v in values]
    clips = film(*scenes, frames=5, fps=4.0)
    for (a, clip), (b, other) in itertools.combinations(zip(values, clips, strict=True), 2):
        visible = ((clip - other).abs().amax(1) > 0.1).float().mean()
        assert visible > 0.01, (a, b)


@pytest.mark.parametrize("number", ["terrain", "sun", "air"])
def test_the_free_numbers_vary_the_picture(number: str) -> None:
    low, high = film(dataclasses.replace(SCENE, **{number: 0.1}), dataclasses.replace(SCENE, **{number: 0.9}))
    assert 5e-4 < (low - high).abs().mean() < 0.2


def test_two_subjects_are_both_there_and_the_first_is_in_front() -> None:
    first, second = (
        dataclasses.replace(BALL, x=0.3, size=0.26),
        dataclasses.replace(BALL, kind="kite", color="blue", x=0.72, size=0.26),
    )
    both, alone, behind = film(
        dataclasses.replace(SCENE, subjects=(first, second)),
        dataclasses.replace(SCENE, subjects=(first,)),
        dataclasses.replace(SCENE, subjects=(first, dataclasses.replace(second, x=0.3))),
    )[:, 0]
    assert torch.equal(both[:, :, :30], alone[:, :, :30])
    assert (both - alone)[:, :, 40:52].abs().max() > 0.4
    ball = alone[0] - alone[1:].amax(0) > 0.4
    assert ball.sum() > 60
    assert (behind - alone).abs()[:, ball].max() < 0.02


def test_weather_moves_over_land_that_does_not() -> None:
    clips = film(*(dataclasses.replace(SCENE, weather=w) for w in scene.WEATHERS), frames=3, fps=4.0)
    change = clips[..., 40:, :].diff(dim=1).abs().mean((2, 3, 4))
    clear, rain, snow, fog = change.unbind()
    assert (clear == 0).all()
    assert (rain > 0.005).all()
    assert (snow > 0.005).all()
    assert (fog > 2e-4).all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"frames": 0}, "0 frames"),
        ({"fps": 0.0}, "at 0.0 fps"),
        ({"fps": -8.0}, "at -8.0 fps"),
        ({"width": 4}, "4x64"),
        ({"height": 0}, "64x0"),
    ],
)
def test_what_cannot_be_rendered_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=rf"cannot render .*{text}"):
        film(SCENE, **changes)


def test_no_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="there is nothing to render"):
        film()
