"""Textures of the paper shapes, rasterised from the SVG files in `shapes/`.

Each file draws one shape in a square of 256 x 256 units whose origin is the centre, x to the right and y down. The
body spans 200 units and faces right; what stands on the ground stands at y = 100. A file is painted in roles, which
are reserved colours, and in fixed colours. `data-rim` on the root is twice the width in units of the paper rim. A
part moves by a root attribute `data-NAME="bias amplitude offset"` and `$NAME` in the drawing, which stands for
bias + amplitude * sin(2 pi (beat + offset)); `data-phases` is the number of pictures of one beat.
"""

from __future__ import annotations

import difflib
import functools
import io
import math
import re
import string
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import resvg_py
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hinode.errors import BadInput, join_names, quote

CHANNELS = ("red", "green", "blue", "base", "dark", "light", "glow", "alpha", "shadow")
ROLES = {"base": "#d23b3b", "dark": "#972a2a", "light": "#e99d9d", "glow": "#ffe27a"}
SIDES = (16, 32, 64, 128, 256)
CREAM = (255, 246, 230)
SHADOW_BLUR = 6.0
SHADOW_DROP = 7

_FOLDER = Path(__file__).parent / "shapes"
_COLOUR = re.compile(r"#[0-9a-f]{6}")

SHAPES: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.svg")))


def textures(name: str, pixels: float, device: str | torch.device = "cpu") -> Tensor:
    """The phases of a shape at the smallest stored side that is not below `pixels`, or at the largest.

    Args:
        name: one of `SHAPES`.
        pixels: the side of the shape's square of 256 units, in pixels of the picture.

    Returns:
        float32 [phases, 9, side, side], 0..1, the channels in the order of `CHANNELS`: the fixed colours
        multiplied by their coverage, the coverage of the four roles, the opacity of everything, and the opacity
        of a soft shadow. With paints for the roles, the colour multiplied by alpha is
        red, green, blue + base * paint + dark * paint + light * paint + glow * paint. The tensor is shared: do not
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
    levels = _rasterise(name).float() / 255.0
    return F.avg_pool2d(levels, SIDES[-1] // side).to(device)


@functools.cache
def _rasterise(name: str) -> Tensor:
    """uint8 [phases, 9, 256, 256] of one file."""
    text = (_FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text).attrib
    phases = int(root.get("data-phases", "1"))
    waves = {
        key.removeprefix("data-"): tuple(map(float, value.split()))
        for key, value in root.items()
        if key.startswith("data-") and key not in ("data-phases", "data-rim")
    }
    pictures = []
    for phase in range(phases):
        values = {
            key: f"{bias + amplitude * math.sin(2 * math.pi * (phase / phases + offset)):.3f}"
            for key, (bias, amplitude, offset) in waves.items()
        }
        pictures.append(_layers(string.Template(text).substitute(values)))
    body = torch.stack(pictures)
    fixed, roles, alpha = body[:, :3], body[:, 3:7], body[:, 7:]
    rim = float(root.get("data-rim", "0")) / 2
    if rim:
        under = _dilate(alpha, rim) * (1 - alpha)
        fixed = fixed + under * torch.tensor(CREAM).view(3, 1, 1) / 255
        alpha = alpha + under
    channels = torch.cat([fixed, roles, alpha, _shadow(alpha)], dim=1)
    return (channels * 255).round().clamp(0, 255).to(torch.uint8)


def _layers(text: str) -> Tensor:
    """float32 [8, 256, 256]: fixed red, green, blue, coverage of the four roles, alpha, without a rim."""
    coverage = _render(text, {"base": "#ff0000", "dark": "#00ff00", "light": "#0000ff"}, keep=False)
    fixed = _render(text, {}, keep=True)
    glow = torch.zeros_like(fixed[:1])
    if ROLES["glow"] in text:
        glow = _render(text, {"glow": "#ff0000"}, keep=False)[:1]
    return torch.cat([fixed[:3], coverage[:3], glow, fixed[3:]])


def _render(text: str, paints: dict[str, str], *, keep: bool) -> Tensor:
    """float32 [4, 256, 256], premultiplied; roles without a paint are black, fixed colours too unless kept."""
    table = {colour: paints.get(role, "#000000") for role, colour in ROLES.items()}
    painted = _COLOUR.sub(lambda m: table.get(m[0], m[0] if keep else "#000000"), text)
    side = SIDES[-1]
    png = resvg_py.svg_to_bytes(svg_string=painted, width=side, height=side, skip_system_fonts=True)
    picture = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))
    straight = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
    return torch.cat([straight[:3] * straight[3:], straight[3:]])


def _dilate(alpha: Tensor, radius: float) -> Tensor:
    """The alpha [n, 1, h, w] grown by a disc with a soft edge of one pixel."""
    reach = math.ceil(radius)
    padded = F.pad(alpha, (reach,) * 4)
    height, width = alpha.shape[-2:]
    grown = alpha
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            weight = min(1.0, radius + 0.5 - math.hypot(x, y))
            if weight > 0:
                shift = padded[..., reach + y : reach + y + height, reach + x : reach + x + width]
                grown = torch.maximum(grown, shift * weight)
    return grown


def _shadow(alpha: Tensor) -> Tensor:
    """The alpha [n, 1, h, w] blurred and moved down."""
    reach = math.ceil(3 * SHADOW_BLUR)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / SHADOW_BLUR) ** 2)
    line = line / line.sum()
    padded = F.pad(alpha, (reach, reach, reach + SHADOW_DROP, reach - SHADOW_DROP))
    return F.conv2d(F.conv2d(padded, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
