"""The price of a clip by the operator's price book."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

from hinode.errors import BadInput, HinodeError
from hinode.money import free_use
from hinode.money.amounts import check_amount, round_amount
from hinode.money.books.entries import MissingPrice
from hinode.money.books.prices import FILE, PriceBook, own
from hinode.request import Request, Size

CURRENCY = "USD"
"""Of the price book."""


class PriceBookError(HinodeError):
    """The operator's price book cannot be read, so nothing that has a price is accepted."""

    code = "price_book"
    exit_code = 2


class Pricing:
    """Prices of clips in micro-units. The price book is read again after it changed. Safe to use from
    several threads."""

    def __init__(self, home: Path) -> None:
        """`home` is HINODE_HOME, where the operator's price book is."""
        self._home = home
        self._lock = threading.Lock()
        self._state: tuple[int, int] | None = None
        self._book: PriceBook | None = None

    def price(self, request: Request, now: float, priority: str = "interactive") -> int:
        """The price of a clip, from the rate that holds at `now` (seconds since 1970); 0 only where the
        book says 0.

        Args:
            priority: class of work, in any case, for which the book may have a factor.

        Raises:
            MissingPrice: the book has no price for the model, or none for this size.
            PriceBookError: the book cannot be read, or an entry is wrong.
        """
        name, today = f"{request.engine}/{request.model}", datetime.fromtimestamp(now, UTC).date()
        return price(self.book(), name, request.size, request.seconds, today, priority.lower())

    def free_use(self) -> free_use.FreeUse:
        """The policy of free use; raises UnreadableRules if it cannot be read."""
        return free_use.load(self._home)

    def price_or_none(
        self, name: str, size: Size, seconds: float, now: float, priority: str = "interactive"
    ) -> int | None:
        """The same for a clip of "engine/model"; None where the book has no price."""
        today = datetime.fromtimestamp(now, UTC).date()
        try:
            return price(self.book(), name, size, seconds, today, priority.lower())
        except MissingPrice:
            return None

    def book(self) -> PriceBook:
        """The present price book; raises PriceBookError if it cannot be read."""
        path = self._home / FILE
        state = (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else (0, 0)
        with self._lock:
            if self._book is None or state != self._state:
                try:
                    self._book, self._state = own(self._home), state
                except BadInput as error:  # which is no fault of the request
                    raise PriceBookError(error.message, error.remedy) from error
            return self._book


def price(
    book: PriceBook, name: str, size: Size, seconds: float, on: date, priority: str = "interactive"
) -> int:
    """The price of a clip in micro-units, rounded once; see `Pricing.price` for errors."""
    rate = book.find(name, on).per_second(size)
    if rate is None:
        raise MissingPrice(f"{name} in {size[0]}x{size[1]}", book.where)
    # By way of text, because the book says 0.1 and not the float next to it.
    exact = Fraction(str(rate)) * Fraction(str(seconds)) * Fraction(str(book.factors.get(priority, 1.0)))
    return check_amount(round_amount(exact), "price")
