"""The SVG files in `shapes/`: what each says about itself, without a raster.

A file draws one shape in a square of 256 x 256 units whose origin is the centre, x to the right and y down.
The body spans 200 units and faces right; what stands or rolls on the ground touches it at y = 100, and
scenery goes on below. A file is painted in roles, which are reserved colours, and in fixed colours, all as
#rrggbb. The root may have `data-rim`, twice the width of a paper rim in units; `data-phases`, the number of
pictures of one beat; and `data-NAME="bias amplitude offset"`, for which `$NAME` in the drawing is bias +
amplitude * sin(2 pi (beat + offset)).
"""

from __future__ import annotations

import functools
import math
import string
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROLES = {"base": "#d23b3b", "dark": "#972a2a", "light": "#e99d9d", "glow": "#ffe27a"}
RIM = "#fff6e6"
"""Colour of the rim of cut paper."""

_FOLDER = Path(__file__).parent / "shapes"

SHAPES: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.svg")))


@dataclass(frozen=True)
class Drawing:
    """A file: its text, the pictures of one beat, the width of its rim in units, its waves by name."""

    text: str
    phases: int
    rim: float
    waves: dict[str, tuple[float, float, float]]

    def at(self, phase: int) -> str:
        """The SVG of one of its phases."""
        values = {
            key: f"{bias + amplitude * math.sin(2 * math.pi * (phase / self.phases + offset)):.3f}"
            for key, (bias, amplitude, offset) in self.waves.items()
        }
        return string.Template(self.text).substitute(values)


@functools.cache
def drawing(name: str) -> Drawing:
    """The drawing of a shape, one of `SHAPES`."""
    text = (_FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text).attrib
    waves: dict[str, tuple[float, float, float]] = {}
    for key, value in root.items():
        if key.startswith("data-") and key not in ("data-phases", "data-rim"):
            bias, amplitude, offset = map(float, value.split())
            waves[key.removeprefix("data-")] = (bias, amplitude, offset)
    return Drawing(text, int(root.get("data-phases", "1")), float(root.get("data-rim", "0")) / 2, waves)
