"""What one machine screens with beside the rules: the guards and the recogniser of speech that its policy
names, those of installed distributions, and the banks of its home folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path

from hinode.outbound import Outbound
from hinode.settings import Settings
from hinode.trust.screening import banks
from hinode.trust.screening.banks import BankGuard
from hinode.trust.screening.guards import Guard, GuardError, PersonGuard, PictureGuard, Pictures
from hinode.trust.screening.models import ModelGuard
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.speech import Command, Endpoint, Transcriber
from hinode.trust.screening.verdict import Stage

ENTRY_POINTS = "hinode.guards"
"""Group of functions without arguments that return a guard: how a distribution adds one."""


@dataclass(frozen=True, eq=False)
class Equipment:
    """Guards, what turns sound into text, or None: then nothing is transcribed, and what sees people.

    Equipment that is the same object has not changed.
    """

    guards: tuple[Guard, ...] = ()
    speech: Transcriber | None = None
    people: tuple[PersonGuard, ...] = ()

    def at(self, stage: Stage) -> list[Guard]:
        """The guards that are asked at a gate."""
        return [guard for guard in self.guards if stage in guard.stages]


Equip = Callable[[Policy], Equipment]
"""Gives the equipment for a policy; raises GuardError."""


def equip(policy: Policy, settings: Settings | None = None) -> Equipment:
    """The equipment for a policy; without `settings` there are no banks, and no command for speech.

    Raises:
        GuardError: the file of a key or a bank cannot be read, or an installed guard cannot be made.
    """
    try:
        entries = banks.state(settings.home) if settings else ()
        return _equip(policy, settings, entries)
    except Exception as error:
        raise GuardError(
            f"a guard cannot be made: {error}", "correct the policy or the bank, or remove the guard"
        ) from error


@lru_cache(maxsize=4)
def _equip(
    policy: Policy, settings: Settings | None, entries: tuple[tuple[Path, int, int], ...]
) -> Equipment:
    outbound = Outbound(allow_private=True)  # the operator wrote the addresses
    guards: list[Guard] = [ModelGuard(entry, outbound, _key(entry.key_file)) for entry in policy.guards]
    people: list[PersonGuard] = []
    for point in entry_points(group=ENTRY_POINTS):
        guard: Guard | PictureGuard | PersonGuard = point.load()()
        if isinstance(guard, PersonGuard):
            people.append(guard)
        if isinstance(guard, PictureGuard):
            guards.append(Pictures(guard))
        elif not isinstance(guard, PersonGuard):
            guards.append(guard)
    if settings and entries:
        guards.append(BankGuard(banks.load(settings.home)))
    speech: Transcriber | None = None
    if settings and settings.speech_command:
        speech = Command(settings.speech_command)
    elif policy.speech:
        speech = Endpoint(policy.speech, outbound, _key(policy.speech.key_file))
    return Equipment(tuple(guards), speech, tuple(people))


def describe(equipment: Equipment) -> str:
    """In words, what there is beside the rules."""
    names = {stage: ", ".join(guard.name for guard in equipment.at(stage)) for stage in Stage}
    text = f"guards for text: {names[Stage.PROMPT] or 'none'}"
    pictures = f"for pictures: {names[Stage.FRAMES] or 'none, so pictures are not screened'}"
    speech = "is transcribed" if equipment.speech else "is not transcribed, so sound is not screened"
    people = ", ".join(guard.name for guard in equipment.people)
    seen = f"seen by {people}" if people else "not seen by any guard, so HINODE_LIKENESS decides"
    return f"{text}; {pictures}; speech {speech}; people in uploads are {seen}"


def _key(file: str | None) -> str:
    return Path(file).read_text(encoding="utf-8").strip() if file else ""
