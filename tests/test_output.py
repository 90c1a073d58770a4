from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hinode import output
from hinode.errors import BadInput, OutputError

Limit = Callable[[int], AbstractContextManager[None]]


def test_the_file_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with output.replace_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError("bug"), KeyboardInterrupt(), SystemExit(143)])
def test_whatever_goes_wrong_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(type(failure)), output.replace_file(path) as part:
        part.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EACCES, "permission is denied"),
        (errno.EROFS, "read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_faults_of_the_disk_are_said_plainly(tmp_path: Path, number: int, says: str) -> None:
    with pytest.raises(OutputError) as caught, output.replace_file(tmp_path / "clip.mp4") as part:
        part.write_text("half")
        raise OSError(number, os.strerror(number))
    assert says in str(caught.value)
    assert "clip.mp4" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_the_kernel_cuts_off(tmp_path: Path, files_of_at_most: Limit) -> None:
    with (
        pytest.raises(OutputError, match="beyond the size"),
        output.replace_file(tmp_path / "clip.mp4") as part,
        files_of_at_most(1000),
        part.open("wb", buffering=0) as file,
    ):
        for _ in range(3):
            file.write(bytes(800))
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "real" / "clip.mp4")
    with output.replace_file(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "clip.mp4").read_text() == "new"


def test_a_link_to_a_missing_folder_cannot_be_written(tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "missing" / "clip.mp4")
    with pytest.raises(BadInput, match="its folder does not exist"):
        output.check_writable(link)


def test_a_folder_appears_at_once_and_replaces_only_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.mkdir()
    with output.replace_file(path) as part:
        part.mkdir()
        (part / "1").write_text("one")
    assert (path / "1").read_text() == "one"
    with pytest.raises(OutputError), output.replace_file(path) as part:
        part.mkdir()
    assert (path / "1").read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_can_be_written_passes_and_is_left_as_it_was(tmp_path: Path) -> None:
    output.check_writable(tmp_path / "new.mp4")
    (tmp_path / "old.mp4").write_text("old")
    output.check_writable(tmp_path / "old.mp4")
    output.check_writable(tmp_path / "frames", folder=True)
    assert [file.name for file in tmp_path.iterdir()] == ["old.mp4"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing/clip.mp4", "its folder does not exist"),
        ("file/clip.mp4", "not a folder"),
        (".", "is a folder"),
        ("x" * 300 + ".mp4", "too long"),
    ],
)
def test_a_path_that_cannot_be_written(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=says) as caught:
        output.check_writable(tmp_path / name)
    assert caught.value.field == "output"
    assert len(str(caught.value)) < 400


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(BadInput, match="not a regular file"):
        output.check_writable(Path(os.devnull))


def test_a_folder_of_frames_never_mixes_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(BadInput, match="already exists"):
        output.check_writable(tmp_path, folder=True)


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "write_bytes", refuse)  # the tests may run as root, who may do everything
    with pytest.raises(BadInput, match="permission is denied; choose a folder"):
        output.check_writable(tmp_path / "clip.mp4")


def test_a_full_disk_is_a_fault_and_no_mistake(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="full") as caught, pytest.MonkeyPatch.context() as patch:

        def full(path: Path, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(Path, "write_bytes", full)
        output.check_writable(tmp_path / "clip.mp4")
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []
