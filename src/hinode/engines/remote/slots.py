"""How many jobs a server is given at once, counted over all processes of this machine that share a home.

Each place is a lock on a small file. The system takes a lock away from a process that ends, however it ends,
so a place is never lost. Where there are no such locks (Windows), each process counts for itself.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

if sys.platform != "win32":
    import fcntl


class Permit:
    """A place at a server; give it back with `release`."""

    def __init__(self, slots: Semaphore, number: int, file: IO[bytes] | None) -> None:
        self._slots = slots
        self._number = number
        self._file = file
        self._released = False

    def release(self) -> None:
        """Give the place back; a second time does nothing."""
        if not self._released:
            self._released = True
            self._slots._free(self._number)
            if self._file is not None:
                self._file.close()


class Semaphore:
    """The places at one server. Safe to use from several threads."""

    def __init__(self, folder: Path, name: str, count: int) -> None:
        """
        Args:
            folder: where the lock files are; it is made if need be.
            name: of the server; a file name.
            count: how many places there are.
        """
        self.folder = folder
        self.name = name
        self.count = count
        self._guard = threading.Lock()
        self._taken: set[int] = set()

    def take(self) -> Permit | None:
        """A free place, or None if there is none at the moment."""
        with self._guard:
            for number in range(self.count):
                if number in self._taken:
                    continue
                file = self._lock(number)
                if file is False:
                    continue
                self._taken.add(number)
                return Permit(self, number, file)
        return None

    def _free(self, number: int) -> None:
        with self._guard:
            self._taken.discard(number)

    def _lock(self, number: int) -> IO[bytes] | Literal[False] | None:
        """The locked file of a place, False if another process has it, None if locks cannot be had here."""
        if sys.platform == "win32":
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / f"{self.name}-{number}.lock").open("ab")
        except OSError:  # a home that cannot be written to: then this process counts for itself
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError:  # a file system without locks
            with suppress(OSError):
                file.close()
            return None
        return file
