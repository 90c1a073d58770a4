"""The backdrop: sky, sun, clouds, three sheets of land and the weather, from far to near.

Every sheet of land is a height field over x, so its mask costs one comparison per pixel. A canvas is float32
[B, T, 3, H, W] in 0..1; masks are [B, T, H, W]; x and y are in short sides from the middle of the frame.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

HORIZON = 0.12  # short sides below the middle of the frame
PARALLAX = (0.35, 0.65, 1.0)  # how much of a camera move each sheet of land makes, from far to near


@dataclass(frozen=True)
class Frame:
    """Pixel grid: centres `x` [W] and `y` [H] in short sides from the middle; `pixel`: a pixel's side."""

    x: Tensor
    y: Tensor
    pixel: float


def frame_grid(width: int, height: int, device: torch.device | str) -> Frame:
    short = min(width, height)
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5 - width / 2) / short
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5 - height / 2) / short
    return Frame(x, y, 1.0 / short)


def paint(canvas: Tensor, mask: Tensor, color: Tensor) -> None:
    """Lay paper on the canvas in place. `mask`: broadcastable to [B, T, H, W], `color`: to the canvas."""
    canvas.lerp_(color.expand_as(canvas), mask.unsqueeze(2).expand_as(canvas))


def coverage(distance: Tensor, softness: float | Tensor) -> Tensor:
    """Antialiased inside of a signed distance (negative inside), over a ramp `softness` wide."""
    return (0.5 - distance / softness).clamp_(0.0, 1.0)


def hashed(cell: Tensor, salt: float) -> Tensor:
    """A fixed random number in 0..1 for every cell."""
    return torch.frac(torch.sin(cell * 12.9898 + salt * 78.233).abs() * 437.5853)


def _triangle(x: Tensor) -> Tensor:
    """Triangle wave of period 1 between 0 and 1, 1 at whole numbers."""
    return (torch.remainder(x, 1.0) * 2.0 - 1.0).abs()


def _hills(x: Tensor, sheet: int, moments: Tensor, pixel: Tensor) -> Tensor:
    rolling = 0.06 * torch.sin(3.1 * x + 1.7 * sheet) + 0.045 * torch.sin(5.3 * x + 4.0 * sheet)
    if sheet == 1:  # a row of pines on the middle sheet
        cell = torch.floor(x / 0.16)
        tall = 0.05 + 0.06 * hashed(cell, 3.0)
        stands = (hashed(cell, 7.0) > 0.35).to(x.dtype)
        tree = (1.0 - (torch.remainder(x, 0.16) / 0.08 - 1.0).abs() * 1.6).clamp(min=0)
        rolling = rolling + stands * tall * tree
    return rolling + 0.02


def _mountains(x: Tensor, sheet: int, moments: Tensor, pixel: Tensor) -> Tensor:
    wide = (0.62, 0.5, 0.42)[sheet]
    peak = (0.36, 0.2, 0.1)[sheet]
    cell = torch.floor(x / wide + 0.5)
    ridge = _triangle(x / wide) * peak * (0.75 + 0.5 * hashed(cell, 1.0 + sheet))
    return ridge + 0.045 * _triangle(x / 0.19 + 0.3 * sheet) - 0.06


def _sea(x: Tensor, sheet: int, moments: Tensor, pixel: Tensor) -> Tensor:
    if sheet == 0:  # calm to the horizon, with a rocky island now and then
        island = (0.5 - (torch.remainder(x + 0.2, 1.1) - 0.55).abs() * 2.6).clamp(min=0.0)
        return 0.42 * island.clamp(max=0.36) - 0.03
    drift = (0.10, -0.07)[sheet - 1] * moments[:, :, None]
    swell = torch.sin(2.0 * math.pi * (x + drift) / (0.26, 0.34)[sheet - 1])
    return (0.022, 0.032)[sheet - 1] * swell.abs() * 2.0 - 0.03


def _desert(x: Tensor, sheet: int, moments: Tensor, pixel: Tensor) -> Tensor:
    if sheet == 0:
        pyramid = (1.0 - (torch.remainder(x, 0.9) - 0.45).abs() / 0.26).clamp(min=0.0) * 0.3
        small = (1.0 - (torch.remainder(x + 0.33, 0.9) - 0.45).abs() / 0.15).clamp(min=0.0) * 0.17
        return torch.maximum(pyramid, small) - 0.02
    dune = torch.remainder(x / (0.8, 0.95)[sheet - 1] + 0.3 * sheet, 1.0)
    crest = torch.minimum(dune / 0.7, (1.0 - dune) / 0.3)  # long windward side, short lee side
    height = 0.12 * crest * crest * (3.0 - 2.0 * crest) - 0.04
    if sheet == 2:
        cell = torch.floor(x / 0.6)
        column = torch.remainder(x, 0.6) - 0.2 - 0.2 * hashed(cell, 5.0)
        trunk = coverage(column.abs() - 0.022, pixel)
        arms = coverage((column.abs() - 0.062).abs() - 0.014, pixel)
        height = height + 0.17 * trunk + 0.09 * arms * (1.0 - trunk)
    return height


