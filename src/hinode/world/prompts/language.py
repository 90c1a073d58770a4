"""A language that the parser reads: the phrases of a world, and the words around them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from hinode.world.prompts import grammar

Phrase = tuple[str, ...]
Phrases = Mapping[str, Iterable[str]]
"""The phrases of an attribute, by its values."""


@dataclass(frozen=True, eq=False)
class Language:
    """What the parser knows of one world.

    Attributes:
        phrases: the attribute and the value of every phrase that states a fact.
        caption_phrases: those of captions, whose words the networks know.
        plurals: the kind of every plural.
        relations: the relation of every phrase that names one.
        neutral: phrases that would otherwise be taken for facts.
        ignored: words that state no fact.
        stand_ins: nouns of kinds that this world lacks, drawn as the nearest that it has.
        near_colors: colours that this world lacks, by word, and the nearest that it has.
        natural_colors: colours of nouns of the land, the sky and the light, which the world paints itself.
        own_colors: nouns that say a colour by themselves.
        camera_verbs: verbs of the camera, each with the name of its table of moves.
        camera_moves: tables of moves of a camera, by the word behind the verb.
        camera_motions: the move of a camera of which a motion is said, by the motion.
        weather_and_time: phrases of both.
        emoji: what emoji say, in words.
        typo_targets: words that a typo may stand for.
        every_word: words that are no typos.
        max_words: of a phrase.
    """

    phrases: Mapping[Phrase, tuple[str, str]]
    caption_phrases: frozenset[Phrase]
    plurals: Mapping[Phrase, str]
    relations: Mapping[Phrase, str]
    neutral: frozenset[Phrase]
    ignored: frozenset[str]
    stand_ins: frozenset[str]
    near_colors: Mapping[str, str]
    natural_colors: Mapping[str, tuple[str, ...]]
    own_colors: Mapping[str, str]
    camera_verbs: Mapping[str, str]
    camera_moves: Mapping[str, Mapping[str, str]]
    camera_motions: Mapping[str, str]
    weather_and_time: Mapping[Phrase, tuple[str, str]]
    emoji: Mapping[str, str]
    typo_targets: frozenset[str]
    every_word: frozenset[str]
    max_words: int


def compose(
    attributes: Mapping[str, Phrases],
    relations: Phrases,
    neutral: Iterable[str],
    filler: Iterable[str],
    data: dict[str, Any],
    plurals: Mapping[str, str] = MappingProxyType({}),
) -> Language:
    """A language from the lexicon of a world and the words of prompts (`grammar.toml`). Where both know a
    phrase, the lexicon is right. `plurals`: of nouns whose plural is not regular."""
    captions = {
        tuple(text.split()): (attribute, value)
        for attribute, table in attributes.items()
        for value, texts in table.items()
        for text in texts
    }
    phrases = grammar.phrases(data) | captions
    kinds = {phrase: value for phrase, (attribute, value) in phrases.items() if attribute == "kind"}
    many = {
        (*phrase[:-1], plurals.get(phrase[-1]) or grammar.plural(phrase[-1])): value
        for phrase, value in kinds.items()
    }
    related = {tuple(text.split()): name for name, texts in relations.items() for text in texts}
    silent = frozenset(tuple(text.split()) for text in neutral) - phrases.keys()
    ignored = frozenset((*filler, *grammar.WORDS["style"]))
    near_colors = grammar.inverse(data["near_colors"])
    camera_verbs = grammar.inverse(data["camera_verbs"])
    targets = frozenset(phrase[0] for phrase in (*phrases, *many) if len(phrase) == 1)
    targets |= grammar.WORDS["camera"]
    for phrase, (attribute, _) in captions.items():  # "clok tower", "folow cam"
        targets |= set(phrase) if attribute in ("kind", "camera") else set()
    idioms = grammar.FALSE_NEGATIONS | grammar.CORRECTIONS
    every_word = targets.union(
        ignored,
        grammar.FUNCTION_WORDS,
        near_colors,
        camera_verbs,
        *phrases,
        *many,
        *related,
        *silent,
        *idioms,
    )
    return Language(
        phrases=phrases,
        caption_phrases=frozenset(captions),
        plurals=many,
        relations=related,
        neutral=silent,
        ignored=ignored,
        stand_ins=frozenset(data["stand_ins"].split()),
        near_colors=near_colors,
        natural_colors={noun: tuple(text.split()) for noun, text in data["natural_colors"].items()},
        own_colors=data["own_colors"],
        camera_verbs=camera_verbs,
        camera_moves={verb: grammar.inverse(table) for verb, table in data["camera_moves"].items()},
        camera_motions=data["camera_motions"],
        weather_and_time={
            tuple(text.split()): tuple(facts) for text, facts in data["weather_and_time"].items()
        },
        emoji=data["emoji"],
        typo_targets=targets,
        every_word=every_word,
        max_words=max(map(len, (*phrases, *many, *related, *idioms))),
    )


def read_grammar(package: str, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The words of prompts in the `grammar.toml` of a package, and of `base` what it leaves out."""
    own = tomllib.loads(files(package).joinpath("grammar.toml").read_text(encoding="utf-8"))
    return _merge(base or {}, own)


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    tables = {
        name: _merge(base.get(name, {}), value) for name, value in own.items() if isinstance(value, dict)
    }
    return base | own | tables


def split_words(text: str) -> list[str]:
    """Lower-case words of a text, without punctuation."""
    return re.findall(r"[^\W_]+", text.lower())
