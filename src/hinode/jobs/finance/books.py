"""The operator's price and cost books as texts that are tried on what was recorded, and replaced whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from hinode.errors import BadInput, HinodeError, join_names, quote
from hinode.money.books import costs, prices
from hinode.money.books.costs import CostBook
from hinode.money.books.entries import MissingPrice
from hinode.money.books.prices import PriceBook
from hinode.money.economics import records
from hinode.money.economics.records import Books as Records
from hinode.money.economics.report import report
from hinode.money.economics.server import gaps
from hinode.output import replace_file
from hinode.records.database import Database
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event

FILES = {"prices": prices.FILE, "costs": costs.FILE}
READERS: Mapping[str, Callable[[str], PriceBook | CostBook]] = {
    "prices": prices.read_text,
    "costs": costs.read_text,
}
MAX_CHARACTERS = 1 << 20
CHANGED = "book.changed"
TRIAL_SECONDS = 30 * 86_400.0
"""A cost book is tried on the clips of so long."""


class StaleBook(HinodeError):
    """Another book is in force than the one that was edited."""

    code = "book_conflict"
    exit_code = 2


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
    """The books of one server. Safe to use from several threads."""

    def __init__(self, database: Database, home: Path, clock: Callable[[], float]) -> None:
        """`home` has the books; `clock` gives seconds since 1970."""
        self._database = database
        self._home = home
        self._clock = clock

    def text(self, name: str) -> str:
        """The file of a book, "" if there is none. Raises BadInput if it cannot be read, or is no book."""
        if name not in FILES:
            message = f"there is no book {quote(name)}"
            raise BadInput(message, f"choose {join_names(tuple(FILES), 'or')}", field="book")
        path = self._home / FILES[name]
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as error:
            message = f"{path.name} cannot be read as UTF-8 text"
            raise BadInput(message, "save it again", field="book") from error

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
        """Put a book in force, from the next request on.

        Args:
            text: the whole file.
            edited: digest of the text that was edited, see `digest`.
            actor: id of who does it.

        Raises:
            BadInput: as for `check`.
            StaleBook: the file is another one by now.
            OutputError: it cannot be written; then the book before is in force.
        """
        book, path = _read(name, text), self._home / FILES[name]
        with self._database.write() as connection:
            # Writers of the log wait for each other, so of two that edited the same text one is refused.
            facts = {"before": edited, "entries": len(_entries(book))}
            log.record(connection, Event(CHANGED, actor, f"{path.name} {digest(text)}", facts), self._clock())
            if digest(self.text(name)) != edited:
                message = f"{path.name} is another one than the one that was edited"
                raise StaleBook(message, "load it, and make the change again")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replace_file(path, durable=True) as part:
                part.write_text(text, encoding="utf-8")

    def _present(self, name: str) -> PriceBook | CostBook | None:
        """The book in force; None if there is none, or it cannot be read."""
        text = self.text(name)
        try:
            return _read(name, text) if text else None
        except BadInput:  # a file that is wrong can be replaced
            return None


def digest(text: str) -> str:
    """What tells two texts of a book apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
