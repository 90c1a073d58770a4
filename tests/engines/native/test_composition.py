"""Who goes where, and noise that goes along with the camera."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from hinode.engines.native import composition
from hinode.engines.native.composition import Composition
from hinode.engines.native.conditioning import Canvas
from hinode.model.tokens import SpacetimePatches
from hinode.request import Reference, Request
from hinode.world.caption import parse
from hinode.world.scene import RELATIONS

CANVAS = Canvas(17, 16, 8.0, (64, 64), SpacetimePatches())
WIDE = dataclasses.replace(CANVAS, size=(112, 64))
AROUND = "over the sea, at night, rain, zoom out"
BALL = "a red ball circling over the sea at noon"


def request(prompt: str, **more: Any) -> Request:
    return Request(prompt, 64, 64, seconds=2.0, **more)


def laid(prompt: str, canvas: Canvas = CANVAS, **more: Any) -> Composition:
    return composition.compose(request(prompt, **more), prompt, canvas)


def begun(prompt: str, canvas: Canvas = CANVAS, **more: Any) -> Tensor:
    return composition.noise(request(prompt, **more), prompt, canvas)


# Who goes where


def test_one_that_circles_is_shown_where() -> None:
    one = laid(BALL)
    assert (one.texts, one.shares) == ((BALL,), None)
    assert one.paths.shape == (1, 17, 2)
    assert ((one.paths > 0.1) & (one.paths < 0.9)).all()
    around = one.paths - one.paths.mean(1, keepdim=True)
    assert (around[0].norm(dim=-1) > 0.1).all()
    assert torch.equal(laid(BALL).paths, one.paths)
    assert not torch.equal(laid(BALL, seed=1).paths, one.paths)
    assert laid("a red ball rising over the sea").paths.isnan().all()


def test_what_the_person_says_comes_first() -> None:
    path = ((0.0, 0.1, 0.5), (2.0, 0.9, 0.5))
    told = laid(BALL, path=path).paths
    assert told[0, 0].tolist() == pytest.approx([0.1, 0.5])
    assert told[0, -1].tolist() == pytest.approx([0.9, 0.5])
    picture = (Reference("first_frame", "0" * 64, "image/png"),)
    assert laid(BALL, references=picture).paths.isnan().all()
    for given in ({"path": path}, {"references": picture}):
        assert len(laid(f"a red ball rising and a blue kite bouncing {AROUND}", **given).texts) == 1


@pytest.mark.parametrize("canvas", [CANVAS, WIDE])
@pytest.mark.parametrize("relation", [*RELATIONS, "and"])
def test_two_are_drawn_each_by_itself_and_as_they_relate(relation: str, canvas: Canvas) -> None:
    said = {"left of": "to the left of", "right of": "to the right of"}.get(relation, relation)
    first, second = "a red ball bouncing", "a blue kite bouncing"
    pair = laid(f"{first} {said} {second} {AROUND}", canvas, seed=3)
    read = [parse(text) for text in pair.texts]
    assert [(one.subjects[0].color, one.subjects[0].kind) for one in read] == [
        ("red", "ball"),
        ("blue", "kite"),
    ]
    for one in read:
        assert len(one.subjects) == 1
        assert (one.place, one.time, one.weather, one.camera) == ("sea", "night", "rain", "zoom out")
        assert one.subjects[0].motion == "bounce"
    assert pair.shares is not None
    width, height = canvas.size
    assert pair.shares.shape == (2, 17, height, width)
    assert torch.allclose(pair.shares.sum(0), torch.ones(17, height, width))
    across, down = (pair.paths[0] - pair.paths[1]).mean(0).tolist()
    sides = {"left of": -across, "right of": across, "above": -down, "below": down}
    if relation in sides:
        assert sides[relation] > 0.2
        assert max(sides.values()) == sides[relation]
    if relation in ("behind", "in front of"):
        assert 0.05 < abs(across) < 0.2
    front = {"behind": (1,), "in front of": (0,)}.get(relation, (0, 1))
    for number in front:  # each decides what is drawn where it is
        for moment in (0, 8, 16):
            x, y = (pair.paths[number, moment] * torch.tensor([width, height])).long().tolist()
            assert pair.shares[number, moment, y, x] > 0.8


def test_who_is_behind_is_seen_beside_who_is_in_front() -> None:
    pair = laid(f"a red ball standing still behind a blue kite standing still {AROUND}")
    assert pair.shares is not None
    at, other = (pair.paths * 64)[:, 0]
    beyond = (at + (at - other) * 0.6).long().tolist()
    assert pair.shares[0, 0, beyond[1], beyond[0]] > 0.7
    x, y = ((at + other) / 2).long().tolist()
    assert pair.shares[1, 0, y, x] > 0.7


def test_three_stand_apart_and_four_are_too_many() -> None:
    three = f"a red ball rising, a blue kite bouncing and a green boat falling {AROUND}"
    assert len(laid(three).texts) == 3
    across = laid(three).paths[..., 0].mean(1).sort().values.diff()
    assert (across > 0.15).all()
    for said, way in (("to the left of", -1), ("to the right of", 1)):
        sides = laid(f"a red ball rising {said} a blue kite bouncing and a green boat falling {AROUND}")
        assert way * float((sides.paths[0] - sides.paths[1]).mean(0)[0]) > 0.15
    above = f"a red ball rising above a blue kite bouncing and a green boat falling {AROUND}"
    assert len(laid(above).texts) == 3  # of three that is not kept
    assert len(laid(three.replace("and", "a pink star falling and")).texts) == 1


def test_a_network_that_cannot_be_shown_where_draws_from_one_text() -> None:
    for prompt in (BALL, f"a red ball rising and a blue kite bouncing {AROUND}"):
        one = composition.compose(request(prompt), prompt, CANVAS, hints=False)
        assert (one.texts, one.shares) == ((prompt,), None)
        assert one.paths.isnan().all()


def test_nobody_is_put_anywhere_of_whom_nothing_is_known() -> None:
    prompt = "a red ball and a blue kite over the sea"  # neither is said to do anything
    assert laid(prompt).texts == (prompt,)


# Noise


def alike(one: Tensor, other: Tensor) -> float:
    return float((one * other).mean())


@pytest.mark.parametrize("canvas", [CANVAS, WIDE, dataclasses.replace(CANVAS, frames=1)])
@pytest.mark.parametrize("camera", ["pan left", "pan right", "zoom in", "still camera"])
def test_noise_is_normal_and_follows_from_the_seed(camera: str, canvas: Canvas) -> None:
    values = begun(f"{BALL}, {camera}", canvas, seed=5)
    assert values.shape == (1 + canvas.frames // 4, 8, canvas.size[0] // 8, 768)
    assert float(values.mean()) == pytest.approx(0, abs=0.02)
    assert float(values.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(begun(f"{BALL}, {camera}", canvas, seed=5), values)
    assert alike(begun(f"{BALL}, {camera}", canvas, seed=6), values) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("camera", "way"), [("pan left", 1), ("pan right", -1)])
def test_noise_goes_the_way_the_land_goes(camera: str, way: int) -> None:
    video = CANVAS.tokenizer.decode(begun(f"{BALL}, {camera}")[None])[0]
    one, later = video[4], video[12]
    speed = 0.24 / 8 * composition.MIDWAY * 64  # pixels a frame at the speed of the drawn world
    pixels = round(12 * speed) - round(4 * speed)
    share = composition.CAMERA_NOISE_SHARE**2
    assert alike(one.roll(way * pixels, -1), later) == pytest.approx(share, abs=0.06)
    assert alike(one.roll(-way * pixels, -1), later) == pytest.approx(0, abs=0.06)
    assert alike(one, later) == pytest.approx(0, abs=0.06)


def test_a_camera_in_numbers_takes_the_noise_along_at_its_speed() -> None:
    camera = ((0.0, 0.0, 1.0), (2.0, -0.8, 1.0))
    video = CANVAS.tokenizer.decode(begun(BALL, camera=camera)[None])[0]
    pixels = round(0.4 * composition.MIDWAY * 64)
    assert alike(video[4].roll(pixels, -1), video[12]) == pytest.approx(
        composition.CAMERA_NOISE_SHARE**2, abs=0.06
    )


def test_noise_stays_put_without_a_pan_and_beside_what_is_given() -> None:
    independent = torch.randn(5, 8, 8, 768, generator=torch.Generator().manual_seed(0))
    assert torch.equal(begun(f"{BALL}, zoom in"), independent)
    picture = (Reference("first_frame", "0" * 64, "image/png"),)
    assert torch.equal(begun(f"{BALL}, pan left", references=picture), independent)
