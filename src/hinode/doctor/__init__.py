"""What is wrong with this installation: `hinode doctor`.

A check is a function that returns what it has seen, in a few words, and raises a `HinodeError` if that is
wrong. To add one, write it in a module of this package and add its line to `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hinode.doctor import machine, state, trust
from hinode.doctor.installation import Installation
from hinode.errors import HinodeError

CHECKS: tuple[tuple[str, Callable[[Installation], str]], ...] = (
    ("database", state.check_database),
    ("clock", state.check_clock),
    ("notifications", state.check_notifications),
    ("store", state.check_store),
    ("keys", trust.check_keys),
    ("screening", trust.check_screening),
    ("disk", machine.check_disk),
    ("codecs", machine.check_codecs),
    ("device", machine.check_device),
    ("models", machine.check_models),
    ("port", machine.check_port),
)


@dataclass(frozen=True)
class Finding:
    """The result of a check: what it has seen, or what is wrong and what puts it right."""

    check: str
    ok: bool
    message: str
    remedy: str = ""


def examine(installation: Installation) -> Iterator[Finding]:
    """Do every check, one after another."""
    for name, check in CHECKS:
        try:
            yield Finding(name, True, check(installation))
        except HinodeError as error:
            yield Finding(name, False, error.message, error.remedy)
        except OSError as error:  # such as a folder that this user may not look into
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            yield Finding(name, False, message, "check the permissions of this user")
