"""The price of a clip by the operator's price book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction

from hinode.errors import BadInput, HinodeError
from hinode.money.amounts import check_amount, round_amount
from hinode.money.books.entries import MissingPrice
from hinode.money.books.prices import PriceBook
from hinode.money.free_use import NO_RULES, FreeUse, UnreadableRules
from hinode.request import Request, Size
from hinode.trust.audit.texts import OperatorText, numbers

CURRENCY = "USD"
"""Of the price book."""


class PriceBookError(HinodeError):
    """The operator's price book cannot be read, so nothing that has a price is accepted."""

    code = "price_book"
    exit_code = 2


class Pricing:
    """The prices of clips and the rules of free use. Safe to use from several threads."""

    def __init__(self, prices: OperatorText[PriceBook], rules: OperatorText[FreeUse]) -> None:
        """Both are of one database."""
        self._prices = prices
        self._rules = rules

    def tariff(self) -> Tariff:
        """What holds at present. It may write to the database, so call it before a transaction."""
        book, rules = numbers(self._prices, self._rules)
        return Tariff(_book(self._prices, book), _rules(self._rules, rules))


@dataclass(frozen=True)
class Tariff:
    """Prices of clips in micro-units, and the rules of free use, as they held at one time.

    Attributes:
        prices: the price book, or why it cannot be read.
        rules: those of free use, or why they cannot be read.
    """

    prices: PriceBook | PriceBookError
    rules: FreeUse | UnreadableRules = NO_RULES

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
        """The price book; raises PriceBookError if it cannot be read."""
        if isinstance(self.prices, PriceBookError):
            raise self.prices
        return self.prices

    def free_use(self) -> FreeUse:
        """The rules of free use; raises UnreadableRules if they cannot be read."""
        if isinstance(self.rules, UnreadableRules):
            raise self.rules
        return self.rules


def _book(text: OperatorText[PriceBook], number: int) -> PriceBook | PriceBookError:
    try:
        return text.present(number).value
    except BadInput as error:  # which is no fault of the request
        return PriceBookError(error.message, error.remedy)


def _rules(text: OperatorText[FreeUse], number: int) -> FreeUse | UnreadableRules:
    try:
        return text.present(number).value
    except BadInput as error:
        return UnreadableRules(str(error), error.remedy)


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
