"""Plans as sketches: the values from which a page draws one, without a network and without pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hinode.errors import BadInput, join_names, quote
from hinode.request import Size
from hinode.world.book.picture import drawings

if TYPE_CHECKING:
    from hinode.world.book.plan import ScenePlan

MAX_ASPECT = 4.0


def shapes() -> dict[str, Any]:
    """The cut-outs of the picture book as SVG, and the colours that stand for roles; loads no torch."""
    cutouts: dict[str, Mapping[str, Any]] = {}
    for name in drawings.SHAPES:
        drawing = drawings.drawing(name)
        cutouts[name] = {
            "svg": drawing.text,
            "phases": drawing.phases,
            "rim": drawing.rim,
            "waves": drawing.waves,
        }
    return {"roles": drawings.ROLES, "rim": drawings.RIM, "shapes": cutouts}


def land(place: str, time: str, weather: str, number: int, size: Size) -> dict[str, Any]:
    """The land of a plan for a frame of some width and height, see `outline.outline`.

    Raises:
        BadInput: there is no such place, time or weather, or the frame is too narrow.
    """
    from hinode.world.book.picture.outline import outline
    from hinode.world.book.priors import PLACES
    from hinode.world.book.scene import TIMES, WEATHERS

    facts = {"place": (place, PLACES), "time": (time, TIMES), "weather": (weather, WEATHERS)}
    for name, (value, values) in facts.items():
        if value not in values:
            raise BadInput(f"{name} is {quote(value)}", f"use {join_names(values, 'or')}", field=name)
    width, height = size
    if not 0 < max(size) <= MAX_ASPECT * min(size):
        message = f"a side may have {MAX_ASPECT:g} times the other at most"
        raise BadInput(message, "write it like 640x360", field="size")
    return outline(place, time, weather, number, round(width / height, 4))


def words(plan: ScenePlan, size: Size) -> dict[str, Any]:
    """A plan in a `sentence`, and the `motions` of its subjects."""
    from hinode.world.book.reading import read_motion
    from hinode.world.book.words.sentence import sentence

    aspect = size[0] / size[1]
    motions = [read_motion(plan, number, aspect) for number in range(len(plan.subjects))]
    return {"sentence": sentence(plan, motions), "motions": motions}
