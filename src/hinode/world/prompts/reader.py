"""The reader of prompts: from words to facts, by the longest phrase of a language at each word.

What it knows of grammar is which noun a colour or a motion belongs to, what a negation reaches, when a noun
is a second mention, and what a correction replaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hinode.world.prompts import grammar
from hinode.world.prompts.facts import ParsedPrompt, SubjectFacts
from hinode.world.prompts.grammar import MANY, WORDS
from hinode.world.prompts.language import Language


@dataclass
class _Mention:
    """A subject while the text is read; `kind` is None for a thing of another world."""

    kind: str | None
    facts: dict[str, str] = field(default_factory=dict)
    count: int = 1
    usual_color: str | None = None  # that its noun says, as "goldfish" does
    beside: bool = False  # whether a preposition stands before it: "a cat under a clock tower"


class Reader:
    """The state of reading one text."""

    def __init__(self, tokens: list[str], readings: dict[str, str], language: Language) -> None:
        self.language = language
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
        self.negative = False  # whether a negation holds
        self.negated = False  # whether it has found its first thing
        self.correcting = (
            False  # whether what follows is meant instead of what was said: "a boat - no, a train"
        )
        self.beside = False  # whether a preposition stands before the noun that follows
        self.everybody = False  # whether what follows is said of all subjects: "both are red"
        self.about_camera = False
        self.related: tuple[str, ...] | None = None  # a relation that waits for its second subject
        self.relation: str | None = None
        self.scene: dict[str, str] = {}
        self.implied: str | None = None  # a time that holds if the text names no other
        self.absent: dict[tuple[str, str], None] = {}
        self.understood: dict[str, None] = {}
        self.unknown: dict[str, None] = {}
        self.group: _Mention | None = None  # several that are alike, which "one red, one green" sets apart
        self.parts: list[_Mention] = []  # those that were set apart
        self.clause = self.part_clause = 0  # numbers of this clause and of the last one that set some apart
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
                SubjectFacts(m.kind, m.facts.get("color", m.usual_color), m.facts.get("motion"), m.count)
                for m in mentions
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
        if (end := self._part(at)) is not None:
            return end
        if token == "no" and self._ends_clause(at + 1) and self.understood:  # "a boat - no, wait, a train"
            self.correcting, self.literal = True, False
            return at + 1
        if token in WORDS["everybody"] and self.mentions:
            self._settle_color()
            self.everybody = True
        if token in WORDS["prepositions"]:
            self.beside = True
        if token in WORDS["prepositions"] and self.negated:
            self.negative = self.negated = False  # "no birds over the sea": the sea is there
        for length in range(min(self.language.max_words, self._clause_end(at) - at), 0, -1):
            phrase = tuple(self.tokens[at : at + length])
            if phrase in grammar.FALSE_NEGATIONS or phrase in self.language.neutral:
                return at + length
            if phrase in grammar.CORRECTIONS:
                self.correcting, self.literal = bool(self.understood), False
                return at + length
            if phrase in self.language.relations:
                self.related = phrase if len(self.mentions) == 1 else None
                return at + length
            if phrase in self.language.weather_and_time:
                weather, time = self.language.weather_and_time[phrase]
                self._fact(at, phrase, "weather", weather)
                self.implied = self.implied or (None if self.negative else time)
                return at + length
            if phrase in self.language.plurals and (
                phrase not in self.language.phrases or self.count > 1 or self._is_group(phrase)
            ):
                self._noun(phrase, self.language.plurals[phrase], plural=True)
                return at + length
            if phrase in self.language.phrases:
                self._fact(at, phrase, *self.language.phrases[phrase])
                return at + length
        return self._word(at)

    def _clause_end(self, at: int) -> int:
        return next(
            (i for i in range(at, len(self.tokens)) if not self.tokens[i][0].isalnum()), len(self.tokens)
        )

    def _ends_clause(self, at: int) -> bool:
        """Whether no word stands at a place."""
        return at >= len(self.tokens) or not self.tokens[at][0].isalnum()

    def _end_clause(self) -> None:
        self._settle_color()
        self.everybody = self.beside = False
        self.clause += 1
        self.negative = self.negated = self.about_camera = False
        if self.number.isdecimal():  # no subject followed it, so it counts something else
            self.unknown[self.number] = None
        self.article, self.count, self.number = "", 1, ""

    def _is_group(self, plural: tuple[str, ...]) -> bool:
        """Whether a plural behind "the" names several of before: "the stars" are then no night."""
        kind = self.language.plurals[plural]
        return self.article in WORDS["definite"] and any(
            m.kind == kind and m.count > 1 for m in self.mentions
        )

    def _part(self, at: int) -> int | None:
        """Set some of several subjects apart, as in "two kites, one red and the other green"; returns where
        reading goes on."""
        token, group = self.tokens[at], self.group
        number = grammar.NUMBERS.get(token) or (int(token) if token.isdecimal() and len(token) < 3 else 0)
        if group is None or not (number or token in WORDS["others"] or token in WORDS["rest"]):
            return None
        place, end = at + 1, self._clause_end(at)
        while place < end and self.tokens[place] in WORDS["part_fillers"] | WORDS["intensifiers"] - {
            "light",
            "dark",
        }:
            place += 1
        length, attribute = self._phrase_at(place, end)
        if attribute not in ("color", "motion") or self._phrase_at(place + length, end)[1] == "kind":
            return None
        self._settle_color()
        count = min(group.count, group.count if token in WORDS["rest"] else number or 1)
        group.count -= count
        part = _Mention(group.kind, dict(group.facts), count)
        self.mentions.insert(self.mentions.index(group) + (len(self.parts) if self.parts else 0) + 1, part)
        if group.count == 0:
            self.mentions.remove(group)
            self.group = None
        self.parts.append(part)
        self.current, self.part_clause, self.literal = part, self.clause, False
        self.count, self.number, self.article, self.noun_is_scenery = 1, "", "", False
        if attribute == "color":
            phrase = tuple(self.tokens[place : place + length])
            part.facts["color"] = self.language.phrases[phrase][1]
            self._understand(phrase)
            return place + length
        return place

    def _phrase_at(self, at: int, end: int) -> tuple[int, str]:
        """The words of the longest phrase at a place, and what it states; (1, "") if there is none."""
        for length in range(min(self.language.max_words, end - at), 0, -1):
            phrase = tuple(self.tokens[at : at + length])
            if phrase in self.language.phrases:
                return length, self.language.phrases[phrase][0]
            if phrase in self.language.plurals:
                return length, "kind"
        return 1, ""

    # Words that are no facts

    def _word(self, at: int) -> int:
        if (end := self._movement(at)) is not None:
            return end
        token = self.tokens[at]
        if token in WORDS["paints"] and self.color_at == at - 1 >= 0:  # "the white ones", "red paint"
            self._settle_color()
        elif token in WORDS["negations"]:
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
            self.noun_is_scenery = False
            named = [mention for mention in self.mentions if mention.kind is not None]
            self.current = named[-1] if named else self.current
        elif token in WORDS["camera"]:
            self.about_camera = True
        elif token in WORDS["scenery"]:
            self._color_scenery(token)
        elif token not in self.language.ignored:
            return self._unknown(at)
        return at + 1

    def _movement(self, at: int) -> int | None:
        """Read a verb with a direction behind it, such as "sails slowly to the left"; returns where it ends.

        In the phrase "the camera moves left" it is the camera that moves.
        """
        token = self.tokens[at]
        camera = self.language.camera_verbs.get(token) or ("pan" if self.about_camera else None)
        if token not in grammar.GO_WORDS and token not in self.language.camera_verbs:
            return None
        end = self._clause_end(at)
        for place in range(at + 1, end):
            word = self.tokens[place]
            if word == "from" and self.tokens[place + 2 : place + 3] == ["to"]:
                place, word = place + 3, self.tokens[place + 3] if place + 3 < end else ""
            before, after = self.tokens[place - 2 : place], self.tokens[place + 1 : place + 2]
            position = before == ["on", "the"] or after == ["of"]
            if camera and (move := self.language.camera_moves[camera].get(word)):
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
        if token in self.language.near_colors:
            color = self.language.near_colors[token]
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
        self.literal &= phrase in self.language.caption_phrases
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
        elif attribute == "color" and self.color and self.tokens[at - 1] == "and" and self.color_at == at - 2:
            self._understand(phrase)  # "a red and white boat" is red, and "a pink and orange sky" is a sky's
            self.color_at = at + len(phrase) - 1
        elif attribute == "color":
            self._understand(phrase)
            self._settle_color()
            self.color, self.color_at = value, at + len(phrase) - 1
            if self.correcting and self.current is not None and self._ends_statement(at + len(phrase)):
                self.current.facts.pop("color", None)
                self.correcting = False
                self._settle_color()
            if self._follows_copula(at) and self._ends_statement(at + len(phrase)):
                self._settle_color()
        elif attribute == "motion":
            self._motion(at, phrase, value)
        else:
            apart = not WORDS["prepositions"].isdisjoint(phrase)  # "a cat that is black in the morning"
            if (
                attribute != "camera" and self.color_at == at - 1 >= 0 and not apart
            ):  # the colour of the land or the light
                self._color_scenery(phrase[-1])
            elif attribute != "camera":
                self._settle_color()
            self._understand(phrase)
            if self.correcting:
                self.scene.pop(attribute, None)
                self.correcting = False
            self.scene.setdefault(attribute, value)
            self.related = None
            self.noun_is_scenery = attribute != "camera"

    def _attribute(self, at: int) -> str:
        """What kind of fact the word at a place states, or ""."""
        return self.language.phrases.get((self.tokens[at],), ("",))[0] if at < len(self.tokens) else ""

    def _follows_copula(self, at: int) -> bool:
        """Whether "is" stands before a word, with nothing but "dark", "very" and the like between them."""
        before = at - 1
        while before >= 0 and self.tokens[before] in WORDS["intensifiers"]:
            before -= 1
        return before >= 0 and self.tokens[before] in WORDS["copulas"]

    def _ends_statement(self, at: int) -> bool:
        """Whether what begins at a token is no noun that a colour before it could belong to."""
        token = self.tokens[at] if at < len(self.tokens) else "."
        following = WORDS["prepositions"] | WORDS["paints"] | {"and", "while", "with"}
        return not token[0].isalnum() or token in following

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
                self.relation = self.language.relations[self.related]
            if self.correcting and self.mentions:
                replaced = self.mentions.pop()
                self.motion = self.motion or replaced.facts.get("motion")
            facts = {"color": self.color, "motion": self.motion}
            self.current = _Mention(kind, {name: value for name, value in facts.items() if value}, count)
            self.current.beside = self.beside
            self.current.usual_color = self.language.own_colors.get(phrase[-1])
            self.mentions.append(self.current)
            self.group, self.parts = (self.current if count > 1 else None), []
            self.literal &= count == 1 and bool(self.color or not self.current.usual_color)
            self.motion = None
            if phrase[-1] in self.language.stand_ins:
                self.readings[phrase[-1]] = kind
        self.color, self.color_at, self.related, self.article = None, -1, None, ""
        self.count, self.number = 1, ""
        self.about_camera = self.noun_is_scenery = self.correcting = self.beside = self.everybody = False

    def _second_mention(self, kind: str) -> _Mention | None:
        """The subject that a noun names again: after "the", without another colour."""
        if self.article not in WORDS["definite"]:
            return None
        for mention in reversed(self.mentions):
            if mention.kind == kind and self.color in (None, mention.facts.get("color")):
                return mention
        return None

    def _motion(self, at: int, phrase: tuple[str, ...], value: str) -> None:
        self._understand(phrase)
        if self._follows_scenery(at):
            return
        if self.about_camera:
            if value in self.language.camera_motions:
                self.scene.setdefault("camera", self.language.camera_motions[value])
            return
        self.related = None
        if self.correcting and self.current is not None:
            self.current.facts.pop("motion", None)
            self.correcting = False
        if self.everybody and self.mentions:
            for mention in self.mentions:
                mention.facts.setdefault("motion", value)
        elif self.current is None:
            self.motion = self.motion or value
        elif self.current.kind is not None:
            # "two cats, one black and one white, jumping": they all jump
            alike = [self._doer(at, phrase)]
            if self.current in self.parts and self.clause > self.part_clause:
                alike = self.parts
            for mention in alike:
                mention.facts.setdefault("motion", value)

    def _doer(self, at: int, phrase: tuple[str, ...]) -> _Mention:
        """Who does what a motion says: in "a cat sits under a tower and waits" not the tower."""
        assert self.current is not None
        goes_on = self.tokens[at - 1] == "and" or phrase[0] == "from"
        if goes_on and self.current.beside and self.current in self.mentions:
            before = self.mentions[: self.mentions.index(self.current)]
            doer = next((mention for mention in reversed(before) if not mention.beside), None)
            idle = doer is not None and (phrase[0] != "from" or "motion" not in doer.facts)
            if doer is not None and doer.kind is not None and idle:
                return doer
        return self.current

    def _follows_scenery(self, at: int) -> bool:
        """Whether a motion is that of the rain, a cloud or the sun: "snow is falling"."""
        before = at - 1
        while before >= 0 and self.tokens[before] in WORDS["copulas"] | WORDS["between"]:
            before -= 1
        nature = before >= 0 and (
            self.tokens[before] in WORDS["scenery"] or self._attribute(before) == "weather"
        )
        return nature and self.noun_is_scenery

    def _settle_color(self) -> None:
        """A colour that no noun followed belongs to the subject before it."""
        if self.color is not None and self.everybody and self.mentions:
            for mention in self.mentions:
                mention.facts.setdefault("color", self.color)
            self.color, self.literal = None, False
        if self.color is not None and self.current is not None:
            if self.current.kind is not None and "color" not in self.current.facts:
                self.current.facts["color"] = self.color
                self.literal = False
            self.color = None
        if self.color is None:
            self.color_at = -1

    def _color_scenery(self, noun: str) -> None:
        """A colour before a noun of the land or the sky; one that it never has is not understood."""
        if self.color is not None and self.color not in self.language.natural_colors.get(noun, ()):
            self.unknown[self.tokens[self.color_at]] = None
        self._drop_color()
        self.noun_is_scenery = True

    def _drop_color(self) -> None:
        if self.color is not None:
            self.literal = False
        self.color, self.color_at = None, -1

    def _understand(self, phrase: tuple[str, ...]) -> None:
        self.understood.update(dict.fromkeys(phrase))
