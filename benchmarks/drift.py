"""Which facts stay right during a minute, as an SVG chart.

python -m hinode evaluate --suite directing --only minute --json > minute.json
python -m benchmarks.drift minute.json docs/images/drift.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 280, 46, 96, 16, 36
INK = {"subject": "#d1495b", "color": "#edae49", "place": "#00798c", "time": "#30638e", "weather": "#6a994e"}


def svg(curves: Mapping[str, Sequence[float]]) -> str:
    """A chart of shares (0..1) at moments of a clip, a line for each fact. `curves`: the moments under
    "seconds", and the shares of each fact at them."""
    moments = curves["seconds"]
    seconds = round(max(moments))
    curves = {name: curve for name, curve in curves.items() if name != "seconds"}
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(second: float, share: float) -> str:
        return f"{LEFT + across * second / max(1, seconds):.1f},{TOP + down * (1 - share):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="11"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    ]
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = at(0, share).split(",")
        parts.append(f'<path d="M{x},{y}h{across}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for second in range(0, seconds + 1, 10):
        x = at(second, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 20}" text-anchor="middle">{second}</text>')
    parts.append(f'<text x="{LEFT + across / 2}" y="{HEIGHT - 5}" text-anchor="middle">second</text>')
    # The names are at the ends of their lines, moved apart where those meet.
    y = 0.0
    for name, curve in sorted(curves.items(), key=lambda item: -item[1][-1]):
        ink = INK.get(name, "#444")
        points = " ".join(at(second, share) for second, share in zip(moments, curve, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{ink}" stroke-width="1.6"/>')
        y = max(y + 13, TOP + down * (1 - curve[-1]) + 4)
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y:.1f}" fill="{ink}">{name}</text>')
    return "".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.write_text(svg(json.loads(source.read_text())["drift"]))
