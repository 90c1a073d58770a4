"""Where the files of an added model are: its entry is `HOME/models/NAME.toml`, and its weights stay where
they are, or are pulled from the hub into `HOME/models/NAME/`."""

from __future__ import annotations

from pathlib import Path

from hinode.registry.entry import Entry, Remote

PARTS = ".parts"
"""Folder of what a model takes from repositories other than its own, inside the model's folder."""

_SINGLE_FILE = (".safetensors", ".gguf", ".sft", ".bin", ".pt", ".pth", ".ckpt")


def entry_file(name: str, home: Path) -> Path:
    """The file of the entry called `name`, whether it exists or not."""
    return home / "models" / f"{name}.toml"


def pulled_folder(name: str, home: Path) -> Path:
    """The folder of the files that are pulled for the model called `name`."""
    return home / "models" / name


def parts_folder(remote: Remote) -> str:
    """Path below `pulled_folder` of what is pulled from a repository other than the model's own."""
    return f"{PARTS}/{remote.repository.replace('/', '--')}"


def locate(reference: str, entry: Entry, home: Path) -> Path:
    """The folder or file on this machine that a reference of an entry stands for."""
    remote = Remote.of(reference)
    if remote is None:
        return Path(reference)
    folder = pulled_folder(entry.name, home)
    if reference != entry.source:
        folder = folder / parts_folder(remote)
    return folder / remote.path if remote.path else folder


def root(entry: Entry, home: Path) -> Path:
    """The folder that the relative keys of `Entry.files` start from."""
    if Remote.of(entry.source) is not None:
        return pulled_folder(entry.name, home)
    source = Path(entry.source)
    return source.parent if source.suffix.lower() in _SINGLE_FILE and not source.is_dir() else source


def path_of(key: str, entry: Entry, home: Path) -> Path:
    """The file that a key of `Entry.files` names."""
    if key.startswith(f"{PARTS}/"):
        return pulled_folder(entry.name, home) / key
    return root(entry, home) / key  # an absolute key replaces the root


def key_of(file: Path, entry: Entry, home: Path) -> str:
    """The key of `Entry.files` for a file: relative to the root or the pulled folder, else absolute."""
    for folder in (root(entry, home), pulled_folder(entry.name, home)):
        if file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return file.as_posix()
