"""Objects whose files are in a remote store, with a folder on this machine as their cache.

Everything reads and writes files of this machine, as with a folder; `fetch` brings them here. A file gets its
name in the cache when its digest is right and, if it was written here, once the remote store has it. Several
processes of a machine share the folder.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hinode.errors import HinodeError
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.files.remote import Remote

IN_USE_SECONDS = 600.0
"""A file that was fetched so lately stays, for somebody may be about to open it."""
UNUSED_SECONDS = 86_400.0
"""A file that nobody fetched for so long goes in any case: it may have been deleted elsewhere."""
SWEEP_SECONDS = 3600.0
"""Between two sweeps: all names are listed, and the saved states of all jobs are fetched."""
EVICT_SHARE = 0.05
"""Of the cache that is written between two looks at what it holds."""
LOCKS = 64


class DamagedFile(OSError):
    """The remote store has other bytes than those that were put into it."""


class CachedObjects(Objects):
    """Files of a remote store; see `Objects`, whose methods it has."""

    def __init__(
        self, root: Path, remote: Remote, clock: Callable[[], float] = time.time, *, max_bytes: int
    ) -> None:
        """`root` is the folder of the cache, which has about `max_bytes` at most besides files in use."""
        super().__init__(root, clock)
        self.remote = remote
        self.max_bytes = max_bytes
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._added = max_bytes  # since the last look; so the first file leads to one
        self._swept_at = -SWEEP_SECONDS

    def check_mounted(self) -> None:
        """Raise `StoreError` if the remote store is empty, though it is known to have files."""
        if next(self.remote.digests(), None) is None:
            message = f"{self.remote.name} is empty, and the database names files in it"
            raise StoreError(message, remedy="check the bucket and the prefix in HINODE_STORE")

    def check(self) -> None:
        super().check()
        self.remote.check()

    def try_out(self) -> None:
        self.remote.try_out()

    def _is_there(self) -> bool:
        return True  # a cache that is empty or gone is no fault

    def has(self, digest: str) -> bool:
        return super().has(digest) or self.remote.size(digest) is not None

    def read(self, digest: str) -> bytes:
        return self.fetch(digest).read_bytes()

    def keep(self, digest: str) -> bool:
        self.path(digest)  # raises: this is no digest
        return self.remote.touch(digest)  # another machine may have removed what the cache still has

    def fetch(self, digest: str) -> Path:
        path = self.path(digest)
        with self._faults(), self._locks[int(digest[:8], 16) % LOCKS]:
            with suppress(FileNotFoundError):
                os.utime(path)
                return path
            with self.temporary() as part:
                self.remote.download(digest, part)
                actual, size = _measure(part)
                if actual != digest:
                    raise DamagedFile(f"{self.remote.name} has other bytes than those of {digest}")
                self._enter(part, path, size)
        return path

    @contextmanager
    def held(self, digest: str) -> Iterator[Path]:
        path = self.fetch(digest)
        link = self.root / "held" / secrets.token_hex(12)
        with self._faults():
            link.parent.mkdir(exist_ok=True)
            try:
                os.link(path, link)
            except OSError:  # a file system without links
                shutil.copyfile(path, link)
        try:
            yield link
        finally:
            link.unlink(missing_ok=True)

    def url(self, digest: str) -> str | None:
        self.path(digest)
        return self.remote.url(digest)

    def upload_url(self, name: str, part: int) -> str | None:
        return self.remote.upload_url(name, part)

    def adopt(self, name: str, parts: int, digest: str, *, max_bytes: int) -> int | None:
        self.path(digest)
        return self.remote.adopt(name, parts, digest, max_bytes=max_bytes)

    def _new(self, suffix: str = "") -> Path:
        self._made = False  # somebody may have emptied the cache
        return super()._new(suffix)

    def _keep(self, part: Path) -> tuple[str, int]:
        digest, size = _measure(part)
        self.remote.upload(digest, part)
        self._enter(part, self.path(digest), size)
        return digest, size

    def _enter(self, part: Path, path: Path, size: int) -> None:
        """Give a file its name in the cache, and remove what is too much then."""
        os.utime(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        self._added += size
        if self._added > EVICT_SHARE * self.max_bytes:
            self._added = 0
            self._evict()

    def _evict(self) -> None:
        """Remove files that were not used for long, the oldest first, until the others fit."""
        now, files = self.clock(), []
        for path in self.root.glob("objects/??/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for used_at, size, path in sorted(files):
            age = now - used_at
            if age < IN_USE_SECONDS or (total <= self.max_bytes and age < UNUSED_SECONDS):
                break
            path.unlink(missing_ok=True)
            total -= size

    def read_preview(self, job_id: str) -> bytes | None:
        self.preview(job_id)
        return self.remote.preview(job_id)

    def put_preview(self, job_id: str, picture: bytes) -> None:
        self.preview(job_id)
        self.remote.put_preview(job_id, picture)

    def delete_preview(self, job_id: str) -> None:
        self.preview(job_id)
        with suppress(HinodeError):
            self.remote.delete_preview(job_id)

    def discard(self, digest: str, older_than: float) -> bool:
        try:
            removed = self.remote.delete(digest, older_than)
            if removed:
                self.path(digest).unlink(missing_ok=True)
            return removed
        except (OSError, StoreError):
            return False

    def sweep_due(self) -> bool:
        return self.clock() - self._swept_at >= SWEEP_SECONDS

    def sweep(self, keep: Collection[str], older_than: float) -> int:
        referenced = keep if isinstance(keep, (set, frozenset)) else set(keep)
        count = super().sweep(referenced, older_than)
        now = self._swept_at = self.clock()
        for link in self.root.glob("held/*"):  # of processes that were killed
            with suppress(FileNotFoundError):
                if link.stat().st_ctime < now - UNUSED_SECONDS:
                    link.unlink()
        for digest, age in self.remote.digests():
            if age >= older_than and digest not in referenced:
                count += self.remote.delete(digest, older_than)
        return count + self.remote.tidy(older_than)


def _measure(part: Path) -> tuple[str, int]:
    """Digest and size of a file, which is on the disk then."""
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())  # else a power cut could leave an empty file under its name
        return digest, os.fstat(file.fileno()).st_size
