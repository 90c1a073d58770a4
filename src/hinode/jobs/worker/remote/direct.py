"""Files of a leased job that go straight to the store of the server, at addresses that the server signs.

The server reads what arrived and compares its digest before the file counts as sent, so nothing depends on
the answers of the store. An address is as good as a key: it stands in no log, and in no error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from hinode.background import backoff
from hinode.jobs.files.bucket import media_type
from hinode.jobs.worker.remote.connection import CONNECT_SECONDS, FILE_SECONDS, Connection
from hinode.jobs.worker.remote.service import RemoteService
from hinode.outbound import Outbound, OutboundError

log = logging.getLogger(__name__)

BLOCK = 1 << 20
PART_BYTES = 64 << 20
"""Of a file that is sent in equal parts, each to an address of its own; what breaks off is sent again."""
RESUMPTIONS = 4
"""How often a transfer goes on where it broke off before it counts as failed."""


class StoreUnreachable(Exception):
    """The store does not take files from this machine; the text has its host and the reason."""


class DirectUploads:
    """Sends files of the job that `service` holds the lease on.

    If the first file cannot be sent, the store is not tried again, and all files go through the server: a
    worker often cannot reach the network that the server and its store share.
    """

    def __init__(
        self,
        connection: Connection,
        service: RemoteService,
        pause: Callable[[float], object] = time.sleep,
        *,
        part_bytes: int = PART_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """
        Args:
            connection: to the server.
            service: has the lease.
            pause: waits so many seconds.
            part_bytes: size of all parts of a file but the last.
            transport: to the store, for tests.
        """
        self.connection = connection
        self.service = service
        self.part_bytes = part_bytes
        self._pause = pause
        self._outbound = Outbound(allow_private=True)
        timeout = httpx.Timeout(FILE_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.Client(timeout=timeout, transport=transport)
        self._works: bool | None = None  # None until it was tried

    def send(self, digest: str, path: Path) -> bool:
        """Send a file, and let the server enter it.

        Returns: whether that was done; if not, the file has to go through the server.

        Raises:
            ServerAway: the server does not answer.
            LeaseLost: another worker may have the job.
        """
        if self._works is False or not self.service.takes_uploads:
            return False
        size = path.stat().st_size
        starts = range(0, size, self.part_bytes)
        try:
            for part, start in enumerate(starts):
                length = min(self.part_bytes, size - start)
                if not self._send_part(digest, part, path, start, length):
                    return False
        except StoreUnreachable as error:
            what = "this file goes" if self._works else "files go"
            log.warning("the store of the server takes no file from here (%s); %s through it", error, what)
            self._works = bool(self._works)
            return False
        self._works = True
        is_stored = self._call(digest, "adopt", {"parts": len(starts)}).get("stored") is True
        if not is_stored:
            log.warning("what arrived in the store is not the file that was sent; it goes through the server")
        return is_stored

    def _send_part(self, digest: str, part: int, path: Path, start: int, length: int) -> bool:
        """Send a part; False if the server gives no address for it.

        Raises:
            StoreUnreachable: that fails, for the first file at the first attempt.
        """
        headers = {"content-length": str(length), "content-type": media_type(path)}
        failures = 0
        while True:
            # Each attempt has a new address: the last one may be too old.
            url = self._call(digest, "address", {"part": part}).get("url")
            if not isinstance(url, str):
                return False
            content = read_blocks(path, start, length)
            status = 0
            try:
                target = self._outbound.check(url)
                status = self._client.put(target, content=content, headers=headers).status_code
                reason = f"status {status}"
            except OutboundError:
                reason = "its address is not allowed"
            except httpx.HTTPError as error:
                reason = type(error).__name__  # its text may have the address
            if 200 <= status < 300:
                return True
            failures += 1
            if failures > RESUMPTIONS or (self._works is None and status != httpx.codes.FORBIDDEN):
                raise StoreUnreachable(f"{urlsplit(url).netloc}: {reason}")
            log.warning("a part of a file is sent to the store again: %s", reason)
            if status != httpx.codes.FORBIDDEN:
                self._pause(backoff(failures, first=0.5, maximum=8.0))

    def _call(self, digest: str, end: str, body: dict[str, int]) -> dict[str, object]:
        lease = self.service.lease
        assert lease is not None, "files belong to a job"
        path = self.service.path(lease, f"objects/{digest}/{end}")
        return self.connection.call("POST", path, body, FILE_SECONDS)


def read_blocks(path: Path, start: int, length: int) -> Iterator[bytes]:
    """So many bytes of a file, block by block."""
    with path.open("rb") as file:
        file.seek(start)
        while length and (block := file.read(min(BLOCK, length))):
            length -= len(block)
            yield block
