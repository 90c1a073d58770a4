from __future__ import annotations

import hashlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from benchmarks.serving import free_port
from benchmarks.stores import BUCKET, Moto, Rclone
from hinode.jobs.files.bucket import PART_BYTES
from hinode.jobs.files.cached import IN_USE_SECONDS, CachedObjects, DamagedFile
from hinode.jobs.files.objects import StoreError
from hinode.jobs.files.s3 import S3Remote
from tests.jobs.files.lying_proxy import Proxy, lying_proxy

Open = Callable[..., CachedObjects]

HELLO = hashlib.sha256(b"hello").hexdigest()


def cached(objects: CachedObjects) -> set[str]:
    return {path.name for path in objects.root.glob("objects/*/*")}


def keys(moto: Moto, objects: CachedObjects) -> list[str]:
    """The keys below the prefix of a store, as any client sees them."""
    prefix = objects.remote.name.rpartition("/")[2]
    page = httpx.get(f"{moto.endpoint}/{BUCKET}", params={"list-type": "2", "prefix": prefix}).text
    return [part.partition("</Key>")[0].removeprefix(f"{prefix}/") for part in page.split("<Key>")[1:]]


def test_a_file_is_read_on_another_machine(open_objects: Open, tmp_path: Path) -> None:
    here, there = open_objects("here"), open_objects("there")
    (tmp_path / "hello.txt").write_bytes(b"hello")
    assert here.put(tmp_path / "hello.txt") == (HELLO, 5)
    assert here.put(b"hello") == (HELLO, 5)
    assert (there.has(HELLO), there.keep(HELLO), cached(there)) == (True, True, set())
    assert there.read(HELLO) == b"hello"
    assert there.fetch(HELLO) == there.path(HELLO)
    assert cached(there) == {HELLO}
    assert not there.has("0" * 64)
    assert not there.keep("0" * 64)
    with pytest.raises(FileNotFoundError):
        there.fetch("0" * 64)
    assert not list(there.root.glob("temporary/*"))


def test_equal_files_are_stored_once(open_objects: Open, moto: Moto) -> None:
    objects = open_objects()
    for _ in range(3):
        objects.put(b"hello")
    (key,) = keys(moto, objects)
    assert key.startswith(f"objects/{HELLO[:2]}/{HELLO}/")


def test_a_large_file_is_written_in_equal_parts(open_objects: Open, moto: Moto) -> None:
    here, there = open_objects("here"), open_objects("there")
    content = secrets.token_bytes(2 * PART_BYTES + 1000)
    digest, size = here.put(content)
    assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert there.read(digest) == content
    (key,) = keys(moto, here)
    url = f"{moto.endpoint}/{BUCKET}/{here.remote.name.rpartition('/')[2]}/{key}"
    head = httpx.head(url)
    assert head.headers["etag"].strip('"').endswith("-3")
    sizes = [int(httpx.head(url, params={"partNumber": n}).headers["content-length"]) for n in (1, 2, 3)]
    assert sizes in ([PART_BYTES, PART_BYTES, 1000], [len(content)] * 3)  # older servers ignore the number
    assert "x-amz-checksum-crc32" not in head.headers


def test_what_the_store_damages_is_not_passed_on(open_objects: Open, moto: Moto) -> None:
    digest = open_objects("here").put(b"hello")[0]
    with lying_proxy(moto.endpoint, "flip") as proxy:
        other = open_objects("there", endpoint=proxy.url)
        with pytest.raises(DamagedFile, match=digest):
            other.fetch(digest)
    assert cached(other) == set()


@pytest.mark.parametrize("lie", ["flip", "trailer", "parts"])
def test_what_is_not_read_back_is_not_stored(open_objects: Open, moto: Moto, lie: str) -> None:
    with lying_proxy(moto.endpoint, lie) as proxy:
        objects = open_objects(endpoint=proxy.url)
        with pytest.raises(StoreError, match="does not read back what was written"):
            objects.put(secrets.token_bytes(PART_BYTES + 1))
    assert keys(moto, objects) == []
    assert cached(objects) == set()
    assert not list(objects.root.glob("temporary/*"))


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("flip", "does not read back a file of one part"),
        pytest.param("trailer", "does not read back a file of one part", marks=pytest.mark.slow),
        pytest.param("parts", "does not read back a file of parts", marks=pytest.mark.slow),
        ("range", "range"),
        pytest.param("forget", "does not remove files", marks=pytest.mark.slow),
        pytest.param("redate", "the clock of", marks=pytest.mark.slow),
    ],
)
def test_a_store_is_tried_and_not_believed(open_objects: Open, moto: Moto, lie: str, words: str) -> None:
    with lying_proxy(moto.endpoint, lie) as proxy, pytest.raises(StoreError, match=words):
        open_objects(endpoint=proxy.url).try_out()


