"""Texts in the form in which they are searched: words without case and accents."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MAX_KEY_LENGTH = 200

_WORD = re.compile(r"\w+")
_WRITTEN = re.compile(r"[\w'’-]+")
_APART = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
"""Letters that are no letter with an accent for Unicode, but are for people who search."""


def normalise(text: str) -> str:
    """A text in lower case, without accents and punctuation: its words with one space between two."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(_WORD.findall(letters.translate(_APART)))


def tag_key(tag: str) -> str:
    """What is equal for tags that differ only in case and accents; at most `MAX_KEY_LENGTH` characters."""
    return (normalise(tag) or tag)[:MAX_KEY_LENGTH]


def searched(texts: Iterable[str]) -> str:
    """The words of some texts, each once, as they are stored for search."""
    return " ".join(dict.fromkeys(normalise(" ".join(texts)).split()))


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """The words of `before` that `after` has not, and those of `after` that `before` has not, in their order
    and as they are written; a word that stands twice counts twice."""
    old, new = _WRITTEN.findall(before), _WRITTEN.findall(after)
    return _without(old, new), _without(new, old)


def _without(words: list[str], others: list[str]) -> list[str]:
    left = Counter(map(str.casefold, others))
    result = []
    for word in words:
        key = word.casefold()
        if left[key]:
            left[key] -= 1
        else:
            result.append(word)
    return result
