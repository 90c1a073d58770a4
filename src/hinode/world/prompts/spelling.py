"""Typos of words that the world knows."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from spellchecker import SpellChecker

MIN_LENGTH, MAX_LENGTH = 4, 20
LONG = 8
"""Letters from which a word may have two mistakes."""
COMMON = 100
"""How often an English word is in the dictionary's texts before it counts as meant."""


def correct(word: str, vocabulary: Collection[str]) -> str | None:
    """The word of a vocabulary that a typo stands for, of several the most frequent; None for an English
    word, and for what is near to none."""
    if not MIN_LENGTH <= len(word) <= MAX_LENGTH or not word.isalpha() or not word.isascii():
        return None
    english = _english()
    count = english.word_frequency.dictionary.get
    if count(word, 0) >= COMMON or (word.endswith("s") and count(word[:-1], 0) >= COMMON):
        return None
    edits = english.edit_distance_1(word)
    near = edits.intersection(vocabulary)
    if not near and len(word) >= LONG and not count(word, 0):
        # Two words with a neighbour in common are two mistakes apart; all words so near would be millions.
        close = (other for other in vocabulary if other[:2] == word[:2] and abs(len(other) - len(word)) <= 2)
        near = {other for other in close if edits & english.edit_distance_1(other)}
    near = {other for other in near if len(other) >= MIN_LENGTH}
    return max(near, key=lambda other: (other[0] == word[0], count(other, 0)), default=None)


@cache
def _english() -> SpellChecker:
    return SpellChecker(language="en", distance=1)
