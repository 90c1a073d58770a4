"""Words of prompts that captions never use, from `grammar.toml`: forms of facts, and words around them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

DATA: dict[str, Any] = tomllib.loads(files(__package__).joinpath("grammar.toml").read_text(encoding="utf-8"))
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


def inverse(table: dict[str, str]) -> dict[str, str]:
    """The key of each word of a table of texts."""
    return {word: key for key, text in table.items() for word in text.split()}


def plural(noun: str) -> str:
    """The plural of a regular noun."""
    if noun.endswith(("s", "sh", "ch", "x")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeou" else f"{noun}s"


def phrases(data: dict[str, Any]) -> dict[tuple[str, ...], tuple[str, str]]:
    """Every phrase of a grammar that states a fact, as a tuple of words: its attribute and value."""
    verbs = {
        motion: [form for verb in text.split() for form in _forms(verb)] for motion, text in VERBS.items()
    }
    return {
        tuple(text.split()): (attribute, value)
        for tables in ({"motion": verbs}, data["phrases"])
        for attribute, table in tables.items()
        for value, texts in table.items()
        for text in texts
    }


VERBS: dict[str, str] = dict(DATA["verbs"])
GO_WORDS = frozenset(form for verb in VERBS.pop("travel").split() for form in _forms(verb))
"""Verbs to which a direction gives the motion: "sails slowly to the left"."""
DIRECTIONS = inverse(DATA["directions"])
WORDS = {name: frozenset(text.split()) for name, text in DATA["words"].items()}
"""Sets of words that state no fact, by the part that they play; see the file."""
FALSE_NEGATIONS = {tuple(text.split()) for text in DATA["false_negations"]}
"""Phrases that negate nothing."""
CORRECTIONS = {tuple(text.split()) for text in DATA["corrections"]}
"""Phrases between something and what is meant instead."""
NUMBERS = {word: int(number) for word, number in inverse(DATA["numbers"]).items()}
NUMBERS |= dict.fromkeys(WORDS["many"], MANY)
CONFUSED: dict[str, str] = DATA["confused"]
FUNCTION_WORDS = GO_WORDS.union(DIRECTIONS, NUMBERS, *WORDS.values())
"""Words that are never typos."""
