"""Captions from scenes and facts from captions: the world's recaptioner and its inverse.

Captions have four densities, several grammars, synonyms and clauses in any order: dense synthetic captions
help prompt following most (Sora's report calls it re-captioning).
"""

from __future__ import annotations

import random
import re
from dataclasses import astuple, dataclass

from hinode.world import lexicon
from hinode.world.scene import Scene, Subject

DENSITIES = ("tag", "short", "full", "dense")

_LEXICON: dict[str, dict[str, tuple[str, ...]]] = {
    "kind": lexicon.KINDS,
    "color": lexicon.COLOR_WORDS,
    "motion": lexicon.MOTION_WORDS,
    "time": lexicon.TIME_WORDS,
    "place": lexicon.PLACE_WORDS,
    "weather": lexicon.WEATHER_WORDS,
    "camera": lexicon.CAMERA_WORDS,
}


def words(text: str) -> list[str]:
    """Split text into lower-case words, without punctuation."""
    return re.findall(r"[^\W_]+", text.lower())


# phrase as a tuple of words -> (attribute, value)
_PHRASES: dict[tuple[str, ...], tuple[str, str]] = {
    tuple(words(phrase)): (attribute, value)
    for attribute, table in _LEXICON.items()
    for value, phrases in table.items()
    for phrase in phrases
}
_RELATIONS = {tuple(words(text)): name for name, texts in lexicon.RELATION_WORDS.items() for text in texts}
# a colour or a direction inside these phrases does not describe a subject
_COLORED_SKY = [f"{color} sky" for phrases in lexicon.COLOR_WORDS.values() for color in phrases]
_NEUTRAL = {tuple(words(phrase)) for phrase in (*_COLORED_SKY, *lexicon.NEUTRAL)} - _PHRASES.keys()
_MAX_PHRASE_WORDS = max(map(len, (*_PHRASES, *_RELATIONS)))
_FILLER = frozenset(lexicon.FILLER)
VOCABULARY: tuple[str, ...] = tuple(sorted(_FILLER.union(*_PHRASES, *_NEUTRAL, *_RELATIONS)))


@dataclass(frozen=True)
class SubjectFacts:
    """The facts of one subject in a text; None where it states none."""

    kind: str | None = None
    color: str | None = None
    motion: str | None = None


@dataclass(frozen=True)
class ParsedPrompt:
    """The facts of a scene in a text; None where it states none."""

    subjects: tuple[SubjectFacts, ...]
    understood: tuple[str, ...]  # the words that state a fact
    not_understood: tuple[str, ...]  # words that mean nothing in this world, in order and once each
    relation: str | None = None  # where the first subject is, seen from the second
    time: str | None = None
    place: str | None = None
    weather: str | None = None
    camera: str | None = None

    def facts(self) -> dict[str, str]:
        """The facts of the first subject and the scene that the text states, in the judge's names."""
        first = self.subjects[0] if self.subjects else SubjectFacts()
        facts = {"subject": first.kind, "color": first.color, "motion": first.motion}
        facts |= {name: getattr(self, name) for name in ("time", "place", "weather", "camera")}
        return {name: value for name, value in facts.items() if value is not None}

    def cast_facts(self) -> dict[str, str]:
        """`facts`, those of the other subjects as "subject 2", "color 2", ..., the "count" and the
        "relation"."""
        others = {
            f"{name} {number}": value
            for number, subject in enumerate(self.subjects[1:], start=2)
            for name, value in zip(("subject", "color", "motion"), astuple(subject), strict=True)
            if value is not None
        }
        relation = {} if self.relation is None else {"relation": self.relation}
        return {**self.facts(), **others, **relation, "count": str(len(self.subjects))}


def parse(text: str) -> ParsedPrompt:
    """Find the facts in a text, by the longest phrase of the lexicon at each word.

    A colour belongs to the next subject, a motion to the last subject named (or, before any, to the first).
    A relation counts if it stands between the first two subjects, and of two contradicting facts the first.
    """
    tokens: list[str] = []
    breaks: list[int] = []  # a phrase never reaches over punctuation; breaks[i] is where the clause of i ends
    for clause in re.split(r"[,.;:!?\n]", text):
        tokens += words(clause)
        breaks += [len(tokens)] * (len(tokens) - len(breaks))
    subjects: list[dict[str, str]] = []
    waiting: dict[str, str] = {}  # facts seen before the subject they belong to
    scene: dict[str, str] = {}
    related: tuple[str, ...] | None = None  # a relation that waits for its second subject
    relation: str | None = None
    understood: list[str] = []
    unknown: dict[str, None] = {}  # in order, once each
    at = 0
    while at < len(tokens):
        for length in range(min(_MAX_PHRASE_WORDS, breaks[at] - at), 0, -1):
            phrase = tuple(tokens[at : at + length])
            if phrase in _PHRASES or phrase in _RELATIONS or phrase in _NEUTRAL:
                break
        else:
            if tokens[at] not in _FILLER:
                unknown[tokens[at]] = None
            at += 1
            continue
        at += length
        if phrase in _RELATIONS:
            related = phrase if len(subjects) == 1 else None
            continue
        if phrase in _NEUTRAL:
            continue
        attribute, value = _PHRASES[phrase]
        if attribute == "kind" and related:
            relation = _RELATIONS[related]
            phrase = (*related, *phrase)
        if attribute != "color":
            related = None
        understood.extend(word for word in phrase if word not in understood)
        if attribute == "kind":
            subjects.append({"kind": value, **waiting})
            waiting = {}
        elif attribute == "color":
            waiting["color"] = value
        elif attribute == "motion":
            (subjects[-1] if subjects else waiting).setdefault("motion", value)
        else:
            scene.setdefault(attribute, value)
    if waiting and not subjects:
        subjects.append(waiting)
    cast = tuple(SubjectFacts(**facts) for facts in subjects)
    return ParsedPrompt(cast, tuple(understood), tuple(unknown), relation, **scene)