@pytest.mark.slow
def test_a_good_store_passes_and_nothing_is_left(open_objects: Open, moto: Moto) -> None:
    objects = open_objects()
    objects.try_out()
    assert keys(moto, objects) == []
    objects.check()
    with pytest.raises(StoreError, match="is empty, and the database names files"):
        objects.check_mounted()
    objects.put(b"hello")
    objects.check_mounted()


def test_the_cache_has_a_size_and_files_in_use_stay(open_objects: Open) -> None:
    ahead = [0.0]
    objects = open_objects(max_bytes=250_000, clock=lambda: time.time() + ahead[0])
    digests = [objects.put(secrets.token_bytes(100_000))[0] for _ in range(5)]
    assert cached(objects) == set(digests)  # somebody may be about to open them
    for number, digest in enumerate(digests):
        os.utime(objects.path(digest), (number, number))
    with objects.held(digests[0]) as path, objects.held(digests[1]):
        os.utime(objects.path(digests[0]), (0, 0))
        os.utime(objects.path(digests[1]), (time.time(),) * 2)
        newest = objects.put(secrets.token_bytes(100_000))[0]
        assert cached(objects) == {digests[1], newest}
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[0]
    assert not list(objects.root.glob("held/*"))
    assert objects.read(digests[3])
    ahead[0] = IN_USE_SECONDS + 86_400
    objects.put(secrets.token_bytes(100_000))
    assert cached(objects) == set()  # by this clock nobody has used any of them for a day


