"""The trial of a bucket: "S3-compatible" is a promise that not every store holds."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

from hinode.jobs.files.bucket import PART_BYTES, Bucket
from hinode.jobs.files.objects import BLOCK, StoreError

SIGNED_SECONDS = 10.0
MAX_SKEW = 600.0
"""Seconds between the store's clock and ours: sweeps compare the two, with an hour to spare."""


def try_out(bucket: Bucket) -> None:
    """Write a file of one part and one of several equal parts; read them back whole and by range and compare
    our own digest; copy, list and remove them; compare the clocks.

    Raises:
        StoreError: the bucket cannot be used, or does one of these things differently from S3.
    """
    folder = f"trials/{secrets.token_hex(8)}/"
    try:
        _try_file(bucket, f"{folder}small", "a file of one part", 2 * BLOCK, BLOCK // 2)
        _try_file(
            bucket, f"{folder}large", "a file of parts", 3 * PART_BYTES + BLOCK, PART_BYTES - BLOCK // 2
        )
        listed = {entry["path"]: bucket.age(entry) for entry in bucket.list(folder)}
        names = ("small", "small-copy", "large", "large-copy")
        _expect(bucket, listed.keys() == {folder + name for name in names}, "list files")
        skew = min(listed.values(), key=abs)
        if abs(skew) > MAX_SKEW:
            message = f"the clock of {bucket.name} and that of this machine differ by {abs(skew):.0f} s"
            raise StoreError(message, remedy="set both")
    finally:
        with suppress(StoreError):
            for entry in list(bucket.list(folder)):
                bucket.remove(entry["path"])
    _expect(bucket, not list(bucket.list(folder)), "remove files")


def try_signed(bucket: Bucket, key: str) -> None:
    """Download a file of the bucket, and a range of it, from a signed address.

    Raises:
        StoreError: that fails.
    """
    content = secrets.token_bytes(64)
    bucket.write_small(key, content)
    url = bucket.sign(key)
    where = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    try:
        whole = httpx.get(url, timeout=SIGNED_SECONDS)
        part = httpx.get(url, timeout=SIGNED_SECONDS, headers={"range": "bytes=16-31"})
    except httpx.HTTPError as error:
        # Neither the error nor its cause is shown: both may have the address with its signature.
        message = f"{where} does not answer ({type(error).__name__})"
        raise StoreError(message, remedy="check HINODE_STORE_PUBLIC_ENDPOINT") from None
    if (whole.content, part.status_code, part.content) != (content, 206, content[16:32]):
        message = (
            f"{where} answers {whole.status_code} to a signed address, and {part.status_code} to a range"
        )
        raise StoreError(message, remedy="check HINODE_STORE_PUBLIC_ENDPOINT")


def try_signed_upload(bucket: Bucket, key: str) -> None:
    """Send a file to a signed address of the bucket, and read it back.

    Raises:
        StoreError: that fails.
    """
    content = secrets.token_bytes(64)
    url = bucket.sign_upload(key)
    where = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    try:
        status = httpx.put(url, content=content, timeout=SIGNED_SECONDS).status_code
    except httpx.HTTPError as error:
        message = f"{where} does not answer ({type(error).__name__})"
        raise StoreError(message, remedy="check HINODE_STORE_WORKER_ENDPOINT") from None
    if not 200 <= status < 300 or bucket.read_small(key) != content:
        message = f"{where} answers {status} to a file that is sent to a signed address"
        raise StoreError(message, remedy="check HINODE_STORE_WORKER_ENDPOINT")


def _try_file(bucket: Bucket, key: str, what: str, size: int, start: int) -> None:
    content = secrets.token_bytes(size)
    digest = hashlib.sha256(content).hexdigest()
    bucket.write(key, content)
    _expect(bucket, bucket.digest(key) == digest, f"read back {what}")
    part = content[start : start + BLOCK]
    try:
        right = bucket.range(key, start, BLOCK) == part
    except StoreError:  # the client refuses an answer that is not the range
        right = False
    _expect(bucket, right, f"read a range of {what}")
    bucket.copy(key, f"{key}-copy")
    _expect(bucket, bucket.digest(f"{key}-copy") == digest, f"copy {what}")


def _expect(bucket: Bucket, right: bool, what: str) -> None:
    if not right:
        raise StoreError(f"{bucket.name} does not {what} as S3 does", remedy="use another store")
