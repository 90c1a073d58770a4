"""Paths of a subject and moves of the camera, as people write them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hinode.errors import BadInput, join_names, quote
from hinode.request import CAMERA, PATH, Capabilities, Trajectory

PAN_SPEED, ZOOM_RATE = 0.2, 0.22
"""Short sides and e-folds per second of a move of the drawn world, as in `world.book.motion`, which needs
torch."""
ZOOM_SECONDS = 3.0
"""Seconds after which a zoom of the drawn world eases out."""

MOVES: Mapping[str, tuple[float, float]] = {
    "still": (0.0, 0.0),
    "pan left": (-1.0, 0.0),
    "pan right": (1.0, 0.0),
    "zoom in": (0.0, 1.0),
    "zoom out": (0.0, -1.0),
}
"""Named moves: what each is of the normal speed of a pan and of a zoom."""

SPEEDS = {"slowly": 0.5, "fast": 2.0}
MAX_SPEED = 10.0
ZOOM_STEP = 0.25
"""Seconds between the moments of a zoom."""

MAX_FILE_BYTES = 2**20
_KEYS = {PATH: ("seconds", "x", "y"), CAMERA: ("seconds", "pan", "zoom")}  # as in the HTTP API
_MOVE = re.compile(r"(pan|zoom) (left|right|in|out)(?: (slowly|fast|[0-9.]+))?|still")


def parse_path(value: object) -> Trajectory:
    """Where the subject's middle is, from "0,0.2,0.5; 2,0.8,0.5" (seconds, x, y), from a list, or from the
    name of a JSON file with a list in it: of triples, or of objects with "seconds" (or "at"), "x" and "y".

    Anything else raises BadInput.
    """
    return parse_track(value, PATH)


def parse_camera(value: object, seconds: float, capabilities: Capabilities) -> tuple[Trajectory, str]:
    """How the camera moves, and words for the prompt of a model that follows words alone.

    Args:
        value: names of moves, such as "pan left", "zoom in slowly" or "pan right 1.5, zoom out" (the number
            multiplies the normal speed); or what a path can be, with pan and zoom instead of x and y.
        seconds: length of the clip.
        capabilities: those of the model.

    Raises:
        BadInput: it is none of these.
    """
    moves = parse_moves(value) if isinstance(value, str) else None
    if moves is None:
        return parse_track(value, CAMERA), ""
    if CAMERA not in capabilities.controls:
        return (), "".join(f", {_words(name)}" for name in moves)
    return trajectory(moves, seconds), ""


def parse_moves(text: str) -> dict[str, float] | None:
    """Names of moves with their speeds, 1 for the normal one; None if the text is no list of names. A move
    that does not exist raises BadInput."""
    if re.fullmatch(r"[-+0-9.,;eE\s]*", text) or text.lower().endswith(".json"):
        return None
    speeds = {}
    for part in re.split(r",| and ", text.strip().lower()):
        words = " ".join(part.split())
        match = _MOVE.fullmatch(words)
        name = "still" if words == "still" else f"{match[1]} {match[2]}" if match else ""
        if match is None or name not in MOVES:
            names = join_names(tuple(MOVES), "or")
            remedy = f"say {names}, with slowly, fast or a number behind it, or write seconds, pan, zoom"
            raise BadInput(f"the camera cannot {quote(words)}", remedy, field=CAMERA)
        speeds[name] = SPEEDS.get(match[3], 0.0) or _speed(match[3] or "1")
    return speeds


def trajectory(moves: Mapping[str, float], seconds: float) -> Trajectory:
    """Named moves at their speeds, over a clip of some seconds."""
    pan = sum(MOVES[name][0] * speed for name, speed in moves.items()) * PAN_SPEED
    zoom = sum(MOVES[name][1] * speed for name, speed in moves.items()) * ZOOM_RATE
    count = max(1, math.ceil(seconds / ZOOM_STEP)) if zoom else 1
    moments = [seconds * index / count for index in range(count + 1)]
    return tuple(
        (at, pan * at, math.exp(zoom * ZOOM_SECONDS * math.tanh(at / ZOOM_SECONDS))) for at in moments
    )


def parse_track(value: object, field: str) -> Trajectory:
    """Moments with two values each, else BadInput; `field` is "path" or "camera". The request checks what the
    values are."""
    if isinstance(value, str):
        if value.lower().endswith(".json"):
            return parse_track(_read(Path(value), field), field)
        value = [part.split(",") for part in value.split(";") if part.strip()]
    if isinstance(value, Mapping):
        value = value.get(field)
    if not isinstance(value, Sequence) or not value:
        raise _wrong(field, "nothing")
    return tuple(_point(point, field) for point in value)


def _point(point: object, field: str) -> tuple[float, float, float]:
    keys = _KEYS[field]
    if isinstance(point, Mapping):
        moment = {("seconds" if key == "at" else key): value for key, value in point.items()}
        point = [moment[key] for key in keys] if set(moment) == set(keys) else point
    if isinstance(point, str) or not isinstance(point, Sequence) or len(point) != len(keys):
        raise _wrong(field, quote(json.dumps(point, default=str)))
    try:
        at, first, second = (float(value) for value in point)
    except (TypeError, ValueError, OverflowError) as error:
        raise _wrong(field, quote(json.dumps(point, default=str))) from error
    return at, first, second


def _wrong(field: str, what: str) -> BadInput:
    example = "0,0.2,0.5; 2,0.8,0.5" if field == PATH else "0,0,1; 2,0.5,1.2"
    remedy = f'write {join_names(_KEYS[field])} of each moment, such as "{example}"'
    return BadInput(f"the {field} has {what} where a moment should be", remedy, field=field)


def _read(path: Path, field: str) -> Any:
    name = f"the {field} {quote(str(path), 200)}"
    try:
        with path.open("rb") as file:
            return json.loads(file.read(MAX_FILE_BYTES))
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror}", "name a file", field=field) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not JSON", "write a list of moments in it", field=field) from error


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= MAX_SPEED:
        remedy = f"give more than 0 and at most {MAX_SPEED:g}"
        raise BadInput(f"the camera has the speed {quote(text)}", remedy, field=CAMERA)
    return speed


def _words(name: str) -> str:
    verb, _, direction = name.partition(" ")
    return f"the camera {verb}s {direction}" if direction else "static camera"
