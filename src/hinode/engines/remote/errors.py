"""How a request to a server can fail, and what follows from it."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx

EXPIRED = (401, 403)
"""Status codes of an address that is valid no more."""


class Category(Enum):
    """What a failure means."""

    BUSY = "busy"
    """It has too much to do: try it again later, or another server."""
    DOWN = "down"
    """It does not answer, or not as it should: it may be back soon."""
    GONE = "gone"
    """It does not know the job any more."""
    REFUSED = "refused"
    UNUSABLE = "unusable"
    """It cannot be used as it is configured."""
    UNANSWERED = "unanswered"
    """It may have begun a job: the request was sent, and no answer came."""
    UNREADABLE = "unreadable"
    """It has begun a job that nobody can follow: it accepted the request, and its answer cannot be read."""


@dataclass(eq=False)
class UpstreamError(Exception):
    """A server did not do what a request asked for.

    Attributes:
        category: what that means.
        message: what happened, as the end of a sentence that begins with "the server"; without names of
            servers, keys, and text from the server.
        wait: seconds after which the server wants the next request, if it said so.
        final: whether no other server would accept the request either.
        sent: whether the server may have received the request.
        status: status code of its answer, 0 if none came.
    """

    category: Category
    message: str
    wait: float | None = None
    final: bool = False
    sent: bool = True
    status: int = 0

    @property
    def is_temporary(self) -> bool:
        """Whether a file that did not arrive may do so later. A store needs a moment for a new file, and
        answers as if the key were wrong when an address has expired."""
        return self.category in (Category.DOWN, Category.BUSY, Category.GONE) or self.status in EXPIRED


def retry_after(headers: httpx.Headers, now: float) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` (seconds or a date), or None."""
    text = headers.get("retry-after", "").strip()
    for number, scale in ((headers.get("retry-after-ms", ""), 1000), (text, 1)):
        with suppress(ValueError):
            return valid_delay(float(number) / scale)
    with suppress(ValueError, OverflowError):
        return valid_delay(parsedate_to_datetime(text).timestamp() - now)
    return None


def valid_delay(seconds: float) -> float | None:
    """A length of time, at least 0, or None for no number."""
    return max(0.0, seconds) if math.isfinite(seconds) else None