def caption(scene: Scene, rng: random.Random, density: str | None = None, *, camera: bool = True) -> str:
    """Describe a scene in words.

    `density`: one of `DENSITIES`, or None for a random one. "tag" and "short" may leave facts out; "full"
    names the subjects, motions, place and time, and weather and camera unless they are clear and still;
    "dense" names everything, sizes and speeds too. `camera`: whether the text may name its move.
    """
    density = density or rng.choice(DENSITIES)
    if density not in DENSITIES:
        raise ValueError(f"unknown caption density {density!r}: use one of {', '.join(DENSITIES)}")
    if density == "tag":
        return _tags(scene, rng, camera)
    dense = density == "dense"
    keep = 0.75 if density == "short" else 1.0
    cast = _join([_subject(subject, rng, dense, keep) for subject in scene.subjects], scene, rng, keep)
    around: list[str] = []
    if rng.random() < keep:
        noun = _phrase("place", scene.place, rng)
        around.append(f"{rng.choice(('over', 'over', 'above', 'across', 'in front of', 'near'))} the {noun}")
    if rng.random() < keep:
        around.append(_phrase("time", scene.time, rng, adverbial=True))
    if dense or rng.random() < (keep if scene.weather != "clear" else 0.4):
        around.append(_phrase("weather", scene.weather, rng, adverbial=True))
    rng.shuffle(around)
    shot = ""
    if (dense or rng.random() < (keep if scene.camera != "still" else 0.2)) and camera:
        move = _phrase("camera", scene.camera, rng)
        shot = f"the {move}" if move.startswith("camera") else move
    return _sentence(cast, around, shot, rng)


def _join(cast: list[str], scene: Scene, rng: random.Random, keep: float) -> str:
    """Join the descriptions of the subjects, with their relation if there is one."""
    if scene.relation is None or rng.random() > max(keep, 0.85):
        if len(cast) > 2 and rng.random() < 0.5:
            return f"{', '.join(cast[:-1])} and {cast[-1]}"
        return " and ".join(cast)
    phrases = lexicon.RELATION_WORDS[scene.relation]
    phrase = phrases[0] if rng.random() < 0.5 else rng.choice(phrases)
    return " and ".join([f"{cast[0]} {phrase} {cast[1]}", *cast[2:]])


def _sentence(cast: str, around: list[str], shot: str, rng: random.Random) -> str:
    style = rng.random()
    if style < 0.55 or not around:
        text = " ".join([cast, *around])
    elif style < 0.8:
        text = f"{around[0]}, {' '.join([cast, *around[1:]])}"
    else:
        text = f"{cast}, {', '.join(around)}"
    if rng.random() < 0.08:
        opening = ("a video of", "a paper cut scene of", "an animation of", "cinematic shot of", "a clip of")
        text = f"{rng.choice(opening)} {text}"
    if shot:
        text = rng.choice((f"{text}, {shot}", f"{text}. {shot}", f"{shot}. {text}", f"{shot}, {text}"))
    if rng.random() < 0.3:
        text = ". ".join(part[:1].upper() + part[1:] for part in text.split(". ")) + "."
    return text


def _phrase(attribute: str, value: str, rng: random.Random, adverbial: bool = False) -> str:
    """A phrase for one fact, half of the time the canonical one; `adverbial`: one that fits a sentence."""
    phrases = _LEXICON[attribute][value]
    if rng.random() < 0.5:
        return phrases[0]
    if adverbial:
        first = ("at ", "in ", "under ", "while ", "by ", "on ", "through ", "during ")
        phrases = tuple(p for p in phrases if p.startswith(first))
    return rng.choice(phrases)


def _noun(subject: Subject, rng: random.Random) -> str:
    return f"{_phrase('color', subject.color, rng)} {_phrase('kind', subject.kind, rng)}"


def _subject(subject: Subject, rng: random.Random, dense: bool, keep: float) -> str:
    noun = _noun(subject, rng)
    if dense and rng.random() < 0.5:
        noun = f"{'large' if subject.size > 0.32 else 'small'} {noun}"
    article = "the" if rng.random() < 0.1 else "an" if noun[0] in "aeiou" else "a"
    text = f"{article} {noun}"
    if rng.random() < max(keep, 0.85):
        motion = _phrase("motion", subject.motion, rng)
        if dense and subject.motion != "still" and rng.random() < 0.4:
            motion = f"{motion} {'quickly' if subject.speed > 1.0 else 'slowly'}"
        text = f"{text} {'is ' if rng.random() < 0.12 and motion.split()[0].endswith('ing') else ''}{motion}"
    return text


def _tags(scene: Scene, rng: random.Random, camera: bool) -> str:
    cast = []
    for subject in scene.subjects:
        tag = _noun(subject, rng)
        if rng.random() < 0.9:
            tag = f"{tag}{rng.choice((' ', ', '))}{_phrase('motion', subject.motion, rng)}"
        cast.append(tag)
    if len(cast) > 1 and scene.relation is not None:
        cast = [_join(cast, scene, rng, 1.0)]
    around = [_phrase("time", scene.time, rng), _phrase("place", scene.place, rng)]
    around = [tag for tag in around if rng.random() < 0.85]
    if rng.random() < (0.85 if scene.weather != "clear" else 0.4):
        around.append(_phrase("weather", scene.weather, rng))
    if rng.random() < (0.85 if scene.camera != "still" else 0.2) and camera:
        around.append(_phrase("camera", scene.camera, rng))
    rng.shuffle(around)
    return ", ".join([*cast, *around])
