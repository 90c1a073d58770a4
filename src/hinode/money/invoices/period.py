"""Months in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from hinode.errors import BadInput, quote

_MONTH = re.compile("(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True)
class Period:
    """A month: its first moment, and the first one after it, in seconds since 1970."""

    begins_at: float
    ends_at: float

    @property
    def name(self) -> str:
        """As "2026-11"."""
        return datetime.fromtimestamp(self.begins_at, UTC).strftime("%Y-%m")


def month(text: str, field: str = "month") -> Period:
    """The month that a text such as "2026-11" names; raises BadInput if it names none."""
    match = _MONTH.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{quote(text)} is no month", "write it like 2026-11", field=field)
    return _period(int(match[1]), int(match[2]))


def month_of(moment: float) -> Period:
    """The month of a moment, in seconds since 1970."""
    day = datetime.fromtimestamp(moment, UTC)
    return _period(day.year, day.month)


def day(moment: float) -> str:
    """The day of a moment in UTC, as "2026-11-30"."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def _period(year: int, number: int) -> Period:
    begins = datetime(year, number, 1, tzinfo=UTC)
    ends = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return Period(begins.timestamp(), ends.timestamp())
