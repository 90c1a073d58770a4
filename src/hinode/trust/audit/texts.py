"""Texts of the operator: one for all servers and workers of a database, in every version.

A table has them. The file in each home folder is a copy that people may edit: an edit is entered as a new
version, by whichever process of that home sees it first, and a version that was entered elsewhere is written
into the file.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError
from hinode.records.database import Database
from hinode.records.tables import operator_texts
from hinode.trust.audit import log as audit
from hinode.trust.audit.chain import Event
from hinode.trust.audit.copies import Copy

log = logging.getLogger(__name__)

T = TypeVar("T")


class StaleText(HinodeError):
    """Another text is in force than the one that was edited."""

    code = "text_conflict"
    exit_code = 2


@dataclass(frozen=True)
class Change:
    """A version that was put in force; `number` counts up from 1, `at` is in seconds since 1970."""

    number: int
    version: str
    actor: str
    at: float


@dataclass(frozen=True)
class Present(Generic[T]):
    """The text in force and what it says; `number` is 0 if none was ever entered."""

    number: int
    text: str
    value: T


class OperatorText(ABC, Generic[T]):
    """A text of one database, seen from one home folder. Safe to use from several threads."""

    table: ClassVar[sa.Table] = operator_texts
    """Of one text if it has no column `name`."""
    event: ClassVar[str]
    """Kind of the entry in the audit log for a new version."""
    stale: ClassVar[type[StaleText]] = StaleText
    max_bytes: ClassVar[int] = 1 << 20

    def __init__(
        self, database: Database | None, path: Path, digests: Path, clock: Callable[[], float]
    ) -> None:
        """
        Args:
            database: None if there is only the file.
            path: the copy in the home folder, which need not be there. Its stem names the text in the table.
            digests: see `Copy`.
            clock: gives seconds since 1970.
        """
        self._database = database
        self.path = path
        self.copy = Copy(path, digests, self.max_bytes)
        self.clock = clock
        self._name = {"name": path.stem} if "name" in self.table.c else {}
        self._mine = sa.and_(True, *(self.table.c[key] == value for key, value in self._name.items()))
        self._lock = threading.Lock()
        self._present: tuple[object, Present[T]] | None = None

    @abstractmethod
    def parse(self, text: str) -> T:
        """What a text says; raises BadInput."""

    @abstractmethod
    def absent(self) -> T:
        """What holds without a text."""

    @abstractmethod
    def facts(self, value: T) -> Mapping[str, Any]:
        """What the audit log says of a version, beside its subject."""

    def version(self, text: str, value: T) -> str:
        """What tells two texts apart."""
        return digest(text)

    def version_of_fault(self) -> str:
        """The version of a file that is wrong."""
        return digest(self.copy.read())

    def subject(self, version: str) -> str:
        """Of the entry in the audit log."""
        return f"{self.path.name} {version}"

    @property
    def database(self) -> Database:
        """The database, of a text that has one."""
        assert self._database is not None
        return self._database

    def current(self) -> T:
        """What the text in force says; see `present`."""
        return self.present().value

    def present(self, number: int | None = None) -> Present[T]:
        """The text in force, after the file and the table were brought together.

        Args:
            number: the highest one of the table, if that was read just now.

        Raises:
            BadInput: the file was edited and cannot be read, so nothing holds here.
        """
        if number is None:
            [number] = numbers(self)
        state = number, self.copy.state()
        with self._lock:
            if self._present is None or self._present[0] != state:
                present = self._agreed()
                if present is None:
                    with self.copy.locked() as writable:
                        present = self._bring_together(writable)
                # The file may have been written just now; then the next call reads it once more.
                self._present = (present.number, state[1]), present
            return self._present[1]

    def text(self) -> str:
        """The text in force, or of the file if that was edited and is wrong; "" without one.

        Raises:
            BadInput: the file is no text.
        """
        try:
            return self.present().text
        except BadInput:
            return self.copy.read()

    def changes(self, limit: int = 20) -> list[Change]:
        """The last versions that were put in force, the newest first."""
        table = self.table.c
        query = sa.select(table.number, table.version, table.actor, table.created_at).where(self._mine)
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(table.number.desc()).limit(limit))
            return [Change(*row) for row in rows]

    def replace(self, text: str, edited: str, actor: str) -> T:
        """Put a text in force on all servers, from the next request on.

        Args:
            text: the whole text.
            edited: version of the text that was edited.
            actor: id of who does it.

        Raises:
            BadInput: a part of it is wrong.
            StaleText: another one is in force by now.
        """
        value = self.parse(text)
        with self.copy.locked() as writable:
            present: Present[T] | None = None
            with suppress(BadInput):  # a file that is wrong can be replaced
                present = self._bring_together(writable)
            before = self.version(present.text, present.value) if present else self.version_of_fault()
            if before != edited:
                raise self._stale()
            self._enter(text, value, actor, edited, present.number if present else None)
            if writable:
                self.copy.write(text)
        return value

    def highest(self, connection: Connection) -> int:
        """The highest number in the table, 0 if there is none."""
        return connection.scalar(sa.select(sa.func.max(self.table.c.number)).where(self._mine)) or 0

    def _agreed(self) -> Present[T] | None:
        """The text in force if the file is a copy of it, or if nobody ever wrote one."""
        text = self._read()
        number, entered = (0, text) if self._database is None else self._newest()
        return Present(number, text, self._value(text)) if entered == text else None

    def _bring_together(self, writable: bool) -> Present[T]:
        """See `present`; the caller has the lock."""
        if (present := self._agreed()) is not None:
            return present
        text = self._read()
        number, entered = self._newest()
        if not number or self._is_edit(text):
            value = self._value(text)
            number = self._enter(text, value, self.path.name, "", None)
            if writable:
                self.copy.remember(text)
            log.info("the edit of %s is in force on all servers, as number %d", self.path, number)
            return Present(number, text, value)
        if writable:
            self.copy.write(entered)
        return Present(number, entered, self._value(entered))

    def _is_edit(self, text: str) -> bool:
        """Whether somebody has edited the file since it was last read or written from this home."""
        no_edit = self.copy.recognises(text)
        if no_edit is not None:
            return not no_edit
        # In a home that is new here it is an old copy if the text was in force before.
        before = sa.select(self.table.c.number).where(self._mine, self.table.c.text == text).limit(1)
        with self.database.read() as connection:
            return bool(text) and connection.scalar(before) is None

    def _newest(self) -> tuple[int, str]:
        """The highest number and its text; 0 and "" if there is none."""
        table = self.table.c
        query = sa.select(table.number, table.text).where(self._mine).order_by(table.number.desc()).limit(1)
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
        return (row.number, row.text) if row else (0, "")

    def _enter(self, text: str, value: T, actor: str, edited: str, before: int | None) -> int:
        """Enter a version; returns its number. With `before`, raise StaleText if another one came after that
        number."""
        version = self.version(text, value)
        with self.database.write() as connection:
            # Writers of the log wait for each other, so of two that edited the same version one is refused.
            facts = {"before": edited, **self.facts(value)}
            audit.record(connection, Event(self.event, actor, self.subject(version), facts), self.clock())
            number = self.highest(connection)
            if before is not None and number != before:
                raise self._stale()
            values = {"version": version, "text": text, "actor": actor, "created_at": self.clock()}
            connection.execute(self.table.insert().values(**self._name, number=number + 1, **values))
        return number + 1

    def _value(self, text: str) -> T:
        return self.parse(text) if text else self.absent()

    def _read(self) -> str:
        """The text of the file, "" without one. An empty file counts as none only where it can be
        parsed."""
        text = self.copy.read()
        if not text and self.path.exists():
            self.parse(text)
        return text

    def _stale(self) -> StaleText:
        message = f"another {self.path.name} is in force than the one that was edited"
        return self.stale(message, "load it, and make the change again")


def numbers(*texts: OperatorText[Any]) -> list[int]:
    """The highest numbers of texts of one database, from one transaction; 0 without a database."""
    if texts[0]._database is None:
        return [0] * len(texts)
    with texts[0].database.read() as connection:
        return [text.highest(connection) for text in texts]


def digest(text: str) -> str:
    """What tells two texts apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
