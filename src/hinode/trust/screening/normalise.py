"""Readings of a text: what is left of it when disguises are removed.

A disguise is undone in one of two ways. What has no meaning in a prompt (compatibility forms, invisible
characters, marks, case) is removed from every reading. What may be meant as it stands (digits for letters,
separators inside words, reversed or encoded text) gives another reading beside the plain one.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

MAX_CHARACTERS = 40_000
"""Of a text that is read; the API accepts no longer prompt."""
MIN_CODE, MAX_CODE = 4, 4096  # characters of a word that is decoded as base64 or hex
_TAG_FIRST, _TAG_LAST = 0xE0020, 0xE007E  # invisible copies of ASCII
_DROPPED = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u115f\u1160\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u17b4\u17b5\u180b-\u180f\u20d0-\u20ff\u2800\u3164\ufe00-\ufe0f\ufe20-\ufe2f\uffa0"
    "\U000e0000-\U000e0fff]"
)
_BESIDE_SPACE = re.compile("(?<=\\w)[\u200b-\u200d\u2060\ufeff]\\s(?=\\S)")
# Letters with the vowel signs that belong to them, which `\w` alone leaves out.
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0dff\u0e31-\u0e4e\u0eb1-\u0ecd\u1031-\u109f])+")
_LEET_LETTERS = "4@83901!|5$7+€£"
_LEET = str.maketrans(_LEET_LETTERS, "aabegoiilssttel")
_LOOSE = str.maketrans("i", "l")
_RUN = re.compile(r"(.)\1+")
_LONG_ROW = re.compile(r"(.{1,2}?)\1\1+")
_LONG_RUN = re.compile(r"([^\W\d_])\1\1")
_INNER = re.compile(r"[^\w\s]|_")
_EDGES = ".,;:?\"'()[]{}<>"
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STOPS = tuple(".;:!?")
_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_UNSPACED = re.compile(f"[{_SCRIPTS}]")
_BORDER = re.compile(f"(?<=[{_SCRIPTS}])(?=[^\\W{_SCRIPTS}])|(?<=[^\\W{_SCRIPTS}])(?=[{_SCRIPTS}])")
_CODE = re.compile(rf"[A-Za-z0-9+/_=-]{{{MIN_CODE},{MAX_CODE}}}")
_CLAUSE = re.compile(r"[.;:!?\n]")


@dataclass(frozen=True)
class Word:
    """A word of a reading.

    Attributes:
        text: its letters.
        loose: the same with i as l and without repeated letters, for comparison with other loose words.
        disguised: whether letters were replaced or repeated, so that the loose form may be compared.
        stop: whether a clause ends before it.
        comma: whether a comma stands before it.
    """

    text: str
    loose: str = ""
    disguised: bool = False
    stop: bool = False
    comma: bool = False


def fold(text: str) -> str:
    """A text without case, compatibility forms, invisible characters and marks on letters.

    The vowel signs of Indic and Thai script stay, since they are letters there. The dotted and the dotless i
    of Turkish are both i.
    """
    text = _BESIDE_SPACE.sub("·", text)
    # A letter stays one letter, since letters may stand apart.
    text = unicodedata.normalize("NFKC", text).replace("ß", "s").casefold()
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cn", "Co", "Cs"))
    text = _DROPPED.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", text).replace("ı", "i")


@lru_cache(maxsize=1)
def _confusables() -> dict[int, str]:
    table: dict[int, str] = {}
    text = resources.files(__package__).joinpath("confusables.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            letter, alike = line.split(" ", 1)
            table |= {ord(other): letter for other in alike}
    return table


def skeleton(text: str) -> str:
    """A text, folded, with each letter that looks like a Latin one replaced by it (UTS 39).

    Letters are compared before and after folding, which gives some of them the form of another letter.
    """
    table = _confusables()
    return fold(text.translate(table)).translate(table)


def loose(word: str) -> str:
    """A word with digits as letters, i as l, and without repeated letters."""
    return _RUN.sub(r"\1", word.translate(_LEET).translate(_LOOSE))


def divide(text: str) -> str:
    """A text with spaces before capitals inside words, and where letters meet a script without spaces."""
    return _BORDER.sub(" ", _CAPITAL.sub(" ", text))


def words(text: str) -> list[Word]:
    """The words of a text as they stand."""
    result: list[Word] = []
    end = 0
    for match in _WORD.finditer(text):
        gap = text[end : match.start()]
        result.append(Word(match[0], stop=bool(_CLAUSE.search(gap)), comma="," in gap))
        end = match.end()
    return result


def disguised_words(text: str) -> list[Word]:
    """The words of a text with letters that look alike, digits and signs read as Latin letters."""
    result = []
    for chunk in text.split():
        chunk = chunk.strip(_EDGES)
        plain = skeleton(chunk)
        changed = not set(_LEET_LETTERS).isdisjoint(plain) or plain != fold(chunk)
        for match in _WORD.finditer(plain.translate(_LEET)):
            part = match[0]
            evidence = changed or bool(_LONG_RUN.search(part)) or _all_double(part)
            result.append(Word(part, loose(part), evidence))
    return result


def joined_words(plain: str) -> Iterator[list[Word]]:
    """Readings of a skeleton without the separators inside words: of signs, and of spaces in words whose
    letters stand apart, if more space divides the words."""
    for text in dict.fromkeys((plain, plain.translate(_LEET))):
        chunks = text.split()
        if any(_INNER.search(chunk.strip(_EDGES)) for chunk in chunks):
            yield _joined(chunks)
        parts = re.split(r"\s{2,}", text.strip())
        if len(parts) > 1:
            yield _joined(parts)


def _joined(parts: Iterable[str]) -> list[Word]:
    result: list[Word] = []
    end = ""
    for part in parts:
        if join := without_spaces(part):
            result.append(Word(join, loose(join), True, stop=end in _STOPS, comma=end == ","))
        end = part[-1:]
    return result


def rows(plain: str) -> Iterator[str]:
    """Rows of at least three letters of a skeleton that stand apart, joined: any part may be a word."""
    for line in plain.splitlines():
        for text in dict.fromkeys((line, line.translate(_LEET))):
            yield from _rows(text)


def _rows(text: str) -> Iterator[str]:
    """Rows of at least three single letters, joined."""
    row: list[str] = []
    for word in (*_WORD.findall(text), "  "):
        if len(word) == 1:
            row.append(word)
            continue
        if len(row) > 2:
            yield "".join(row)
        row = []


def _all_double(word: str) -> bool:
    return len(word) > 5 and len(_RUN.sub(r"\1", word)) * 2 <= len(word) + 1


def hidden_texts(text: str) -> Iterator[tuple[str, str]]:
    """Texts inside a text: what tag characters spell, and words in base64, hex or percent codes; each with
    the name of its code."""
    spelled = "".join(chr(ord(c) - 0xE0000) for c in text if _TAG_FIRST <= ord(c) <= _TAG_LAST)
    if spelled.strip():
        yield "tags", spelled
    folded = unicodedata.normalize("NFKC", text)
    for word in _CODE.findall(folded):
        for name, decode in (("hex", bytes.fromhex), ("base64", _from_base64)):
            try:
                plain = decode(word).decode()
            except (ValueError, binascii.Error):
                continue
            if plain.isprintable() and any(map(str.isalpha, plain)):
                yield name, plain
                break
    if re.search(r"%[0-9A-Fa-f]{2}", folded):
        from urllib.parse import unquote

        yield "percent code", unquote(folded)


def _from_base64(word: str) -> bytes:
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(word + "=" * (-len(word) % 4), validate=True)


def reversals(plain: str) -> Iterator[list[Word]]:
    """A text backwards: as a whole, and each word in its place."""
    yield words(plain[::-1])
    yield [Word(word.text[::-1]) for word in words(plain)]
    if "'" in plain:  # which stands inside words
        yield words(" ".join(chunk[::-1] for chunk in plain.split()))


def rot13(text: str) -> str:
    """A text with each Latin letter moved by half of the alphabet."""
    return codecs.encode(text, "rot13")


def unspaced_variants(text: str) -> Iterator[str]:
    """The letters of a text without spaces: as they stand, without rows of one letter, with digits and signs
    as letters, and backwards."""
    folded = fold(text)
    letters = without_spaces(folded)
    rowless = _LONG_ROW.sub(r"\1", letters)
    variants = (
        letters,
        rowless,
        letters if rowless == letters else without_rows(letters),
        without_spaces(skeleton(text).translate(_LEET)),
        letters[::-1],
        without_spaces(fold(text[::-1])),
        without_spaces(fold(rot13(text))),
        "".join(word.text[::-1] for word in words(folded)),
    )
    return iter(dict.fromkeys(variants))


def without_rows(letters: str) -> str:
    """Letters without the repetitions of the one before."""
    return _RUN.sub(r"\1", letters)


def is_unspaced(text: str) -> bool:
    """Whether a text is of a script that is written without spaces, or with endings on its words (Korean)."""
    return _UNSPACED.search(text) is not None


def without_spaces(text: str) -> str:
    """Only the letters and vowel signs of a folded text."""
    return "".join(_WORD.findall(text))


def segment(word: str, vocabulary: frozenset[str], longest: int) -> list[str] | None:
    """The fewest words of a vocabulary that a word consists of, or None if it does not consist of any."""
    best: list[list[str] | None] = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - longest), end):
            before = best[start]
            if before is None or word[start:end] not in vocabulary:
                continue
            present = best[end]
            if present is None or len(before) + 1 < len(present):
                best[end] = [*before, word[start:end]]
    return best[-1]


def sentence(parts: Iterable[str]) -> str:
    """Texts as one, with a clause ending after each; rows of letters do not go on from one to the next."""
    return "\n".join(parts)
