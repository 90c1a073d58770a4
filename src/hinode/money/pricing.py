"""The price of a clip by the operator's price book."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

from hinode.money import free_use
from hinode.money.amounts import check_amount, round_amount
from hinode.money.books.entries import missing
from hinode.money.books.prices import FILE, PriceBook, own
from hinode.request import Request

CURRENCY = "USD"
"""Of the price book."""


class Pricing:
    """Prices of clips in micro-units. The price book is read again after it changed. Safe to use from
    several threads."""

    def __init__(self, home: Path) -> None:
        """`home` is HINODE_HOME, where the operator's price book is."""
        self._home = home
        self._lock = threading.Lock()
        self._state: tuple[int, int] | None = None
        self._book: PriceBook | None = None

    def price(self, request: Request, now: float) -> int:
        """The price of a clip, from the rate that holds at `now` (seconds since 1970); 0 only where the
        book says 0.

        Raises:
            MissingPrice: the book has no price for the model, or none for this size.
            BadInput: the book cannot be read, or an entry is wrong.
        """
        return price(self._current(), request, datetime.fromtimestamp(now, UTC).date())

    def free_use(self) -> free_use.FreeUse:
        """The policy of free use; raises UnreadableRules if it cannot be read."""
        return free_use.load(self._home)

    def _current(self) -> PriceBook:
        path = self._home / FILE
        state = (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else (0, 0)
        with self._lock:
            if self._book is None or state != self._state:
                self._book, self._state = own(self._home), state
            return self._book


def price(book: PriceBook, request: Request, on: date) -> int:
    """The price of a clip in micro-units, rounded once; see `Pricing.price` for errors."""
    name = f"{request.engine}/{request.model}"
    rate = book.find(name, on).per_second(request.size)
    if rate is None:
        raise missing(f"{name} in {request.size[0]}x{request.size[1]}", book.where)
    # By way of text, because the book says 0.1 and not the float next to it.
    return check_amount(round_amount(Fraction(str(rate)) * Fraction(str(request.seconds))), "price")
