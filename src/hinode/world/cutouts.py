"""The nine paper cut-outs, each a short list of signed distance shapes on top of each other.

Coordinates are local to the cut-out: u to the right, v down, the figure inside [-1, 1] x [-1, 1]. A signed
distance is negative inside, in the same unit (forms after Inigo Quilez, "2D distance functions").
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from hinode.world.scene import SUBJECTS

# (signed distance [b, T, P, P], role): the roles are papers of the palette or tones of the subject's colour
Part = tuple[Tensor, str]


def circle(u: Tensor, v: Tensor, x: float, y: float, radius: float) -> Tensor:
    return torch.hypot(u - x, v - y) - radius


def ellipse(u: Tensor, v: Tensor, x: float, y: float, a: float, b: float) -> Tensor:
    """Scaled circle: exact on the outline, close enough within an outline's width of it."""
    return (torch.hypot((u - x) / a, (v - y) / b) - 1.0) * min(a, b)


def box(u: Tensor, v: Tensor, x: float, y: float, half_width: float, half_height: float) -> Tensor:
    return torch.maximum((u - x).abs() - half_width, (v - y).abs() - half_height)


def convex(u: Tensor, v: Tensor, *points: tuple[float, float]) -> Tensor:
    """Convex polygon, corners clockwise on screen (u right, v down)."""
    sides = []
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        sides.append(((u - x0) * ((y1 - y0) / length)) - ((v - y0) * ((x1 - x0) / length)))
    return functools.reduce(torch.maximum, sides)


