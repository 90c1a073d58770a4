"""What can go wrong with a server, and what follows from it."""

from __future__ import annotations

import math
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx


class Category(Enum):
    """What a failure means."""

    BUSY = "busy"
    """It has too much to do: ask again later, or another one."""
    DOWN = "down"
    """It does not answer, or not as it should: it may be back soon."""
    GONE = "gone"
    """It does not know the job any more."""
    REFUSED = "refused"
    """It will not do what is asked."""
    UNUSABLE = "unusable"
    """It cannot be used as it is configured."""


class UpstreamError(Exception):
    """A server did not do what it was asked for.

    Args:
        kind: what that means.
        message: what happened, as the end of a sentence that begins with "the server"; it has no names of
            servers, no keys and nothing that the server said.
        wait: seconds after which the server wants to be asked again, if it said so.
        final: whether nobody else need be asked either.
    """

    def __init__(
        self, kind: Category, message: str, *, wait: float | None = None, final: bool = False
    ) -> None:
        self.kind = kind
        self.message = message
        self.wait = wait
        self.final = final
        super().__init__(message)


def retry_after(headers: httpx.Headers, now: float) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or a date), or None."""
    with suppress(ValueError):
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return sensible(float(milliseconds) / 1000)
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return sensible(float(text))
    except ValueError:
        pass
    try:
        return sensible(parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def sensible(seconds: float) -> float | None:
    """A length of time that can be waited, or None."""
    return max(0.0, seconds) if math.isfinite(seconds) else None
