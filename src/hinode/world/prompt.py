"""Facts from prompts as people type them, with plurals, negations and typos: the inverse of `caption`.
`parse` reads a text from left to right by the longest phrase of the lexicon at each word. What it knows of
grammar is which noun a colour belongs to, what a negation reaches, and when a noun is a second mention.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from functools import lru_cache

from hinode.world import grammar, lexicon, spelling
from hinode.world.grammar import MANY, WORDS
from hinode.world.scene import MAX_SUBJECTS

_PHRASES = grammar.phrases()
_CAPTION_PHRASES = {  # of which networks know the words
    tuple(text.split()) for table in lexicon.ATTRIBUTES.values() for texts in table.values() for text in texts
}
_PLURALS = {
    (*phrase[:-1], grammar.plural(phrase[-1])): value
    for phrase, (attribute, value) in _PHRASES.items()
    if attribute == "kind"
}
_RELATIONS = {tuple(text.split()): name for name, texts in lexicon.RELATION_WORDS.items() for text in texts}
_NEUTRAL = {tuple(phrase.split()) for phrase in lexicon.NEUTRAL} - _PHRASES.keys()
_IDIOMS = {tuple(phrase.split()) for phrase in grammar.FALSE_NEGATIONS}
_MAX_PHRASE_WORDS = max(map(len, (*_PHRASES, *_PLURALS, *_RELATIONS, *_IDIOMS)))
_IGNORED = frozenset((*lexicon.FILLER, *WORDS["style"]))
_WORDS = frozenset(phrase[0] for phrase in (*_PHRASES, *_PLURALS) if len(phrase) == 1) | WORDS["camera"]
_EVERY_WORD = _WORDS.union(
    _IGNORED, grammar.FUNCTION_WORDS, *_PHRASES, *_PLURALS, *_RELATIONS, *_NEUTRAL, *_IDIOMS
)
_TOKEN = re.compile(r"[^\W_]+|[.!?;:,()\n]")
_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_FREE = re.compile(r"\b([a-z]+)[ -]free\b")
_CONTRACTION = re.compile(r"\b(is|are|was|were|do|does|did|has|have|wo|ca|should)n['’]?t\b")


@dataclass(frozen=True)
class SubjectFacts:
    """The facts of one subject in a text; None where it states none. `count`: of it, `MANY` at most."""

    kind: str | None = None
    color: str | None = None
    motion: str | None = None
    count: int = 1


@dataclass(frozen=True)
class ParsedPrompt:
    """The facts of a scene in a text; None where it states none.

    Attributes:
        mentions: the subjects, each with its count.
        understood: the words that state a fact.
        not_understood: words that mean nothing in this world, in order and once each.
        relation: where the first subject is, seen from the second.
        absent: attributes with the values that the text excludes, such as ("weather", "snow").
        readings: words that were read as others, such as ("ballon", "balloon"), in order.
        literal: whether a reader who takes every word as it stands finds the same facts.
    """

    mentions: tuple[SubjectFacts, ...]
    time: str | None
    place: str | None
    weather: str | None
    camera: str | None
    understood: tuple[str, ...]
    not_understood: tuple[str, ...]
    relation: str | None = None
    absent: tuple[tuple[str, str], ...] = ()
    readings: tuple[tuple[str, str], ...] = ()
    literal: bool = True

    @property
    def subjects(self) -> tuple[SubjectFacts, ...]:
        """The subjects that a scene can show, each once for every one of it: `MAX_SUBJECTS` at most, and at
        least one of each mention."""
        spare = MAX_SUBJECTS - len(self.mentions)
        cast: list[SubjectFacts] = []
        for mention in self.mentions:
            more = max(0, min(mention.count - 1, spare))
            spare -= more
            cast += [replace(mention, count=1)] * (1 + more)
        return tuple(cast)

    def facts(self) -> dict[str, str]:
        """The facts of the first subject and the scene that the text states, in the judge's names."""
        first = self.subjects[0] if self.mentions else SubjectFacts()
        facts = {"subject": first.kind, "color": first.color, "motion": first.motion}
        facts |= {name: getattr(self, name) for name in ("time", "place", "weather", "camera")}
        return {name: value for name, value in facts.items() if value is not None}

    def cast_facts(self) -> dict[str, str]:
        """`facts`, those of the other subjects as "subject 2", "color 2", ..., the "count" and the
        "relation"."""
        others = {
            f"{name} {number}": value
            for number, facts in enumerate(self.subjects[1:], start=2)
            for name, value in (("subject", facts.kind), ("color", facts.color), ("motion", facts.motion))
            if value is not None
        }
        relation = {} if self.relation is None else {"relation": self.relation}
        return {**self.facts(), **others, **relation, "count": str(len(self.subjects))}


