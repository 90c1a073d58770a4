"""Files in a bucket of an S3-compatible store.

    objects/3f/3fa1…/6b0c…  a file: its SHA-256, and a name of this copy of it
    previews/video_….webp   the preview of a running job
    incoming/…              parts of uploads that workers over HTTP send
    check, trials/…         written to see that the store can be used

A copy is never written again, and a sweep removes only copies that it has seen to be old. So a file that is
put, or looked up with `touch`, while a sweep runs has a young copy, which stays: S3 cannot be asked to remove
something only if nobody has touched it.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from hinode.jobs.files import trial
from hinode.jobs.files.bucket import MEDIA_TYPES, Bucket
from hinode.jobs.files.objects import DIGEST, StoreError

if TYPE_CHECKING:
    from obstore import ObjectMeta

FRESH_SECONDS = 1800.0
"""A copy that is younger needs no younger one beside it: sweeps remove copies from an hour on."""
INCOMING_SECONDS = 86_400.0
"""An upload over a slow line takes hours; what it leaves if it breaks off goes after this time."""
SPARE_SECONDS = 7200.0
"""A copy beside younger ones goes after this time, when nobody is in the middle of reading it."""


class S3Remote:
    """A bucket, or what is below a prefix in it; see `Remote`."""

    def __init__(
        self,
        url: str,
        *,
        endpoint: str = "",
        public_endpoint: str = "",
        worker_endpoint: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            url: s3://bucket/prefix.
            endpoint: address of the server, without the bucket; "" for the one in AWS_ENDPOINT_URL, or AWS.
            public_endpoint: its address for clients of the API; "" if they do not reach it.
            worker_endpoint: its address for workers over HTTP; "" if they do not reach it.
            clock: gives seconds since 1970.

        Raises:
            BadInput: the client of S3 is not installed, or an AWS_ variable has a wrong value.
        """
        self.name = url
        self._bucket = Bucket(url, endpoint, public_endpoint, worker_endpoint, clock)

    def size(self, digest: str) -> int | None:
        """See `Remote`."""
        copies = self._copies(digest)
        return copies[0]["size"] if copies else None

    def download(self, digest: str, path: Path) -> None:
        """See `Remote`."""
        for _ in range(
            2
        ):  # a copy that was listed may be gone when its turn comes, and a younger one be there
            for copy in self._copies(digest):
                with suppress(FileNotFoundError), path.open("wb") as file:
                    for block in self._bucket.blocks(copy["path"]):
                        file.write(block)
                    return
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), digest)

    def upload(self, digest: str, path: Path) -> None:
        """See `Remote`. It is read back because a job is paid for after it, and no answer of S3 proves it."""
        if self.touch(digest):
            return
        key = _new_key(digest)
        self._bucket.write(key, path)
        if self._bucket.digest(key) != digest:
            self._bucket.remove(key)
            message = f"{self.name} does not read back what was written to it"
            raise StoreError(message, remedy="run `hinode doctor`")

    def touch(self, digest: str) -> bool:
        """See `Remote`."""
        copies = self._copies(digest)
        if copies and self._bucket.age(copies[0]) >= FRESH_SECONDS:
            try:
                self._bucket.copy(copies[0]["path"], _new_key(digest))
            except FileNotFoundError:  # a sweep has just removed it
                return False
            for copy in copies[1:]:
                if self._bucket.age(copy) >= SPARE_SECONDS:
                    self._bucket.remove(copy["path"])
        return bool(copies)

    def delete(self, digest: str, older_than: float) -> bool:
        """See `Remote`."""
        copies = self._copies(digest)
        old = [copy for copy in copies if self._bucket.age(copy) >= older_than]
        for copy in old:
            self._bucket.remove(copy["path"])
        return bool(copies) and old == copies

    def digests(self) -> Iterator[tuple[str, float]]:
        """See `Remote`."""
        files = groupby(self._bucket.list("objects/"), key=lambda copy: copy["path"].split("/")[-2])
        for digest, copies in files:
            if DIGEST.fullmatch(digest):
                yield digest, min(map(self._bucket.age, copies))

    def tidy(self, older_than: float) -> int:
        """See `Remote`."""
        ages = {
            "previews/": older_than,
            "trials/": older_than,
            "incoming/": max(older_than, INCOMING_SECONDS),
        }
        old = [
            entry["path"]
            for folder, age in ages.items()
            for entry in self._bucket.list(folder)
            if self._bucket.age(entry) >= age
        ]
        for key in old:
            self._bucket.remove(key)
        return len(old)

    def url(self, digest: str) -> str | None:
        """See `Remote`; signed for the public endpoint."""
        copies = self._copies(digest) if self._bucket.public else []
        return self._bucket.sign(copies[0]["path"]) if copies else None

    def upload_url(self, name: str, part: int) -> str | None:
        """See `Remote`; signed for the endpoint of workers."""
        return self._bucket.sign_upload(_part(name, part)) if self._bucket.takes_uploads else None

    def adopt(self, name: str, parts: int, digest: str, *, max_bytes: int) -> int | None:
        """See `Remote`. What is compared is a copy whose key no worker knows: the addresses of the parts stay
        valid for a while, so their content may change after it was read."""
        bucket = self._bucket
        sent = {entry["path"]: entry["size"] for entry in bucket.list(f"incoming/{name}/")}
        keys = [_part(name, part) for part in range(parts)]
        if not sent.keys() >= set(keys) or sum(sent[key] for key in keys) > max_bytes:
            return None
        whole = f"incoming/{name}/{secrets.token_hex(8)}"
        try:
            if parts == 1 and bucket.media_type(keys[0]) in MEDIA_TYPES:
                bucket.copy(keys[0], whole)
            else:
                bucket.join(keys, whole)
            actual, size = bucket.measure(whole)
            is_right = actual == digest and size <= max_bytes
            if is_right and not self.touch(digest):
                bucket.copy(whole, _new_key(digest))
        except FileNotFoundError:  # the same upload was adopted by another request
            return None
        for key in (*sent, whole):
            bucket.remove(key)
        return size if is_right else None

    def check(self) -> None:
        """See `Remote`."""
        self._bucket.write_small("check", b"hinode")

    def try_out(self) -> None:
        """See `Remote`."""
        trial.try_out(self._bucket)

    def try_public(self) -> bool:
        """Download something from a signed address as a client does; False if clients are not sent there.

        Raises:
            StoreError: that fails.
        """
        if self._bucket.public:
            trial.try_signed(self._bucket, "check")
        return self._bucket.public

    def try_uploads(self) -> bool:
        """Send something to a signed address as a worker over HTTP does; False if workers are not sent there.

        Raises:
            StoreError: that fails.
        """
        if self._bucket.takes_uploads:
            trial.try_signed_upload(self._bucket, "check")
        return self._bucket.takes_uploads

    def preview(self, job_id: str) -> bytes | None:
        """See `Remote`."""
        with suppress(FileNotFoundError):
            return self._bucket.read_small(f"previews/{job_id}.webp")
        return None

    def put_preview(self, job_id: str, picture: bytes) -> None:
        """See `Remote`."""
        self._bucket.write_small(f"previews/{job_id}.webp", picture)

    def delete_preview(self, job_id: str) -> None:
        """See `Remote`."""
        self._bucket.remove(f"previews/{job_id}.webp")

    def _copies(self, digest: str) -> list[ObjectMeta]:
        """The copies of a file, the youngest first."""
        return sorted(self._bucket.list(_folder(digest)), key=self._bucket.age)


def _folder(digest: str) -> str:
    return f"objects/{digest[:2]}/{digest}/"


def _part(name: str, part: int) -> str:
    return f"incoming/{name}/part-{part}"


def _new_key(digest: str) -> str:
    return f"{_folder(digest)}{secrets.token_hex(8)}"
