"""Layouts of several subjects, and noise that moves with the camera."""

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
from hinode.world.prompts.prompt import parse
from hinode.world.scene import RELATIONS

CANVAS = Canvas(17, 16, 8.0, (64, 64), SpacetimePatches())
WIDE = dataclasses.replace(CANVAS, size=(112, 64))
SCENE = "over the sea, at night, rain, zoom out"
BALL = "a red ball circling over the sea at noon"


def request(prompt: str, **changes: Any) -> Request:
    return Request(prompt, 64, 64, seconds=2.0, **changes)


def compose(prompt: str, canvas: Canvas = CANVAS, **changes: Any) -> Composition:
    return composition.compose(request(prompt, **changes), prompt, canvas)


def noise(prompt: str, canvas: Canvas = CANVAS, **changes: Any) -> Tensor:
    return composition.initial_noise(request(prompt, **changes), prompt, canvas)


# Layout


def test_a_subject_that_circles_has_a_path() -> None:
    clip = compose(BALL)
    assert (clip.texts, clip.shares) == ((BALL,), None)
    assert clip.paths.shape == (1, 17, 2)
    assert ((clip.paths > 0.1) & (clip.paths < 0.9)).all()
    from_centre = clip.paths - clip.paths.mean(1, keepdim=True)
    assert (from_centre[0].norm(dim=-1) > 0.1).all()
    assert torch.equal(compose(BALL).paths, clip.paths)
    assert not torch.equal(compose(BALL, seed=1).paths, clip.paths)
    assert compose("a red ball rising over the sea").paths.isnan().all()


def test_the_path_and_the_references_of_a_request_come_first() -> None:
    path = ((0.0, 0.1, 0.5), (2.0, 0.9, 0.5))
    paths = compose(BALL, path=path).paths
    assert paths[0, 0].tolist() == pytest.approx([0.1, 0.5])
    assert paths[0, -1].tolist() == pytest.approx([0.9, 0.5])
    picture = (Reference("first_frame", "0" * 64, "image/png"),)
    assert compose(BALL, references=picture).paths.isnan().all()
    for changes in ({"path": path}, {"references": picture}):
        assert len(compose(f"a red ball rising and a blue kite bouncing {SCENE}", **changes).texts) == 1


@pytest.mark.parametrize("canvas", [CANVAS, WIDE])
@pytest.mark.parametrize("relation", [*RELATIONS, "and"])
def test_two_subjects_have_a_text_each_and_keep_their_relation(relation: str, canvas: Canvas) -> None:
    words = {"left of": "to the left of", "right of": "to the right of"}.get(relation, relation)
    first, second = "a red ball bouncing", "a blue kite bouncing"
    pair = compose(f"{first} {words} {second} {SCENE}", canvas, seed=3)
    texts = [parse(text) for text in pair.texts]
    assert [(text.subjects[0].color, text.subjects[0].kind) for text in texts] == [
        ("red", "ball"),
        ("blue", "kite"),
    ]
    for text in texts:
        assert len(text.subjects) == 1
        assert (text.place, text.time, text.weather, text.camera) == ("sea", "night", "rain", "zoom out")
        assert text.subjects[0].motion == "bounce"
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


def test_a_subject_behind_another_shows_beside_it() -> None:
    pair = compose(f"a red ball standing still behind a blue kite standing still {SCENE}")
    assert pair.shares is not None
    at, other = (pair.paths * 64)[:, 0]
    beyond = (at + (at - other) * 0.6).long().tolist()
    assert pair.shares[0, 0, beyond[1], beyond[0]] > 0.7
    x, y = ((at + other) / 2).long().tolist()
    assert pair.shares[1, 0, y, x] > 0.7


def test_three_subjects_stand_apart_and_four_are_too_many() -> None:
    three = f"a red ball rising, a blue kite bouncing and a green boat falling {SCENE}"
    assert len(compose(three).texts) == 3
    across = compose(three).paths[..., 0].mean(1).sort().values.diff()
    assert (across > 0.15).all()
    for words, side in (("to the left of", -1), ("to the right of", 1)):
        sides = compose(f"a red ball rising {words} a blue kite bouncing and a green boat falling {SCENE}")
        assert side * float((sides.paths[0] - sides.paths[1]).mean(0)[0]) > 0.15
    above = f"a red ball rising above a blue kite bouncing and a green boat falling {SCENE}"
    assert len(compose(above).texts) == 3  # of three that is not kept
    assert len(compose(three.replace("and", "a pink star falling and")).texts) == 1


def test_a_network_without_paths_draws_from_one_text() -> None:
    for prompt in (BALL, f"a red ball rising and a blue kite bouncing {SCENE}"):
        clip = composition.compose(request(prompt), prompt, CANVAS, follows_paths=False)
        assert (clip.texts, clip.shares) == ((prompt,), None)
        assert clip.paths.isnan().all()


def test_subjects_without_motion_are_drawn_from_one_text() -> None:
    prompt = "a red ball and a blue kite over the sea"
    assert compose(prompt).texts == (prompt,)


# Noise


def correlation(first: Tensor, second: Tensor) -> float:
    return float((first * second).mean())


@pytest.mark.parametrize("canvas", [CANVAS, WIDE, dataclasses.replace(CANVAS, frames=1)])
@pytest.mark.parametrize("camera", ["pan left", "pan right", "zoom in", "still camera"])
def test_noise_is_normal_and_follows_from_the_seed(camera: str, canvas: Canvas) -> None:
    values = noise(f"{BALL}, {camera}", canvas, seed=5)
    assert values.shape == (1 + canvas.frames // 4, 8, canvas.size[0] // 8, 768)
    assert float(values.mean()) == pytest.approx(0, abs=0.02)
    assert float(values.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(noise(f"{BALL}, {camera}", canvas, seed=5), values)
    assert correlation(noise(f"{BALL}, {camera}", canvas, seed=6), values) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("camera", "direction"), [("pan left", 1), ("pan right", -1)])
def test_noise_moves_with_the_land(camera: str, direction: int) -> None:
    video = CANVAS.tokenizer.decode(noise(f"{BALL}, {camera}")[None])[0]
    first, second = video[4], video[12]
    speed = 0.24 / 8 * composition.CAMERA_NOISE_SPEED * 64  # pixels a frame at the speed of the drawn world
    pixels = round(12 * speed) - round(4 * speed)
    share = composition.CAMERA_NOISE_SHARE**2
    assert correlation(first.roll(direction * pixels, -1), second) == pytest.approx(share, abs=0.06)
    assert correlation(first.roll(-direction * pixels, -1), second) == pytest.approx(0, abs=0.06)
    assert correlation(first, second) == pytest.approx(0, abs=0.06)


def test_noise_moves_at_the_speed_of_a_camera_in_numbers() -> None:
    camera = ((0.0, 0.0, 1.0), (2.0, -0.8, 1.0))
    video = CANVAS.tokenizer.decode(noise(BALL, camera=camera)[None])[0]
    pixels = round(0.4 * composition.CAMERA_NOISE_SPEED * 64)
    assert correlation(video[4].roll(pixels, -1), video[12]) == pytest.approx(
        composition.CAMERA_NOISE_SHARE**2, abs=0.06
    )


def test_noise_is_independent_without_a_pan_and_with_references() -> None:
    independent = torch.randn(5, 8, 8, 768, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noise(f"{BALL}, zoom in"), independent)
    picture = (Reference("first_frame", "0" * 64, "image/png"),)
    assert torch.equal(noise(f"{BALL}, pan left", references=picture), independent)
