"""Finding phrases in texts, in every reading of them.

Both kinds of word edges are honoured: a phrase is found where its words stand, and where they are written
together or apart, but never inside another word. So "s e x" and "nudewoman" are found, and Essex is not.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hinode.trust.screening import normalise
from hinode.trust.screening.normalise import Word

MIN_PREFIX = 4
MIN_ROW, MIN_GLUED = 2, 6
MIN_EDGE = 7
"""Letters of a phrase that is found at an edge of a longer word whose rest is unknown."""
MAX_GLUED = 80
"""Letters of a word that is taken apart."""
MAX_NEGATED = 3
"""Words between a negation and what it negates."""


@dataclass(frozen=True)
class Hit:
    """A phrase of a set, in words `start` to `end` (exclusive) of one reading.

    `phrase` has its letters without spaces; `disguised` says whether a letter of it was replaced or repeated,
    and `anywhere` that its place cannot be compared with those of the others.
    """

    set: str
    start: int
    end: int
    phrase: str
    negated: bool = False
    disguised: bool = True
    anywhere: bool = False


class Form(enum.Enum):
    """How the words of a phrase are compared with those of a text."""

    FOLDED = enum.auto()
    BARE = enum.auto()  # as skeletons
    LOOSE = enum.auto()  # as skeletons without repeated letters, and digits as letters


@dataclass(frozen=True)
class _Entry:
    """A phrase: its words in each form, of which the last may be a prefix, and the sets that have it."""

    forms: Mapping[Form, tuple[str, ...]]
    prefix: bool
    sets: list[str]

    @classmethod
    def of(cls, phrase: str, prefix: bool, name: str) -> _Entry:
        folded = tuple(word.text for word in normalise.words(normalise.fold(phrase)))
        bare = tuple(word.text for word in normalise.words(normalise.skeleton(phrase)))
        loose = tuple(map(normalise.loose, bare))
        return cls({Form.FOLDED: folded, Form.BARE: bare, Form.LOOSE: loose}, prefix, [name])


class _Index:
    """Phrases in one form, by their first word."""

    def __init__(self, forms: Sequence[tuple[str, ...]], entries: Sequence[_Entry]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], _Entry]]] = defaultdict(list)
        self._together: dict[str, _Entry] = {}
        for form, entry in zip(forms, entries, strict=True):
            first = form[0]
            if sum(map(len, form)) < 2:
                continue  # a row of one letter, which is one letter in loose form
            if len(form) > 1:
                self._by_first[first].append((form, entry))
                self._together["".join(form)] = entry  # a phrase that is written as one word
            elif len(first) >= MIN_PREFIX:
                self._by_first[first[:MIN_PREFIX] + "*"].append((form, entry))
            else:
                for ending in ("", "s", "es"):
                    self._by_first[first + ending].append((form, entry))

    def scan(self, words: Sequence[Word], texts: Sequence[str]) -> Iterator[tuple[int, int, _Entry]]:
        """Each phrase, with where it begins and ends."""
        for start, text in enumerate(texts):
            candidates = (*self._by_first.get(text, ()), *self._by_first.get(text[:MIN_PREFIX] + "*", ()))
            for form, entry in candidates:
                end = start + len(form)
                if any(word.stop or word.comma for word in words[start + 1 : end]):
                    continue  # "hello, kitty" is not the name
                if _fits(form, texts[start:end], entry.prefix):
                    yield start, end, entry
            if together := self._together.get(text):
                yield start, start + 1, together


def _fits(form: Sequence[str], texts: Sequence[str], prefix: bool) -> bool:
    if len(texts) != len(form) or any(a != b for a, b in zip(texts[:-1], form[:-1], strict=True)):
        return False
    last, own = texts[-1], form[-1]
    return last == own or (last.startswith(own) and (prefix or last[len(own) :] in ("s", "es")))


class Matcher:
    """The phrases of some sets, compiled. Immutable once made, so threads share it."""

    def __init__(
        self,
        sets: Mapping[str, Sequence[str]],
        common: Iterable[str],
        negators: Iterable[str],
        concealers: Iterable[str] = (),
        breaks: Iterable[str] = (),
    ) -> None:
        """
        Args:
            sets: phrases by the name of their set; a phrase that ends with * stands for all words that begin
                like its last one.
            common: words that may stand beside others in a word that is taken apart.
            negators: words that negate what follows them.
            concealers: words, such as "hide", whose negation asks for what follows.
            breaks: words after which a negation does not hold any more.
        """
        entries: dict[tuple[tuple[str, ...], bool], _Entry] = {}
        unspaced: dict[str, set[str]] = defaultdict(set)
        for name, phrases in sets.items():
            for phrase in phrases:
                prefix = phrase.endswith("*")
                folded = normalise.fold(phrase.removesuffix("*"))
                texts = tuple(word.text for word in normalise.words(folded))
                if normalise.is_unspaced(folded):
                    letters = normalise.without_spaces(folded)
                    unspaced[letters].add(name)
                    unspaced[normalise.without_rows(letters)].add(name)
                elif entry := entries.get((texts, prefix)):
                    entry.sets.append(name)
                else:
                    entries[texts, prefix] = _Entry.of(phrase.removesuffix("*"), prefix, name)
        self._indices = {
            form: _Index([entry.forms[form] for entry in entries.values()], list(entries.values()))
            for form in Form
        }
        self._unspaced = dict(unspaced)
        self._rows: dict[str, set[str]] = defaultdict(set)
        for entry in entries.values():
            letters = "".join(entry.forms[Form.BARE])
            if len(letters) >= MIN_ROW:
                self._rows[letters].update(entry.sets)
        words = {word for e in entries.values() for word in e.forms[Form.BARE]}
        self._rule_words = frozenset(word for word in words if len(word) > 1 or word.isdigit())
        plurals = (f"{word}s" for word in self._rule_words)
        self._vocabulary = frozenset({*self._rule_words, *plurals, *common, *negators})
        self._longest = max(map(len, self._vocabulary), default=0)
        self._longest_row = max(map(len, self._rows), default=0)
        self._negators = frozenset(map(normalise.fold, negators))
        self._concealers, self._breaks = frozenset(concealers), frozenset(breaks)

    def plain(self, words: Sequence[Word]) -> list[Hit]:
        """The phrases among words as they stand, with what is negated."""
        return self._find(words, Form.FOLDED, [word.text for word in words])

    def bare(self, words: Sequence[Word]) -> list[Hit]:
        """The phrases among the words of a skeleton."""
        return self._find(words, Form.BARE, [word.text for word in words])

    def disguised(self, words: Sequence[Word]) -> list[Hit]:
        """The phrases among loose words."""
        return [
            replace(hit, disguised=any(word.disguised for word in words[hit.start : hit.end]))
            for hit in self._find(words, Form.LOOSE, [word.loose for word in words])
        ]

    def glued(self, words: Sequence[Word]) -> list[Hit]:
        """The phrases in words of a skeleton that consist of known words; none if there is no such word."""
        parts: list[Word] = []
        edges: list[Hit] = []
        for word in words:
            pieces = None
            if MIN_GLUED <= len(word.text) <= MAX_GLUED and word.text not in self._rule_words:
                pieces = normalise.segment(word.text, self._vocabulary, self._longest)
            for size in range(MIN_EDGE, min(len(word.text) - 1, self._longest_row + 1)):
                for text in {word.text[:size], word.text[-size:]}:
                    names = self._rows.get(text, ())
                    edges.extend(Hit(name, len(parts), len(parts) + 1, text) for name in names)
            parts.extend(replace(word, text=piece) for piece in pieces or [word.text])
        return edges + (self.bare(parts) if len(parts) > len(words) else [])

    def row(self, letters: str) -> list[Hit]:
        """The phrases that a row of letters has in it; positions are those of letters."""
        hits: list[Hit] = []
        for start in range(len(letters)):
            for end in range(start + MIN_ROW, min(len(letters), start + self._longest_row) + 1):
                text = letters[start:end]
                hits.extend(Hit(name, start, end, text) for name in self._rows.get(text, ()))
        return hits

    def unspaced(self, letters: str) -> list[Hit]:
        """The phrases of scripts without spaces in letters without spaces; positions are those of letters."""
        if not self._unspaced or not normalise.is_unspaced(letters):
            return []
        hits: list[Hit] = []
        for phrase, names in self._unspaced.items():
            start = letters.find(phrase)
            while start >= 0:
                hits.extend(Hit(name, start, start + len(phrase), phrase) for name in names)
                start = letters.find(phrase, start + 1)
        return hits

    def _find(self, words: Sequence[Word], form: Form, texts: list[str]) -> list[Hit]:
        hits = [
            Hit(name, start, end, "".join(entry.forms[Form.FOLDED]))
            for start, end, entry in self._indices[form].scan(words, texts)
            for name in entry.sets
        ]
        # A negation that belongs to a phrase, such as "without clothes", negates nothing else.
        inside = {
            index
            for hit in hits
            for index in range(hit.start, hit.end)
            if hit.end - hit.start > 1 and words[index].text in self._negators
        }
        return [replace(hit, negated=self._is_negated(words, hit, inside)) for hit in hits]

    def _is_negated(self, words: Sequence[Word], hit: Hit, inside: Collection[int]) -> bool:
        """Whether the nearest negation before a phrase, in its clause, holds for it."""
        if hit.end < len(words) and words[hit.end].text == "free" and not words[hit.end].stop:
            return True  # such as "gore-free"
        in_list = _is_in_list(words, hit)
        for index in range(hit.start - 1, max(-1, hit.start - 2 - MAX_NEGATED), -1):
            after = words[index + 1]
            if after.stop or (after.comma and not in_list):
                return False
            text, before = words[index].text, words[index - 1].text if index else ""
            if index not in inside and (text in self._negators or (text, before) == ("of", "free")):
                between = (word.text for word in words[index + 1 : hit.start])
                # "not without" and "do not hide" ask for what follows.
                return before not in self._negators and self._concealers.isdisjoint(between)
            if text in self._breaks:
                return False
        return False


def _is_in_list(words: Sequence[Word], hit: Hit) -> bool:
    """Whether a phrase is one of a list, such as "weapons" in "no blood, gore or weapons"."""
    links = ("or", "nor")
    before = words[hit.start - 1].text if hit.start else ""
    return before in links or (hit.end < len(words) and words[hit.end].text in links)
