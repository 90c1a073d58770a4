"""Short prompts made into whole descriptions of a scene, within what the native model knows.

A prompt that leaves something open gets it said: what the model is not told it chooses badly. The person's
own words stay as they are; what is added follows from the seed, so that the same request says the same.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping
from types import MappingProxyType

from hinode.request import Trajectory
from hinode.world import lexicon
from hinode.world.caption import Parsed, SubjectFacts, parse
from hinode.world.scene import COLORS, HELD_OUT_PAIRS, LEVEL, MOTIONS, PLACES, SUBJECTS, TIMES, UPRIGHT

MOVING = tuple(motion for motion in MOTIONS if motion != "still")
USUAL = {"weather": "clear", "camera": "still"}
"""What is meant if nothing is said; of everything else there is no usual one."""

PAN_SPEED, ZOOM_RATE = 0.24, 0.26
"""How fast the camera of the drawn world moves (`world.motion`, which needs torch): short sides per second,
and e-folds per second at the start of a zoom."""

NOTHING: Mapping[str, str] = MappingProxyType({})

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
    known: Mapping[str, str] = NOTHING,
) -> str:
    """A prompt with what it leaves open said too.

    Args:
        prompt: as the person wrote it.
        seed: of the clip.
        motion: whether to say what the subject does; not if it is shown its way.
        camera: how the camera moves, if that is told in numbers: the move that is nearest is said too.
        known: what is so if the prompt leaves it open, such as {"color": "red"}, by the names of `ATTRIBUTES`
            of the judge; the rest follows from the seed.

    Returns:
        The prompt and what is added to it; if it leaves something of a subject open, one sentence instead
        that says all that it says, and the rest.
    """
    # The choices depend on the seed alone: shots of one film choose alike.
    rng = random.Random(f"expansion/{seed}")
    said = parse(prompt)
    cast = said.subjects or (SubjectFacts(),)
    whole = all(
        None not in (subject.kind, subject.color, subject.motion or (None if motion else ""))
        for subject in cast
    )
    chosen = {"place": rng.choice(PLACES), "time": rng.choice(TIMES), **USUAL, **known}
    if camera:
        chosen["camera"] = nearest(camera)
    around = []
    for name, phrases in SCENE_WORDS.items():
        fact = getattr(said, name)
        if fact is None or not whole:
            words = phrases[fact or chosen[name]][0]
            around.append(f"over the {words}" if name == "place" else words)
    if not whole:
        if motion and said.relation is not None:
            cast = _in_relation(cast, said.relation, rng)
        who, *others = (_somebody(one, rng, known, motion=motion) for one in cast)
        if said.relation is not None:
            who = f"{who} {lexicon.RELATION_WORDS[said.relation][0]} {others.pop(0)}"
        who = " and ".join([who, *others])
        return ", ".join([f"{who} {around[0]}", *around[1:]])
    return ", ".join([prompt.strip().rstrip(".,;:"), *around])


def nearest(camera: Trajectory) -> str:
    """The move of the drawn world's camera that is nearest to one in numbers; at less than a third of the
    usual speed it stands still."""
    (begin, pan, zoom), (end, last_pan, last_zoom) = camera[0], camera[-1]
    if not (zoom > 0 and last_zoom > 0):
        return "still"  # refused when the request is checked
    seconds = max(end - begin, 1e-6)
    across, nearer = (last_pan - pan) / seconds / PAN_SPEED, math.log(last_zoom / zoom) / seconds / ZOOM_RATE
    if max(abs(across), abs(nearer)) < 1 / 3:
        return "still"
    if abs(across) >= abs(nearer):
        return "pan right" if across > 0 else "pan left"
    return "zoom in" if nearer > 0 else "zoom out"


def _in_relation(
    cast: tuple[SubjectFacts, ...], relation: str, rng: random.Random
) -> tuple[SubjectFacts, ...]:
    """The cast with motions for the first two, where they are open, that keep how they relate: side by side
    nobody leaves to a side, above and below nobody rises or falls, and two that overlap go together."""
    keeping = LEVEL if relation in ("above", "below") else UPRIGHT
    fitting = [motion for motion in MOVING if motion in keeping]
    if relation in ("behind", "in front of"):
        fitting = [next((one.motion for one in cast[:2] if one.motion), rng.choice(MOVING))]
    pair = [dataclasses.replace(one, motion=one.motion or rng.choice(fitting)) for one in cast[:2]]
    return *pair, *cast[2:]


def _somebody(subject: SubjectFacts, rng: random.Random, known: Mapping[str, str], *, motion: bool) -> str:
    usual_kind, usual_motion = rng.choice(SUBJECTS), rng.choice(MOVING)
    usual_colors = rng.sample(COLORS, len(COLORS))
    kind = subject.kind or known.get("subject", usual_kind)
    moving = subject.motion or (known.get("motion", usual_motion) if motion else None)
    if kind == known.get("subject", kind):
        subject = dataclasses.replace(subject, color=subject.color or known.get("color"))
    # A pair that no clip was trained on is drawn less well, so nobody gets one without asking.
    color = subject.color or next(color for color in usual_colors if (color, kind) not in HELD_OUT_PAIRS)
    return _named(SubjectFacts(kind, color, moving))


def _named(subject: SubjectFacts, size: str = "") -> str:
    """Such as "a small red ball bouncing"; what is None is left out."""
    words = [size] if size else []
    words += [lexicon.COLOR_WORDS[subject.color][0]] if subject.color else []
    words += [lexicon.KINDS[subject.kind][0]] if subject.kind else []
    words += [lexicon.MOTION_WORDS[subject.motion][0]] if subject.motion else []
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"


def alone(subject: SubjectFacts, scene: Parsed) -> str:
    """What is said of one subject of several and of their scene, as a prompt with nobody else in it. Several
    are small, so that they leave each other room."""
    facts = [
        (name, phrases[getattr(scene, name)][0])
        for name, phrases in SCENE_WORDS.items()
        if getattr(scene, name)
    ]
    around = [f"over the {words}" if name == "place" else words for name, words in facts]
    return ", ".join([_named(subject, "small"), *around])
