"""Words of prompts that captions never use, from `grammar.toml`: forms of facts, and words around them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from hinode.world import lexicon

_DATA: dict[str, Any] = tomllib.loads(files(__package__).joinpath("grammar.toml").read_text(encoding="utf-8"))
_DOUBLED = (
    "run",
    "wim",
    "lip",
    "zip",
    "hop",
    "pin",
)  # ends of verbs whose last letter is doubled before "ing"

MANY = 5
"""Count of "many", "several" or a bare plural."""


def _forms(verb: str) -> tuple[str, ...]:
    """A regular verb in the forms of the present: "race", "races", "racing"."""
    stem = verb[:-1] if verb.endswith("e") else verb + verb[-1] if verb[-3:] in _DOUBLED else verb
    third = f"{verb[:-1]}ies" if verb == "fly" else verb + ("es" if verb.endswith(("s", "sh", "go")) else "s")
    return verb, third, f"{stem}ing"


def _inverse(table: dict[str, str]) -> dict[str, str]:
    """The key of each word of a table of texts."""
    return {word: key for key, text in table.items() for word in text.split()}


def plural(noun: str) -> str:
    """The plural of a regular noun."""
    if noun.endswith(("s", "sh", "ch", "x")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeou" else f"{noun}s"


def phrases() -> dict[tuple[str, ...], tuple[str, str]]:
    """Every phrase that states a fact, as a tuple of words: its attribute and value."""
    verbs = {
        motion: [form for verb in text.split() for form in _forms(verb)] for motion, text in VERBS.items()
    }
    return {
        tuple(text.split()): (attribute, value)
        for tables in (
            {"motion": verbs},
            _DATA["phrases"],
            lexicon.ATTRIBUTES,
        )  # the words of captions go before
        for attribute, table in tables.items()
        for value, texts in table.items()
        for text in texts
    }


VERBS: dict[str, str] = dict(_DATA["verbs"])
GO_WORDS = frozenset(form for verb in VERBS.pop("travel").split() for form in _forms(verb))
"""Verbs to which a direction gives the motion: "sails slowly to the left"."""
DIRECTIONS = _inverse(_DATA["directions"])
WORDS = {name: frozenset(text.split()) for name, text in _DATA["words"].items()}
"""Sets of words that state no fact, by the part that they play; see the file."""
CAMERA_VERBS = _inverse(_DATA["camera_verbs"])
CAMERA_MOVES = {verb: _inverse(table) for verb, table in _DATA["camera_moves"].items()}
"""The move of a camera that pans or zooms, by the word behind the verb."""
FALSE_NEGATIONS: list[str] = _DATA["false_negations"]
NUMBERS = {word: int(number) for word, number in _inverse(_DATA["numbers"]).items()}
NUMBERS |= dict.fromkeys(WORDS["many"], MANY)
NEAR_COLORS = _inverse(_DATA["near_colors"])
NATURAL_COLORS = {noun: tuple(text.split()) for noun, text in _DATA["natural_colors"].items()}
"""Colours that a noun of the land, the sky or the light may have in this world, which paints them itself."""
OWN_COLORS: dict[str, str] = _DATA["own_colors"]
CONFUSED: dict[str, str] = _DATA["confused"]
WEATHER_AND_TIME = {
    tuple(text.split()): (facts[0], facts[1]) for text, facts in _DATA["weather_and_time"].items()
}
EMOJI: dict[str, str] = _DATA["emoji"]
FUNCTION_WORDS = GO_WORDS.union(DIRECTIONS, NUMBERS, NEAR_COLORS, CAMERA_VERBS, *WORDS.values())
"""Words that are never typos."""
