"""The land of a plan as outlines and places of cut-outs: what a page needs to sketch it, without a pixel.

Lengths are in short sides of the frame, x to the right and y down from the frame's middle.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np

from hinode.world.book.picture import actors, palette, places
from hinode.world.book.picture.canvas import Layer, Look, Mark
from hinode.world.book.picture.land import Skyline
from hinode.world.book.picture.scenery import REACH
from hinode.world.book.scene import Scene

STEP = 0.02
"""Short sides from point to point of a skyline."""
_X = np.arange(-REACH, REACH + STEP / 2, STEP)


@functools.lru_cache(maxsize=256)
def outline(place: str, time: str, weather: str, number: int, aspect: float) -> dict[str, Any]:
    """The layers of a land from far to near, and the light on it. `aspect`: width / height of the frame.

    A skyline has a y at each x of `start + k * step`. `covers`: how many of the nearest layers cover a
    subject, by what it is in or on. Do not change the answer: it is kept.
    """
    scene = Scene((), time, place, weather, "still", None, number)
    light = palette.light(scene)
    built = places.build(place, random.Random(number), light, aspect)
    papers = {color: _look(actors.paper(color, light)) for color in palette.PAPER}
    return {
        "start": -REACH,
        "step": STEP,
        "sky": list(light.sky),
        "papers": papers,
        "covers": {rest: built.covers.get(rest, 1) for rest in ("air", "ground", "water", "rails")},
        "layers": [_layer(layer) for layer in built.layers],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "depth": layer.depth,
        "drift": round(layer.drift, 4),
        "skyline": _line(layer.skyline),
        "tint": layer.tint or None,
        "edge": layer.edge,
        "cap": None if layer.cap is None else {"line": _line(layer.cap[0]), "color": layer.cap[1]},
        "behind": [_mark(mark) for mark in layer.behind],
        "front": [_mark(mark) for mark in layer.front],
        "soft": [{"kind": s.kind, "color": s.color, "values": _rounded(s.values)} for s in layer.soft],
    }


def _line(skyline: Skyline | None) -> list[float] | None:
    return None if skyline is None else [round(float(y), 3) for y in skyline(_X)]


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in values]


def _mark(mark: Mark) -> dict[str, Any]:
    x, y, half, facing, tilt = _rounded((mark.x, mark.y, mark.half, mark.facing, mark.tilt))
    look = _look(mark.look or Look("#ffffff"))
    return {"shape": mark.shape, "x": x, "y": y, "half": half, "facing": facing, "tilt": tilt,
            "beat": round(mark.beat, 3), "look": look}  # fmt: skip


def _look(look: Look) -> dict[str, Any]:
    haze, share = look.haze
    return {
        "base": look.base, "dark": look.dark, "light": look.light, "glow": look.glow,
        "ambient": list(look.ambient), "haze": haze, "share": round(share, 3), "alpha": round(look.alpha, 3),
    }  # fmt: skip
