"""The operator's policy: one for all servers and workers of a database, in every version.

The table `policies` has it. The file `policy.yaml` in each home folder is a copy of it that people may edit:
an edit is entered as a new version, by whichever process of that home sees it first, and a version that was
entered elsewhere is written into the file.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError, OutputError
from hinode.output import replace_file
from hinode.records.database import Database
from hinode.records.tables import policies as table
from hinode.trust.audit import log as audit
from hinode.trust.audit.chain import Event
from hinode.trust.screening import policy as policies
from hinode.trust.screening.policy import Policy, PolicyFile

log = logging.getLogger(__name__)

MAX_CHARACTERS = 256 << 10
"""Of a policy that is sent."""
CHANGED = "policy.changed"
FOLDER, COPIES = "policies", "copies"
"""Beside the policy: a folder, and in it a file with the digests of texts that the file may have without
having been edited. Servers before version 0028 of the tables wrote each version there, as VERSION.yaml."""
BY_HAND = "policy.yaml"
"""Who put an edit of the file in force."""
_VERSION = re.compile("[0-9a-f]{16}")


class StalePolicy(HinodeError):
    """Another policy is in force than the one that was edited."""

    code = "policy_conflict"
    exit_code = 2


@dataclass(frozen=True)
class Change:
    """A version that was put in force; `number` counts up from 1, `at` is in seconds since 1970."""

    number: int
    version: str
    actor: str
    at: float


@dataclass(frozen=True)
class Present:
    """The policy in force; `number` is 0 if none was ever entered."""

    number: int
    text: str
    policy: Policy


class Policies:
    """The policy of one database, seen from one home folder. Safe to use from several threads."""

    def __init__(self, database: Database, path: Path, clock: Callable[[], float]) -> None:
        """`path` is the copy in the home folder, which need not be there."""
        self.database = database
        self.path = path
        self.clock = clock
        self._lock = threading.Lock()
        self._present: tuple[object, Present] | None = None

    def current(self) -> Policy:
        """The policy in force; see `present`."""
        return self.present().policy

    def present(self) -> Present:
        """The policy in force, after the file and the table were brought together.

        Raises:
            BadInput: the file was edited and cannot be read, so nothing passes here.
        """
        with self.database.read() as connection:
            number = connection.scalar(sa.select(sa.func.max(table.c.number))) or 0
        state = number, _state(self.path)
        with self._lock:
            if self._present is None or self._present[0] != state:
                present = self._agreed()
                if present is None:
                    with self._locked() as writable:
                        present = self._bring_together(writable)
                # The file may have been written just now; then the next call reads it once more.
                self._present = (present.number, state[1]), present
            return self._present[1]

    def in_force(self) -> Policy | None:
        """The policy in force; None if its file cannot be read, so that nothing passes."""
        try:
            return self.current()
        except BadInput:
            return None

    def text(self) -> str:
        """The text of the policy in force, or of the file if that was edited and is wrong; "" for the policy
        that Hinode ships.

        Raises:
            BadInput: the file is no text.
        """
        try:
            return self.present().text
        except BadInput:
            return _read(self.path)

    def text_of(self, version: str) -> str:
        """The text of the policy as it was in a version.

        Raises:
            BadInput: there is none of this version.
        """
        query = sa.select(table.c.text).where(table.c.version == version).order_by(table.c.number.desc())
        with self.database.read() as connection:
            text: str | None = connection.scalar(query.limit(1))
        if text is None and _VERSION.fullmatch(version):
            with suppress(FileNotFoundError, UnicodeError):
                text = (self.path.parent / FOLDER / f"{version}.yaml").read_text(encoding="utf-8")
        if text is None:
            raise BadInput(f"no policy {version[:80]!r} is kept", "name one of the changes", field="version")
        return text

    def changes(self, limit: int = 20) -> list[Change]:
        """The last versions that were put in force, the newest first."""
        columns = table.c.number, table.c.version, table.c.actor, table.c.created_at
        with self.database.read() as connection:
            rows = connection.execute(sa.select(*columns).order_by(table.c.number.desc()).limit(limit))
            return [Change(*row) for row in rows]

    def check(self, text: str) -> Policy:
        """The policy that a text would be.

        Raises:
            BadInput: a part of it is wrong, or it names other guards than the one in force: a guard is sent
                every prompt, and a key that it reads from the disk of the server.
        """
        if len(text) > MAX_CHARACTERS:
            message = f"the policy has {len(text):,} characters"
            raise BadInput(message, f"give {MAX_CHARACTERS:,} at most", field="policy")
        file = policies.read(text)
        before = PolicyFile()
        with suppress(BadInput):  # a file that cannot be read can be replaced
            before = policies.read(self.text())
        for field in ("guards", "speech"):
            if getattr(file, field) != getattr(before, field):
                remedy = "leave them as they are; whoever runs the server changes them in policy.yaml"
                raise BadInput(f"{field} cannot be changed here", remedy, field=field)
        return policies.compiled(file)

    def replace(self, text: str, edited: str, actor: str) -> Policy:
        """Put a policy in force on all servers, from the next request on.

        Args:
            text: the whole text.
            edited: version of the policy that was in force when the text was edited, or "" if that could not
                be read.
            actor: id of who does it.

        Raises:
            BadInput: as for `check`.
            StalePolicy: another one is in force by now.
        """
        policy = self.check(text)
        with self._locked() as writable:
            present: Present | None = None
            with suppress(BadInput):
                present = self._bring_together(writable)
            if (present.policy.version if present else "") != edited:
                raise _stale()
            self._enter(text, policy, actor, edited, present.number if present else None)
            if writable:
                self._copy(text)
        return policy

    def _agreed(self) -> Present | None:
        """The policy in force if the file is a copy of it, or if nobody ever wrote one."""
        text = _read(self.path)
        with self.database.read() as connection:
            number, entered = _newest(connection)
        return Present(number, text, _compile(text)) if entered == text else None

    def _bring_together(self, writable: bool) -> Present:
        """See `present`; the caller has the lock."""
        if (present := self._agreed()) is not None:
            return present
        text = _read(self.path)
        with self.database.read() as connection:
            number, entered = _newest(connection)
            edited = self._is_edit(connection, text)
        if edited:
            policy = _compile(text)
            number = self._enter(text, policy, BY_HAND, "", None)
            if writable:
                self._remember(text)
            log.info("the edit of %s is in force on all servers, as number %d", self.path, number)
            return Present(number, text, policy)
        if not number:  # a database that is new for this home
            return Present(0, text, _compile(text))
        if writable:
            self._copy(entered)
        return Present(number, entered, _compile(entered))

    def _is_edit(self, connection: Connection, text: str) -> bool:
        """Whether somebody has edited the file since it was last read or written from this home."""
        try:
            digests = (self.path.parent / FOLDER / COPIES).read_text(encoding="ascii").split()
        except (OSError, UnicodeError):
            # A home that is new here: its file is an old copy if the text was in force before.
            before = sa.select(table.c.number).where(table.c.text == text).limit(1)
            return bool(text) and connection.scalar(before) is None
        return _digest(text) not in digests

    def _enter(self, text: str, policy: Policy, actor: str, edited: str, before: int | None) -> int:
        """Enter a version; returns its number. With `before`, raise StalePolicy if another one came after
        that number."""
        with self.database.write() as connection:
            # Writers of the log wait for each other, so of two that edited the same version one is refused.
            facts = {"before": edited, "rules": len(policy.rules), "categories": sorted(policy.categories)}
            audit.record(connection, Event(CHANGED, actor, policy.version, facts), self.clock())
            number, _ = _newest(connection)
            if before is not None and number != before:
                raise _stale()
            values = {"version": policy.version, "text": text, "actor": actor, "created_at": self.clock()}
            connection.execute(table.insert().values(number=number + 1, **values))
        return number + 1

    def _copy(self, text: str) -> None:
        """Write a text into the file. One that cannot be written is out of date, and holds no more."""
        try:
            # Both are no edits, until the file is written.
            self._remember(_read_or_nothing(self.path), text)
            _write(self.path, text)
            self._remember(text)
        except (OSError, OutputError) as error:
            log.warning("the copy of the policy is out of date: %s", error)

    def _remember(self, *texts: str) -> None:
        _write(self.path.parent / FOLDER / COPIES, "\n".join(map(_digest, texts)))

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Keep other processes of this home away; gives whether the home folder can be written to."""
        folder = self.path.parent / FOLDER
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock")
            lock.acquire()
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def _newest(connection: Connection) -> tuple[int, str]:
    """The highest number and its text; 0 and "" if there is none."""
    query = sa.select(table.c.number, table.c.text).order_by(table.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return (row.number, row.text) if row else (0, "")


def _compile(text: str) -> Policy:
    return policies.compiled(policies.read(text)) if text else policies.builtin()


def _stale() -> StalePolicy:
    message = "another policy is in force than the one that was edited"
    return StalePolicy(message, "load it, and make the change again")


def _state(path: Path) -> tuple[int, int] | None:
    """The time of the last change of a file and its size, or None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> str:
    """The text of the file, "" without one."""
    try:
        if path.stat().st_size > policies.MAX_BYTES:
            message = f"{path.name} has more than {policies.MAX_BYTES:,} bytes"
            raise BadInput(message, "shorten it", field="policy")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeError) as error:
        raise BadInput(
            f"{path.name} cannot be read as UTF-8 text", "save it again", field="policy"
        ) from error


def _read_or_nothing(path: Path) -> str:
    with suppress(BadInput):
        return _read(path)
    return ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(path, durable=True) as part:
        part.write_text(text, encoding="utf-8")
