"""Fields that steer a clip: strength, a path for the subject, a path for the camera, curves and spans of
time."""

from __future__ import annotations

import math
from typing import Any

from hinode.api.requests import fields
from hinode.api.requests.fields import Fields
from hinode.directing import operations
from hinode.errors import BadInput, join_names
from hinode.request import CAMERA, PATH, Trajectory

MAX_POINTS = 256


def controls(given: Fields) -> dict[str, Any]:
    """What a body says of strength, path, camera and expansion, as fields of a `Request`.

    Raises:
        BadInput: one of them cannot be read.
    """
    return {
        "strength": given.number("strength"),
        "path": trajectory(given, PATH, ("seconds", "x", "y")),
        "camera": trajectory(given, CAMERA, ("seconds", "pan", "zoom")),
        "expand": given.switch("expand") is not False,
    }


def trajectory(given: Fields, field: str, names: tuple[str, str, str]) -> Trajectory:
    """Moments with two values each, as lists of three numbers or as objects.

    Raises:
        BadInput: they cannot be read; whether they make sense is for `Request.check`.
    """
    value = fields.unpacked(given.get(field))
    if value is None:
        return ()
    points = [_point(entry, names) for entry in value] if isinstance(value, list) else [None]
    if None in points or len(points) > MAX_POINTS:
        raise BadInput(
            f"{field} cannot be read",
            f"give a list of {', '.join(names)}, such as [[0, 0.2, 0.5], [2, 0.8, 0.5]], of {MAX_POINTS} at "
            "most",
            field=field,
        )
    return tuple(point for point in points if point is not None)


def curve(given: Fields) -> operations.Curve:
    """How a transition goes: a name, or points (time, share of the second clip), each 0..1.

    Raises:
        BadInput: it cannot be read, or goes beyond 0..1 or back in time.
    """
    value = fields.unpacked(given.get("curve"))
    if value is None or isinstance(value, str):
        return operations.curve(value)
    points = [_numbers(entry, 2) for entry in value] if isinstance(value, list) else [None]
    whole = tuple((point[0], point[1]) for point in points if point is not None)
    if None in points or not 2 <= len(whole) <= MAX_POINTS:
        raise BadInput(
            "curve cannot be read",
            f"name {join_names(tuple(operations.CURVES), 'or')}, or give points (time, share) from 0 to 1",
            field="curve",
        )
    operations.check_curve(whole)
    return whole


def seconds(given: Fields, field: str, usual: float | None = None) -> float:
    """A length or a moment of 0 or more.

    Raises:
        BadInput: it is missing and there is no usual one, or it is negative.
    """
    value = given.number(field)
    value = usual if value is None else value
    if value is None:
        raise BadInput(f"{field} is missing", "give seconds", field=field)
    if value < 0:
        raise BadInput(f"{field} is {value:g}", "give 0 seconds or more", field=field)
    return value


def _point(entry: Any, names: tuple[str, str, str]) -> tuple[float, float, float] | None:
    if isinstance(entry, dict):
        entry = [entry.get(name) for name in names]
    numbers = _numbers(entry, 3)
    return (numbers[0], numbers[1], numbers[2]) if numbers else None


def _numbers(entry: Any, count: int) -> tuple[float, ...] | None:
    """So many finite numbers, or None; forms write them as text."""
    if not isinstance(entry, list) or len(entry) != count:
        return None
    try:
        numbers = tuple(float(part) for part in entry if isinstance(part, (int, float, str)))
    except (ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None
