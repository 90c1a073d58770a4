"""The stages of a run, as shares of a job's progress."""

from __future__ import annotations

from collections.abc import Mapping

STAGES = {"load": (0, 1), "text": (1, 2), "sample": (2, 90), "decode": (90, 95), "encode": (95, 99)}
"""Progress of a job in percent at the beginning and at the end of each stage."""

ORDER = (
    *("load", "text", "plan", "wait", "sample"),
    *("fetch", "decode", "join", "sound", "upscale", "encode", "sign", "store"),
)
"""All stages in the order of the work."""


def in_order(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """The stages in the order of the work, those that nobody knows last."""
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(seconds.items(), key=lambda stage: place.get(stage[0], len(place)))


def remaining_seconds(seconds: Mapping[str, float], stage: str | None, progress: int) -> float:
    """Seconds that are left of a run whose stages take so long each.

    Args:
        seconds: of each stage; a stage that `STAGES` does not know counts towards "load" before "sample".
        stage: the present one; None before the first.
        progress: of the job, 0 to 100.
    """
    names = tuple(STAGES)
    if stage not in names:
        # A stage without a share of its own, such as "plan" or "sound": the progress says where it stands.
        stage = next((name for name in names if progress < STAGES[name][1]), names[-1])
    begin, end = STAGES[stage]
    left = 1 - min(1.0, max(0.0, (progress - begin) / (end - begin)))
    present = names.index(stage)
    rest = 0.0
    for name, value in seconds.items():
        place = names.index(name) if name in names else _PLACES.get(name, names.index("encode"))
        rest += value * (left if place == present else float(place > present))
    return rest


_PLACES = {"plan": 1, "wait": 1, "fetch": 3, "join": 3, "sound": 3, "upscale": 4, "sign": 4, "store": 4}
"""Beside which of `STAGES` the others come."""
