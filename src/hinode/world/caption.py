"""Captions from scenes: the world's recaptioner. `prompt` is its inverse.

Captions have four densities, several grammars, synonyms and clauses in any order: dense synthetic captions
help prompt following most (Sora's report calls it re-captioning).
"""

from __future__ import annotations

import random
import re

from hinode.world import lexicon
from hinode.world.scene import Scene, Subject

DENSITIES = ("tag", "short", "full", "dense")


def words(text: str) -> list[str]:
    """Split text into lower-case words, without punctuation."""
    return re.findall(r"[^\W_]+", text.lower())


_TEXTS = [
    text
    for table in (*lexicon.ATTRIBUTES.values(), lexicon.RELATION_WORDS)
    for texts in table.values()
    for text in texts
]
VOCABULARY: tuple[str, ...] = tuple(
    sorted({*lexicon.FILLER, *(word for text in (*_TEXTS, *lexicon.NEUTRAL) for word in words(text))})
)
"""Every word that captions and the prompts that engines complete can have."""


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
    phrases = lexicon.ATTRIBUTES[attribute][value]
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
