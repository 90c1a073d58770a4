"""What the operator writes about money: one for all servers of a database, or the files of a home."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hinode.money import free_use, sales
from hinode.money.books import costs, prices
from hinode.records.database import Database
from hinode.trust.audit.texts import OperatorText, StaleText

FOLDER = "texts"
"""In HINODE_HOME: the digests of the copies."""

T = TypeVar("T")


class StaleBook(StaleText):
    """Another book is in force than the one that was edited."""

    code = "book_conflict"


class Book(OperatorText[T]):
    """A text about money. One that cannot be read refuses what depends on it."""

    event = "book.changed"
    stale = StaleBook

    def __init__(
        self,
        database: Database | None,
        path: Path,
        clock: Callable[[], float],
        read: Callable[[str | None, str], T],
        count: Callable[[T], int],
    ) -> None:
        """
        Args:
            read: gives what a text says; None is no text. The path is for its errors.
            count: gives the number of entries.
        """
        super().__init__(database, path, path.parent / FOLDER / path.stem, clock)
        self._read_text = read
        self._count = count

    def parse(self, text: str) -> T:
        return self._read_text(text, str(self.path))

    def absent(self) -> T:
        return self._read_text(None, str(self.path))

    def facts(self, value: T) -> Mapping[str, Any]:
        return {"entries": self._count(value)}


class OperatorBooks:
    """The prices, the costs, the rules of free use and what is sold. Safe to use from several threads."""

    def __init__(self, database: Database | None, home: Path, clock: Callable[[], float]) -> None:
        """
        Args:
            database: None if there are only the files.
            home: HINODE_HOME, with the files.
            clock: gives seconds since 1970.
        """

        def book(file: str, read: Callable[[str | None, str], T], count: Callable[[T], int]) -> Book[T]:
            return Book(database, home / file, clock, read, count)

        self.database = database
        self.prices = book(prices.FILE, prices.own, lambda value: len(value.prices))
        self.costs = book(costs.FILE, costs.own, lambda value: len(value.hardware) + len(value.providers))
        self.free_use = book(free_use.FILE, free_use.read_text, lambda rules: len(rules.profiles))
        self.sales = book(sales.FILE, sales.read_text, lambda value: len(value.packs))
