"""The errors that a person sees, each one sentence that also says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class HinodeError(Exception):
    """Base of every error that is shown to a person; any other exception is a bug.

    `code` never changes once published: scripts and the HTTP API match on it. `exit_code` is the status of
    the `hinode` process: 2 when the request has to change, 1 when the machine or the files are at fault.

    Args:
        message: what is wrong, without a full stop at the end.
        remedy: what would put it right, without a full stop at the end; may be empty.
    """

    code: ClassVar[str] = "fault"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message, remedy)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class BadInput(HinodeError):
    """A request that cannot be carried out as it is.

    Args:
        message: what is wrong.
        remedy: what would be right.
        field: name of the offending part of the request ("prompt", "size", "seconds", ...).
    """

    code: ClassVar[str] = "bad_input"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, remedy: str = "", *, field: str) -> None:
        self.field = field
        super().__init__(message, remedy)


Fault = tuple[str, str, str]
"""The field of a `BadInput`, its message and its remedy."""


def raise_first(faults: Iterable[Fault]) -> None:
    """Raise the first of some faults as `BadInput`; what comes after it is not looked for."""
    for field, message, remedy in faults:
        raise BadInput(message, remedy, field=field)


class ModelError(HinodeError):
    """A weight file is missing, damaged, or not one that this version can read."""

    code: ClassVar[str] = "model"


class EngineError(HinodeError):
    """An engine could not carry out a request that it had accepted.

    Args:
        message: what is wrong.
        remedy: what would put it right.
        final: whether the request must not be repeated by itself, on another machine for example.
    """

    code: ClassVar[str] = "engine"

    def __init__(self, message: str, remedy: str = "", *, final: bool = False) -> None:
        self.final = final
        super().__init__(message, remedy)


class NotAccepted(EngineError):
    """No server makes the video, and none that is paid for has begun it: another engine may have it.

    It is `final` if the servers refuse the request itself, or have failed with it.
    """

    code: ClassVar[str] = "not_accepted"


class NoPlace(NotAccepted):
    """The server that is to make the video has as many jobs as it may have, and was not asked."""

    code: ClassVar[str] = "no_place"


class DeviceError(EngineError):
    """The accelerator failed in a way after which this process cannot compute on it any more."""

    code: ClassVar[str] = "device"


class OutputError(HinodeError):
    """The finished clip could not be written: a full disk, a folder without permission, a lost mount."""

    code: ClassVar[str] = "output"


def quote(text: str, limit: int = 40) -> str:
    """`text` in quotes, safe to print and no longer than `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def join_names(names: tuple[str, ...], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"; `last` is the word before the last one."""
    return f" {last} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