@lru_cache(maxsize=256)
def parse(text: str) -> ParsedPrompt:
    """Find the facts in a text.

    A colour belongs to the subject that it stands before; behind a subject, to that one; before a cloud, a
    sky or an unknown thing, to nobody. A motion belongs to the last subject named or, before any, to the
    first. A relation counts if it stands between the first two subjects, and of two contradicting facts the
    first. A negation reaches to the end of its clause. "The balloon" or "it" is the balloon named before.
    """
    tokens, readings = _corrected(_tokens(text))
    return _Reader(tokens, readings).read()


def _tokens(text: str) -> list[str]:
    """Words in small letters and marks of punctuation, with emoji as words and contractions written out."""
    for symbol, name in grammar.EMOJI.items():
        text = re.sub(f"({symbol}\ufe0f?)+", lambda match: f" {match[0].count(symbol)} {name} ", text)  # noqa: B023
    text = _EMOJI.sub(lambda match: f" {_emoji_name(match[0])} ", text)
    text = _CONTRACTION.sub(r"\1 not", text.lower().replace("cannot", "can not").replace("w/o", "without"))
    return _TOKEN.findall(_FREE.sub(r"without \1 ,", re.sub(r"['’]s\b", "", text)))


def _emoji_name(symbol: str) -> str:
    """What an emoji shows, in words; "" if it only sets a mood."""
    name = unicodedata.name(symbol, "").lower()
    return "" if WORDS["moods"] & set(name.split()) else name


