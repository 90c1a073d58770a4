"""Adding a model to the registry, pulling it from the hub, and verifying its files later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from hinode.errors import BadInput, join_names, quote
from hinode.licensing import licences
from hinode.registry import entries, families, folders, hub, inspection, paths, single_files, tiny_decoders
from hinode.registry.entry import Entry, Remote
from hinode.registry.hub import Hub, HubFile
from hinode.registry.inspection import Watch, ignore_progress
from hinode.registry.profiles import PROFILES

Check = Callable[[Entry, Path], None]
"""Compares the files of a model, all of which are on this machine, with its network; ModelError if they do
not fit. It is passed in, because this package knows no network."""


def accept(entry: Entry, home: Path) -> None:
    """A `Check` that finds nothing."""


def add(
    entry: Entry,
    home: Path,
    *,
    reserved_names: Collection[str] = (),
    watch: Watch = ignore_progress,
    check: Check = accept,
) -> Entry:
    """Add a model, and return its entry as it is stored. Nothing is written unless everything is in order.

    Files on this machine are checked and their digests are stored; what is on the hub is checked when it is
    pulled.

    Args:
        entry: as a person states it: paths may be relative, and "" as licence stands for that of the family.
        reserved_names: see `entries.check_name`.
        watch: called while digests are computed.
        check: called before, if everything is on this machine.

    Raises:
        BadInput: a field is wrong, or a file is not what it should be.
        ModelError: a file cannot be read, or does not fit the network.
        OutputError: the entry cannot be written.
    """
    entries.check_name(entry.name, home, reserved_names)
    default_licence = families.find(entry.family).licence
    if entry.profile not in PROFILES:
        message = f"there is no profile {quote(entry.profile)}"
        raise BadInput(message, f"choose {join_names(PROFILES, 'or')}", field="profile")
    licence = licences.find(entry.licence or default_licence).key
    entry = dataclasses.replace(entry.map_references(_absolute), licence=licence)
    _check_references(entry, home)
    own = _check_files(entry, home)
    if not entry.remote:
        check(entry, home)
        entry = dataclasses.replace(entry, files=_digests(own, entry, home, watch))
    entries.save(entry, home)
    return entry


def pull(
    entry: Entry,
    home: Path,
    connect: Callable[[], Hub],
    watch: Watch = ignore_progress,
    check: Check = accept,
) -> Entry:
    """Fetch everything that a model takes from the hub.

    The commits are stored first, so that a pull that was interrupted continues with the same files; digests
    are stored at the end.

    Raises:
        BadInput: there is nothing to pull, the licence excludes the operator, or the hub lacks something.
        ModelError: a file did not arrive, or not with the bytes that the hub promised, or `check` found that
            it does not fit the network.
        OutputError: the disk is full or cannot be written.
    """
    if not entry.remote:
        message = f"the files of {entry.name} are on this machine and were not pulled"
        raise BadInput(message, f"check them with `hinode models verify {entry.name}`", field="model")
    licences.check(entry.terms, home)
    source = connect()
    entry = _pin_commits(entry, source)
    entries.save(entry, home)
    digests: dict[str, str] = {}
    for reference, field in entry.references:
        remote = Remote.of(reference)
        if remote is None:
            continue
        if field == "source":
            remote, prefix = dataclasses.replace(remote, revision=entry.revision), ""
        else:
            prefix = f"{paths.parts_folder(remote)}/"
        files = entry.files.items()
        pulled = hub.pull(
            source,
            remote,
            paths.pulled_folder(entry.name, home) / prefix,
            {key.removeprefix(prefix): digest for key, digest in files if key.startswith(prefix)},
            without=single_files.replaced_parts(entry) if field == "base" else (),
            watch=watch,
            check=lambda files: _check_formats(files, entry),
        )
        digests |= {prefix + path: digest for path, digest in pulled.items()}
    own = _check_files(entry, home, pulled=True)
    check(entry, home)
    entry = dataclasses.replace(entry, files=digests | _digests(own, entry, home, watch))
    entries.save(entry, home)
    return entry


@dataclass(frozen=True)
class Verification:
    """Keys of files that differ from the entry of a model; `added` are weight files that are not in it."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    checked: int

    @property
    def good(self) -> bool:
        return not (self.missing or self.changed or self.added)


def verify(entry: Entry, home: Path, watch: Watch = ignore_progress) -> Verification:
    """Compare every file of a model with its digest.

    Raises:
        BadInput: nothing differs, but the tiny decoder does not fit the model.
        ModelError: the model was never pulled, or a file cannot be read.
    """
    if not entry.pulled:
        entries.check_present(entry, home)
    files = {key: paths.path_of(key, entry, home) for key in sorted(entry.files)}
    present = {key: file for key, file in files.items() if file.is_file()}
    digests = inspection.digests(present, watch)
    folder = paths.locate(entry.source, entry, home)
    listed = set(files.values())
    verification = Verification(
        missing=tuple(key for key in files if key not in present),
        changed=tuple(key for key, digest in digests.items() if digest != entry.files[key]),
        added=tuple(
            file.relative_to(folder).as_posix()
            for file in (inspection.walk(folder) if folder.is_dir() else ())
            if file.suffix.lower() in inspection.SAFE and file not in listed
        ),
        checked=len(files),
    )
    if verification.good:
        _check_decoder(entry, home)
    return verification


