"""The values of screening: what a guard looks at, and what it says about it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from hinode.errors import BadInput


class Action(enum.IntEnum):
    """What is done with a request, from mild to strict."""

    ALLOW = 0
    REVIEW = 1
    BLOCK = 2


class Stage(enum.StrEnum):
    """The gates at which a request and its clip are screened."""

    PROMPT = "prompt"
    EXPANDED_PROMPT = "expanded prompt"
    STORYBOARD = "storyboard"
    REMIX_CHAIN = "remix chain"
    REFERENCE = "reference"
    FRAMES = "output frames"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True)
class Finding:
    """One rule or guard that spoke against a text or a picture.

    Attributes:
        category: name in the policy, such as "gore".
        rule: id of the rule, or name of the guard.
        action: what the policy does about it.
        stage: the gate.
        reading: how the text was read: "plain", "leet", "reversed", …
        field: part of the request, such as "prompt".
        score: confidence of a guard, from 0 to 1; rules have 1.
        seconds: what a guard took to say so, or None.
    """

    category: str
    rule: str
    action: Action
    stage: Stage = Stage.PROMPT
    reading: str = "plain"
    field: str = "prompt"
    score: float = 1.0
    seconds: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What is done with a request, and why; `policy` is the version of the policy that decided."""

    findings: tuple[Finding, ...] = ()
    policy: str = ""

    @property
    def action(self) -> Action:
        """The strictest action of all findings."""
        return max((finding.action for finding in self.findings), default=Action.ALLOW)

    @property
    def first(self) -> Finding:
        """The strictest finding; the first of several."""
        return max(self.findings, key=lambda finding: finding.action)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of all findings, each once."""
        return tuple(dict.fromkeys(finding.category for finding in self.findings))

    def joined(self, others: Iterable[Verdict]) -> Verdict:
        """This verdict with the findings of others."""
        findings = [*self.findings, *(finding for other in others for finding in other.findings)]
        return Verdict(tuple(dict.fromkeys(findings)), self.policy)


@dataclass(frozen=True)
class Text:
    """A text of a request: its gate, and the field that it stands in."""

    text: str
    stage: Stage = Stage.PROMPT
    field: str = field(default="prompt")


class ModerationBlocked(BadInput):
    """The policy does not allow a request or its clip.

    Attributes:
        verdict: why.
        title: the name of the category in words.
        appeal: id of the decision, if it was recorded.
    """

    code: ClassVar[str] = "moderation_blocked"

    def __init__(self, verdict: Verdict, title: str, *, appeal: str = "", output: bool = False) -> None:
        """`title` is the name of the category in words; `output` is whether a finished clip is blocked."""
        self.verdict, self.title, self.appeal = verdict, title, appeal
        first = verdict.first
        checked = "outputs" if output else "inputs"
        message = (
            f"the request is blocked by the moderation when checking {checked}: {title}, found in the "
            f"{first.stage.value}; {'the clip is discarded and' if output else 'no work was done and'} "
            "nothing is charged"
        )
        remedy = "change it"
        if appeal:
            remedy += (
                f", or appeal against the decision {appeal} in the studio under Rights, or with "
                f"POST /v1/review/{appeal}/appeal"
            )
        super().__init__(message, remedy, field=first.field)
