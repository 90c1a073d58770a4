"""Fetching weights from a hub: at one commit, each file checked against its digest, going on after a stop."""

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
from hinode.registry.entries import Remote
from hinode.registry.inspection import BLOCK, INDEX, PICKLED, SAFE, Watch, read_json

SPARE = 2**28
"""Bytes that are left free on the disk."""

_WORDS = (".json", ".txt", ".model", ".md", ".jinja", ".vocab", ".merges", ".tiktoken")
_HALF = re.compile(r"\.(fp16|bf16)[.-]")
_TERMS = ("LICENSE", "LICENCE", "NOTICE", "README")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository.

    Attributes:
        path: in the repository.
        size: in bytes.
        sha256: in hexadecimal, or "" if the hub does not say.
        blob: Git's digest of it (SHA-1 of a head and the content), or "".
    """

    path: str
    size: int
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]


class Hub(Protocol):
    """Where repositories are."""

    def listing(self, repository: str, revision: str) -> Listing:
        """A repository at a revision, "" for the newest.

        Raises:
            BadInput: there is no such repository or revision, or it is not open to us.
            ModelError: the hub cannot be reached.
        """
        ...

    def fetch(
        self, repository: str, commit: str, file: HubFile, folder: Path, watch: Callable[[int], None]
    ) -> None:
        """Bring a file to its place below `folder`; what is there of it from an earlier try is kept.

        Args:
            watch: told how many more bytes are there, as they come.

        Raises:
            ModelError: it did not arrive; the next try goes on from here.
        """
        ...


def chosen(
    listing: Listing, remote: Remote, parts: Sequence[str], without: Sequence[str] = ()
) -> tuple[HubFile, ...]:
    """The files to fetch of a repository: the one that is named, or what a Diffusers pipeline loads.

    Weights in half precision that lie beside full ones, and pickles beside safe weights, are left out.

    Args:
        listing: what there is.
        remote: what is asked for.
        parts: folders that the pipeline's index names; of no use if a file is named.
        without: those of them whose weights come from elsewhere.

    Raises:
        BadInput: it is not there.
    """
    if remote.path:
        named = tuple(file for file in listing.files if file.path == remote.path)
        if not named:
            raise BadInput(
                f"there is no file {remote.path} in {remote.repository}", "see its page", field="source"
            )
        return named
    found = [
        file
        for file in listing.files
        if _belongs(PurePosixPath(file.path), parts)
        and not (_folder(file) in without and file.path.endswith((*SAFE, *PICKLED, ".index.json")))
    ]
    safe = {_folder(file) for file in found if file.path.endswith(SAFE)}
    full = {_folder(file) for file in found if file.path.endswith(SAFE) and not _HALF.search(file.path)}
    return tuple(
        file
        for file in found
        if not (PurePosixPath(file.path).suffix in PICKLED and _folder(file) in safe)
        and not (_HALF.search(file.path) and _folder(file) in full)
    )


def pull(
    hub: Hub,
    remote: Remote,
    folder: Path,
    known: Mapping[str, str],
    *,
    without: Sequence[str] = (),
    watch: Watch = lambda name, done, total: None,
    check: Callable[[Sequence[HubFile]], None] = lambda files: None,
) -> dict[str, str]:
    """Bring what a model needs of a repository into a folder.

    What is there already and has the right digest is not fetched again; every file is read once more in the
    end, whatever the connection said.

    Args:
        hub: where the repository is.
        remote: which one, and what of it.
        folder: where to.
        known: SHA-256 that files had when they were pulled before, by their path; another one is refused.
        without: parts of the pipeline whose weights come from elsewhere.
        watch: told of progress in bytes.
        check: called with the files before their weights are fetched; raises if they must not be.

    Returns:
        SHA-256 of every file that is now there, by its path.

    Raises:
        BadInput: the repository has not what was asked for.
        ModelError: something did not arrive, or not as it should be.
        OutputError: the disk is too small or cannot be written.
    """
    listing = hub.listing(remote.repository, remote.revision)
    for file in listing.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in file.path:
            raise BadInput(
                f"{remote} has a file called {quote(file.path)}", "use another source", field="source"
            )
    _room(folder, 0)

    def bring(file: HubFile, more: Callable[[int], None] = lambda count: None) -> str:
        place = folder / file.path
        digest = _digest(place, file, known.get(file.path, ""))
        if digest is None:
            hub.fetch(remote.repository, listing.commit, file, folder, more)
            digest = _digest(place, file, known.get(file.path, ""))
        if digest is None:
            with suppress(OSError):
                place.unlink(missing_ok=True)
            raise ModelError(
                f"{file.path} of {remote.repository} came with other bytes than it should have",
                "pull it again, and if that does not help, ask those who published it",
            )
        return digest

    parts: tuple[str, ...] = ()
    if not remote.path:
        index = next((file for file in listing.files if file.path == INDEX), None)
        if index is None:
            weights = tuple(file.path for file in listing.files if file.path.endswith(SAFE))
            example = f", such as {remote.repository}/{weights[0]}" if weights else ""
            raise BadInput(
                f"{remote.repository} has no {INDEX}", f"name one of its files{example}", field="source"
            )
        bring(index)
        parts = tuple(read_json(folder / INDEX))
    files = chosen(listing, remote, parts, without)
    check(files)
    total, done = sum(file.size for file in files), 0
    _room(folder, total - sum(_there(folder / file.path) for file in files))
    found = {}
    for file in files:
        before = done

        def more(count: int, name: str = file.path) -> None:
            nonlocal done
            done += count
            watch(name, min(done, total), total)

        found[file.path] = bring(file, more)
        done = before + file.size
        watch(file.path, done, total)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # notes of the downloads, of no use any more
    return found


def _belongs(path: PurePosixPath, parts: Sequence[str]) -> bool:
    """Whether a file in Diffusers' layout is one that a pipeline loads, or says on what terms."""
    if len(path.parts) == 1:
        return path.name == INDEX or path.name.upper().startswith(_TERMS)
    return len(path.parts) == 2 and path.parts[0] in parts and path.suffix in (*SAFE, *PICKLED, *_WORDS)


def _folder(file: HubFile) -> str:
    return str(PurePosixPath(file.path).parent)


def _there(place: Path) -> int:
    return place.stat().st_size if place.is_file() else 0


def _room(folder: Path, needed: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}", "choose another HINODE_HOME"
        ) from error
    if needed + SPARE > free:
        raise OutputError(
            f"{needed / 1e9:.1f} GB are to be fetched, and the disk has {free / 1e9:.1f} GB left",
            "make room, or choose another HINODE_HOME",
        )


def _digest(place: Path, file: HubFile, known: str) -> str | None:
    """SHA-256 of a file that is there as the hub describes it, or None."""
    if _there(place) != file.size or not place.is_file():
        return None
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)  # as Git does it
    with place.open("rb") as opened:
        while block := opened.read(BLOCK):
            sha256.update(block)
            if not file.sha256:
                blob.update(block)
    digest = sha256.hexdigest()
    right = not file.blob or blob.hexdigest() == file.blob
    if file.sha256:
        right = digest == file.sha256
    return digest if right and known in ("", digest) else None
