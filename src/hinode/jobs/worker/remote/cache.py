"""Copies of the files of a job on the machine of its worker, in front of those on the server."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Lease
from hinode.jobs.worker.remote.transfer import Transfer


class Cache(Objects):
    """`Objects` of one process: what is read comes from the server, and what is put goes there first.

    A file gets its name here only once the server has it. Of finished jobs nothing stays: see `begin`.
    """

    def __init__(self, root: Path, transfer: Transfer) -> None:
        super().__init__(root)
        self.transfer = transfer

    def begin(self, lease: Lease) -> None:
        """Remove the files of jobs before, and keep those that this one reads."""
        references = lease.job.request.get("references", ())
        needed = {str(reference.get("digest")) for reference in references} | {str(lease.job.checkpoint)}
        self.sweep(needed, older_than=-1.0)

    def has(self, digest: str) -> bool:
        """Whether a file is on the server; then it is here afterwards too."""
        try:
            self._fetch(digest)
        except FileNotFoundError:
            return False
        return True

    def read(self, digest: str) -> bytes:
        self._fetch(digest)
        return super().read(digest)

    def keep(self, digest: str) -> bool:
        """Whether a file is on the server, where its age starts again."""
        return self.transfer.touch(digest)

    def put_preview(self, job_id: str, picture: bytes) -> None:
        self.transfer.put_preview(job_id, picture)

    def delete_preview(self, job_id: str) -> None:
        self.transfer.delete_preview(job_id)

    def _fetch(self, digest: str) -> None:
        if super().has(digest):
            return
        with self.temporary() as part:
            self.transfer.download(digest, part)
            self._enter(part, digest)

    def _is_there(self) -> bool:
        return True  # a cache that is empty is no fault

    def _keep(self, part: Path) -> tuple[str, int]:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.transfer.upload(digest, part)
        return digest, self._enter(part, digest)

    def _enter(self, part: Path, digest: str) -> int:
        path, size = self.path(digest), part.stat().st_size
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        return size
