"""The texts of a request that screening reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hinode.errors import join_names
from hinode.request import CHARACTER, Request
from hinode.trust.screening.policy import GRAVEST, NEGATIVE, Policy, title_of
from hinode.trust.screening.screener import screen
from hinode.trust.screening.verdict import Action, ModerationBlocked, Stage, Text, Verdict


def texts_of(request: Request) -> list[Text]:
    """Every text of a request: its prompt, which has the descriptions of characters and of other shots in it,
    its negative prompt, the prompts of its segments, and what is written in its plan."""
    texts = [Text(request.prompt)]
    if request.negative_prompt:
        texts.append(Text(request.negative_prompt, field=NEGATIVE))
    for number, segment in enumerate(request.segments):
        if segment.prompt:
            texts.append(Text(segment.prompt, Stage.STORYBOARD, f"segments.{number}.prompt"))
    if request.plan and (words := " . ".join(_strings(json.loads(request.plan)))):
        texts.append(Text(words, Stage.EXPANDED_PROMPT, "plan"))
    return texts


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def character_names(request: Request) -> list[str]:
    """Names of the characters that a request refers to."""
    return [
        reference.name for reference in request.references if reference.role == CHARACTER and reference.name
    ]


def check(policy: Policy, request: Request) -> Verdict:
    """Screen a request that a person makes on a machine of their own.

    Raises:
        ModerationBlocked: the policy blocks it. What only needs a review passes, since nobody else is there.
    """
    verdict = screen(policy, texts_of(request), allowed_names=attested(character_names(request)))
    if verdict.action is Action.BLOCK:
        raise ModerationBlocked(verdict, titles(policy, verdict))
    return verdict


def attested(names: list[str]) -> dict[str, list[str]]:
    """The names that a person may use by registering a character, by category: those of characters, for which
    the person states to have the rights. The name of a real person takes that person's consent, of which the
    gate of jobs knows."""
    return {"third_party": names} if names else {}


def titles(policy: Policy, verdict: Verdict) -> str:
    """The categories of the strictest findings in words."""
    names = dict.fromkeys(f.category for f in verdict.findings if f.action is verdict.action)
    known = {name: category.title for name, category in policy.categories.items()}
    return join_names(tuple(title_of(known, name) for name in names))


def is_gravest(policy: Policy, verdict: Verdict) -> bool:
    """Whether the texts must not be stored."""
    known = policy.categories
    return any(name in known and known[name].severity == GRAVEST for name in verdict.categories)
