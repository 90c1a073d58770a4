"""The layout of the land: where sheets and cut-outs are, and of what colours."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import max_pool2d

from hinode.engines.native.book.scene_plan import arrive, cut_plan, go_on, lead
from hinode.engines.native.plans.planning import plan_prompt
from hinode.world.book.motion import camera_path
from hinode.world.book.picture.layout import (
    ABOVE,
    HIDDEN,
    LOWER,
    SHAPES,
    SHEET,
    SOFT,
    STARS,
    TINT,
    UPPER,
    WEATHER,
    land_map,
)
from hinode.world.book.picture.preview import plan_land, render_plan
from hinode.world.book.picture.render import render
from hinode.world.book.plan import LandPlan, ScenePlan, plan_of
from hinode.world.book.scene import Scene, Subject, sample_scene
from hinode.world.book.words.language import BOOK
from hinode.world.prompts.prompt import parse

SIZE = {"width": 112, "height": 64}
MOMENTS = torch.arange(9) / 8


def land(plan: ScenePlan, moments: torch.Tensor = MOMENTS) -> torch.Tensor:
    layout = plan_land(plan, moments, **SIZE)
    assert layout is not None
    return layout


def test_sheets_and_cut_outs_lie_where_the_book_draws_them() -> None:
    scene = Scene((), "noon", "sea", "clear", "still", None, 8)
    (picture,) = render([scene], frames=1, fps=8, **SIZE)[0]
    layout = land_map(scene, MOMENTS[:1], camera_path(scene, MOMENTS[:1], 1.75), **SIZE)[0]
    water = layout[SHEET] > 0
    assert 0.2 < water.float().mean() < 0.6
    inner = water[2:] == water[:-2]  # away from edges the sky is brighter than the water
    brightness = picture.mean(0)[1:-1][inner]
    assert brightness[~water[1:-1][inner]].mean() > brightness[water[1:-1][inner]].mean() + 0.1
    names = {SHAPES[number - 1] for number in layout[UPPER].unique().tolist() if number}
    assert names <= {"sun", "cloud_a", "cloud_b", "cloud_c", "cloud_d"}
    assert "sun" in names


@pytest.mark.parametrize("place", ["city", "village", "mountains", "meadow"])
def test_paper_has_the_colours_that_the_book_draws(place: str) -> None:
    scene = Scene((), "noon", place, "clear", "still", None, 8)
    size = {"width": 224, "height": 128}
    picture = render([scene], frames=1, fps=8, **size)[0, 0] * 255
    layout = land_map(scene, MOMENTS[:1], camera_path(scene, MOMENTS[:1], 1.75), **size)[0].float()
    bare = (layout[SHEET] > 0) & (layout[UPPER] == 0)
    opaque = layout[UPPER + 3] > 250
    papers = {
        "sheet": (picture - layout[TINT : TINT + 3]).abs().amax(0)[bare],
        "base": (picture - layout[UPPER + 4 : UPPER + 7]).abs().amax(0)[opaque],
        "dark": (picture - layout[UPPER + 7 : UPPER + 10]).abs().amax(0)[opaque],
    }
    shares = {name: float((difference < 12).float().mean()) for name, difference in papers.items()}
    assert shares["sheet"] > 0.5  # below its edge paper gets darker
    assert shares["base"] + shares["dark"] > 0.3  # the rest of a cut-out has colours of its own


def test_only_what_is_seen_of_a_cut_out_hides_what_is_behind_it() -> None:
    scene = Scene((), "noon", "city", "clear", "still", None, 8)
    layout = land_map(scene, MOMENTS[:1], camera_path(scene, MOMENTS[:1], 1.75), width=224, height=128)[0]
    upper, lower = layout[UPPER] > 0, layout[LOWER] > 0
    assert not (lower & ~upper).any()
    assert (layout[UPPER + 3][upper] > 200).float().mean() > 0.85  # nearly no place is empty paper
    assert not layout[SOFT][layout[UPPER + 3] > 200].any()


def test_the_shadow_above_an_edge_lies_where_the_book_draws_it() -> None:
    scene = Scene((), "noon", "desert", "clear", "still", None, 8)
    size = {"width": 224, "height": 128}
    picture = render([scene], frames=1, fps=8, **size)[0, 0].mean(0)
    layout = land_map(scene, MOMENTS[:1], camera_path(scene, MOMENTS[:1], 1.75), **size)[0].float()
    sand = (layout[SHEET] > 0) & (layout[UPPER] == 0)
    near, far = sand & (layout[ABOVE] > 150) & (layout[ABOVE] < 230), sand & (layout[ABOVE] == 0)
    assert near.sum() > 100
    assert picture[near].mean() < picture[far].mean() - 0.03


@pytest.mark.parametrize(
    ("place", "subject"),
    [
        ("city", Subject("rocket", "red", "still", 0.5, 0.7, 0.4)),
        ("sea", Subject("boat", "red", "still", 0.5, 0.62, 0.4, "water")),
        ("mountains", Subject("snowman", "white", "still", 0.5, 0.8, 0.4, "ground")),
    ],
)
def test_the_land_hides_what_the_book_draws_it_before(place: str, subject: Subject) -> None:
    size, moment = {"width": 224, "height": 128}, MOMENTS[:1]
    scene = Scene((subject,), "noon", place, "clear", "still", None, 8)
    pictures = [render([s], frames=1, fps=8, **size)[0, 0] for s in (scene, replace(scene, subjects=()))]
    changes = (pictures[0] - pictures[1]).abs().amax(0) > 0.15
    camera = camera_path(scene, moment, 1.75)
    hidden = land_map(scene, moment, camera, rests=[subject.rest], **size)[0, HIDDEN] > 0
    inner = max_pool2d((~hidden)[None].float(), 3, 1, 1)[0] == 0  # edges are mixed from both
    assert changes.sum() > 200
    assert not (changes & inner).any()
    assert inner.float().mean() > 0.02
    assert not land_map(scene, moment, camera, **size)[0, HIDDEN].any()


def test_a_glow_is_brightest_where_the_sun_is() -> None:
    scene = Scene((), "sunset", "sea", "clear", "still", None, 8)
    layout = land_map(scene, MOMENTS[:1], camera_path(scene, MOMENTS[:1], 1.75), **SIZE)[0]
    sun = layout[UPPER] == SHAPES.index("sun") + 1
    beside = (max_pool2d(sun[None].float(), 5, 1, 2)[0] > 0) & (layout[UPPER] == 0) & (layout[SHEET] == 0)
    far = (max_pool2d(sun[None].float(), 41, 1, 20)[0] == 0) & (layout[SHEET] == 0)
    assert layout[SOFT][beside].float().mean() > layout[SOFT][far].float().mean() + 100


@pytest.mark.parametrize(
    ("time", "weather", "channel"),
    [("night", "clear", STARS), ("noon", "rain", WEATHER), ("dawn", "snow", WEATHER)],
)
def test_stars_drops_and_flakes_lie_where_the_book_draws_them(time: str, weather: str, channel: int) -> None:
    scene = Scene((), time, "hills", weather, "still", None, 8)
    size = {"width": 224, "height": 128}  # a drop is a pixel wide
    pictures = render([scene], frames=9, fps=8, **size)[0].mean(1)
    layout = land_map(scene, MOMENTS, camera_path(scene, MOMENTS, 1.75), **size)
    for picture, cover in zip(pictures, layout[:, channel], strict=True):
        bright = cover > 60
        assert 0.0005 < bright.float().mean() < 0.1
        beside = (cover == 0) & (max_pool2d(cover[None].float(), 5, 1, 2)[0] > 60)
        assert picture[bright].mean() > picture[beside].mean() + 0.08
    other = WEATHER if channel == STARS else STARS
    assert not layout[:, other].any()
    assert (channel == WEATHER) == bool((layout[0, channel] != layout[-1, channel]).float().mean() > 0.001)


def test_the_layout_of_a_plan_is_that_of_its_scene() -> None:
    for number in range(12):
        scene = sample_scene(random.Random(number))
        true = land_map(scene, MOMENTS, camera_path(scene, MOMENTS, 1.75), **SIZE)
        read = land(plan_of(scene, 1.5, 1.75))
        assert (true[:, SHEET] == read[:, SHEET]).float().mean() > 0.98
        assert (true[:, UPPER] == read[:, UPPER]).float().mean() > 0.97


def test_the_land_goes_on_through_parts_and_moves_with_the_camera() -> None:
    words = "a red balloon over the hills, camera pans right, clouds"
    plan = plan_prompt(words, seconds=2.0, size=(112, 64), seed=3).plan
    later = land(plan, MOMENTS[:5] + 1.0)
    part = cut_plan(plan, 1.0, 1.0)
    assert (land(part, MOMENTS[:5])[:, SHEET] == later[:, SHEET]).float().mean() > 0.99
    assert (land(plan)[0, SHEET] != land(plan)[-1, SHEET]).any()
    after = plan_prompt("a red balloon", seconds=1.0, size=(112, 64), seed=9).plan
    same = go_on(plan, after, parse("a red balloon", BOOK), 1.75)
    assert same.land is not None
    assert plan.land is not None
    assert (same.land.number, same.land.seconds) == (plan.land.number, 2.0)
    assert same.land.x > 0
    other = plan_prompt("a red balloon over the sea", seconds=1.0, size=(112, 64), seed=9).plan
    assert go_on(plan, other, parse("a red balloon over the sea", BOOK), 1.75).land == other.land


def test_the_land_does_not_jump_where_a_loop_closes_or_a_part_leads_to_another() -> None:
    words = "a red balloon over the hills at noon, camera pans right"
    plan = plan_prompt(words, seconds=2.0, size=(112, 64), seed=3).plan
    back = lead(plan, plan, 1.0)
    ends = torch.tensor([0.0, 1.0])
    first, last = land(back, ends)
    assert (first == land(plan, torch.tensor([2.0]))[0]).float().mean() > 0.98
    assert (last == land(plan, torch.tensor([0.0]))[0]).float().mean() > 0.98
    before = plan_prompt("a red balloon", seconds=1.0, size=(112, 64), seed=4).plan
    there = arrive(plan, before, parse("a red balloon", BOOK), 1.75)
    assert (land(there, ends)[1] == land(plan, torch.tensor([0.0]))[0]).float().mean() > 0.98


def test_a_plan_shows_its_own_land_whatever_the_seed() -> None:
    plan = plan_prompt("a cat in the village", seconds=1.0, size=(112, 64), seed=1).plan
    first, second = (render_plan(plan, MOMENTS[:1], seed=seed, **SIZE) for seed in (1, 2))
    assert torch.equal(first, second)
    changed = plan.model_copy(update={"land": LandPlan(number=77)})
    assert not torch.equal(first, render_plan(changed, MOMENTS[:1], seed=1, **SIZE))
    unsaid = plan.model_copy(update={"land": None})
    assert plan_land(unsaid, MOMENTS, **SIZE) is None
