"""A plan in one sentence, such as "a red balloon moves right over the sea at sunset; camera still"."""

from __future__ import annotations

from collections.abc import Sequence

from hinode.world.book.plan import ScenePlan, SubjectPlan

DEEDS = {
    "left": "moves left",
    "right": "moves right",
    "rise": "rises",
    "fall": "falls",
    "bounce": "bounces",
    "circle": "circles",
    "still": "stays still",
}
PLACES = {
    "underwater": "under water",
    "space": "in space",
    "city": "in the city",
    "village": "in the village",
}
WEATHERS = {"rain": " in the rain", "snow": " in the snow", "fog": " in the fog"}
CAMERAS = {
    "pan left": "pans left",
    "pan right": "pans right",
    "zoom in": "zooms in",
    "zoom out": "zooms out",
    "tilt up": "tilts up",
    "tilt down": "tilts down",
    "dolly in": "moves closer",
    "dolly out": "moves back",
    "orbit": "orbits",
    "follow": "follows the subject",
}


def sentence(plan: ScenePlan, motions: Sequence[str]) -> str:
    """The facts of a plan in words. `motions`: of its subjects, see `reading.read_motion`."""
    cast = [_clause(subject, motion) for subject, motion in zip(plan.subjects, motions, strict=True)]
    who = "nobody" if not cast else cast[0] if len(cast) == 1 else f"{', '.join(cast[:-1])} and {cast[-1]}"
    place = PLACES.get(plan.place, f"over the {plan.place}")
    if any(subject.rest != "air" for subject in plan.subjects) and place.startswith("over"):
        place = f"on the {plan.place}" if plan.place == "sea" else f"in the {plan.place}"
    around = f"{who} {place} at {plan.time}{WEATHERS.get(plan.weather, '')}"
    return f"{around}; camera {CAMERAS.get(plan.camera.move, 'still')}"


def _clause(subject: SubjectPlan, motion: str) -> str:
    article = "an" if subject.color[0] in "aeiou" else "a"
    return f"{article} {subject.color} {subject.kind} {DEEDS[motion]}"