def _corrected(tokens: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words without typos, and which words were changed."""
    readings: dict[str, str] = {}
    for token in tokens:
        meant = grammar.CONFUSED.get(token)
        if meant is None and token not in _EVERY_WORD:
            meant = spelling.correct(token, _WORDS)
        if meant is not None:
            readings[token] = meant
    return [readings.get(token, token) for token in tokens], readings


@dataclass
class _Mention:
    """A subject while the text is read; `kind` is None for a thing of another world."""

    kind: str | None
    facts: dict[str, str] = field(default_factory=dict)
    count: int = 1


class _Reader:
    """The state of reading one text."""

    def __init__(self, tokens: list[str], readings: dict[str, str]) -> None:
        self.tokens = tokens
        self.readings = readings
        self.literal = not readings
        self.mentions: list[_Mention] = []
        self.current: _Mention | None = None  # what motions and colours behind it belong to
        self.color: str | None = None  # waits for its noun
        self.color_at = -1
        self.motion: str | None = None  # waits for the first subject
        self.count = 1
        self.number = ""  # the word that said so
        self.article = ""  # the last one in this noun phrase
        self.negative = self.negated = (
            False  # whether a negation holds, and has already found its first thing
        )
        self.about_camera = False
        self.related: tuple[str, ...] | None = None  # a relation that waits for its second subject
        self.relation: str | None = None
        self.scene: dict[str, str] = {}
        self.implied: str | None = None  # a time that holds if the text names no other
        self.absent: dict[tuple[str, str], None] = {}
        self.understood: dict[str, None] = {}
        self.unknown: dict[str, None] = {}
        self.noun_is_scenery = False  # the last noun is one of the land, the sky or the light

    def read(self) -> ParsedPrompt:
        """All facts of the text."""
        at = 0
        while at < len(self.tokens):
            at = self._step(at)
        self._end_clause()
        mentions = [mention for mention in self.mentions if mention.kind is not None]
        loose = {"motion": self.motion, "color": self.color}
        if not mentions and any(loose.values()):
            mentions.append(_Mention(None, {name: value for name, value in loose.items() if value}))
        return ParsedPrompt(
            mentions=tuple(
                SubjectFacts(m.kind, m.facts.get("color"), m.facts.get("motion"), m.count) for m in mentions
            ),
            time=self.scene.get("time", self.implied),
            place=self.scene.get("place"),
            weather=self.scene.get("weather"),
            camera=self.scene.get("camera"),
            understood=tuple(self.understood),
            not_understood=tuple(self.unknown),
            relation=self.relation,
            absent=tuple(self.absent),
            readings=tuple(self.readings.items()),
            literal=self.literal,
        )

    def _step(self, at: int) -> int:
        """Read what begins at a token; returns where the next begins."""
        token = self.tokens[at]
        if not token[0].isalnum():
            self._end_clause()
            return at + 1
        if token in WORDS["prepositions"] and self.negated:
            self.negative = self.negated = False  # "no birds over the sea": the sea is there
        for length in range(min(_MAX_PHRASE_WORDS, self._clause_end(at) - at), 0, -1):
            phrase = tuple(self.tokens[at : at + length])
            if phrase in _IDIOMS or phrase in _NEUTRAL:
                return at + length
            if phrase in _RELATIONS:
                self.related = phrase if len(self.mentions) == 1 else None
                return at + length
            if phrase in grammar.WEATHER_AND_TIME:
                weather, time = grammar.WEATHER_AND_TIME[phrase]
                self._fact(at, phrase, "weather", weather)
                self.implied = self.implied or (None if self.negative else time)
                return at + length
            if phrase in _PLURALS and (phrase not in _PHRASES or self.count > 1):
                self._noun(phrase, _PLURALS[phrase], plural=True)
                return at + length
            if phrase in _PHRASES:
                self._fact(at, phrase, *_PHRASES[phrase])
                return at + length
        return self._word(at)

    def _clause_end(self, at: int) -> int:
        return next(
            (i for i in range(at, len(self.tokens)) if not self.tokens[i][0].isalnum()), len(self.tokens)
        )

    def _end_clause(self) -> None:
        self._settle_color()
        self.negative = self.negated = self.about_camera = False
        if self.number.isdecimal():  # no subject followed it, so it counts something else
            self.unknown[self.number] = None
        self.article, self.count, self.number = "", 1, ""

    # Words that are no facts

    def _word(self, at: int) -> int:
        if (end := self._movement(at)) is not None:
            return end
        token = self.tokens[at]
        if token in WORDS["negations"]:
            self.negative, self.literal = True, False
        elif token in WORDS["contrasts"]:
            self.negative = False
        elif token in grammar.NUMBERS or token.isdecimal():
            self.count = grammar.NUMBERS.get(token) or max(1, min(MANY, int(token[:4])))
            self.number = token
            if self.count > 1 and at + 1 < len(self.tokens):
                self.literal = False
        elif token in WORDS["articles"]:
            self._settle_color()
            self.article = token
        elif token in grammar.GO_WORDS:
            self._settle_color()
        elif token in WORDS["pronouns"]:
            named = [mention for mention in self.mentions if mention.kind is not None]
            self.current = named[-1] if named else self.current
        elif token in WORDS["camera"]:
            self.about_camera = True
        elif token in WORDS["scenery"]:
            self._color_scenery(token)
        elif token not in _IGNORED:
            return self._unknown(at)
        return at + 1

    def _movement(self, at: int) -> int | None:
        """Read a verb with a direction behind it, such as "sails slowly to the left"; returns where it ends.

        In the phrase "the camera moves left" it is the camera that moves.
        """
        token = self.tokens[at]
        camera = grammar.CAMERA_VERBS.get(token) or ("pan" if self.about_camera else None)
        if token not in grammar.GO_WORDS and token not in grammar.CAMERA_VERBS:
            return None
        end = self._clause_end(at)
        for place in range(at + 1, end):
            word = self.tokens[place]
            if word == "from" and self.tokens[place + 2 : place + 3] == ["to"]:
                place, word = place + 3, self.tokens[place + 3] if place + 3 < end else ""
            before, after = self.tokens[place - 2 : place], self.tokens[place + 1 : place + 2]
            position = before == ["on", "the"] or after == ["of"]
            if camera and (move := grammar.CAMERA_MOVES[camera].get(word)):
                self._fact(at, (token, word), "camera", move)
                return place + 1
            if word in grammar.DIRECTIONS and not camera and not position:
                self._fact(at, (token, word), "motion", grammar.DIRECTIONS[word])
                self.literal = False
                return place + 1
            if word not in WORDS["between"]:
                break
        return None

    def _unknown(self, at: int) -> int:
        """A word that the lexicon lacks: a colour that the world lacks, or a thing of another world."""
        token = self.tokens[at]
        if token in grammar.NEAR_COLORS:
            color = grammar.NEAR_COLORS[token]
            self.readings[token], self.literal = color, False
            self._fact(at, (color,), "color", color)
            return at + 1
        if self.number.isdecimal():
            self.unknown[self.number] = None  # it counts this
        self.unknown[token] = None
        is_noun = self.article or self.count > 1 or self.color_at == at - 1 >= 0
        if is_noun and self._attribute(at + 1) not in ("color", "kind"):  # else it is an adjective
            self._drop_color()
            self.current = _Mention(None)  # what follows is about it
            self.article, self.count = "", 1
        self.number = ""
        return at + 1

    # Facts

    def _fact(self, at: int, phrase: tuple[str, ...], attribute: str, value: str) -> None:
        self.literal &= phrase in _CAPTION_PHRASES
        if attribute == "kind":
            self._noun(phrase, value, plural=False)
        elif self.negative:
            self.absent[attribute, value] = None
            self.negated = True
            self._understand(phrase)
            if attribute == "color" and self._attribute(at + len(phrase)) == "kind":
                self.negative = False  # "not a green fish": the colour is excluded, the fish is not
        elif attribute == "color" and self.noun_is_scenery and self._follows_copula(at):
            self._understand(phrase)
            self.literal = False
        elif attribute == "color":
            self._understand(phrase)
            self._settle_color()
            self.color, self.color_at = value, at + len(phrase) - 1
        elif attribute == "motion":
            self._motion(phrase, value)
        else:
            if attribute != "camera" and self.color_at == at - 1 >= 0:  # the colour of the land or the light
                self._color_scenery(phrase[-1])
            elif attribute != "camera":
                self._settle_color()
            self._understand(phrase)
            self.scene.setdefault(attribute, value)
            self.related = None
            self.noun_is_scenery = attribute != "camera"

    def _attribute(self, at: int) -> str:
        """What kind of fact the word at a place states, or ""."""
        return _PHRASES.get((self.tokens[at],), ("",))[0] if at < len(self.tokens) else ""

    def _follows_copula(self, at: int) -> bool:
        """Whether "is" stands before a word, with nothing but "dark", "very" and the like between them."""
        before = at - 1
        while before >= 0 and self.tokens[before] in WORDS["intensifiers"]:
            before -= 1
        return before >= 0 and self.tokens[before] in WORDS["copulas"]

    def _noun(self, phrase: tuple[str, ...], kind: str, *, plural: bool) -> None:
        count = self.count if self.count > 1 else MANY if plural else 1
        self._understand((*(self.related or ()), *phrase) if self.related else phrase)
        if self.negative:
            self.absent["subject", kind], self.negated, self.color = None, True, None
            return
        again = self._second_mention(kind)
        if again is not None:
            self.current, self.literal = again, False
            if self.color:
                again.facts.setdefault("color", self.color)
        else:
            if self.related:
                self.relation = _RELATIONS[self.related]
            color = self.color or grammar.OWN_COLORS.get(phrase[-1])
            facts = {"color": color, "motion": self.motion}
            self.current = _Mention(kind, {name: value for name, value in facts.items() if value}, count)
            self.mentions.append(self.current)
            self.literal &= count == 1 and color == self.color
            self.motion = None
            if phrase[-1] in WORDS["stand_ins"]:
                self.readings[phrase[-1]] = kind
        self.color, self.color_at, self.related, self.article = None, -1, None, ""
        self.count, self.number = 1, ""
        self.about_camera = self.noun_is_scenery = False

    def _second_mention(self, kind: str) -> _Mention | None:
        """The subject that a noun names again: after "the", without another colour."""
        if self.article not in WORDS["definite"]:
            return None
        for mention in reversed(self.mentions):
            if mention.kind == kind and self.color in (None, mention.facts.get("color")):
                return mention
        return None

    def _motion(self, phrase: tuple[str, ...], value: str) -> None:
        self._understand(phrase)
        if self.about_camera:
            if value in ("left", "right"):
                self.scene.setdefault("camera", f"pan {value}")
            return
        self.related = None
        if self.current is None:
            self.motion = self.motion or value
        elif self.current.kind is not None:
            self.current.facts.setdefault("motion", value)

    def _settle_color(self) -> None:
        """A colour that no noun followed belongs to the subject before it."""
        if self.color is not None and self.current is not None:
            if self.current.kind is not None and "color" not in self.current.facts:
                self.current.facts["color"] = self.color
                self.literal = False
            self.color = None
        if self.color is None:
            self.color_at = -1

    def _color_scenery(self, noun: str) -> None:
        """A colour before a noun of the land or the sky; one that it never has is not understood."""
        if self.color is not None and self.color not in grammar.NATURAL_COLORS.get(noun, ()):
            self.unknown[self.tokens[self.color_at]] = None
        self._drop_color()
        self.noun_is_scenery = True

    def _drop_color(self) -> None:
        if self.color is not None:
            self.literal = False
        self.color, self.color_at = None, -1

    def _understand(self, phrase: tuple[str, ...]) -> None:
        self.understood.update(dict.fromkeys(phrase))
