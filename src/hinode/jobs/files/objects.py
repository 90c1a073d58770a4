"""The object store: files that jobs read and write, named by their contents.

    store/objects/3f/3fa1…      a file, whose name is the SHA-256 of its bytes
    store/temporary/…           files that are still being written
    store/previews/video_….webp the preview of a running job

Equal files are one, and no file ever changes. A file gets its name only once it is whole and on the disk.
Several processes and machines may share a store.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar

from hinode.errors import HinodeError, OutputError
from hinode.output import REASONS

BLOCK = 1 << 20
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FAULTS = FULL | {errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EACCES, errno.EPERM}
"""What the disk of a store is to blame for, and not what is written to it."""
MIN_FREE_BYTES, MIN_FREE_SHARE = 256 << 20, 0.05
"""So much of its disk is free where jobs are carried out: the smaller of the two."""

DIGEST = re.compile("[0-9a-f]{64}")
JOB = re.compile("[A-Za-z0-9_-]{1,100}")


class StoreError(HinodeError):
    """The store cannot be used at present: its disk is full, read-only or away, or its server is."""

    code: ClassVar[str] = "store"

    def __init__(self, reason: str, *, full: bool = False, remedy: str = "check its disk") -> None:
        self.full = full
        super().__init__(f"the store cannot be used: {reason}", remedy)


class Objects:
    """A folder of files under their digests. Safe to use from several threads and processes.

    Every method raises `StoreError` if the disk is at fault, and so do the blocks of `temporary`.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        """The first write makes the folder `root`, and no later one does: a disk that went away would be
        hidden by an empty folder. `clock` gives seconds since 1970 as the file system does."""
        self.root = root
        self.clock = clock
        self._made = False

    def check_mounted(self) -> None:
        """Raise `StoreError` if nothing is where the store should be, though it is known to have files."""
        if not self._is_there():
            raise StoreError(f"{self.root} is empty, and the database names files in it")
        self._made = True

    def check(self) -> None:
        """Raise `StoreError` unless files can be written, and some space is left after them."""
        with self.temporary() as path:
            path.write_bytes(bytes(BLOCK))
            disk = shutil.disk_usage(self.root)
            if disk.free < min(MIN_FREE_BYTES, MIN_FREE_SHARE * disk.total):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def try_out(self) -> None:
        """See that a remote store reads back files of all sizes as they were written."""

    def path(self, digest: str) -> Path:
        """The path of the file with this digest, whether or not it is there; to open it, use `fetch`.

        Raises:
            ValueError: it is not a SHA-256 in lower-case hexadecimal, so it could lead anywhere.
        """
        if DIGEST.fullmatch(digest) is None:
            raise ValueError(f"{digest[:80]!r} is no SHA-256 digest")
        return self.root / "objects" / digest[:2] / digest

    def fetch(self, digest: str) -> Path:
        """The path of the file with this digest, to be opened at once; raises as `path` does.

        Raises:
            FileNotFoundError: a remote store does not have it. A folder says so when the file is opened.
        """
        return self.path(digest)

    @contextmanager
    def held(self, digest: str) -> Iterator[Path]:
        """A path of the file with this digest, for as long as the block lasts; raises as `fetch` does."""
        yield self.fetch(digest)

    def url(self, digest: str) -> str | None:
        """An address that anybody may download the file from for a while, or None if there is none."""
        return None

    def upload_url(self, name: str, part: int) -> str | None:
        """An address that a worker may send a part of an upload to for a while, or None if there is none; see
        `Remote`."""
        return None

    def adopt(self, name: str, parts: int, digest: str, *, max_bytes: int) -> int | None:
        """Store the file that was sent to addresses of `upload_url`; see `Remote`."""
        return None

    def has(self, digest: str) -> bool:
        """Whether the file with this digest is there; raises as `path` does."""
        with self._faults():
            try:
                self.path(digest).stat()
            except FileNotFoundError:
                return self._miss()
        return True

    def read(self, digest: str) -> bytes:
        """The file with this digest; raises as `path` does.

        Raises:
            OSError: it is not there.
        """
        with self._faults():
            return self.path(digest).read_bytes()

    def keep(self, digest: str) -> bool:
        """Whether the file with this digest is there. Its age starts again, so that `sweep` does not remove
        it before the caller refers to it. Raises as `path` does."""
        with self._faults():
            try:
                os.utime(self.path(digest))
            except FileNotFoundError:
                return self._miss()
        return True

    def _miss(self) -> bool:
        """False for a file that is not there; an error if the store is not there either."""
        if not self._is_there():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return False

    def _is_there(self) -> bool:
        return (self.root / "objects").is_dir()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Raise `StoreError` in place of an error that the disk is to blame for."""
        try:
            yield
        except (OSError, OutputError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):
                raise
            if cause.errno in FAULTS:
                reason = REASONS.get(cause.errno, (cause.strerror or str(cause), ""))[0]
                raise StoreError(reason, full=cause.errno in FULL) from error
            if not self._is_there():
                raise StoreError(f"{self.root} is not there") from error
            raise

    @contextmanager
    def temporary(self, suffix: str = "") -> Iterator[Path]:
        """A path inside the store to write a file to, with a name that ends in `suffix`.

        Inside the block, `put` moves the file into the store without copying it. After the block, the file is
        removed if it is still there.
        """
        with self._faults():
            path = self._new(suffix)
            try:
                yield path
            finally:
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def put(self, source: Path | bytes | BinaryIO) -> tuple[str, int]:
        """Store a file, and return its digest and its size in bytes; then it is on the disk, whole.

        The source is the bytes, a stream that is read to its end, or a path. A path from `temporary` is
        moved, any other is copied.

        Raises:
            OSError: the source cannot be read.
        """
        if isinstance(source, Path) and source.parent == self.root / "temporary":
            with self._faults():
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
            if not self.keep(digest):
                os.fsync(file.fileno())
                # The file may be old already if it took long to write; its age starts now.
                os.utime(part)
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
        # Even if the file was there: the process that put it may not have come this far yet.
        _sync_folder(path.parent)
        _sync_folder(path.parent.parent)
        return digest, size

    def preview(self, job_id: str) -> Path:
        """The path of a job's preview, whether or not it has one.

        Raises:
            ValueError: that is not the id of a job.
        """
        if JOB.fullmatch(job_id) is None:
            raise ValueError(f"{job_id[:80]!r} is not the id of a job")
        return self.root / "previews" / f"{job_id}.webp"

    def read_preview(self, job_id: str) -> bytes | None:
        """The preview of a job, if it has one."""
        with suppress(FileNotFoundError), self._faults():
            return self.preview(job_id).read_bytes()
        return None

    def put_preview(self, job_id: str, picture: bytes) -> None:
        """Replace the preview of a job; a reader gets the old one or the new one, whole."""
        path = self.preview(job_id)
        with self.temporary(".webp") as part:
            part.write_bytes(picture)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)

    def delete_preview(self, job_id: str) -> None:
        """Remove the preview of a job, if it has one. If that fails, the file is left to `sweep`."""
        with suppress(OSError):
            self.preview(job_id).unlink(missing_ok=True)

    def discard(self, digest: str, older_than: float) -> bool:
        """Remove a file that nothing refers to, unless it is younger than `older_than` seconds.

        Returns: whether it was removed; if not, it is left to `sweep`.
        """
        path, before = self.path(digest), self.clock() - older_than
        try:
            return _older(path, before) and self._discard(path, before)
        except (OSError, StoreError):
            return False

    def sweep_due(self) -> bool:
        """Whether it is time for another sweep, for which the caller has to find out what to keep."""
        return True

    def sweep(self, keep: Collection[str], older_than: float) -> int:
        """Remove the files that nothing refers to, temporary ones and previews included; returns how many.

        Files younger than `older_than` seconds stay: whoever just put them, or looked them up with `keep`,
        may be about to refer to them. An hour is plenty.

        Args:
            keep: digests that something refers to; ask for them before, not after.
            older_than: age in seconds.
        """
        before = self.clock() - older_than
        referenced = keep if isinstance(keep, (set, frozenset)) else set(keep)
        count = 0
        for path in self.root.glob("objects/??/*"):
            if DIGEST.fullmatch(path.name) and path.name not in referenced and _older(path, before):
                count += self._discard(path, before)
        for path in (*self.root.glob("temporary/*"), *self.root.glob("previews/*")):
            if _older(path, before):
                with suppress(FileNotFoundError):
                    path.unlink()
                    count += 1
        return count

    def _discard(self, path: Path, before: float) -> bool:
        # First renamed and then removed: if `put` found the file and touched it in between, it is put back.
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
        if not self._made:
            # Other users of the machine may not see videos.
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in (folder, self.root / "objects"):
                part.mkdir(exist_ok=True)
            self._made = True
        return folder / f"{secrets.token_hex(12)}{suffix}"


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can do that (Windows cannot)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
