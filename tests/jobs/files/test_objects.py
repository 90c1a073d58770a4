from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinode.jobs.files.objects import Objects, StoreError

HELLO = hashlib.sha256(b"hello").hexdigest()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "store")


def files(objects: Objects) -> set[str]:
    return {str(path.relative_to(objects.root)) for path in objects.root.rglob("*") if path.is_file()}


def aged(path: Path, moment: float) -> Path:
    os.utime(path, (moment, moment))
    return path


def test_a_file_is_found_by_its_contents_however_it_came(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_bytes(b"hello")
    for source in (b"hello", io.BytesIO(b"hello"), tmp_path / "hello.txt"):
        assert objects.put(source) == (HELLO, 5)
        assert objects.path(HELLO).read_bytes() == b"hello"
    assert files(objects) == {f"objects/{HELLO[:2]}/{HELLO}"}
    assert (tmp_path / "hello.txt").exists()
    assert objects.has(HELLO)
    assert not objects.has("0" * 64)


def test_nothing_is_made_before_something_is_put(objects: Objects) -> None:
    assert objects.sweep(set(), 0) == 0
    objects.delete_preview("video_1")
    assert not objects.root.exists()


def test_a_temporary_file_is_moved_in_and_what_is_left_is_removed(objects: Objects) -> None:
    with objects.temporary(".mp4") as path:
        path.write_bytes(b"hello")
        assert path.suffix == ".mp4"
        inode = path.stat().st_ino
        assert objects.put(path) == (HELLO, 5)
        assert objects.path(HELLO).stat().st_ino == inode
    with objects.temporary() as path:
        path.write_bytes(b"hello")
        assert objects.put(path) == (HELLO, 5)  # equal to one that is there already
        assert objects.path(HELLO).stat().st_ino == inode
    with pytest.raises(RuntimeError), objects.temporary() as path:
        path.write_bytes(b"half")
        raise RuntimeError
    assert files(objects) == {f"objects/{HELLO[:2]}/{HELLO}"}


@given(
    st.one_of(
        st.text(max_size=70),
        st.sampled_from(["../" * 20 + "etc/passwd", "/etc/passwd", HELLO.upper(), HELLO + "\n", HELLO[:63]]),
    )
)
def test_only_digests_lead_anywhere(digest: str) -> None:
    objects = Objects(Path("/nowhere"))
    with pytest.raises(ValueError, match="no SHA-256"):
        objects.path(digest)


@pytest.mark.parametrize("job", ["", "../x", "a/b", "a\0", "video_1\n", ".", "x" * 101, "ä"])
def test_only_identities_of_jobs_have_previews(objects: Objects, job: str) -> None:
    for touch in (objects.preview, objects.delete_preview, lambda name: objects.put_preview(name, b"x")):
        with pytest.raises(ValueError, match="not the id"):
            touch(job)


def test_a_preview_is_replaced_and_removed(objects: Objects) -> None:
    objects.put_preview("video_1", b"one")
    objects.put_preview("video_1", b"two")
    assert objects.preview("video_1").read_bytes() == b"two"
    assert files(objects) == {"previews/video_1.webp"}
    objects.delete_preview("video_1")
    objects.delete_preview("video_1")
    assert files(objects) == set()


def test_the_sweep_removes_old_files_that_nothing_refers_to(tmp_path: Path) -> None:
    clock = Clock()
    objects = Objects(tmp_path, clock)
    old, referenced, young = (objects.put(text)[0] for text in (b"old", b"referenced", b"young"))
    for digest in (old, referenced):
        aged(objects.path(digest), clock.now - 3601)
    aged(objects.path(young), clock.now - 3599)
    with objects.temporary() as left, objects.temporary() as fresh:
        for path, age in ((left, 3601), (fresh, 10)):
            path.write_bytes(b"part")
            aged(path, clock.now - age)
        objects.put_preview("video_1", b"picture")
        aged(objects.preview("video_1"), clock.now - 3601)
        (tmp_path / "objects" / old[:2] / "README").write_text("not mine")
        assert objects.sweep([referenced], older_than=3600) == 3
        assert (objects.has(old), objects.has(referenced), objects.has(young)) == (False, True, True)
        assert (left.exists(), fresh.exists(), objects.preview("video_1").exists()) == (False, True, False)
    assert (tmp_path / "objects" / old[:2] / "README").exists()
    assert objects.sweep([referenced], older_than=3600) == 0


def test_putting_an_old_file_again_saves_it_from_the_sweep(tmp_path: Path) -> None:
    clock = Clock()
    objects = Objects(tmp_path, clock)
    digest, _ = objects.put(b"hello")
    aged(objects.path(digest), clock.now - 10_000)
    objects.put(b"hello")
    assert objects.path(digest).stat().st_mtime > clock.now
    assert objects.sweep(set(), older_than=3600) == 0


def test_a_file_that_was_looked_up_is_left_to_whoever_is_about_to_refer_to_it(tmp_path: Path) -> None:
    clock = Clock()
    objects = Objects(tmp_path, clock)
    digest, _ = objects.put(b"hello")
    aged(objects.path(digest), clock.now - 10_000)
    references: set[str] = set()  # read before the file was looked up
    assert objects.keep(digest)
    assert objects.sweep(references, older_than=3600) == 0
    assert objects.has(digest)
    aged(objects.path(digest), clock.now - 10_000)
    assert objects.sweep(references, older_than=3600) == 1
    assert not objects.keep(digest)


def test_a_file_put_while_it_is_being_swept_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    objects = Objects(tmp_path, clock)
    digest, _ = objects.put(b"hello")
    aged(objects.path(digest), clock.now - 10_000)
    moved = Path.replace

    def put_just_before(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", moved)
        objects.put(b"hello")
        return moved(path, target)

    monkeypatch.setattr(Path, "replace", put_just_before)
    assert objects.sweep(set(), older_than=3600) == 0
    assert objects.path(digest).read_bytes() == b"hello"


def test_many_may_put_and_sweep_at_once(objects: Objects) -> None:
    wrong: list[str] = []
    texts = [bytes([number]) * 1000 for number in range(4)]

    def put() -> None:
        for _ in range(25):
            for text in texts:
                digest, size = objects.put(text)
                if size != 1000 or objects.path(digest).read_bytes() != text:
                    wrong.append(digest)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        objects.sweep(set(), older_than=3600)
    assert wrong == []
    assert len(files(objects)) == 4


def test_a_file_is_on_the_disk_before_it_has_its_name(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, moved = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append("rename"), moved(path, to))[1])
    objects.put(b"hello")
    assert done == ["sync", "rename", "sync", "sync"]


def test_a_full_disk_leaves_nothing(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.put(b"first")
    before = files(objects)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="the disk is full"):
        objects.put(b"second")
    assert files(objects) == before


def test_a_store_that_went_away_is_neither_empty_nor_made_again(objects: Objects, tmp_path: Path) -> None:
    objects.put(b"hello")
    objects.root.rename(tmp_path / "elsewhere")
    uses: list[Callable[[], object]] = [
        lambda: objects.has(HELLO),
        lambda: objects.keep(HELLO),
        lambda: objects.read(HELLO),
        lambda: objects.put(b"other"),
        lambda: objects.put_preview("video_1", b"picture"),
        objects.check,
    ]
    for use in uses:
        with pytest.raises(StoreError, match="is not there; check its disk"):
            use()
    assert not objects.root.exists()
    (tmp_path / "elsewhere").rename(objects.root)
    objects.check()
    assert objects.has(HELLO)
    assert not objects.has("ab" * 32)