def test_a_cache_that_somebody_empties_fills_again(open_objects: Open) -> None:
    objects = open_objects()
    digest = objects.put(b"hello")[0]
    for path in sorted(objects.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    objects.root.rmdir()
    assert objects.read(digest) == b"hello"
    assert objects.put(b"more")[1] == 4


def test_previews_are_seen_on_every_machine(open_objects: Open) -> None:
    here, there = open_objects("here"), open_objects("there")
    assert there.read_preview("video_1") is None
    here.put_preview("video_1", b"one")
    here.put_preview("video_1", b"two")
    assert there.read_preview("video_1") == b"two"
    here.delete_preview("video_1")
    assert there.read_preview("video_1") is None
    for touch in (there.read_preview, lambda name: there.put_preview(name, b"x"), there.delete_preview):
        with pytest.raises(ValueError, match="not the id"):
            touch("../x")


def test_a_store_that_is_away_says_so_and_the_cache_is_still_read(open_objects: Open) -> None:
    digest = open_objects("here").put(b"hello")[0]
    away = open_objects("here", endpoint=f"http://127.0.0.1:{free_port()}")
    assert away.read(digest) == b"hello"
    with pytest.raises(StoreError, match="HINODE_STORE_ENDPOINT") as caught:
        away.put(b"new")
    assert len(str(caught.value)) < 500
    assert not caught.value.full
    assert cached(away) == {digest}
    for ask in (away.has, away.keep, away.fetch):
        with pytest.raises(StoreError):
            ask("0" * 64)
    with pytest.raises(StoreError):
        away.check()
    assert not away.discard(digest, 0)


def test_an_address_is_signed_for_the_host_that_clients_use(
    open_objects: Open, moto: Moto, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="hinode")
    assert open_objects().url(HELLO) is None
    outside = f"http://localhost:{moto.port}"
    objects = open_objects(public_endpoint=outside)
    assert objects.url(HELLO) is None  # it is not there
    objects.put(b"hello")
    url = objects.url(HELLO)
    assert url is not None
    assert (urlsplit(url).scheme, urlsplit(url).netloc) == ("http", f"localhost:{moto.port}")
    assert httpx.get(url, headers={"range": "bytes=1-3"}).content == b"ell"
    assert "X-Amz-Signature" not in caplog.text


# In front of moto, files get the age that a test gives them.


@pytest.fixture
def proxy(moto: Moto) -> Iterator[Proxy]:
    with lying_proxy(moto.endpoint) as proxy:
        yield proxy


def copies(moto: Moto, objects: CachedObjects, digest: str) -> set[str]:
    """The names of the copies of a file."""
    return {key.rpartition("/")[2] for key in keys(moto, objects) if digest in key}


def test_a_sweep_removes_what_is_old_and_not_referenced(open_objects: Open, moto: Moto, proxy: Proxy) -> None:
    here, other = open_objects("here", endpoint=proxy.url), open_objects("other", endpoint=proxy.url)
    texts = (b"old", b"referenced", b"young", b"kept")
    old, referenced, young, kept = (here.put(text)[0] for text in texts)
    for name in ("video_1", "video_2"):
        here.put_preview(name, b"picture")
    for digest in (old, referenced, kept):
        proxy.old |= copies(moto, here, digest)
        os.utime(here.path(digest), (0, 0))
    proxy.old.add("video_1.webp")
    assert here.sweep_due()
    assert other.keep(kept)  # another machine is about to refer to it
    assert other.read(old) == b"old"
    here.sweep({referenced}, 3600)
    assert not here.sweep_due()
    assert [here.has(digest) for digest in (old, referenced, young, kept)] == [False, True, True, True]
    assert (here.read_preview("video_1"), here.read_preview("video_2")) == (None, b"picture")
    assert other.put(b"old")[0] == old  # its cache had it all the time
    assert copies(moto, here, old)


def test_a_file_that_is_looked_up_survives_a_sweep_that_saw_it_before(
    open_objects: Open, moto: Moto, proxy: Proxy
) -> None:
    objects = open_objects(endpoint=proxy.url)
    digest = objects.put(b"hello")[0]
    proxy.old |= copies(moto, objects, digest)
    assert [name for name, age in objects.remote.digests() if age > 3600] == [digest]
    assert objects.keep(digest)
    assert objects.keep(digest)
    assert len(copies(moto, objects, digest)) == 2
    assert not objects.remote.delete(digest, older_than=3600)  # the sweep goes on
    assert not copies(moto, objects, digest) & proxy.old
    assert open_objects("other").read(digest) == b"hello"


def test_spare_copies_go_when_nobody_reads_them(open_objects: Open, moto: Moto, proxy: Proxy) -> None:
    objects = open_objects(endpoint=proxy.url)
    digest = objects.put(b"hello")[0]
    for _ in range(4):
        proxy.old |= copies(moto, objects, digest)
        assert objects.keep(digest)
    assert len(copies(moto, objects, digest)) == 2
    assert open_objects("other").read(digest) == b"hello"


def test_a_replaced_state_is_discarded(open_objects: Open, moto: Moto, proxy: Proxy) -> None:
    objects = open_objects(endpoint=proxy.url)
    digest = objects.put(b"state")[0]
    assert not objects.discard(digest, older_than=60)
    proxy.old |= copies(moto, objects, digest)
    assert objects.discard(digest, older_than=60)
    assert not objects.has(digest)
    assert not objects.discard(digest, older_than=60)


# rclone compares signatures, and keeps its files.


@pytest.fixture
def rclone(tmp_path: Path, s3_keys: None) -> Rclone:
    return Rclone(tmp_path / "rclone")


def test_signatures_are_right_for_another_server(
    rclone: Rclone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rclone:
        remote = S3Remote(f"{rclone.url}/films", endpoint=rclone.endpoint, public_endpoint=rclone.endpoint)
        # It answers a range with status 200. All that comes before is right.
        with pytest.raises(StoreError, match="does not read a range of a file of one part as S3 does"):
            remote.try_out()
        objects = CachedObjects(tmp_path / "cache", remote, max_bytes=10**9)
        digest, _ = objects.put(b"hello")
        url = objects.url(digest)
        assert url is not None
        assert httpx.get(url).content == b"hello"
        assert httpx.get(url.partition("?")[0]).is_client_error
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-key")
        with pytest.raises(StoreError, match="refuses the keys") as caught:
            S3Remote(rclone.url, endpoint=rclone.endpoint).check()
        assert "another-key" not in str(caught.value)
        assert "Signature=" not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(rclone: Rclone) -> None:
    with rclone, pytest.raises(StoreError, match="there is no bucket s3://nowhere; check HINODE_STORE"):
        S3Remote("s3://nowhere", endpoint=rclone.endpoint).try_out()


@pytest.mark.slow
def test_a_store_that_is_killed_has_nothing_half_and_goes_on(rclone: Rclone, tmp_path: Path) -> None:
    with rclone:
        remote = S3Remote(f"{rclone.url}/films", endpoint=rclone.endpoint)
        objects = CachedObjects(tmp_path / "cache", remote, max_bytes=10**9)
        first = objects.put(b"hello")[0]
        rclone.kill()
        with pytest.raises(StoreError):
            objects.put(b"more")
        rclone.start()
        second = objects.put(b"more")[0]
        for path in rclone.folder.rglob("objects/*/*/*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name
        other = CachedObjects(tmp_path / "other", remote, max_bytes=10**9)
        assert [other.read(first), other.read(second)] == [b"hello", b"more"]


# Uploads of workers over HTTP, which arrive at signed addresses.

NAME = "video_1/2/digest"


def send(url: str | None, content: bytes, **headers: str) -> int:
    assert url is not None
    return httpx.put(
        url, content=content, headers={"content-type": "application/octet-stream", **headers}
    ).status_code


@pytest.mark.parametrize("parts", [1, 3])
def test_an_upload_is_stored_when_its_digest_is_right(open_objects: Open, moto: Moto, parts: int) -> None:
    outside = f"http://localhost:{moto.port}"
    assert open_objects().upload_url(NAME, 0) is None
    objects = open_objects(worker_endpoint=outside, public_endpoint=outside)
    content = b"\0\0\0\x18ftyp" + secrets.token_bytes(700)
    digest, pieces = hashlib.sha256(content).hexdigest(), [content[n * 300 : n * 300 + 300] for n in range(3)]
    for part, piece in enumerate(pieces if parts == 3 else [content]):
        url = objects.upload_url(NAME, part)
        assert urlsplit(str(url)).netloc == f"localhost:{moto.port}"
        assert send(url, piece, **{"content-type": "text/html"} if parts == 1 else {}) == 200
    assert objects.adopt(NAME, parts + 1, digest, max_bytes=10**6) is None  # one is missing
    assert objects.adopt(NAME, parts, digest, max_bytes=700) is None
    assert not objects.has(digest)
    assert objects.adopt(NAME, parts, digest, max_bytes=708) == 708
    assert open_objects("there").read(digest) == content
    (key,) = keys(moto, objects)
    assert key.startswith(f"objects/{digest[:2]}/{digest}/")
    stored = httpx.get(str(objects.url(digest)))
    assert stored.headers["content-type"] == "video/mp4"  # whatever the worker said
    # Nobody has a file by its digest alone.
    assert objects.adopt(NAME, 1, digest, max_bytes=708) is None


def test_an_upload_of_something_else_is_removed(open_objects: Open, moto: Moto) -> None:
    objects = open_objects(worker_endpoint=moto.endpoint)
    url = objects.upload_url(NAME, 0)
    assert send(url, b"hullo") == 200
    assert objects.adopt(NAME, 1, HELLO, max_bytes=100) is None
    assert keys(moto, objects) == []
    assert send(url, b"hello") == 200
    assert objects.adopt(NAME, 1, HELLO, max_bytes=100) == 5
    # The address is still valid, and changes no stored file.
    assert send(url, b"hullo") == 200
    assert open_objects("there").read(HELLO) == b"hello"


def test_an_upload_that_is_left_goes_after_a_day(open_objects: Open, moto: Moto) -> None:
    later = [0.0]
    objects = open_objects(worker_endpoint=moto.endpoint, clock=lambda: time.time() + later[0])
    assert send(objects.upload_url(NAME, 0), b"hello") == 200
    removed = []
    for later[0] in (7200.0, 90_000.0):
        removed.append(objects.remote.tidy(3600.0))
    assert removed == [0, 1]


def test_a_signature_is_compared_by_another_server(rclone: Rclone, tmp_path: Path) -> None:
    with rclone:
        remote = S3Remote(f"{rclone.url}/films", endpoint=rclone.endpoint, worker_endpoint=rclone.endpoint)
        assert remote.try_uploads()
        objects = CachedObjects(tmp_path / "cache", remote, max_bytes=10**9)
        url = objects.upload_url(NAME, 0)
        for wrong in (str(url).partition("?")[0], str(url).replace("part-0", "part-1")):
            assert send(wrong, b"hello") in (400, 403)
        assert send(url, b"hello") == 200
        assert objects.adopt(NAME, 1, HELLO, max_bytes=100) == 5
        assert objects.read(HELLO) == b"hello"
