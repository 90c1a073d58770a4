"""The registry of added models: one TOML file for each, read, written, listed and removed. No weights are
read. `home` is `Settings.home` here and in the other modules of the package."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from hinode import tomlfile
from hinode.errors import BadInput, ModelError, OutputError, join_names, quote
from hinode.licensing import licences
from hinode.parsing import parse_dataclass
from hinode.registry import paths
from hinode.registry.entry import Entry, Remote

ENGINE = "diffusers"
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}", re.ASCII)


def read(name: str, home: Path) -> Entry:
    """The entry called `name`, of a model that was added; ModelError if its file is damaged."""
    file = paths.entry_file(name, home)
    try:
        values = {"engine": ENGINE, **tomlfile.read(file), "name": name}
        if not values.get("licence"):
            raise BadInput("licence is missing", "add it", field="licence")
        return parse_dataclass(Entry, values, what="the entry")
    except BadInput as error:
        raise ModelError(f"{file} is not the entry of a model: {error.message}", error.remedy) from error


def save(entry: Entry, home: Path) -> Path:
    """Write an entry to its file, and return the path; OutputError if it cannot be written."""
    values = {name: value for name, value in dataclasses.asdict(entry).items() if value and name != "name"}
    if entry.loras:
        values["loras"] = [
            {name: value for name, value in dataclasses.asdict(lora).items() if name == "weight" or value}
            for lora in entry.loras
        ]
    if entry.files:
        values["files"] = dict(sorted(entry.files.items()))
    file = paths.entry_file(entry.name, home)
    tomlfile.write(file, values, "A model of Hinode; see docs/howto/use-open-checkpoints.md.")
    return file


def names(home: Path) -> tuple[str, ...]:
    """Names of all added models in alphabetical order, whether their files can be read or not."""
    files = sorted((home / "models").glob("*.toml"))
    return tuple(name for file in files if NAME.fullmatch(name := file.name.removesuffix(".toml")))


def readable(home: Path) -> dict[str, Entry]:
    """Every added model whose file can be read, by name."""
    entries = {}
    for name in names(home):
        try:
            entries[name] = read(name, home)
        except ModelError:
            continue
    return entries


def find(name: str, home: Path) -> Entry:
    """The added model called `name`; BadInput if there is none, ModelError if its file is damaged."""
    choices = names(home)
    if name not in choices:
        remedy = f"choose {join_names(choices, 'or')}" if choices else "add one with `hinode models add`"
        raise BadInput(f"there is no added model {quote(name)}", remedy, field="model")
    return read(name, home)


def available(engine: str, home: Path) -> tuple[str, ...]:
    """Names of an engine's added models. Those that can be used come first: the first is the default."""
    ranked = sorted(
        (entry for entry in readable(home).values() if entry.engine == engine),
        key=lambda entry: (obstacle(entry, home) is not None, entry.name),
    )
    return tuple(entry.name for entry in ranked)


def obstacle(entry: Entry, home: Path) -> str | None:
    """Why a model cannot be used at present, in one sentence with its remedy, or None. Reads no weights."""
    try:
        licences.check(entry.terms, home)
        check_present(entry, home)
    except (BadInput, ModelError) as error:
        return str(error)
    return None


def check_present(entry: Entry, home: Path) -> None:
    """Make sure that every file of a model is where it should be; ModelError if one is missing."""
    if not entry.pulled:
        message = f"the model {entry.name} is not on this machine yet"
        raise ModelError(message, f"fetch it with `hinode models pull {entry.name}`")
    missing = [key for key in entry.files if not paths.path_of(key, entry, home).is_file()]
    if missing:
        raise ModelError(
            f"the model {entry.name} lacks {quote(missing[0], 200)}"
            + (f" and {len(missing) - 1} more of its files" if len(missing) > 1 else ""),
            f"restore it, fetch it with `hinode models pull {entry.name}`, or add the model again",
        )


def check_name(name: str, home: Path, reserved: Collection[str] = ()) -> None:
    """Raise BadInput if a new model cannot be called `name`, because that is malformed or not free.

    `reserved` are the names of engines, and of models that are not in the registry.
    """
    if NAME.fullmatch(name) is None:
        message = f"{quote(name)} cannot be the name of a model"
        remedy = "use letters, digits, dots, dashes and underscores, such as wan-2.2-5b"
        raise BadInput(message, remedy, field="name")
    if name.casefold() in {other.casefold() for other in (*names(home), *reserved)}:
        message = f"there is already something called {quote(name)}"
        remedy = "choose another name, or remove the model first with `hinode models remove`"
        raise BadInput(message, remedy, field="name")


def remove(name: str, home: Path) -> int:
    """Delete the entry of a model and what was pulled for it, and return the bytes freed; other files stay.

    Raises:
        BadInput: there is no such model.
        OutputError: something cannot be deleted.
    """
    try:
        entry = find(name, home)
    except ModelError:
        entry = None  # a damaged entry does not say what was pulled, so only the entry is deleted
    pulled = paths.pulled_folder(name, home)
    if entry is not None and Remote.of(entry.source) is None:
        pulled = pulled / paths.PARTS
    # A symbolic link is not followed: what it leads to was not pulled by us.
    ours = entry is not None and entry.remote and pulled.is_dir() and not pulled.is_symlink()
    freed = sum(file.lstat().st_size for file in pulled.rglob("*") if file.is_file()) if ours else 0
    try:
        # The entry goes first: an entry without files would mislead, files without an entry do not.
        paths.entry_file(name, home).unlink()
        if ours:
            shutil.rmtree(pulled)
    except OSError as error:
        message = f"cannot delete {error.filename}: {error.strerror}"
        raise OutputError(message, "delete it yourself") from error
    return freed
