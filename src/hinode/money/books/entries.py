"""Entries of a price or cost book: each has a source and a date, and a missing one is never free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Field

from hinode.errors import HinodeError, quote
from hinode.parsing import Number

STALE_DAYS = 30
"""Prices of providers and of hardware move within weeks."""

Mark = Literal["provider", "second-hand", "reseller", "press", "own"]
"""Who says so: the provider itself, a copy of its page, one who sells it on, the press, or the operator."""

Usd = Annotated[Number, Field(ge=0, le=1e6)]


def _check_date(text: str) -> str:
    try:
        read_date(text)
    except ValueError:
        raise ValueError("give a date as 2026-11-29, or a month as 2026-11") from None
    return text


DateText = Annotated[str, AfterValidator(_check_date)]
"""A day, "2026-11-29", or a month, "2026-11", which counts from its first day."""


class MissingPrice(HinodeError):
    """A book has no price for something. Nothing is free unless 0 was entered for it."""

    code: ClassVar[str] = "missing_price"
    exit_code: ClassVar[int] = 2

    def __init__(self, name: str, where: str) -> None:
        """`name` is what has no price; `where` is the file to enter it in."""
        self.name = name
        remedy = f"enter one in {where}, 0 if it is free"
        super().__init__(f"there is no price for {quote(name, 120)}", remedy)


class Dated(Protocol):
    """An entry that holds from a date on."""

    @property
    def date(self) -> str: ...


E = TypeVar("E", bound=Dated)


@dataclass(frozen=True)
class Stale:
    """An entry that is older than it should be."""

    name: str
    date: str
    days: int

    def __str__(self) -> str:
        return f"the price of {self.name} is of {self.date}, {self.days} days ago"


def read_date(text: str) -> date:
    """The day that a date or a month begins with; raises ValueError if it is neither."""
    return date.fromisoformat(text if len(text) > 7 else f"{text}-01")


def latest(entries: Iterable[E], on: date) -> E | None:
    """The entry that holds on a day: the last one that is not after it."""
    valid = [entry for entry in entries if read_date(entry.date) <= on]
    return max(valid, key=lambda entry: read_date(entry.date), default=None)


def stale(names: Iterable[tuple[str, str]], on: date, days: int = STALE_DAYS) -> list[Stale]:
    """The entries that are older than so many days; `names` are names and dates of those that hold."""
    limit = on - timedelta(days=days)
    return [Stale(name, text, (on - read_date(text)).days) for name, text in names if read_date(text) < limit]