def _balloon(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    skirt = convex(u, v, (-0.56, 0.1), (0.56, 0.1), (0.17, 0.56), (-0.17, 0.56))
    envelope = torch.minimum(circle(u, v, 0.0, -0.3, 0.68), skirt)
    gore = torch.maximum(ellipse(u, v, 0.0, -0.3, 0.27, 0.68), v - 0.5)
    lines = torch.minimum(box(u, v, -0.14, 0.62, 0.03, 0.12), box(u, v, 0.14, 0.62, 0.03, 0.12))
    return [
        (lines, "ink"),
        (envelope, "base"),
        (torch.maximum(envelope, 0.38 - u - 0.12 * v), "shade"),
        (gore, "light"),
        (box(u, v, 0.0, 0.83, 0.2, 0.14), "basket"),
    ]


def _bird(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    lift = -torch.sin(2.0 * math.pi * beat)  # the wing beats by shearing about its root
    wing_v = (v - 0.02) / (0.55 + 0.45 * lift.abs()) * torch.where(lift < 0, -1.0, 1.0)
    return [
        (convex(u, v, (-0.98, -0.22), (-0.45, 0.02), (-0.45, 0.26), (-0.9, 0.2)), "shade"),
        (convex(u, v, (0.76, 0.0), (1.02, 0.1), (0.76, 0.17)), "flame"),
        (torch.minimum(ellipse(u, v, 0.0, 0.14, 0.62, 0.3), circle(u, v, 0.58, 0.02, 0.25)), "base"),
        (ellipse(u, v, 0.12, 0.3, 0.36, 0.12), "light"),
        (convex(u, wing_v, (-0.62, -0.95), (-0.1, -0.82), (0.34, 0.1), (-0.34, 0.1)), "shade"),
        (circle(u, v, 0.64, -0.04, 0.075), "ink"),
    ]


def _boat(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    return [
        (box(u, v, 0.02, -0.2, 0.045, 0.72), "ink"),
        (convex(u, v, (0.1, -0.9), (0.8, 0.22), (0.1, 0.22)), "base"),
        (convex(u, v, (-0.06, -0.66), (-0.06, 0.22), (-0.66, 0.22)), "light"),
        (convex(u, v, (-0.95, 0.36), (0.95, 0.36), (0.6, 0.84), (-0.62, 0.84)), "base"),
        (convex(u, v, (-0.83, 0.52), (0.83, 0.52), (0.6, 0.84), (-0.62, 0.84)), "shade"),
    ]


def _kite(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    wave = 0.1 * torch.sin(2.0 * math.pi * (beat + v))
    left = convex(u, v, (0.0, -0.98), (0.0, 0.46), (-0.62, -0.3))
    right = convex(u, v, (0.0, -0.98), (0.62, -0.3), (0.0, 0.46))
    bows = torch.minimum(circle(u - wave, v, 0.0, 0.66, 0.12), circle(u - wave, v, 0.0, 0.92, 0.1))
    upper = torch.maximum(torch.minimum(left, right), v + 0.3)
    return [
        (box(u - wave, v, 0.0, 0.68, 0.035, 0.26), "ink"),
        (bows, "base"),
        (left, "base"),
        (right, "shade"),
        (torch.maximum(upper, u), "light"),
        (torch.maximum(upper, -u), "base"),
    ]


def _rocket(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    flicker = 0.14 * torch.sin(4.0 * math.pi * beat)
    hull = torch.maximum(ellipse(u, v, 0.0, 0.02, 0.37, 0.98), v - 0.52)
    fins = torch.minimum(
        convex(u, v, (-0.28, 0.06), (-0.2, 0.56), (-0.68, 0.72), (-0.62, 0.42)),
        convex(u, v, (0.28, 0.06), (0.62, 0.42), (0.68, 0.72), (0.2, 0.56)),
    )
    return [
        (convex(u, v - flicker, (-0.2, 0.5), (0.2, 0.5), (0.0, 0.96)), "flame"),
        (fins, "shade"),
        (hull, "base"),
        (torch.maximum(hull, v + 0.5), "shade"),
        (torch.maximum(hull, (v - 0.42).abs() - 0.06), "light"),
        (circle(u, v, 0.0, -0.12, 0.2), "cream"),
        (circle(u, v, 0.0, -0.12, 0.12), "ink"),
    ]


def _ball(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    turn = 2.0 * math.pi * beat / 2.0
    a, b = u * torch.cos(turn) + v * torch.sin(turn), v * torch.cos(turn) - u * torch.sin(turn)
    whole = circle(u, v, 0.0, 0.0, 0.86)
    return [
        (whole, "base"),
        (torch.maximum(whole, a.abs() - 0.22), "cream"),
        (torch.maximum(whole, b.abs() - 0.1), "shade"),
        (circle(u, v, 0.0, 0.0, 0.2), "base"),
    ]


def _star(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    # fold the plane into one tenth of the star; every second facet is the shaded side of the fold
    angle = torch.atan2(u, -v)
    sector = 2.0 * math.pi / 5.0
    local = torch.remainder(angle + sector / 2, sector) - sector / 2
    radius = torch.hypot(u, v)
    x, y = radius * local.abs().sin(), radius * local.cos()
    inner = 0.46
    x1, y1 = inner * math.sin(sector / 2), inner * math.cos(sector / 2)
    length = math.hypot(x1, y1 - 1.0)
    whole = (x * (1.0 - y1) + (y - 1.0) * x1) / length
    facets = torch.maximum(whole, -local * radius)  # all lean one way: the star looks folded from one sheet
    return [(whole, "base"), (facets, "shade"), (circle(u, v, 0, 0, 0.16), "light")]


def _train(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    puff = torch.remainder(beat, 1.0)
    smoke = torch.hypot(u - 0.5 + 0.55 * puff, v + 0.72 + 0.12 * puff) - 0.13 - 0.1 * puff
    return [
        (smoke, "cream"),
        (convex(u, v, (0.4, -0.58), (0.66, -0.58), (0.6, -0.1), (0.46, -0.1)), "shade"),
        (box(u, v, 0.26, 0.16, 0.6, 0.32), "base"),
        (box(u, v, -0.56, -0.04, 0.34, 0.52), "base"),
        (box(u, v, -0.56, -0.6, 0.42, 0.08), "shade"),
        (box(u, v, -0.54, -0.22, 0.18, 0.17), "cream"),
        (box(u, v, 0.26, 0.1, 0.6, 0.06), "light"),
        (convex(u, v, (0.86, 0.3), (1.02, 0.64), (0.72, 0.64)), "shade"),
        (torch.minimum(circle(u, v, -0.56, 0.62, 0.26), circle(u, v, 0.12, 0.66, 0.21)), "ink"),
        (circle(u, v, 0.6, 0.66, 0.21), "ink"),
        (torch.minimum(circle(u, v, -0.56, 0.62, 0.1), circle(u, v, 0.12, 0.66, 0.08)), "light"),
    ]


def _fish(u: Tensor, v: Tensor, beat: Tensor) -> list[Part]:
    sway = 0.16 * torch.sin(2.0 * math.pi * beat)
    tail_v = v + sway * (-0.45 - u).clamp(min=0.0) * 2.0
    body = ellipse(u, v, 0.14, 0.0, 0.74, 0.5)
    return [
        (convex(u, tail_v, (-0.45, 0.03), (-0.82, 0.03), (-1.0, -0.55)), "shade"),
        (convex(u, tail_v, (-0.45, -0.03), (-1.0, 0.55), (-0.82, -0.03)), "shade"),
        (convex(u, v, (-0.3, -0.4), (0.1, -0.82), (0.34, -0.4)), "shade"),
        (body, "base"),
        (torch.maximum(body, (u - 0.12).abs() - 0.09), "light"),
        (torch.maximum(body, (u + 0.24).abs() - 0.07), "light"),
        (convex(u, v, (0.02, 0.1), (0.3, 0.16), (0.0, 0.4)), "shade"),
        (circle(u, v, 0.56, -0.1, 0.13), "cream"),
        (circle(u, v, 0.58, -0.1, 0.075), "ink"),
    ]


_SHAPES = (_balloon, _bird, _boat, _kite, _rocket, _ball, _star, _train, _fish)
CUTOUTS: dict[str, Callable[[Tensor, Tensor, Tensor], list[Part]]] = dict(zip(SUBJECTS, _SHAPES, strict=True))
