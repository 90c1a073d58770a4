"""The copy of a text in a home folder, which people may edit."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from hinode.errors import BadInput, OutputError
from hinode.output import replace_file

log = logging.getLogger(__name__)


class Copy:
    """A file in a home folder, and beside it a file with the digests of texts that it may have without having
    been edited."""

    def __init__(self, path: Path, digests: Path, max_bytes: int) -> None:
        self.path = path
        self.digests = digests
        self.max_bytes = max_bytes

    def state(self) -> tuple[int, int] | None:
        """The time of its last change and its size, or None without one."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return -1, -1  # to read it says why
        return status.st_mtime_ns, status.st_size

    def read(self) -> str:
        """Its text, "" without one.

        Raises:
            BadInput: it is no text.
        """
        field = self.path.stem
        try:
            if self.path.stat().st_size > self.max_bytes:
                message = f"{self.path.name} has more than {self.max_bytes:,} bytes"
                raise BadInput(message, "shorten it", field=field)
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except OSError as error:
            message = f"{self.path.name} cannot be read: {error.strerror}"
            raise BadInput(message, "correct its permissions", field=field) from error
        except UnicodeError as error:
            message = f"{self.path.name} cannot be read as UTF-8 text"
            raise BadInput(message, "save it again", field=field) from error

    def recognises(self, text: str) -> bool | None:
        """Whether the file may have a text without having been edited; None in a home that is new here."""
        try:
            return _digest(text) in self.digests.read_text(encoding="ascii").split()
        except (OSError, UnicodeError):
            return None

    def write(self, text: str) -> None:
        """Write a text; "" is no file. One that cannot be written is out of date, and holds no more."""
        before = ""
        with suppress(BadInput):
            before = self.read()
        try:
            # Both are no edits, until the file is written.
            self.remember(before, text)
            if text:
                _write(self.path, text)
            else:
                self.path.unlink(missing_ok=True)
            self.remember(text)
        except (OSError, OutputError) as error:
            log.warning("the copy %s is out of date: %s", self.path, error)

    def remember(self, *texts: str) -> None:
        """Note which texts are no edits."""
        _write(self.digests, "\n".join(map(_digest, texts)))

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep other processes of this home away; gives whether the home folder can be written to."""
        folder = self.digests.parent
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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(path, durable=True) as part:
        part.write_text(text, encoding="utf-8")
