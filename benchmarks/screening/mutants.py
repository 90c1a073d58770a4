"""Mutants of rules: each phrase of a rule under each disguise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.screening.adversarial import DISGUISES
from hinode.trust.screening.policy import NEGATIVE, Policy, Rule, phrases_of
from hinode.trust.screening.verdict import Text


@dataclass(frozen=True)
class Mutant:
    """A phrase that a rule has to find, disguised."""

    rule: str
    disguise: str
    phrase: str
    text: Text


def mutants(policy: Policy, *, maximum: int | None = None) -> Iterator[Mutant]:
    """Mutants of every rule.

    Args:
        policy: the rules.
        maximum: phrases of each rule, evenly taken; all by default.
    """
    for rule in policy.rules:
        phrases = _phrases(policy, rule)
        step = max(1, len(phrases) // maximum) if maximum else 1
        for phrase in phrases[::step]:
            for name, disguise in DISGUISES.items():
                if name == "tags" and not phrase.isascii():
                    continue  # there are tag characters for ASCII only
                text = disguise(phrase, random.Random(f"{rule.id} {name} {phrase}"))
                field = NEGATIVE if rule.fields and NEGATIVE in rule.fields else "prompt"
                yield Mutant(rule.id, name, phrase, Text(text, field=field))


def _phrases(policy: Policy, rule: Rule) -> list[str]:
    """Phrases of a rule, or of a rule of several sets so many that each of their phrases is in one."""
    parts = phrases_of(policy, rule)
    longest = max(map(len, parts))
    return [" ".join(part[number % len(part)] for part in parts) for number in range(longest)]
