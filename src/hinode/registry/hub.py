"""Fetching weights from a hub: at one commit, resumable, each file compared with its published digest."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from hinode.errors import BadInput, ModelError, OutputError, quote
from hinode.registry import inspection
from hinode.registry.entry import Remote
from hinode.registry.inspection import INDEX, PICKLED, SAFE, WEIGHT_INDEX, WEIGHTS, Watch, ignore_progress

SPARE_BYTES = 2**28
"""Bytes that are left free on the disk."""

_TEXTS = (".json", ".txt", ".model", ".md", ".jinja", ".vocab", ".merges", ".tiktoken")
_HALF_PRECISION = re.compile(r"\.(fp16|bf16)[.-]")
_LICENCE_FILES = ("LICENSE", "LICENCE", "NOTICE", "README")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its size in bytes, and its digests in hexadecimal as far as the hub states
    them: SHA-256, and Git's (`blob`, SHA-1 of a header and the content)."""

    path: str
    size: int
    sha256: str = ""
    blob: str = ""

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.path).parent)


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]

    def find(self, path: str) -> HubFile | None:
        return next((file for file in self.files if file.path == path), None)


class Hub(Protocol):
    """A server of model repositories."""

    def listing(self, repository: str, revision: str) -> Listing:
        """A repository at a revision, "" for the newest.

        Raises:
            BadInput: there is no such repository or revision, or access is denied.
            ModelError: the hub cannot be reached.
        """
        ...

    def fetch(
        self, repository: str, commit: str, file: HubFile, folder: Path, watch: Callable[[int], None]
    ) -> None:
        """Fetch a file to its place below `folder`, and call `watch` with the number of further bytes as they
        arrive; ModelError if they do not. The next attempt resumes."""
        ...


def select_files(
    listing: Listing, remote: Remote, parts: Sequence[str], without: Sequence[str] = ()
) -> tuple[HubFile, ...]:
    """The files of a repository to fetch: the one that is named, or what a Diffusers pipeline loads.

    Half-precision copies beside full weights, and pickles beside safe weights, are left out. BadInput if the
    named file does not exist.

    Args:
        parts: folders that the pipeline's index names; ignored if a file is named.
        without: parts whose weights come from elsewhere.
    """
    if remote.path:
        file = listing.find(remote.path)
        if file is None:
            message = f"the repository {remote.repository} has no file {remote.path}"
            raise BadInput(message, "check the list of files on its page", field="source")
        return (file,)
    files = [
        file
        for file in listing.files
        if _belongs(PurePosixPath(file.path), parts)
        and not (file.folder in without and file.path.endswith((*WEIGHTS, WEIGHT_INDEX)))
    ]
    safe = [file for file in files if file.path.endswith(SAFE)]
    with_safe = {file.folder for file in safe}
    with_full = {file.folder for file in safe if not _HALF_PRECISION.search(file.path)}
    return tuple(
        file
        for file in files
        if not (PurePosixPath(file.path).suffix in PICKLED and file.folder in with_safe)
        and not (_HALF_PRECISION.search(file.path) and file.folder in with_full)
    )


def pull(
    hub: Hub,
    remote: Remote,
    folder: Path,
    digests: Mapping[str, str],
    *,
    without: Sequence[str] = (),
    watch: Watch = ignore_progress,
    check: Callable[[Sequence[HubFile]], None] = lambda files: None,
) -> dict[str, str]:
    """Fetch what a model needs of a repository into a folder, and return the SHA-256 of every file by path.

    Files that are already there with the right digest are not fetched again. Every file is read once more
    when it has arrived.

    Args:
        digests: SHA-256 of files that were pulled before, by path; other bytes are refused.
        without: parts of the pipeline whose weights come from elsewhere.
        check: called with the files before any weights are fetched; raises if they must not be.

    Raises:
        BadInput: the repository lacks something.
        ModelError: a file did not arrive, or not with the bytes that the hub promised.
        OutputError: the disk is full or cannot be written.
    """
    listing = hub.listing(remote.repository, remote.revision)
    for file in listing.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in file.path:
            message = f"{remote} has a file called {quote(file.path)}"
            raise BadInput(message, "use another source", field="source")
    _check_space(folder, 0)

    def fetch(file: HubFile, more: Callable[[int], None] = lambda count: None) -> str:
        place = folder / file.path
        digest = _digest(place, file, digests.get(file.path, ""))
        if digest is None:
            hub.fetch(remote.repository, listing.commit, file, folder, more)
            digest = _digest(place, file, digests.get(file.path, ""))
        if digest is None:
            with suppress(OSError):
                place.unlink(missing_ok=True)
            message = f"{file.path} of {remote.repository} arrived with other bytes than the hub promises"
            raise ModelError(message, "pull it again, and if that does not help, ask the publisher")
        return digest

    parts: tuple[str, ...] = ()
    if not remote.path:
        fetch(_index(listing, remote))
        parts = tuple(inspection.read_json(folder / INDEX))
    files = select_files(listing, remote, parts, without)
    check(files)
    total, done = sum(file.size for file in files), 0
    _check_space(folder, total - inspection.size(folder / file.path for file in files))
    result = {}
    for file in files:
        start = done

        def more(count: int, name: str = file.path) -> None:
            nonlocal done
            done += count
            watch(name, min(done, total), total)

        result[file.path] = fetch(file, more)
        done = start + file.size
        watch(file.path, done, total)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # partial downloads, all complete now
    return result


def _index(listing: Listing, remote: Remote) -> HubFile:
    index = listing.find(INDEX)
    if index is not None:
        return index
    weights = tuple(file.path for file in listing.files if file.path.endswith(SAFE))
    example = f", such as {remote.repository}/{weights[0]}" if weights else ""
    raise BadInput(f"{remote.repository} has no {INDEX}", f"name one of its files{example}", field="source")


def _belongs(path: PurePosixPath, parts: Sequence[str]) -> bool:
    """Whether a pipeline in Diffusers' layout loads a file, or the file states its terms."""
    if len(path.parts) == 1:
        return path.name == INDEX or path.name.upper().startswith(_LICENCE_FILES)
    return len(path.parts) == 2 and path.parts[0] in parts and path.suffix in (*WEIGHTS, *_TEXTS)


def _check_space(folder: Path, size: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        message = f"cannot write {folder}: {error.strerror or error}"
        raise OutputError(message, "choose another HINODE_HOME") from error
    if size + SPARE_BYTES > free:
        message = f"the files to fetch take {size / 1e9:.1f} GB, and the disk has {free / 1e9:.1f} GB left"
        raise OutputError(message, "free some space, or choose another HINODE_HOME")


def _digest(place: Path, file: HubFile, expected: str) -> str | None:
    """SHA-256 of a file if it is there as the hub describes it, and has the expected one unless that is "";
    else None."""
    if not place.is_file() or place.stat().st_size != file.size:
        return None
    with place.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        right = file.sha256 in ("", digest)
        if file.blob and not file.sha256:
            opened.seek(0)
            blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)  # as Git computes it
            right = hashlib.file_digest(opened, lambda: blob).hexdigest() == file.blob
    return digest if right and expected in ("", digest) else None
