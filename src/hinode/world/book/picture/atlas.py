"""Textures of the paper shapes, rasterised from their `drawings`."""

from __future__ import annotations

import difflib
import functools
import io
import math
import re

import numpy as np
import resvg_py
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hinode.errors import BadInput, join_names, quote
from hinode.world.book.picture.drawings import RIM, ROLES, SHAPES, drawing

CHANNELS = ("red", "green", "blue", "base", "dark", "light", "glow", "alpha", "shadow")
SIDES = (16, 32, 64, 128, 256)
CREAM = tuple(int(RIM[i : i + 2], 16) for i in (1, 3, 5))
SHADOW_BLUR = 6.0
SHADOW_DROP = 7

_COLOUR = re.compile(r"#[0-9a-f]{6}")


def textures(name: str, pixels: float, device: str | torch.device = "cpu") -> Tensor:
    """The phases of a shape at the smallest stored side that is not below `pixels`, or at the largest.

    Args:
        name: one of `SHAPES`.
        pixels: the side of the shape's square of 256 units, in pixels of the picture.

    Returns:
        float32 [phases, 9, side, side], 0..1, the channels in the order of `CHANNELS`: the fixed colours
        multiplied by their coverage, the coverage of the four roles, the opacity of everything, and the
        opacity of a soft shadow. The colour multiplied by the opacity is the fixed colour plus, for each
        role, its coverage times its paint. Phase p of P shows beat p / P. The tensor is shared: do not
        write to it.

    Raises:
        BadInput: there is no such shape.
    """
    if name not in SHAPES:
        near = tuple(difflib.get_close_matches(name, SHAPES)) or SHAPES
        raise BadInput(f"there is no shape {quote(name)}", f"use {join_names(near, 'or')}", field="shape")
    side = next((side for side in SIDES if side >= pixels), SIDES[-1])
    return _level(name, side, torch.device(device))


@functools.cache
def _level(name: str, side: int, device: torch.device) -> Tensor:
    full = _rasterise(name).float() / 255
    return F.avg_pool2d(full, SIDES[-1] // side).to(device)


@functools.cache
def _rasterise(name: str) -> Tensor:
    """uint8 [phases, 9, 256, 256] of one file."""
    file, pictures = drawing(name), []
    for phase in range(file.phases):
        picture = _picture(file.at(phase), file.rim)
        pictures.append((picture * 255).round().clamp(0, 255).to(torch.uint8))
    return torch.stack(pictures)


def _picture(text: str, rim: float) -> Tensor:
    """float32 [9, 256, 256] of a drawing with a rim of that many units."""
    roles = _render(text, {"base": "#ff0000", "dark": "#00ff00", "light": "#0000ff"}, keep=False)
    body = _render(text, {}, keep=True)
    fixed, alpha = body[:3], body[3:]
    glow = torch.zeros_like(alpha)
    if ROLES["glow"] in text:
        glow = _render(text, {"glow": "#ff0000"}, keep=False)[:1]
    if rim:
        under = _dilate(alpha, rim) * (1 - alpha)
        fixed = fixed + under * torch.tensor(CREAM).view(3, 1, 1) / 255
        alpha = alpha + under
    return torch.cat([fixed, roles[:3], glow, alpha, _shadow(alpha)])


def _render(text: str, paints: dict[str, str], *, keep: bool) -> Tensor:
    """float32 [4, 256, 256], premultiplied; black replaces roles without a paint and colours not to keep."""
    table = {colour: paints.get(role, "#000000") for role, colour in ROLES.items()}
    painted = _COLOUR.sub(lambda m: table.get(m[0], m[0] if keep else "#000000"), text)
    side = SIDES[-1]
    png = resvg_py.svg_to_bytes(svg_string=painted, width=side, height=side, skip_system_fonts=True)
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    straight = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
    return torch.cat([straight[:3] * straight[3:], straight[3:]])


def _dilate(alpha: Tensor, radius: float) -> Tensor:
    """The alpha [1, h, w] grown by a disc of `radius` pixels, row of the disc by row."""
    height, width = alpha.shape[-2:]
    reach = math.ceil(radius)
    padded = F.pad(alpha, (reach,) * 4)
    rows = [padded[..., reach : reach + width]]
    for x in range(1, reach + 1):
        sides = torch.maximum(padded[..., reach - x :][..., :width], padded[..., reach + x :][..., :width])
        rows.append(torch.maximum(rows[-1], sides))
    grown = alpha
    for y in range(-reach, reach + 1):
        inside = min(abs(y), radius)
        half = math.sqrt(radius**2 - inside**2)
        row = torch.lerp(rows[math.floor(half)], rows[math.ceil(half)], half % 1) * (1 + inside - abs(y))
        grown = torch.maximum(grown, row[:, reach + y : reach + y + height])
    return grown


def _shadow(alpha: Tensor) -> Tensor:
    """The alpha [1, h, w] blurred and moved down."""
    reach = math.ceil(3 * SHADOW_BLUR)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / SHADOW_BLUR) ** 2)
    line = line / line.sum()
    padded = F.pad(alpha, (reach, reach, reach + SHADOW_DROP, reach - SHADOW_DROP))
    return F.conv2d(F.conv2d(padded, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
