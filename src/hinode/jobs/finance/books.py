"""The operator's price and cost books as texts that are tried on what was recorded, and replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from hinode.errors import BadInput
from hinode.money.books import costs, prices
from hinode.money.books.costs import CostBook
from hinode.money.books.entries import MissingPrice
from hinode.money.books.operator import Book, OperatorBooks
from hinode.money.books.prices import PriceBook
from hinode.money.economics import records
from hinode.money.economics.records import Books as Records
from hinode.money.economics.report import report
from hinode.money.economics.server import gaps
from hinode.records.database import Database

READERS: Mapping[str, Callable[[str], PriceBook | CostBook]] = {
    "prices": prices.read_text,
    "costs": costs.read_text,
}
MAX_CHARACTERS = 1 << 20
TRIAL_SECONDS = 30 * 86_400.0
"""A cost book is tried on the clips of so long."""


@dataclass(frozen=True)
class Change:
    """A price of today in words, by the book in force and by the one that is tried; None without one."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Trial:
    """What a text would be as a book.

    Attributes:
        changes: the prices that would be others.
        missing: what clips and workers of the last 30 days have no price for; of a cost book only.
        usd_before: cost of the last 30 days by the book in force; None if a price is missing.
        usd_after: the same by the text.
        stale: sentences about prices that are old.
    """

    entries: int
    changes: Sequence[Change]
    missing: Sequence[str]
    usd_before: float | None
    usd_after: float | None
    stale: Sequence[str]


class BookEditor:
    """The books of all servers of a database. Safe to use from several threads."""

    def __init__(self, database: Database, books: OperatorBooks, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self._database = database
        self._books: Mapping[str, Book[Any]] = {"prices": books.prices, "costs": books.costs}
        self._clock = clock

    def text(self, name: str) -> str:
        """The text of a book; see `OperatorText.text`."""
        return self._books[name].text()

    def check(self, name: str, text: str) -> Trial:
        """Try a text; nothing is written.

        Raises:
            BadInput: a part of it is wrong; the field is its place in the text.
        """
        present, book = self._present(name), _read(name, text)
        now = self._clock()
        today = datetime.fromtimestamp(now, UTC).date()
        missing: list[str] = []
        before = after = None
        if isinstance(book, CostBook):
            with self._database.read() as connection:
                recorded = records.read(connection, now - TRIAL_SECONDS, now)
            missing = gaps(recorded, book)
            before = _usd(recorded, present) if isinstance(present, CostBook) else None
            after = _usd(recorded, book)
        old, new = dict(_words(present, today)) if present else {}, dict(_words(book, today))
        changes = [
            Change(key, old.get(key), new.get(key))
            for key in dict.fromkeys([*old, *new])
            if old.get(key) != new.get(key)
        ]
        stale = [str(entry) for entry in book.stale(today)]
        return Trial(len(_entries(book)), changes, missing, before, after, stale)

    def replace(self, name: str, text: str, edited: str, actor: str) -> None:
        """Put a book in force; see `OperatorText.replace`. Raises BadInput as `check` does, too."""
        _read(name, text)
        self._books[name].replace(text, edited, actor)

    def _present(self, name: str) -> PriceBook | CostBook | None:
        """The book in force; None if there is none, or it cannot be read."""
        text = self.text(name)
        try:
            return _read(name, text) if text else None
        except BadInput:  # a file that is wrong can be replaced
            return None


def _read(name: str, text: str) -> PriceBook | CostBook:
    if len(text) > MAX_CHARACTERS:
        message = f"the book has {len(text):,} characters"
        raise BadInput(message, f"give {MAX_CHARACTERS:,} at most", field="text")
    return READERS[name](text)


def _entries(book: PriceBook | CostBook) -> Sequence[object]:
    return book.prices if isinstance(book, PriceBook) else (*book.hardware, *book.providers)


def _words(book: PriceBook | CostBook, today: date) -> Iterator[tuple[str, str]]:
    """The prices of a day by what they are of, in words."""
    if isinstance(book, PriceBook):
        for name in dict.fromkeys(price.name for price in book.prices):
            try:
                price = book.find(name, today)
            except MissingPrice:  # it holds from a later day on
                continue
            yield name, ", ".join(f"{side}p {usd:g}" for side, usd in price.usd_per_second.items())
        for kind, factor in book.factors.items():
            yield f"factor of {kind}", f"{factor:g}"
        return
    for name, tier in dict.fromkeys((entry.hardware, entry.tier) for entry in book.hardware):
        try:
            hour = book.hour(name, today, tier)
        except MissingPrice:
            continue
        hosts = ", ".join(hour.hosts) or "-"
        yield f"{name}, {tier}", f"{hour.usual:g} an hour, hosts {hosts}"
    for name in dict.fromkeys(entry.provider for entry in book.providers):
        try:
            yield name, f"{book.provider(name, today).usd_per_second:g} a second"
        except MissingPrice:
            continue


def _usd(recorded: Records, book: CostBook) -> float | None:
    try:
        return report(recorded, book).cost
    except MissingPrice:
        return None
