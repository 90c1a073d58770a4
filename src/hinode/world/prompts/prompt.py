"""Facts from prompts as people type them, with plurals, negations and typos: the inverse of `caption`.

Here a text becomes words; `reader` finds the facts in them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from hinode.world.prompts import grammar, spelling
from hinode.world.prompts.facts import ParsedPrompt, SubjectFacts
from hinode.world.prompts.grammar import WORDS
from hinode.world.prompts.language import Language
from hinode.world.prompts.reader import Reader

__all__ = ["ParsedPrompt", "SubjectFacts", "parse"]

_TOKEN = re.compile(r"[^\W_]+|[.!?;:,()\n]")
_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_FREE = re.compile(r"\b([a-z]+)[ -]free\b")
_DASH = re.compile(r"\s[-–—]+\s|—")
_CONTRACTION = re.compile(r"\b(is|are|was|were|do|does|did|has|have|wo|ca|should)n['’]?t\b")


@lru_cache(maxsize=256)
def parse(text: str, language: Language) -> ParsedPrompt:
    """Find the facts in a text, in the language of a world.

    A colour belongs to the subject that it stands before; behind a subject, to that one; before a cloud, a
    sky or an unknown thing, to nobody. A motion belongs to the last subject named or, before any, to the
    first. A relation counts if it stands between the first two subjects, and of two contradicting facts the
    first. A negation reaches to the end of its clause. "The balloon" or "it" is the balloon named before.
    """
    tokens, readings = _corrected(_tokens(text, language), language)
    return Reader(tokens, readings, language).read()


def _tokens(text: str, language: Language) -> list[str]:
    """Words in small letters and marks of punctuation, with emoji as words and contractions written out."""
    for symbol, name in language.emoji.items():
        text = re.sub(f"({symbol}\ufe0f?)+", lambda match: f" {match[0].count(symbol)} {name} ", text)  # noqa: B023
    text = _EMOJI.sub(lambda match: f" {_emoji_name(match[0])} ", text)
    text = _CONTRACTION.sub(r"\1 not", text.lower().replace("cannot", "can not").replace("w/o", "without"))
    text = _DASH.sub(" , ", text)
    return _TOKEN.findall(_FREE.sub(r"without \1 ,", re.sub(r"['’]s\b", "", text)))


def _emoji_name(symbol: str) -> str:
    """What an emoji shows, in words; "" if it only sets a mood."""
    name = unicodedata.name(symbol, "").lower()
    return "" if WORDS["moods"] & set(name.split()) else name


def _corrected(tokens: list[str], language: Language) -> tuple[list[str], dict[str, str]]:
    """The words without typos, and which words were changed."""
    readings: dict[str, str] = {}
    for token in tokens:
        meant = grammar.CONFUSED.get(token)
        if meant is None and token not in language.every_word:
            meant = spelling.correct(token, language.typo_targets)
        if meant is not None:
            readings[token] = meant
    return [readings.get(token, token) for token in tokens], readings
