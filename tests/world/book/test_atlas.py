"""The textures of the paper shapes, and what every SVG file must keep to."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import resvg_py
import torch
from PIL import Image
from torch import Tensor

from hinode.errors import BadInput
from hinode.world.book.picture import atlas
from hinode.world.book.picture.atlas import CHANNELS, textures
from hinode.world.book.picture.drawings import ROLES, SHAPES

FOLDER = Path(atlas.__file__).parent / "shapes"
BASE, ALPHA, SHADOW = (CHANNELS.index(name) for name in ("base", "alpha", "shadow"))
MOVING = [name for name in SHAPES if "data-phases" in (FOLDER / f"{name}.svg").read_text()]


def paint(texture: Tensor) -> Tensor:
    """[3, h, w]: a texture in the reserved colours of the files, multiplied by its alpha."""
    paints = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in ROLES.values()]
    return texture[:3] + torch.einsum("rhw,rc->chw", texture[BASE:ALPHA], torch.tensor(paints))


@pytest.mark.parametrize("name", ["house_b", "puff", "tree_round", "bubble", "church"])
def test_a_texture_in_the_colours_of_its_file_is_the_picture_of_the_file(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text()
    png = resvg_py.svg_to_bytes(svg_string=text, width=256, height=256, skip_system_fonts=True)
    picture = torch.from_numpy(np.array(Image.open(io.BytesIO(png)).convert("RGBA"))).permute(2, 0, 1) / 255
    texture = textures(name, 256)[0]
    torch.testing.assert_close(texture[ALPHA], picture[3], atol=0.005, rtol=0)
    torch.testing.assert_close(paint(texture), picture[:3] * picture[3], atol=0.02, rtol=0)


@pytest.mark.parametrize("name", ["boat", "lighthouse", "snowman"])
def test_a_subject_has_a_cream_rim_around_it(name: str) -> None:
    texture = textures(name, 256)[0]
    alpha = texture[ALPHA]
    x = int(alpha.sum(0).argmax())
    y = int(torch.nonzero(alpha[:, x] > 0.99)[0])
    cream = torch.tensor(atlas.CREAM) / 255
    torch.testing.assert_close(texture[:3, y + 2, x], cream, atol=0.01, rtol=0)
    assert float(texture[BASE:ALPHA, y + 2, x].sum()) < 0.01
    assert float((texture[BASE:ALPHA].sum(0) - alpha).max()) < 0.01


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_keeps_to_the_conventions(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text()
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', text)) - {"none"}
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)
    assert colours & set(ROLES.values())
    roles = {role: [int(colour[i : i + 2], 16) for i in (1, 3, 5)] for role, colour in ROLES.items()}
    for colour in colours - set(ROLES.values()):
        distances = [
            max(abs(int(colour[2 * i + 1 : 2 * i + 3], 16) - part[i]) for i in range(3))
            for part in roles.values()
        ]
        assert min(distances) > 8, f"{colour} looks like a mistyped role"
    assert not re.search(r"<(text|image|filter|linearGradient|radialGradient|use|style)\b", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_within_its_square(name: str) -> None:
    first = textures(name, 32)
    assert float(first[:, ALPHA].sum()) > 1
    if "data-rim" in (FOLDER / f"{name}.svg").read_text():
        edges = torch.cat([first[..., 0, :], first[..., -1, :], first[..., 0], first[..., -1]], dim=-1)
        assert float(edges[:, ALPHA].max()) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVING)
def test_a_moving_shape_moves_in_every_phase_and_comes_back(name: str) -> None:
    phases = textures(name, 64)
    steps = (phases.roll(-1, 0) - phases).abs()
    assert len(phases) == 16
    assert float(steps.amax(dim=(1, 2, 3)).min()) > 0.02
    sizes = steps.mean(dim=(1, 2, 3))
    assert sizes[-1] <= 1.2 * sizes[:-1].max()


def test_a_small_level_keeps_the_mean_of_a_large_one() -> None:
    means = [textures("boat", side).mean(dim=(2, 3)) for side in atlas.SIDES]
    assert [textures("boat", side).shape[-1] for side in atlas.SIDES] == list(atlas.SIDES)
    for mean in means:
        torch.testing.assert_close(mean, means[-1], atol=1e-4, rtol=0)


def test_the_level_is_the_smallest_that_is_not_below_the_request() -> None:
    assert [textures("puff", pixels).shape[-1] for pixels in (3, 16, 16.5, 129, 900)] == [
        16,
        16,
        32,
        256,
        256,
    ]


def test_a_shadow_lies_below_its_shape() -> None:
    texture = textures("puff", 256)[0]
    rows = torch.arange(256.0)
    centres = [(texture[channel].sum(1) * rows).sum() / texture[channel].sum() for channel in (ALPHA, SHADOW)]
    assert 6 < float(centres[1] - centres[0]) < 8


def test_an_unknown_shape_is_refused_with_near_names() -> None:
    with pytest.raises(BadInput, match=r"there is no shape 'baloon'.*use .*balloon") as refusal:
        textures("baloon", 64)
    assert refusal.value.field == "shape"
