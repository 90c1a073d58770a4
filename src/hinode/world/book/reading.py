"""What a plan shows: the facts of a prompt that it holds, the motion of a subject, and when it lands.

The camera's own move is taken off first. A path is then compared with each motion that the world has, by
least squares; positions are in short sides of the frame from its middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinode.world.book.motion import HOP_PERIOD, NEARNESS, TURN_PERIOD
from hinode.world.book.plan import STEP, ScenePlan
from hinode.world.book.scene import MAX_SUBJECTS
from hinode.world.prompts.facts import ParsedPrompt

Keys = NDArray[np.floating[Any]]

STILL = 0.022
"""Largest deviation from one place, as a root mean square, of a subject that stays: it bobs a little."""
SPEEDS = np.linspace(0.8, 1.2, 17)
PHASES = np.linspace(0.0, 1.0, 60, endpoint=False)


SEEN = 1 / 3

SIDES = {"left of": ("x", -1), "right of": ("x", 1), "above": ("y", -1), "below": ("y", 1)}
"""Relations that places tell, each with the axis and the sign of first minus second."""


@dataclass(frozen=True)
class Hops:
    """The rhythm of a subject that bounces: `contacts` are the moments in seconds at which it lands."""

    contacts: tuple[float, ...]
    error: float  # of the fit, mean square
    height: float  # of a hop


def world_path(plan: ScenePlan, number: int, aspect: float) -> tuple[Keys, Keys]:
    """The path of a subject without the move of the camera, x and y at each key. `aspect`: width / height."""
    subject, camera = plan.subjects[number], plan.camera
    wide, high = max(aspect, 1.0), max(1.0 / aspect, 1.0)
    zoom, scale = np.array(camera.zoom), np.array(camera.scale)
    nearness = zoom * (1.0 + (scale / zoom - 1.0) * NEARNESS)
    across = np.array(camera.x) * (0.0 if camera.move == "orbit" else NEARNESS)
    down = np.array(camera.y) * (0.8 + 0.2 * NEARNESS)
    x, y = (np.array(subject.x) - 0.5) * wide, (np.array(subject.y) - 0.5) * high
    return x / nearness + across, y / nearness + down


def read_motion(plan: ScenePlan, number: int, aspect: float) -> str:
    """The motion of a subject, one of `scene.MOTIONS`. `aspect`: width / height of the frame."""
    x, y = world_path(plan, number, aspect)
    moments = np.arange(len(x)) * STEP
    spread_x, spread_y = float(np.var(x)), float(np.var(y))
    if spread_x + spread_y < STILL**2:
        return "still"
    (speed_x, error_x), (speed_y, error_y) = _line(moments, x), _line(moments, y)
    hops = read_hops(moments, y)
    errors = {
        "left" if speed_x < 0 else "right": error_x + spread_y,
        "rise" if speed_y < 0 else "fall": spread_x + error_y,
        "circle": _circle(moments, x, y),
        "bounce": spread_x + (hops.error if hops.height > 2 * STILL else spread_y),
    }
    return min(errors, key=errors.__getitem__)


def read_hops(moments: Keys, y: Keys) -> Hops:
    """The rhythm of hops that is nearest to a path (moments in seconds, y in short sides)."""
    best = Hops((), float(np.var(y)), 0.0)
    for speed in SPEEDS:
        part = np.remainder(moments[None] * speed / HOP_PERIOD + PHASES[:, None], 1.0)
        high = 4.0 * part * (1.0 - part)
        high_mean, y_mean = high.mean(1, keepdims=True), y.mean()
        cover = ((high - high_mean) * (y - y_mean)).mean(1)
        spread = np.maximum(high.var(1), 1e-12)  # 0 for a single moment
        height = -cover / spread
        error = np.var(y) - cover**2 / spread
        error = np.where(height > 0, error, np.inf)
        k = int(error.argmin())
        if error[k] < best.error:
            first = np.arange(np.ceil(PHASES[k]), PHASES[k] + (moments[-1] + STEP / 2) * speed / HOP_PERIOD)
            times = (first - PHASES[k]) * HOP_PERIOD / speed
            best = Hops(tuple(float(t) for t in times), float(error[k]), float(height[k]))
    return best


def count_unseen(plan: ScenePlan) -> int:
    """How many subjects have their middle in the frame at less than a third of the keys."""
    return sum(float(np.mean([0 < x < 1 and 0 < y < 1 for x, y in zip(subject.x, subject.y, strict=True)]))
               < SEEN for subject in plan.subjects)  # fmt: skip


def count_faults(plan: ScenePlan, parsed: ParsedPrompt, aspect: float) -> int:
    """How many facts of a prompt a plan lacks, how many excluded values it has, and how many of its subjects
    are not seen. `aspect`: width / height."""
    scene = {("place", plan.place), ("time", plan.time), ("weather", plan.weather)}
    scene |= {("subject", subject.kind) for subject in plan.subjects}
    scene |= {("color", subject.color) for subject in plan.subjects}
    lacking = sum(not agrees for _, agrees in check_facts(plan, parsed, aspect))
    return lacking + sum(excluded in scene for excluded in parsed.absent) + count_unseen(plan)


def check_facts(plan: ScenePlan, parsed: ParsedPrompt, aspect: float) -> list[tuple[str, bool]]:
    """Each fact of a prompt, by its attribute, and whether a plan holds it. `aspect`: width / height.

    Of more than `MAX_SUBJECTS` subjects the first count. Whether one is behind another is not in a plan.
    """
    facts = [
        (name, getattr(plan, name) == getattr(parsed, name))
        for name in ("time", "place", "weather")
        if getattr(parsed, name) is not None
    ]
    if parsed.camera is not None:
        facts.append(("camera", plan.camera.move == parsed.camera))
    expected = [facts_of for facts_of in parsed.subjects[:MAX_SUBJECTS] if facts_of.kind is not None]
    if expected:
        facts.append(("count", len(plan.subjects) == len(expected)))
    free = {k: (s.kind, s.color, read_motion(plan, k, aspect)) for k, s in enumerate(plan.subjects)}
    places = []
    for subject in expected:
        request = (subject.kind, subject.color, subject.motion)
        best = max(free, default=None, key=lambda k: _agreement(request, free[k]))
        reading = free.pop(best) if best is not None else (None, None, None)
        if reading[0] != subject.kind:
            reading = (None, None, None)
        names = ("kind", "color", "motion")
        facts += [(n, w == s) for n, w, s in zip(names, request, reading, strict=True) if w is not None]
        places.append(best)
    if parsed.relation in SIDES and len(parsed.mentions) > 1:
        second = parsed.mentions[0].count if parsed.mentions[0].count < MAX_SUBJECTS else MAX_SUBJECTS - 1
        pair = [places[k] if k < len(places) else None for k in (0, second)]
        facts.append(("relation", _stands(plan, pair, parsed.relation)))
    return facts


def _agreement(request: tuple[str | None, ...], reading: tuple[str, ...]) -> tuple[bool, int]:
    return request[0] == reading[0], sum(w == s for w, s in zip(request, reading, strict=True))


def _stands(plan: ScenePlan, pair: list[int | None], relation: str) -> bool:
    """Whether the first of two subjects begins on the side of the second that a relation names."""
    if pair[0] is None or pair[1] is None:
        return False
    name, sign = SIDES[relation]
    first, second = (getattr(plan.subjects[k], name)[0] for k in pair if k is not None)
    return bool((first - second) * sign > 0)


def _line(moments: Keys, values: Keys) -> tuple[float, float]:
    """Slope and mean square error of the straight line through values."""
    slope, start = np.polyfit(moments, values, 1)
    return float(slope), float(np.mean((values - slope * moments - start) ** 2))


def _circle(moments: Keys, x: Keys, y: Keys) -> float:
    """Mean square error of the circle, turning clockwise as seen, that is nearest to a path."""
    errors = []
    for speed in SPEEDS:
        turn = 2.0 * np.pi * moments * speed / TURN_PERIOD
        path = (x - x.mean()) + 1j * (y - y.mean())
        wave = np.exp(1j * turn)
        wave = wave - wave.mean()
        share = np.vdot(wave, path) / np.vdot(wave, wave)
        errors.append(float(np.mean(np.abs(path - share * wave) ** 2)))
    return min(errors)