def _city(x: Tensor, sheet: int, moments: Tensor, pixel: Tensor) -> Tensor:
    wide = (0.14, 0.2, 0.26)[sheet]
    cell, inside = torch.floor(x / wide), torch.remainder(x, wide)
    height = (0.34, 0.22, 0.10)[sheet] * (0.25 + 1.0 * hashed(cell, 2.0 + sheet))
    # a gap between houses, one pixel of ramp on either side
    gap = coverage((inside - wide / 2).abs() - wide * 0.46, pixel)
    spire = (hashed(cell, 9.0) > 0.7).to(x.dtype) * coverage((inside - wide / 2).abs() - 0.012, pixel)
    return height * gap + (0.07 * spire if sheet == 0 else 0.0) - 0.02


RIDGES = {"hills": _hills, "mountains": _mountains, "sea": _sea, "desert": _desert, "city": _city}


def ridge(
    place: str, sheet: int, frame: Frame, shift: Tensor, zoom: Tensor, moments: Tensor
) -> tuple[Tensor, Tensor]:
    """Skyline of one sheet of land as the camera sees it.

    `shift`, `zoom`, `moments`: [B, T]. Returns the height of the skyline (y in short sides, [B, T, W]) and
    the sheet's own x under each pixel column ([B, T, W]).
    """
    depth = PARALLAX[sheet]
    scale = (1.0 + (zoom - 1.0) * depth)[:, :, None]
    x = frame.x / scale + (shift * depth)[:, :, None] + 3.7 * sheet
    base = HORIZON + (0.0, 0.1, 0.23)[sheet]
    height = base - RIDGES[place](x, sheet, moments, frame.pixel / scale)
    return height * scale, x


def cloud(frame: Frame, x: Tensor, y: float, size: float) -> Tensor:
    """Signed distance of one paper cloud. `x`: [B, T], centre in short sides. Returns [B, T, H, W]."""
    u = (frame.x - x[:, :, None]) / size
    v = ((frame.y - y) / size)[:, None]
    circles = ((-0.62, 0.08, 0.36), (0.0, -0.12, 0.56), (0.6, 0.04, 0.42))
    puffs = (torch.hypot((u - x)[:, :, None, :], v - y) - r for x, y, r in circles)
    flat = v - 0.3
    return torch.maximum(functools.reduce(torch.minimum, puffs), flat) * size


def rain(frame: Frame, moments: Tensor, phase: Tensor) -> Tensor:
    """Opacity of slanted rain. `moments`, `phase`: [B, T] / [B, 1]. Returns [B, T, H, W]."""
    cell_x, cell_y = 0.125, 0.34
    y = frame.y[:, None] - (1.5 * moments + phase)[:, :, None, None]
    x = frame.x + 0.12 * frame.y[:, None] + phase[:, :, None, None]
    column = torch.floor(x / cell_x)
    y = y + 0.34 * hashed(column, 1.0) * 3.0
    row = torch.floor(y / cell_y)
    dx = (x - column * cell_x) - cell_x * (0.25 + 0.5 * hashed(column + 17.0 * row, 2.0))
    dy = (y - row * cell_y) - 0.5 * cell_y
    return 0.75 * coverage(torch.maximum(dx.abs() - 0.009, dy.abs() - 0.085), frame.pixel)


def snow(frame: Frame, moments: Tensor, phase: Tensor) -> Tensor:
    """Opacity of drifting snow, one flake a cell. Returns [B, T, H, W]."""
    cell = 0.17
    sway = 0.02 * torch.sin(2.0 * math.pi * (0.5 * moments + phase))
    y = frame.y[:, None] - (0.2 * moments + phase)[:, :, None, None]
    x = frame.x + sway[:, :, None, None] + 3.0 * phase[:, :, None, None]
    column, row = torch.floor(x / cell), torch.floor(y / cell)
    seed = column * 7.0 + row * 31.0
    dx = x - (column + 0.25 + 0.5 * hashed(seed, 1.0)) * cell
    dy = y - (row + 0.25 + 0.5 * hashed(seed, 4.0)) * cell
    return coverage(torch.hypot(dx, dy) - 0.012 - 0.012 * hashed(seed, 6.0), frame.pixel)


def stars(frame: Frame) -> Tensor:
    """Opacity of the night's stars, the same for every clip. Returns [H, W]."""
    cell = 0.16
    column, row = torch.floor(frame.x / cell), torch.floor(frame.y / cell)[:, None]
    seed = column * 5.0 + row * 13.0
    dx = frame.x - (column + 0.2 + 0.6 * hashed(seed, 1.0)) * cell
    dy = frame.y[:, None] - (row + 0.2 + 0.6 * hashed(seed, 4.0)) * cell
    return coverage(torch.hypot(dx, dy) - 0.007, frame.pixel) * (hashed(seed, 8.0) > 0.35)
