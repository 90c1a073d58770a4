"""Short prompts completed to descriptions of a whole scene, within what the native model knows.

The model draws badly what a prompt leaves open, so the expansion names it. The person's own words stay as
they are. What is added follows from the seed, so the same request always gets the same words.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence

from hinode.request import Trajectory
from hinode.world import lexicon
from hinode.world.prompts.prompt import ParsedPrompt, SubjectFacts, parse
from hinode.world.scene import (
    COLORS,
    HELD_OUT_PAIRS,
    LEVEL,
    MOTIONS,
    PLACES,
    SUBJECTS,
    TIMES,
    UPRIGHT,
    WEATHERS,
)

MOVING = tuple(motion for motion in MOTIONS if motion != "still")
COMMON = {"weather": "clear", "camera": "still"}
"""The meaning of a prompt that does not mention these; the seed chooses everything else."""

PAN_SPEED, ZOOM_RATE = 0.24, 0.26
"""Speed of the camera in the drawn world (see `world.motion`, which needs torch): short sides per second, and
e-folds per second at the start of a zoom."""

SCENE_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "place": lexicon.PLACE_WORDS,
    "time": lexicon.TIME_WORDS,
    "weather": lexicon.WEATHER_WORDS,
    "camera": lexicon.CAMERA_WORDS,
}


def expand_prompt(
    prompt: str,
    seed: int,
    *,
    motion: bool = True,
    camera: Trajectory = (),
    defaults: Mapping[str, str] | None = None,
) -> str:
    """Complete a prompt.

    Args:
        motion: whether to name the motion of a subject; False for one that follows a path.
        camera: how the camera moves, if the request has it in numbers: the nearest move in words is added.
        defaults: facts that hold where the prompt leaves them open, such as {"color": "red"}, by the names of
            `ATTRIBUTES` of the judge; the seed chooses the rest.

    Returns:
        The prompt followed by the facts of the scene that it leaves open. If it leaves open something of a
        subject, one new sentence with all facts.
    """
    # The choices depend on the seed alone: shots of one film choose alike.
    rng, defaults = random.Random(f"expansion/{seed}"), defaults or {}
    parsed = parse(prompt)
    cast = parsed.subjects or (SubjectFacts(),)
    needed = ("kind", "color", "motion") if motion else ("kind", "color")
    complete = all(getattr(subject, name) for subject in cast for name in needed)
    scene = {"place": rng.choice(PLACES), "time": rng.choice(TIMES), **COMMON, **defaults}
    for name, values in (("place", PLACES), ("time", TIMES), ("weather", WEATHERS)):
        scene[name] = _allowed(scene[name], values, name, parsed)
    if camera:
        scene["camera"] = nearest_move(camera)
    clauses = []
    for name, phrases in SCENE_WORDS.items():
        fact = getattr(parsed, name)
        if fact is None or not (complete and parsed.literal):
            clauses.append(_clause(name, phrases[fact or scene[name]][0]))
    if complete and parsed.literal:
        return ", ".join([prompt.strip().rstrip(".,;:"), *clauses])
    if motion and parsed.relation is not None:
        cast = _in_relation(cast, parsed.relation, rng)
    subjects: list[str] = []
    for index, subject in enumerate(cast):
        alike = index > 0 and subject == cast[index - 1] and parsed.relation is None  # "two birds" look alike
        subjects.append(subjects[-1] if alike else _completed(subject, rng, defaults, motion, parsed))
    if parsed.relation is not None:
        subjects[:2] = [f"{subjects[0]} {lexicon.RELATION_WORDS[parsed.relation][0]} {subjects[1]}"]
    return ", ".join([f"{' and '.join(subjects)} {clauses[0]}", *clauses[1:]])


def _allowed(value: str, values: Sequence[str], name: str, parsed: ParsedPrompt) -> str:
    """A value, or if the prompt excludes it the first that it does not, or if there is none that value."""
    return next((other for other in (value, *values) if (name, other) not in parsed.absent), value)


def nearest_move(camera: Trajectory) -> str:
    """The camera move of the drawn world that is nearest to one in numbers; "still" below a third of the
    usual speed."""
    (begin, pan, zoom), (end, last_pan, last_zoom) = camera[0], camera[-1]
    if not (zoom > 0 and last_zoom > 0):
        return "still"  # the check of the request refuses it
    seconds = max(end - begin, 1e-6)
    across, nearer = (last_pan - pan) / seconds / PAN_SPEED, math.log(last_zoom / zoom) / seconds / ZOOM_RATE
    if max(abs(across), abs(nearer)) < 1 / 3:
        return "still"
    if abs(across) >= abs(nearer):
        return "pan right" if across > 0 else "pan left"
    return "zoom in" if nearer > 0 else "zoom out"


def subject_prompt(subject: SubjectFacts, scene: ParsedPrompt) -> str:
    """A prompt with one subject of several and the whole scene. The subject is small, so that all fit in."""
    facts = {name: getattr(scene, name) for name in SCENE_WORDS}
    clauses = [_clause(name, SCENE_WORDS[name][fact][0]) for name, fact in facts.items() if fact]
    return ", ".join([_phrase(subject, "small"), *clauses])


def _in_relation(
    cast: tuple[SubjectFacts, ...], relation: str, rng: random.Random
) -> tuple[SubjectFacts, ...]:
    """The cast with motions for the first two, where they are open, that keep their relation: side by side
    none moves sideways, above and below none rises or falls, and two that overlap move alike."""
    allowed = LEVEL if relation in ("above", "below") else UPRIGHT
    motions = [motion for motion in MOVING if motion in allowed]
    if relation in ("behind", "in front of"):
        motions = [next((facts.motion for facts in cast[:2] if facts.motion), rng.choice(MOVING))]
    pair = [dataclasses.replace(facts, motion=facts.motion or rng.choice(motions)) for facts in cast[:2]]
    return *pair, *cast[2:]


def _completed(
    subject: SubjectFacts, rng: random.Random, defaults: Mapping[str, str], motion: bool, parsed: ParsedPrompt
) -> str:
    random_kind = _allowed(rng.choice(SUBJECTS), SUBJECTS, "subject", parsed)
    random_motion = rng.choice(MOVING)
    random_colors = rng.sample(COLORS, len(COLORS))
    kind = subject.kind or defaults.get("subject", random_kind)
    moving = subject.motion or (defaults.get("motion", random_motion) if motion else None)
    color = subject.color
    if color is None and kind == defaults.get("subject", kind):
        color = defaults.get("color")
    # Pairs that no clip was trained on are drawn less well; only a prompt that names one gets it.
    color = color or next(color for color in random_colors if (color, kind) not in HELD_OUT_PAIRS)
    return _phrase(SubjectFacts(kind, color, moving))


def _phrase(subject: SubjectFacts, size: str = "") -> str:
    """Such as "a small red ball bouncing"; what is None is left out."""
    words = [size] if size else []
    words += [lexicon.COLOR_WORDS[subject.color][0]] if subject.color else []
    words += [lexicon.KINDS[subject.kind][0]] if subject.kind else []
    words += [lexicon.MOTION_WORDS[subject.motion][0]] if subject.motion else []
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"


def _clause(name: str, words: str) -> str:
    return f"over the {words}" if name == "place" else words
