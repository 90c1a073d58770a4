"""A small line chart as SVG, on white, so that it reads in light and dark pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 56, 16, 34, 40
INK = ("#d1495b", "#00798c", "#edae49", "#30638e", "#6a994e")


@dataclass(frozen=True)
class Line:
    """A line of a chart: its points, in order, and whether it is dashed. Lines of one name share a colour."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis: its name, its ticks, of which the first and the last are its ends, and their labels."""

    name: str
    ticks: Sequence[float]
    text: Callable[[float], str] = "{:g}".format


def lines(curves: Sequence[Line], across: Axis, up: Axis, *, limit: float | None = None) -> str:
    """The chart. `limit`: a value with a line of its own across the chart."""
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(value: float) -> float:
        return LEFT + width * (value - across.ticks[0]) / (across.ticks[-1] - across.ticks[0])

    def y(value: float) -> float:
        return TOP + height * (up.ticks[-1] - value) / (up.ticks[-1] - up.ticks[0])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="11" fill="#222"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    ]
    for value in up.ticks:
        parts.append(f'<path d="M{LEFT},{y(value):.1f}h{width}" stroke="#ddd"/>')
        label = f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{up.text(value)}</text>'
        parts.append(label)
    for value in across.ticks:
        label = f'<text x="{x(value):.1f}" y="{HEIGHT - 24}" text-anchor="middle">{across.text(value)}</text>'
        parts.append(label)
    parts.append(f'<text x="{LEFT + width / 2}" y="{HEIGHT - 7}" text-anchor="middle">{across.name}</text>')
    parts.append(f'<text x="8" y="14">{up.name}</text>')
    if limit is not None:
        parts.append(f'<path d="M{LEFT},{y(limit):.1f}h{width}" stroke="#444"/>')
    names = list(dict.fromkeys(curve.name for curve in curves))
    for curve in curves:
        ink = INK[names.index(curve.name) % len(INK)]
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in curve.points)
        dash = ' stroke-dasharray="4 3"' if curve.dashed else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{ink}" stroke-width="1.6"{dash}/>')
    left = WIDTH - RIGHT
    for name in reversed(names):
        ink = INK[names.index(name) % len(INK)]
        left -= 7 * len(name) + 24
        parts.append(f'<path d="M{left},10h14" stroke="{ink}" stroke-width="3"/>')
        parts.append(f'<text x="{left + 18}" y="14">{name}</text>')
    return "".join([*parts, "</svg>\n"])
