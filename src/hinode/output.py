"""Writing a file so that it is there whole or not at all: beside its place first, then renamed into it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hinode.errors import BadInput, HinodeError, OutputError, quote

BLOCK = bytes(4096)

REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another disk"),
    errno.EDQUOT: ("your disk quota is used up", "free some space or choose another disk"),
    errno.EFBIG: ("the file grew beyond the size allowed here", "choose a smaller size or another disk"),
    errno.EACCES: ("permission is denied", "choose a folder that you may write to"),
    errno.EPERM: ("permission is denied", "choose a folder that you may write to"),
    errno.EROFS: ("that disk is read-only", "choose another one"),
    errno.ENOENT: ("its folder does not exist", "make the folder first"),
    errno.ENOTDIR: ("its folder is not a folder", "choose another path"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter one"),
}


def check_writable(path: Path, *, folder: bool = False) -> None:
    """Make sure that `path` can be written, before any work is spent on what goes into it.

    A block is written beside it and removed, because permissions and free space are only really known then.
    With `folder` a folder of files will be made.

    Raises:
        BadInput: it cannot be written; a full disk is an OutputError, for the path is not to blame.
    """
    name = quote(str(path), 200)
    path = path.resolve()
    try:
        if folder:
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                raise BadInput(f"{name} already exists", "name a folder that is new or empty", field="output")
        elif path.is_dir():
            raise BadInput(f"{name} is a folder", "name a file in it", field="output")
        elif path.exists() and not path.is_file():
            # Renaming over a device such as /dev/null would replace the device itself.
            raise BadInput(f"{name} is not a regular file", "name another one", field="output")
        path.parent.stat()  # for the clearer reason when the folder is missing
        with suppress(FileNotFoundError):
            path.stat()  # a name that is too long shows here
        part = _beside(path)
        try:
            part.write_bytes(BLOCK)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        fault = _fault(path, error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise fault from error
        raise BadInput(fault.message, fault.remedy, field="output") from error


@contextmanager
def replace_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a path beside `path` to write to; on success it is renamed to `path`, on failure removed.

    What is written may be a file or a folder of files. A symbolic link is followed, not replaced.

    Args:
        path: the file or folder to write or replace.
        durable: whether a file is flushed to the disk before it is renamed, so that a power cut leaves
            either the old content or the new one.

    Raises:
        OutputError: an OSError, FFmpeg's among them, came out of the block or the renaming.
    """
    target = path.resolve()
    part = _beside(target)
    try:
        yield part
        if durable:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        if part.is_dir() and target.is_dir():
            target.rmdir()  # only an empty folder lets itself be replaced
        part.replace(target)
    except OSError as error:
        raise _fault(path, error) from error
    finally:
        # After success nothing is left here to remove.
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".hinode-{secrets.token_hex(6)}.part")


def _fault(path: Path, error: OSError) -> HinodeError:
    default = error.strerror or str(error), "choose another path"
    reason, remedy = REASONS.get(error.errno or 0, default)
    return OutputError(f"cannot write {quote(str(path), 200)}: {reason}", remedy)
