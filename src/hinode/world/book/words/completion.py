"""Scenes from prompts: what the words say is drawn as they say, and what they leave open is chosen.

What is chosen is usual: the place where a kind is at home, a motion and a colour of its kind, clear weather,
a still camera. Chance decides between usual things; the same random state gives the same scene.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from hinode.world.book import priors
from hinode.world.book.motion import TRAVEL
from hinode.world.book.scene import (
    MAX_SUBJECTS,
    MOTIONS,
    TIMES,
    WEATHERS,
    Scene,
    Subject,
    cast,
    held_out_pair,
    subject,
)
from hinode.world.prompts.prompt import ParsedPrompt, SubjectFacts

COLORS_OF: dict[str, tuple[str, ...]] = {
    kind: tuple(text.split())
    for kind, text in {
        "bird": "blue red black yellow",
        "boat": "white red blue",
        "camel": "brown orange",
        "cat": "black grey orange white brown",
        "clock tower": "brown grey red",
        "cottage": "white red brown pink",
        "fish": "orange yellow turquoise",
        "gull": "white grey",
        "lighthouse": "white red",
        "planet": "orange purple turquoise blue",
        "rocket": "red white orange",
        "rover": "white grey orange",
        "sledge": "red brown green",
        "snowman": "white",
        "star": "yellow white orange",
        "train": "red black green",
        "whale": "blue grey turquoise",
    }.items()
}
"""Usual colours of a kind; all colours where none are listed."""
RELATIONS_OF_TWO = ("above", "below", "behind", "in front of")
Member = tuple[str, str, str]


def complete(parsed: ParsedPrompt, rng: random.Random) -> Scene:
    """A scene with the facts of a prompt.

    Of more than `MAX_SUBJECTS` subjects the first are drawn. A prompt that names a place, a time or a
    weather but no subject gives a scene with nobody in it; one that names none of them gets a subject. What
    the words exclude is not chosen.
    """
    facts = _facts(parsed)
    if not facts and not (parsed.place or parsed.time or parsed.weather):
        facts = (SubjectFacts(),)
    place = parsed.place or _place(facts, parsed, rng)
    members = _members(facts, place, parsed, rng)
    relation = parsed.relation if len(members) > 1 else None
    return Scene(
        subjects=_arrange(members, place, relation, rng),
        time=parsed.time or _allowed(rng.sample(TIMES, len(TIMES)), "time", parsed),
        place=place,
        weather=parsed.weather or _allowed(WEATHERS, "weather", parsed),
        camera=parsed.camera or "still",
        relation=relation,
        seed=rng.randrange(2**31),
        pace=rng.uniform(0.8, 1.2),
    )


def _facts(parsed: ParsedPrompt) -> tuple[SubjectFacts, ...]:
    """The facts of each subject; those of a relation are the first two, as in "two kites above a boat"."""
    facts = list(parsed.subjects[:MAX_SUBJECTS])
    if parsed.relation and len(facts) > 2 and parsed.mentions[0].count > 1:
        facts.insert(1, facts.pop(facts.index(dataclasses.replace(parsed.mentions[1], count=1))))
    return tuple(facts)


def open_facts(parsed: ParsedPrompt) -> tuple[str, ...]:
    """The names of the facts that a prompt leaves to `complete`, such as "color" or "time"."""
    subjects = parsed.subjects[:MAX_SUBJECTS] or (SubjectFacts(),)
    if not parsed.subjects and (parsed.place or parsed.time or parsed.weather):
        subjects = ()
    names = ("kind", "color", "motion")
    missing = [name for name in names if any(getattr(facts, name) is None for facts in subjects)]
    return (*missing, *(name for name in ("place", "time") if getattr(parsed, name) is None))


def _allowed(values: Sequence[str], attribute: str, parsed: ParsedPrompt) -> str:
    """The first value that the words do not exclude; the first of all if they exclude each."""
    return next((value for value in values if (attribute, value) not in parsed.absent), values[0])


def _place(facts: Sequence[SubjectFacts], parsed: ParsedPrompt, rng: random.Random) -> str:
    """Where most of the kinds are at home; what floats, rolls or stands decides before what flies."""
    kinds = {subject.kind for subject in facts if subject.kind}
    places = rng.sample(priors.PLACES, len(priors.PLACES))
    if not kinds:  # nothing says that it is under water or in space
        places = [place for place in places if place not in ("underwater", "space")]
    weights = {kind: 1 if priors.rest(kind, "sea", "left") == "air" else 3 for kind in kinds}
    places.sort(key=lambda place: -sum(weights[kind] for kind in kinds if kind in priors.HOMES[place]))
    return _allowed(places, "place", parsed)


def _members(
    facts: Sequence[SubjectFacts], place: str, parsed: ParsedPrompt, rng: random.Random
) -> list[Member]:
    """Kind, colour and motion of every subject."""
    pair = parsed.relation in ("behind", "in front of")
    members: list[Member] = []
    for number, subject_facts in enumerate(facts):
        alike = [k for k in range(number) if facts[k] == subject_facts and parsed.mentions[0].count > 1]
        if alike and (parsed.relation is None or number > 1):
            members.append(members[alike[0]])  # "two birds" look alike
            continue
        kind = subject_facts.kind or _kind(subject_facts, place, members, parsed, rng)
        motions = [m for m in rng.sample(MOTIONS, len(MOTIONS)) if m in priors.MOTIONS[kind]]
        if members and (pair or members[0][0] == kind):
            motions.sort(key=lambda motion: motion != members[0][2])
        elif len(facts) > 1:  # several stay where they are seen
            leaving = ("rise", "fall") if parsed.relation in ("above", "below") else ("left", "right")
            motions.sort(key=lambda motion: motion in leaving)
        motion = subject_facts.motion or _allowed(motions, "motion", parsed)
        choices = COLORS_OF.get(kind, priors.COLORS)
        colors = [color for color in rng.sample(choices, len(choices)) if not held_out_pair(color, kind)]
        members.append((kind, subject_facts.color or _allowed(colors, "color", parsed), motion))
    return members


def _kind(
    facts: SubjectFacts, place: str, members: Sequence[Member], parsed: ParsedPrompt, rng: random.Random
) -> str:
    """A kind that is at home in a place and moves as the words say."""
    choices = rng.sample(priors.HOMES[place], len(priors.HOMES[place]))
    kinds = [*choices, *rng.sample(priors.KINDS, len(priors.KINDS))]
    kinds = [kind for kind in kinds if all(kind != other for other, _, _ in members)]
    if facts.motion:
        kinds.sort(key=lambda kind: facts.motion not in priors.MOTIONS[kind])
    return _allowed(kinds, "subject", parsed)


def _arrange(
    members: Sequence[Member], place: str, relation: str | None, rng: random.Random
) -> tuple[Subject, ...]:
    """The subjects in their places, so that the relation of the first two holds."""
    if not members:
        return ()
    if relation in RELATIONS_OF_TWO and len(members) > 1:
        placed = list(cast(rng, members[:2], place, relation))
        if relation in ("behind", "in front of") and members[0][2] != members[1][2]:
            placed[1] = _passed(placed[0], members[1], place, rng)
        beside = (0.84, 0.9) if placed[0].x < 0.5 else (0.1, 0.16)
        for member in members[2:]:
            height = (placed[0].y, placed[0].y) if member == members[0] else None
            placed.append(subject(rng, *member, place, x=beside, y=height, scale=0.72))
        return tuple(placed)
    if relation and len(members) > 2 and members[2] == members[0]:  # "two kites left of a boat"
        order = (0, 2, 1) if relation == "left of" else (1, 0, 2)
        row = dict(zip(order, cast(rng, [members[k] for k in order], place, "left of"), strict=True))
        return tuple(row[k] for k in range(3))
    return cast(rng, members, place, relation)


def _passed(first: Subject, member: Member, place: str, rng: random.Random) -> Subject:
    """A subject that moves otherwise than the first, which passes it after about a second."""
    way = {"left": -1, "right": 1}.get(first.motion, 0)
    across = min(0.85, max(0.15, first.x + way * TRAVEL * first.speed))
    second = subject(rng, *member, place, x=(across, across), scale=0.85)
    if second.motion == "still" and first.motion in ("rise", "fall") and second.rest == "air":
        second = dataclasses.replace(second, y=0.5)
    return second
