"""How fast do files reach a bucket and come back? Against moto on this machine.

A file is put and fetched as a server does it: written in equal parts, read back and compared when it is put,
read and compared when it is fetched, with an empty cache. Beside it stands plain HTTP: one PUT and one GET of
the same bytes by httpx, from a file and into one, without a signature, parts or a digest. Where s3fs is
installed, the same work by it stands there too: it is not a part of Hinode.

All times include moto's own, which is much slower than a real store, so only ratios say something.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from benchmarks.stores import BUCKET, KEYS, Moto
from hinode.jobs.files.bucket import PART_BYTES
from hinode.jobs.files.s3 import S3Remote

SIZES = (200_000, 4_000_000, 64_000_000)
"""Bytes of a thumbnail, a clip and a saved state."""

Put = Callable[[str, Path], None]
Fetch = Callable[[str, Path], None]


class Obstore:
    """Hinode's own client."""

    def __init__(self, endpoint: str) -> None:
        self._remote = S3Remote(f"s3://{BUCKET}/obstore", endpoint=endpoint)

    def put(self, digest: str, path: Path) -> None:
        """Store a file, and read it back."""
        self._remote.upload(digest, path)

    def fetch(self, digest: str, path: Path) -> None:
        """Write a stored file to `path`."""
        self._remote.download(digest, path)


class PlainHTTP:
    """One request for one file."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint}/{BUCKET}/plain"
        self._client = httpx.Client(timeout=600, trust_env=False)

    def put(self, digest: str, path: Path) -> None:
        """Store a file."""
        open_to_all = {"x-amz-acl": "public-read"}
        answer = self._client.put(f"{self._url}/{digest}", content=path.read_bytes(), headers=open_to_all)
        answer.raise_for_status()

    def fetch(self, digest: str, path: Path) -> None:
        """Write a stored file to `path`."""
        path.write_bytes(self._client.get(f"{self._url}/{digest}").raise_for_status().content)


class S3fs:
    """The same work as `Obstore` by s3fs: equal parts, read back, compared."""

    def __init__(self, endpoint: str) -> None:
        import s3fs

        keys = {"key": KEYS["AWS_ACCESS_KEY_ID"], "secret": KEYS["AWS_SECRET_ACCESS_KEY"]}
        self._files = s3fs.S3FileSystem(**keys, endpoint_url=endpoint, use_listings_cache=False)

    def _key(self, digest: str) -> str:
        return f"{BUCKET}/s3fs/{digest}"

    def put(self, digest: str, path: Path) -> None:
        """Store a file, and read it back."""
        self._files.put_file(str(path), self._key(digest), chunksize=PART_BYTES)
        hasher = hashlib.sha256()
        with self._files.open(self._key(digest), "rb", block_size=PART_BYTES, cache_type="readahead") as file:
            while block := file.read(1 << 20):
                hasher.update(block)
        if hasher.hexdigest() != digest:
            raise RuntimeError("s3fs reads back other bytes")

    def fetch(self, digest: str, path: Path) -> None:
        """Write a stored file to `path`."""
        self._files.info(self._key(digest))
        self._files.get_file(self._key(digest), str(path))


def measure(client: Obstore | PlainHTTP | S3fs, folder: Path, size: int) -> tuple[float, float]:
    """Seconds to put and to fetch one new file of so many bytes."""
    source, target = folder / "source", folder / "target"
    content = secrets.token_bytes(size)
    source.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    begun = time.perf_counter()
    client.put(digest, source)
    put = time.perf_counter() - begun
    begun = time.perf_counter()
    client.fetch(digest, target)
    fetched = time.perf_counter() - begun
    if hashlib.sha256(target.read_bytes()).hexdigest() != digest:
        raise RuntimeError("what is fetched is not what was put")
    return put, fetched


def rows(rounds: int) -> Iterator[dict[str, float | int | str]]:
    """The medians of each client and size. The clients take turns, so that all meet the same machine."""
    kinds: dict[str, Callable[[str], Obstore | PlainHTTP | S3fs]] = {
        "obstore": Obstore,
        "plain HTTP": PlainHTTP,
    }
    if importlib.util.find_spec("s3fs"):
        kinds["s3fs"] = S3fs
    os.environ.update(KEYS)
    with Moto() as server, tempfile.TemporaryDirectory() as name:
        clients = {kind: make(server.endpoint) for kind, make in kinds.items()}
        for size in SIZES:
            seconds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in clients}
            for _ in range(rounds + 1):
                for kind, client in clients.items():
                    seconds[kind].append(measure(client, Path(name), size))
            for kind, pairs in seconds.items():
                put, fetch = (statistics.median(values) for values in zip(*pairs[1:], strict=True))
                yield {"client": kind, "bytes": size, "put_seconds": put, "fetch_seconds": fetch}


def main(words: list[str]) -> None:
    """Print the medians, and their ratios to those of obstore."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks storage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="files of each size (default: 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(words)
    results = list(rows(options.rounds))
    if options.json:
        print(json.dumps(results))
        return
    own = {row["bytes"]: row for row in results if row["client"] == "obstore"}
    print(f"{'client':12}{'MB':>8}{'put ms':>10}{'ratio':>8}{'fetch ms':>10}{'ratio':>8}")
    for row in results:
        base = own[row["bytes"]]
        put, fetch = float(row["put_seconds"]), float(row["fetch_seconds"])
        ratios = put / float(base["put_seconds"]), fetch / float(base["fetch_seconds"])
        megabytes = float(row["bytes"]) / 1e6
        print(
            f"{row['client']:12}{megabytes:>8g}{put * 1e3:>10.1f}{ratios[0]:>8.2f}"
            f"{fetch * 1e3:>10.1f}{ratios[1]:>8.2f}"
        )