def size(entry: Entry, home: Path) -> int:
    """Bytes of the files of a model that are on this machine."""
    return inspection.size(paths.path_of(key, entry, home) for key in entry.files)


def _check_references(entry: Entry, home: Path) -> None:
    """Make sure that the references of an entry fit each other, whether their files are here or not."""
    source = Remote.of(entry.source)
    if source is None and entry.revision:
        remedy = "leave it out, or name a source on the hub"
        raise BadInput("files on this machine have no revision", remedy, field="revision")
    if source is None and not Path(entry.source).exists():
        message = f"there is nothing at {quote(entry.source, 200)}"
        raise BadInput(message, "name an existing folder or file, or ORG/REPO on the hub", field="source")
    single = single_files.locate(entry, home)
    for field, value in (("base", entry.base), ("second", entry.second)):
        if value and not single:
            message = f"a whole pipeline needs no {'second file' if field == 'second' else field}"
            raise BadInput(message, f"leave --{field} out, or name a single file as source", field=field)
    for reference, field in entry.references[1:]:
        remote = Remote.of(reference)
        if remote is None:
            continue
        if field == "base" and remote.path:
            raise BadInput("the base is a single file", "name a folder or a whole repository", field="base")
        if field != "base" and not remote.path:
            message = f"{remote} is a whole repository"
            raise BadInput(message, "name one file of it, as ORG/REPO/FILE", field=field)


def _check_files(entry: Entry, home: Path, *, pulled: bool = False) -> list[Path]:
    """Check that the files of an entry, with `pulled` those from the hub too, are sound and fit each other.
    Returns the files that do not come from the hub."""
    own: list[Path] = []
    for reference, field in entry.references:
        remote = Remote.of(reference) is not None
        if not remote or pulled:
            files = _check_place(paths.locate(reference, entry, home), entry, field)
            own += [] if remote else files
    _check_decoder(entry, home)
    single_files.check_names(entry, home)
    return list(dict.fromkeys(own))


def _check_place(place: Path, entry: Entry, field: str) -> tuple[Path, ...]:
    """Check what one reference stands for, and return its files."""
    if place.is_dir() and field in ("source", "base"):
        without = single_files.replaced_parts(entry) if field == "base" else ()
        files = inspection.check_folder(place, pickle=entry.pickle, without=without, field=field)
        folders.check_family(place, families.find(entry.family), field=field)
        return files
    inspection.check_weights(place, pickle=entry.pickle, field=field)
    return (place,)


def _check_decoder(entry: Entry, home: Path) -> None:
    """Make sure that the tiny decoder fits the model, as far as both are on this machine."""
    if not entry.decoder:
        return
    file = paths.locate(entry.decoder, entry, home)
    if file.is_file():
        folder = paths.locate(entry.base or entry.source, entry, home)
        family = families.find(entry.family)
        tiny_decoders.check(file, family, folder if folder.is_dir() else None, pickle=entry.pickle)


def _check_formats(files: Sequence[HubFile], entry: Entry) -> None:
    """Refuse pickles before a byte of them is fetched."""
    pickles = [file.path for file in files if Path(file.path).suffix.lower() in inspection.PICKLED]
    if pickles and not entry.pickle:
        message = f"{quote(pickles[0], 200)} is a pickle, and loading one runs whatever code is in it"
        remedy = "use a repository with safetensors, or add it with --allow-pickle if you trust its author"
        raise BadInput(message, remedy, field="source")


def _digests(files: Sequence[Path], entry: Entry, home: Path, watch: Watch) -> dict[str, str]:
    return inspection.digests({paths.key_of(file, entry, home): file for file in files}, watch)


def _pin_commits(entry: Entry, source: Hub) -> Entry:
    """The entry with a commit in place of every branch, tag and missing revision."""

    def commit(remote: Remote, revision: str) -> str:
        is_commit = len(revision) == 40 and set(revision) <= set("0123456789abcdef")
        return revision if is_commit else source.listing(remote.repository, revision).commit

    def pin(reference: str, field: str) -> str:
        remote = Remote.of(reference)
        if remote is None or field == "source":
            return reference
        return str(dataclasses.replace(remote, revision=commit(remote, remote.revision)))

    remote = Remote.of(entry.source)
    revision = commit(remote, entry.revision or remote.revision) if remote else ""
    return dataclasses.replace(entry.map_references(pin), revision=revision)


def _absolute(text: str, field: str) -> str:
    """A path on this machine, made absolute, or a place on the hub as it is written."""
    path = Path(text).expanduser()
    if path.exists() or Remote.of(text) is None:
        if not text.strip() or "\0" in text:
            raise BadInput(f"the {field} is empty", "name a folder, a file or ORG/REPO", field=field)
        return str(path.absolute())
    return text
