"""Prices of a second of video, by the short side of the frame: those of providers, and the operator's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import Field

from hinode import yamlfile
from hinode.money.books.entries import DateText, Mark, MissingPrice, Stale, Usd, latest, stale
from hinode.parsing import Boolean, Input, Number, parse
from hinode.request import Request, Size

FILE = "prices.yaml"
"""The operator's own prices, in HINODE_HOME."""

Side = Annotated[str, Field(pattern="^[1-9][0-9]{1,4}$")]


class Price(Input):
    """What a second of video of a model costs from a date on.

    Attributes:
        name: of the model at its provider; of an own model "engine/model".
        usd_per_second: by the longest short side that it covers, in pixels, as text.
        audio: whether the clip has sound.
        operation: what is sold: a new clip, or a change of one.
        ended: whether it cannot be bought any more.
        note: what is special about it.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    provider: Annotated[str, Field(min_length=1, max_length=100)]
    usd_per_second: Annotated[dict[Side, Usd], Field(min_length=1, max_length=20)]
    source: Annotated[str, Field(min_length=3, max_length=500)]
    mark: Mark
    date: DateText
    audio: Boolean = False
    operation: Literal["generate", "edit"] = "generate"
    ended: Boolean = False
    note: Annotated[str, Field(max_length=500)] = ""

    def per_second(self, size: Size) -> float | None:
        """USD for a second of a clip of a width and height, or None if it is larger than any that is sold."""
        short = min(size)
        covering = [int(side) for side in self.usd_per_second if int(side) >= short]
        return self.usd_per_second[str(min(covering))] if covering else None


Factor = Annotated[Number, Field(ge=0, le=100)]


class _File(Input):
    version: DateText
    prices: Annotated[list[Price], Field(max_length=2000)]
    factors: dict[Literal["rush", "preview", "interactive", "batch"], Factor] = Field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """What a clip would cost at a provider, in USD."""

    name: str
    provider: str
    usd: float
    audio: bool
    ended: bool
    mark: str
    source: str
    date: str

    def as_json(self) -> dict[str, Any]:
        """The offer in plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class PriceBook:
    """Prices, with those that held before.

    Attributes:
        where: the file that a missing one belongs into.
        factors: what the price of a clip is multiplied with, by its priority; 1 where there is none.
    """

    version: str
    prices: Sequence[Price]
    where: str = FILE
    factors: Mapping[str, float] = field(default_factory=dict, hash=False)

    def find(self, name: str, on: date) -> Price:
        """The price of a model on a day.

        Raises:
            MissingPrice: there is none.
        """
        price = latest((price for price in self.prices if price.name == name), on)
        if price is None:
            raise MissingPrice(name, self.where)
        return price

    def cost(self, name: str, size: Size, seconds: float, on: date) -> float:
        """USD for a clip of a model.

        Raises:
            MissingPrice: there is none for the model, or none for this size.
        """
        rate = self.find(name, on).per_second(size)
        if rate is None:
            raise MissingPrice(f"{name} in {size[0]}x{size[1]}", self.where)
        return rate * seconds

    def offers(self, size: Size, seconds: float, on: date, operation: str = "generate") -> list[Offer]:
        """What a clip would cost by each price of the book that covers its size, the cheapest first.

        An operation other than "generate" is compared with what providers sell as a change of a clip.
        """
        kind = "generate" if operation == "generate" else "edit"
        offers = []
        for price in self._current(on):
            rate = price.per_second(size)
            if price.operation == kind and rate is not None:
                offers.append(
                    Offer(
                        price.name,
                        price.provider,
                        rate * seconds,
                        price.audio,
                        price.ended,
                        price.mark,
                        price.source,
                        price.date,
                    )
                )
        return sorted(offers, key=lambda offer: (offer.usd, offer.name, offer.provider))

    def stale(self, on: date) -> list[Stale]:
        """Prices that hold, can still be bought, and are old."""
        return stale(((price.name, price.date) for price in self._current(on) if not price.ended), on)

    def _current(self, on: date) -> list[Price]:
        keys = dict.fromkeys((price.name, price.provider) for price in self.prices)
        current = (latest((p for p in self.prices if (p.name, p.provider) == key), on) for key in keys)
        return [price for price in current if price is not None]


@dataclass(frozen=True)
class Comparison:
    """What a clip would cost here and at other providers, in USD.

    Attributes:
        usd: by the own price book; None if that has no price for it.
        offers: by the list prices, the cheapest first.
        notes: sentences about prices that are missing or old.
    """

    usd: float | None
    offers: Sequence[Offer]
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The comparison in plain JSON values: the fields `price`, `offers` and `price_notes` of a quote."""
        offers = [offer.as_json() for offer in self.offers]
        return {"price": self.usd, "offers": offers, "price_notes": list(self.notes)}


def compare(book: PriceBook, model: str, request: Request, on: date) -> Comparison:
    """What a request would cost here and elsewhere.

    Args:
        book: the own prices.
        model: "engine/model".
    """
    size = (request.width, request.height)
    usd, notes = None, []
    try:
        usd = book.cost(model, size, request.seconds, on)
    except MissingPrice as error:
        notes.append(str(error))
    offers = listed().offers(size, request.seconds, on, request.operation)
    names = {offer.name for offer in offers}
    notes += [str(entry) for entry in (*book.stale(on), *listed().stale(on)) if entry.name in {*names, model}]
    return Comparison(usd, offers, notes)


def read_text(text: str, where: str = FILE) -> PriceBook:
    """A price book from the text of the operator's file, which is at `where`.

    Raises:
        BadInput: it cannot be read, or an entry is wrong; the sentence names it, the field is its place.
    """
    return _parse(yamlfile.read_text(text.encode(), f"the price book {where}", "prices"), where)


def own(text: str | None, where: str) -> PriceBook:
    """The operator's prices; none without a text. Factors that it lacks are those of the package. Raises as
    `read_text` does."""
    book = PriceBook("2000-01-01", (), where) if text is None else read_text(text, where)
    return replace(book, factors={**listed().factors, **book.factors})


@lru_cache(maxsize=1)
def listed() -> PriceBook:
    """The list prices of providers that the package has."""
    text = (files("hinode.money.books") / "list_prices.yaml").read_bytes()
    return _parse(yamlfile.read_text(text, "the list prices", "prices"), "list_prices.yaml")


def _parse(value: object, where: str) -> PriceBook:
    content = parse(_File, value, what="the price book", field="prices")
    return PriceBook(
        content.version,
        tuple(content.prices),
        where,
        {str(name): factor for name, factor in content.factors.items()},
    )
