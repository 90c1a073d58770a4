"""Guards: models and lists that judge what rules cannot read, behind one interface; one that fails blocks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol, runtime_checkable

from hinode.background import start_call
from hinode.clip import Frames
from hinode.errors import HinodeError
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.verdict import Action, Finding, Stage, Verdict

FAILURE = "guard_failure"
"""Category of the finding that a guard failed."""


@dataclass(frozen=True)
class Item:
    """What a guard looks at: a text, or frames.

    Attributes:
        stage: the gate.
        text: of a prompt or a transcript.
        frames: uint8 [T, H, W, 3] in sRGB, of a reference or of a clip, or None.
        field: part of the request that it stands in.
    """

    stage: Stage
    text: str = ""
    frames: Frames | None = None
    field: str = "prompt"


class Guard(Protocol):
    """Judges an item. `name` stands in decisions; `stages` are the gates that it is asked at."""

    @property
    def name(self) -> str: ...

    @property
    def stages(self) -> frozenset[Stage]: ...

    def check(self, item: Item, policy: Policy) -> Verdict:
        """What is against an item; raises any exception if that cannot be said."""
        ...


class GuardError(HinodeError):
    """A guard gave no usable answer."""

    code = "guard"


@dataclass(frozen=True)
class Judgement:
    """What a guard sees in pictures.

    Attributes:
        category: name in the policy, such as "gore".
        score: confidence from 0 to 1.
    """

    category: str
    score: float = 1.0


@runtime_checkable
class PictureGuard(Protocol):
    """Judges pictures: all that a list or a model for pictures has to bring. `name` stands in decisions."""

    @property
    def name(self) -> str: ...

    def judge(self, frames: Frames) -> Sequence[Judgement]:
        """What frames uint8 [T, H, W, 3] in sRGB show that is against a policy, nothing if it is nothing;
        raises any exception if that cannot be said."""
        ...


@runtime_checkable
class PersonGuard(Protocol):
    """Sees people in pictures, who may be shown with their consent only. It may be a `PictureGuard` too."""

    @property
    def name(self) -> str: ...

    def shows_person(self, frames: Frames) -> bool:
        """Whether frames uint8 [T, H, W, 3] in sRGB show a person who could be recognised; raises any
        exception if that cannot be said."""
        ...


@dataclass(frozen=True)
class Pictures:
    """A `PictureGuard` at the gates of references and of finished clips."""

    guard: PictureGuard
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.REFERENCE, Stage.FRAMES})

    @property
    def name(self) -> str:
        return self.guard.name

    def check(self, item: Item, policy: Policy) -> Verdict:
        """See `Guard`."""
        if item.frames is None:
            raise GuardError(f"the guard {self.name} was sent no pictures")
        findings = (
            Finding(
                entry.category,
                self.name,
                action_of(policy, entry.category),
                item.stage,
                "guard",
                item.field,
                entry.score,
            )
            for entry in self.guard.judge(item.frames)
        )
        return Verdict(tuple(findings), policy.version)


def action_of(policy: Policy, category: str) -> Action:
    """What a policy does about a category of a guard; one that it does not have is blocked."""
    entry = policy.categories.get(category)
    return Action[entry.action.upper()] if entry else Action.BLOCK


def failure(policy: Policy, name: str, stage: Stage, field: str) -> Verdict:
    """What the policy does about a guard that failed or was late."""
    action = Action[policy.guard_failure.action.upper()]
    finding = Finding(FAILURE, name, action, stage, "guard", field)
    return Verdict((finding,) if action else (), policy.version)


def ask(guards: Sequence[Guard], item: Item, policy: Policy) -> Verdict:
    """The findings of all guards that look at the gate of an item, each with the seconds that its guard took.

    A guard that fails, or takes longer than the policy allows, is a finding itself, with the action that the
    policy has for it: by default the item is blocked.
    """
    calls = [
        (guard, start_call(partial(_timed, guard, item, policy), guard.name))
        for guard in guards
        if item.stage in guard.stages
    ]
    verdicts = []
    for guard, call in calls:
        try:
            verdicts.append(call.result(policy.guard_failure.seconds))
        except Exception:  # whatever it raises, the gate is closed
            verdicts.append(failure(policy, guard.name, item.stage, item.field))
    return Verdict((), policy.version).joined(verdicts)


def _timed(guard: Guard, item: Item, policy: Policy) -> Verdict:
    start = time.perf_counter()
    verdict = guard.check(item, policy)
    seconds = round(time.perf_counter() - start, 3)
    findings = (dataclasses.replace(finding, seconds=seconds) for finding in verdict.findings)
    return Verdict(tuple(findings), verdict.policy)


def shows_person(guards: Sequence[PersonGuard], frames: Frames, seconds: float) -> bool:
    """Whether one of some guards sees a person in frames uint8 [T, H, W, 3].

    Raises:
        GuardError: one of them failed, or took longer than `seconds`, and no other sees a person.
    """
    calls = [(guard, start_call(partial(guard.shows_person, frames), guard.name)) for guard in guards]
    silent = ""
    for guard, call in calls:
        try:
            if call.result(seconds):
                return True
        except Exception:  # whatever it raises, the gate is closed
            silent = guard.name
    if silent:
        raise GuardError(f"the guard {silent} cannot say whether people are shown", "send it again later")
    return False
