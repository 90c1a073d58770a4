"""What a text says of a scene, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_SUBJECTS = 3
"""Subjects of a scene."""


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
        """The facts of the first subject and the scene that the text states, by name."""
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
