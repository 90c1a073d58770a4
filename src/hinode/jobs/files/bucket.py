"""Requests to a bucket of an S3-compatible store.

A request carries the SHA-256 of its body in its signature, which servers compare. Checksum trailers are not
sent: some servers write them into the file, others take them for a wrong key.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinode.errors import BadInput
from hinode.jobs.files.objects import BLOCK, StoreError

if TYPE_CHECKING:
    from obstore import ObjectMeta

PART_BYTES, PARTS_AT_ONCE = 8 << 20, 4
"""Of a file that is written in equal parts; one that fits into a part is written as a whole."""
MEDIA_TYPES = ("application/octet-stream", "video/mp4")
CONNECT_SECONDS, QUICK_SECONDS, STALLED_SECONDS = 5, 10, 60
TRANSFER_SECONDS = 3600
MAX_RETRIES, RETRY_SECONDS = 3, 10
URL_SECONDS = 900
"""In which a request to a signed address must begin."""


class Bucket:
    """What is below a prefix in a bucket. Keys and region come from the AWS_ variables. Safe to use from
    several threads.

    Every method raises `StoreError` if the bucket cannot be used.
    """

    def __init__(
        self,
        url: str,
        endpoint: str,
        public_endpoint: str,
        worker_endpoint: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """See `S3Remote`."""
        self.name = url
        self.clock = clock
        self._files = _open(url, endpoint, timeout=f"{TRANSFER_SECONDS}s", read_timeout=f"{STALLED_SECONDS}s")
        self._quick = _open(url, endpoint, timeout=f"{QUICK_SECONDS}s")
        self.public = bool(public_endpoint)
        """Whether clients of the API may be sent to it."""
        self._public = _open(url, public_endpoint)
        self.takes_uploads = bool(worker_endpoint)
        """Whether workers over HTTP may be sent to it."""
        self._workers = _open(url, worker_endpoint)

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All entries below a prefix that ends in "/", in the order of their keys."""
        import obstore

        with self._faults(missing=True):
            for page in obstore.list(self._quick, prefix):
                yield from page

    def age(self, entry: ObjectMeta) -> float:
        """Seconds since an entry was written."""
        return self.clock() - entry["last_modified"].timestamp()

    def write(self, key: str, content: Path | bytes) -> None:
        """Write a file, in parts if it is large."""
        import obstore

        with self._faults(missing=True):
            obstore.put(
                self._files,
                key,
                content,
                attributes={"Content-Type": media_type(content)},
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    def write_small(self, key: str, content: bytes) -> None:
        """Write some bytes within seconds, or fail."""
        import obstore

        with self._faults(missing=True):
            obstore.put(self._quick, key, content, use_multipart=False)

    def read_small(self, key: str) -> bytes:
        """Read some bytes within seconds, or fail.

        Raises:
            FileNotFoundError: they are not there.
        """
        import obstore

        with self._faults():
            return bytes(obstore.get(self._quick, key).bytes())

    def blocks(self, key: str) -> Iterator[Any]:
        """A file, block by block.

        Raises:
            FileNotFoundError: it is not there.
        """
        import obstore

        with self._faults():
            yield from obstore.get(self._files, key).stream(min_chunk_size=BLOCK)

    def digest(self, key: str) -> str:
        """SHA-256 of what is read; raises as `blocks` does."""
        return self.measure(key)[0]

    def measure(self, key: str) -> tuple[str, int]:
        """SHA-256 and bytes of what is read; raises as `blocks` does."""
        hasher, size = hashlib.sha256(), 0
        for block in self.blocks(key):
            hasher.update(block)
            size += len(block)
        return hasher.hexdigest(), size

    def media_type(self, key: str) -> str:
        """The type that a file was written with, "" for none; raises as `blocks` does."""
        import obstore

        with self._faults():
            result = obstore.get(self._quick, key, options={"head": True})
            return str(result.attributes.get("Content-Type", ""))

    def range(self, key: str, start: int, length: int) -> bytes:
        """A part of a file; raises as `blocks` does."""
        import obstore

        with self._faults():
            return bytes(obstore.get_range(self._files, key, start=start, length=length))

    def copy(self, source: str, target: str) -> None:
        """Copy a file within the bucket; raises as `blocks` does."""
        import obstore

        with self._faults():
            obstore.copy(self._files, source, target)

    def join(self, sources: Sequence[str], target: str) -> None:
        """Write the files one after the other as one; raises as `blocks` does."""
        import obstore

        with self._faults():
            content = chain.from_iterable(map(self.blocks, sources))
            first = bytes(next(content, b""))
            attributes = {"Content-Type": media_type(first)}
            # Not `put`: it cannot read from an iterator that itself asks the store.
            with obstore.open_writer(
                self._files,
                target,
                attributes=attributes,
                buffer_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            ) as writer:
                for block in chain([first], content):
                    writer.write(block)

    def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        import obstore

        with suppress(FileNotFoundError), self._faults():
            obstore.delete(self._quick, key)

    def sign(self, key: str) -> str:
        """An address to download a file from, for clients of the API; the bucket is `public`."""
        import obstore

        with self._faults():
            return str(obstore.sign(self._public, "GET", key, timedelta(seconds=URL_SECONDS)))

    def sign_upload(self, key: str) -> str:
        """An address to send a file to with PUT, for workers over HTTP; the bucket `takes_uploads`."""
        import obstore

        with self._faults():
            return str(obstore.sign(self._workers, "PUT", key, timedelta(seconds=URL_SECONDS)))

    @contextmanager
    def _faults(self, *, missing: bool = False) -> Iterator[None]:
        """Raise `StoreError` in place of an error of the client, and with `missing` in place of
        `FileNotFoundError`: then it is the bucket that is not there."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except FileNotFoundError as error:
            if not missing:
                raise
            raise StoreError(f"there is no bucket {self.name}", remedy="check HINODE_STORE") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            remedy = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"
            raise StoreError(f"{self.name} refuses the keys: {_reason(error)}", remedy=remedy) from error
        except BaseError as error:
            remedy = "check that it is running, and HINODE_STORE_ENDPOINT"
            raise StoreError(f"{self.name} fails: {_reason(error)}", remedy=remedy) from error


def _open(url: str, endpoint: str, **timeouts: str) -> Any:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ModuleNotFoundError as error:
        message = "the client of S3 is not installed"
        raise BadInput(message, "install it with: pip install 'hinode[s3]'", field="HINODE_STORE") from error
    options: Any = {"allow_http": True, "connect_timeout": f"{CONNECT_SECONDS}s", **timeouts}
    # Not every store removes several files in one request.
    config: Any = {"disable_bulk_delete": True, **({"endpoint": endpoint} if endpoint else {})}
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options=options,
            retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )
    except (BaseError, ValueError) as error:
        message = f"the store {url} cannot be opened: {_reason(error)}"
        raise BadInput(message, "check the AWS_ variables", field="HINODE_STORE") from error


def media_type(content: Path | bytes) -> str:
    """The type that a browser is told which downloads the file from a signed address: MP4, or one that it
    only saves."""
    if isinstance(content, bytes):
        head = content[:12]
    else:
        with content.open("rb") as file:
            head = file.read(12)
    return MEDIA_TYPES[head[4:8] == b"ftyp"]


def _reason(error: Exception) -> str:
    """The cause in one line, without the query of an address, which may be a signature."""
    text = " ".join(str(error).split()).partition(" Debug source:")[0].removeprefix("Generic S3 error: ")
    return re.sub(r"\?[^\s\"')]*|, max_retries: .*? - ", " ", text)[:200].strip()
