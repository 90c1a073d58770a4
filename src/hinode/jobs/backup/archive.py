"""The file of a backup: a tar archive, written and read from the beginning to the end.

backup.json       version of this format and of Hinode, kind of the database and its last migration
database          the copy of the database, which was made first
home/…            the files of HINODE_HOME, without caches, logs and weights
objects/3f/3fa1…  the files of the store, each named by the SHA-256 of its content
end.json          how many there are, the digest of the database, and which files were damaged
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar, cast

from hinode.errors import HinodeError

FORMAT = 1
HEAD, DATABASE, HOME, OBJECTS, END = "backup.json", "database", "home/", "objects/", "end.json"
BLOCK = 1 << 20


class BackupError(HinodeError):
    """A file is no backup, or is not complete."""

    code: ClassVar[str] = "backup"


class Writer:
    """Writes a backup to an open file."""

    def __init__(self, file: IO[bytes], head: dict[str, Any], now: float) -> None:
        """`now` is the time of every entry, in seconds since 1970."""
        self._archive = tarfile.open(fileobj=file, mode="w")  # noqa: SIM115 (`close`)
        self._now = now
        self._objects, self._home, self._digest = 0, 0, ""
        self.damaged: list[str] = []
        self._put(HEAD, json.dumps({"format": FORMAT, **head}).encode())

    def database(self, path: Path) -> None:
        """Add the copy of the database."""
        with path.open("rb") as file:
            self._digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._put(DATABASE, path)

    def home(self, name: str, path: Path) -> None:
        """Add a file of the home; `name` is relative to it, with slashes."""
        self._put(HOME + name, path)
        self._home += 1

    def object(self, digest: str, path: Path) -> bool:
        """Add a file of the store; False if it is not there, or if its content is not that of its name, which
        the end of the backup then says."""
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                reader = _Digest(file)
                self._add(f"{OBJECTS}{digest[:2]}/{digest}", size, reader)
        except FileNotFoundError:
            return False
        self._objects += 1
        if reader.sha256.hexdigest() != digest:
            self.damaged.append(digest)
            return False
        return True

    def close(self) -> None:
        """Write the end, without which the file is no backup."""
        end = {"database": self._digest, "home": self._home, "objects": self._objects}
        end |= {"damaged": sorted(self.damaged)}
        self._put(END, json.dumps(end).encode())
        self._archive.close()

    def _put(self, name: str, source: Path | bytes) -> None:
        if isinstance(source, bytes):
            self._add(name, len(source), io.BytesIO(source))
            return
        with source.open("rb") as file:
            self._add(name, source.stat().st_size, file)

    def _add(self, name: str, size: int, file: Any) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = size, int(self._now), 0o600
        self._archive.addfile(entry, file)


class Reader:
    """Reads a backup. The end of `entries` shows whether the backup is complete; after it, `damaged` has the
    digests of the files of the store that were damaged when it was made."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            BackupError: the file is not there, is no backup, or is one of a later format.
        """
        self._path = path
        self.damaged: list[str] = []
        try:
            self._archive = tarfile.open(path, mode="r:")  # noqa: SIM115 (`close`)
        except FileNotFoundError as error:
            raise BackupError(f"there is no file {path}", "name the file of a backup") from error
        except (tarfile.TarError, OSError) as error:
            raise self._damaged(str(error)) from error
        try:
            entry = self._archive.next()
            self.head = self._json(entry, HEAD)
            if self.head.get("format") != FORMAT:
                raise BackupError(f"{path} is a backup of a later format", "upgrade Hinode on this machine")
        except BaseException:
            self._archive.close()
            raise

    def entries(self) -> Iterator[tuple[str, BinaryIO]]:
        """The entries between head and end, by name, with their contents.

        Raises:
            BackupError: the file ends early, or an entry is not as it was written.
        """
        objects, home, digest = 0, 0, ""
        try:
            while (entry := self._archive.next()) is not None and entry.name != END:
                if not entry.isreg():
                    raise self._damaged(f"{entry.name} is no file")
                stream = self._archive.extractfile(entry)
                assert stream is not None
                reader = _Digest(stream)
                yield entry.name, cast(BinaryIO, reader)
                while reader.read(BLOCK):  # what the caller left
                    pass
                if reader.size != entry.size:
                    raise self._damaged(f"{entry.name} is cut off")
                if entry.name == DATABASE:
                    digest = reader.sha256.hexdigest()
                home += entry.name.startswith(HOME)
                objects += entry.name.startswith(OBJECTS)
            end = self._json(entry, END)
            self.damaged = end.pop("damaged", [])
            if end != {"database": digest, "home": home, "objects": objects}:
                raise self._damaged("its end does not fit its content")
        except (tarfile.TarError, EOFError) as error:
            raise self._damaged(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _json(self, entry: tarfile.TarInfo | None, name: str) -> dict[str, Any]:
        if entry is None or entry.name != name or not entry.isreg():
            raise self._damaged(f"{name} is missing")
        stream = self._archive.extractfile(entry)
        assert stream is not None
        try:
            values: dict[str, Any] = json.loads(stream.read(BLOCK))
        except ValueError as error:
            raise self._damaged(f"{name} is damaged") from error
        return values

    def _damaged(self, reason: str) -> BackupError:
        return BackupError(f"{self._path} is no complete backup: {reason}", "use another one")


class _Digest:
    """A stream that computes the digest of what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        try:
            content = self._stream.read(size)
        except tarfile.TarError as error:
            raise BackupError(f"the backup is cut off: {error}", "use another one") from error
        self.sha256.update(content)
        self.size += len(content)
        return content
