"""Files that jobs take and make, named by their contents, so that equal files are one and none can change.

    store/objects/3f/3fa1…      a file, whose name is the SHA-256 of its bytes
    store/temporary/…           files that are still being written
    store/previews/video_….webp what a running job looks like so far

A file gets its name only once it is whole and on the disk. Several processes and machines may share a store.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 20

DIGEST = re.compile("[0-9a-f]{64}")
JOB = re.compile("[A-Za-z0-9_-]{1,100}")


class Objects:
    """A folder of files under their digests. Safe to use from several threads and processes."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            root: the folder; it is made when something is first written to it.
            clock: seconds since 1970, as the file system counts them.
        """
        self.root = root
        self.clock = clock

    def path(self, digest: str) -> Path:
        """Where the file with this digest is, or would be.

        Raises:
            ValueError: it is not a SHA-256 in lower-case hexadecimal, so it could lead anywhere.
        """
        if DIGEST.fullmatch(digest) is None:
            raise ValueError(f"{digest[:80]!r} is no SHA-256 digest")
        return self.root / "objects" / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the file with this digest is there; see `path` for what is raised."""
        return self.path(digest).is_file()

    def keep(self, digest: str) -> bool:
        """Whether the file with this digest is there; if so, it is young again, so that `sweep` leaves it to
        whoever is about to refer to it. See `path` for what is raised."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def temporary(self, suffix: str = "") -> Iterator[Path]:
        """A path inside the store to write a file to; what is left there after the block is removed.

        Handing it to `put` inside the block is how a file gets into the store without being copied.

        Args:
            suffix: what the name should end in, such as ".mp4".
        """
        path = self._new(suffix)
        try:
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def put(self, source: Path | bytes | BinaryIO) -> tuple[str, int]:
        """Keep a file; when this returns it is on the disk, whole.

        Args:
            source: the bytes, a stream that is read to its end, or a path. A path from `temporary` is moved,
                any other is copied.

        Returns:
            Digest and size in bytes.

        Raises:
            OSError: it cannot be read or written; a full disk, say.
        """
        if isinstance(source, Path) and source.parent == self.root / "temporary":
            return self._keep(source)
        with self.temporary() as part:
            if isinstance(source, bytes):
                part.write_bytes(source)
            elif isinstance(source, Path):
                shutil.copyfile(source, part)
            else:
                with part.open("wb") as file:
                    shutil.copyfileobj(source, file, BLOCK)
            return self._keep(part)

    def _keep(self, part: Path) -> tuple[str, int]:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
            path = self.path(digest)
            # An equal file that is there already is made young again, so that `sweep` leaves it alone.
            try:
                os.utime(path)
            except FileNotFoundError:
                os.fsync(file.fileno())
                # With the present time, by which `sweep` goes: the file may have been long in the making.
                os.utime(part)
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
        # Even if the file was there: who put it may not have come this far yet.
        _sync_folder(path.parent)
        _sync_folder(path.parent.parent)
        return digest, size

    def preview(self, job_id: str) -> Path:
        """Where the preview of a job is, if it has one.

        Raises:
            ValueError: that is no identity of a job.
        """
        if JOB.fullmatch(job_id) is None:
            raise ValueError(f"{job_id[:80]!r} is no identity of a job")
        return self.root / "previews" / f"{job_id}.webp"

    def show(self, job_id: str, picture: bytes) -> None:
        """Replace the preview of a job; a reader sees the old one or the new one, never half of either.

        Raises:
            OSError: it cannot be written.
        """
        path = self.preview(job_id)
        with self.temporary(".webp") as part:
            part.write_bytes(picture)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)

    def hide(self, job_id: str) -> None:
        """Remove the preview of a job, if it has one."""
        with suppress(FileNotFoundError):
            self.preview(job_id).unlink()

    def sweep(self, keep: Collection[str], older_than: float) -> int:
        """Remove files that nothing refers to.

        Files younger than `older_than` stay, because what was just put, or looked up with `keep`, may be
        referred to a moment later.

        Args:
            keep: digests that something refers to; ask for them before, not after.
            older_than: age in seconds; an hour is plenty.

        Returns:
            How many files were removed, temporary ones and previews among them.
        """
        before = self.clock() - older_than
        kept = keep if isinstance(keep, (set, frozenset)) else set(keep)
        gone = 0
        for path in self.root.glob("objects/??/*"):
            if DIGEST.fullmatch(path.name) and path.name not in kept and _older(path, before):
                gone += self._discard(path, before)
        for path in (*self.root.glob("temporary/*"), *self.root.glob("previews/*")):
            if _older(path, before):
                with suppress(FileNotFoundError):
                    path.unlink()
                    gone += 1
        return gone

    def _discard(self, path: Path, before: float) -> bool:
        # Aside first and then away: if `put` found the file and made it young in between, it is put back.
        aside = self._new()
        try:
            path.replace(aside)
        except FileNotFoundError:  # another process sweeps too
            return False
        if not _older(aside, before):
            aside.replace(path)
            return False
        aside.unlink(missing_ok=True)
        return True

    def _new(self, suffix: str = "") -> Path:
        folder = self.root / "temporary"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{secrets.token_hex(12)}{suffix}"


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that (Windows cannot)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
