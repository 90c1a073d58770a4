"""The files of a leased job, between this machine and the store of the server."""

from __future__ import annotations

import errno
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hinode.background import backoff
from hinode.jobs.worker.remote.connection import FILE_SECONDS, Connection
from hinode.jobs.worker.remote.direct import RESUMPTIONS, DirectUploads, read_blocks
from hinode.jobs.worker.remote.service import RemoteService
from hinode.jobs.worker.service import ServerAway

log = logging.getLogger(__name__)

SMALL_BYTES = 1 << 20
"""A file of so many bytes is sent without asking first: that would take as long."""


class Transfer:
    """Reads and writes files of the job that `service` holds the lease on, and no others. The server decides
    what is removed there.

    All methods raise `ServerAway` if there is no answer, and `LeaseLost` if another worker may have the job.
    """

    def __init__(
        self,
        connection: Connection,
        service: RemoteService,
        pause: Callable[[float], object] = time.sleep,
        direct: DirectUploads | None = None,
    ) -> None:
        self.name = connection.server
        self.connection = connection
        self.service = service
        self._pause = pause
        self._direct = direct or DirectUploads(connection, service, pause)

    def size(self, digest: str) -> int | None:
        """The size of a file in bytes, or None if it is not there. Its age starts again on the server."""
        try:
            with self.connection.open("HEAD", self._address(f"objects/{digest}")) as response:
                return int(response.headers["content-length"])
        except FileNotFoundError:
            return None

    def download(self, digest: str, path: Path) -> None:
        """Write a file to `path`. What broke off goes on where it ended.

        Raises:
            FileNotFoundError: it is not there.
            OSError: what arrives is not the file.
        """
        failures = 0
        with path.open("wb") as file:
            while True:
                try:
                    if failures and file.tell() == self.size(digest):
                        break  # only its end broke off
                    self._receive(digest, file.tell(), file.write)
                    break
                except ServerAway as error:
                    failures += 1
                    if failures > RESUMPTIONS:
                        raise
                    log.warning("a download goes on at byte %d: %s", file.tell(), error)
                    self._pause(backoff(failures, first=0.5, maximum=8.0))
        with path.open("rb") as stored:
            if hashlib.file_digest(stored, "sha256").hexdigest() != digest:
                raise OSError(errno.EBADMSG, f"what the server sent is not the file {digest}")

    def upload(self, digest: str, path: Path) -> None:
        """Send a file, unless the server has it for this job already; it compares the digest itself. A large
        one goes straight to the store of the server where that works."""
        self.service.confirm()
        size = path.stat().st_size
        if size > SMALL_BYTES and (self.size(digest) == size or self._direct.send(digest, path)):
            return
        sent = {"content-length": str(size), "content-type": "application/octet-stream"}
        address = self._address(f"objects/{digest}")
        with self.connection.open(
            "PUT", address, content=read_blocks(path, 0, size), headers=sent, seconds=FILE_SECONDS
        ):
            pass

    def touch(self, digest: str) -> bool:
        """Whether a file is there; then its age starts again on the server."""
        return self.size(digest) is not None

    def delete(self, digest: str, older_than: float) -> bool:
        """True, so that the copy on this machine goes."""
        return True

    def digests(self) -> Iterator[tuple[str, float]]:
        """None of them: a worker cannot list files."""
        return iter(())

    def tidy(self, older_than: float) -> int:
        return 0

    def url(self, digest: str) -> None:
        """None: every download needs the token."""

    def upload_url(self, name: str, part: int) -> None:
        """None: nobody else sends files to a worker."""

    def adopt(self, name: str, parts: int, digest: str, *, max_bytes: int) -> None:
        """None, for the same reason."""

    def check(self) -> None:
        """Nothing: while the server is away, no job can be claimed anyway."""

    def try_out(self) -> None:
        """Nothing: the server has tried its store."""

    def preview(self, job_id: str) -> None:
        """None: workers only write previews."""

    def put_preview(self, job_id: str, picture: bytes) -> None:
        """Replace the preview of the job."""
        sent = {"content-type": "image/webp"}
        with self.connection.open("PUT", self._address("preview"), content=picture, headers=sent):
            pass

    def delete_preview(self, job_id: str) -> None:
        """Nothing: the server removes it with the end of the job."""

    def _address(self, end: str) -> str:
        lease = self.service.lease
        assert lease is not None, "files belong to a job"
        return self.service.path(lease, end)

    def _receive(self, digest: str, start: int, write: Callable[[bytes], object]) -> None:
        headers = {"range": f"bytes={start}-"} if start else {}
        address = self._address(f"objects/{digest}")
        with self.connection.open("GET", address, headers=headers) as response:
            if start and response.status_code != 206:
                raise OSError(errno.EBADMSG, "the server does not send a part of a file")
            for piece in response.iter_bytes():  # as it arrives: of larger pieces, the last were lost
                write(piece)
