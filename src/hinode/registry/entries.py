"""The models that a person added: one TOML file each, which says where the weights are and what they are.

`HOME/models/NAME.toml` is the model NAME. Its weights stay where they are, or were pulled from a hub into
`HOME/models/NAME/`. Nothing here reads weights or loads a library; see `inspection` and `hub`.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hinode import tomlfile
from hinode.errors import BadInput, ModelError, OutputError, join_names, quote
from hinode.licensing import licences
from hinode.registry.family import PROFILES

ENGINE = "diffusers"
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}", re.ASCII)
PARTS = ".parts"
"""Folder of what a model takes from repositories other than its own, inside the model's folder."""

MAX_STEPS = 200
"""A LoRA may distil a model to that many steps at most."""

_REMOTE = re.compile(r"([\w.-]+/[\w.-]+?)((?:/[^/@\\]+)*)(?:@([\w.-]+))?", re.ASCII)
_SINGLE = (".safetensors", ".gguf", ".sft", ".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True)
class Lora:
    """Weights that are added to those of the model.

    Attributes:
        source: a file here, or one in a repository of the hub; see `Remote`.
        weight: how strongly, 1 for as they were trained.
        profiles: names of the profiles that they are for; empty for all.
        steps: how many steps they distil the model to; it then needs no second pass. 0 if they do not.
        shift: timestep shift that they were distilled with; 0 for the one known for the family.
        licence: of these weights, a key of `licences.LICENCES`; "" if it is not known.
    """

    source: str
    weight: float = 1.0
    profiles: tuple[str, ...] = ()
    steps: int = 0
    shift: float = 0.0
    licence: str = ""


@dataclass(frozen=True)
class Entry:
    """A model that a person added.

    Attributes:
        name: what clients ask for; the stem of the file.
        engine: who draws with it.
        family: which kind of network it is, a key of `families.FAMILIES`.
        source: a folder or a single file here, as an absolute path, or one on the hub; see `Remote`.
        revision: of a source on the hub; a commit once it was pulled. "" for a local one.
        files: SHA-256 of every file in hexadecimal, by its path below `root`; by its absolute path if it is
            elsewhere on this machine. Empty as long as something on the hub was not pulled.
        profile: "draft", "standard" or "best": what is done if a request does not say.
        loras: added to the weights, in this order.
        licence: of the weights, a key of `licences.LICENCES`.
        base: of a single file: the folder, here or on the hub, that gives the other components.
        second: of a single file in a family of two denoisers: the file with the other one's weights.
        decoder: a tiny decoder in TAEHV's layout, see `taehv`; a file here or on the hub.
        pickle: whether the operator lets weights be loaded that can run code.
        eight_bits: whether, in all profiles but the best, its denoiser has 8-bit weights on a processor too.
    """

    name: str
    engine: str
    family: str
    source: str
    revision: str
    files: Mapping[str, str] = field(hash=False)
    profile: str
    loras: tuple[Lora, ...]
    licence: str
    base: str = ""
    decoder: str = ""
    pickle: bool = False
    eight_bits: bool = False
    second: str = ""

    def under(self, profile: str) -> Entry:
        """The same model with another profile, and of its LoRAs only those that are for it."""
        loras = tuple(lora for lora in self.loras if not lora.profiles or profile in lora.profiles)
        return dataclasses.replace(self, profile=profile, loras=loras)

    @property
    def terms(self) -> str:
        """The licences of all its weights, as an SPDX expression: "Apache-2.0 AND CC-BY-NC-4.0". Base and
        second file belong to the model and have its licence; the tiny decoders are under MIT, which asks
        nothing of those who draw."""
        return licences.combine(self.licence, *(lora.licence for lora in self.loras))

    @property
    def references(self) -> tuple[str, ...]:
        """Everything that it is made of: the source first, then second, base, decoder and LoRAs."""
        rest = (self.second, self.base, self.decoder, *(lora.source for lora in self.loras))
        return (self.source, *(reference for reference in rest if reference))

    @property
    def remote(self) -> bool:
        """Whether any of it comes from the hub."""
        return any(Remote.of(reference) is not None for reference in self.references)

    @property
    def pulled(self) -> bool:
        """Whether all that it is made of is on this machine, as far as the entry knows."""
        return bool(self.files)


@dataclass(frozen=True)
class Remote:
    """A place on the hub, written `ORG/REPO`, `ORG/REPO/PATH/FILE`, either with `@REVISION` behind it.

    Attributes:
        repository: "org/repo".
        path: of one file in it, or "" for all that a pipeline needs.
        revision: a commit, a branch or a tag; "" for the newest.
    """

    repository: str
    path: str = ""
    revision: str = ""

    @classmethod
    def of(cls, reference: str) -> Remote | None:
        """The place that a reference names, or None if it is a path on this machine."""
        if Path(reference).is_absolute() or reference.startswith((".", "~")):
            return None
        match = _REMOTE.fullmatch(reference)
        if match is None or ".." in reference.split("/"):
            return None
        return cls(match[1], match[2].lstrip("/"), match[3] or "")

    def __str__(self) -> str:
        path = f"/{self.path}" if self.path else ""
        return f"{self.repository}{path}" + (f"@{self.revision}" if self.revision else "")


def entries(home: Path) -> dict[str, Entry]:
    """Every model that was added and whose file can be read, by name.

    Args:
        home: `Settings.home`.
    """
    found = {}
    for name in names(home):
        try:
            found[name] = read(name, home)
        except ModelError:
            continue
    return found


def names(home: Path) -> tuple[str, ...]:
    """Names of all that were added, readable or not, in the order of the alphabet."""
    files = sorted((home / "models").glob("*.toml"))
    return tuple(name for file in files if NAME.fullmatch(name := file.name.removesuffix(".toml")))


def find(name: str, home: Path) -> Entry:
    """The model called `name`.

    Args:
        name: of one that was added.
        home: `Settings.home`.

    Raises:
        BadInput: there is none.
        ModelError: its file is damaged.
    """
    known = names(home)
    if name not in known:
        remedy = f"choose {join_names(known, 'or')}" if known else "add one with `hinode models add`"
        raise BadInput(f"there is no added model {quote(name)}", remedy, field="model")
    return read(name, home)


def available(engine: str, home: Path) -> tuple[str, ...]:
    """Names of an engine's added models for `Capabilities.models`: those that are here and that the operator
    may use come first, so that the first one is a default that works."""
    ranked = sorted(
        (entry for entry in entries(home).values() if entry.engine == engine),
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
    """Make sure that every file of a model is where it should be.

    Raises:
        ModelError: one is not.
    """
    if not entry.pulled:
        raise ModelError(
            f"the model {entry.name} is not on this machine yet",
            f"fetch it with `hinode models pull {entry.name}`",
        )
    missing = [key for key in entry.files if not path_of(key, entry, home).is_file()]
    if missing:
        raise ModelError(
            f"the model {entry.name} lacks {quote(missing[0], 200)}"
            + (f" and {len(missing) - 1} more of its files" if len(missing) > 1 else ""),
            f"put it back, fetch it with `hinode models pull {entry.name}`, or add the model anew",
        )


def path(name: str, home: Path) -> Path:
    """The file of the entry called `name`, there or not."""
    return home / "models" / f"{name}.toml"


def pulled_folder(name: str, home: Path) -> Path:
    """Where what is pulled for the model called `name` is kept."""
    return home / "models" / name


def locate(reference: str, entry: Entry, home: Path) -> Path:
    """Where a source, base, decoder or LoRA of an entry lies on this machine: a folder or a single file."""
    remote = Remote.of(reference)
    if remote is None:
        return Path(reference)
    folder = pulled_folder(entry.name, home)
    if reference != entry.source:
        folder = folder / PARTS / remote.repository.replace("/", "--")
    return folder / remote.path if remote.path else folder


def folder(entry: Entry, home: Path) -> Path:
    """Where the weights of a model lie: its folder, or its single file."""
    return locate(entry.source, entry, home)


def root(entry: Entry, home: Path) -> Path:
    """The folder that the relative paths in `Entry.files` begin at."""
    if Remote.of(entry.source) is not None:
        return pulled_folder(entry.name, home)
    source = Path(entry.source)
    return source.parent if source.suffix.lower() in _SINGLE and not source.is_dir() else source


def path_of(key: str, entry: Entry, home: Path) -> Path:
    """The file that a key of `Entry.files` names."""
    if key.startswith(f"{PARTS}/"):
        return pulled_folder(entry.name, home) / key
    return root(entry, home) / key  # an absolute key stays what it is


def key_of(file: Path, entry: Entry, home: Path) -> str:
    """The key of `Entry.files` that names a file."""
    for start in (root(entry, home), pulled_folder(entry.name, home)):
        if file.is_relative_to(start):
            return file.relative_to(start).as_posix()
    return file.as_posix()


def check_name(name: str, home: Path, reserved: Collection[str] = ()) -> None:
    """Check that a model can be called `name`.

    Args:
        name: of the model to add.
        home: `Settings.home`.
        reserved: names of engines and of models that are not in the registry.

    Raises:
        BadInput: the name is malformed, or another model has it.
    """
    if NAME.fullmatch(name) is None:
        raise BadInput(
            f"{quote(name)} cannot be the name of a model",
            "use letters, digits, dots, dashes and underscores, such as wan-2.2-5b",
            field="name",
        )
    if name.casefold() in {other.casefold() for other in (*names(home), *reserved)}:
        raise BadInput(
            f"there is already something called {quote(name)}",
            "choose another name, or remove the model first with `hinode models remove`",
            field="name",
        )


def family(name: str) -> Any:
    """The family called `name`, or None where no table of families is installed.

    Raises:
        BadInput: there is no such family.
    """
    try:
        table: Mapping[str, Any] = importlib.import_module("hinode.registry.families").FAMILIES
    except ModuleNotFoundError:
        return None
    if name not in table:
        raise BadInput(
            f"there is no family {quote(name)}", f"choose {join_names(tuple(table), 'or')}", field="family"
        )
    return table[name]


def save(entry: Entry, home: Path) -> Path:
    """Write an entry to its file, and say where.

    Raises:
        OutputError: it cannot be written.
    """
    values = {
        name: value
        for name, value in dataclasses.asdict(entry).items()
        if name != "name" and value not in ("", ()) and value is not False
    }
    values["loras"] = [
        {name: value for name, value in dataclasses.asdict(lora).items() if name == "weight" or value}
        for lora in entry.loras
    ]
    values = {name: values[name] for name in values if name not in ("files", "loras")} | {
        "loras": values["loras"],
        "files": dict(sorted(entry.files.items())),
    }
    file = path(entry.name, home)
    tomlfile.write(
        file,
        {name: value for name, value in values.items() if value != []},
        "A model of Hinode; see docs/models.md.",
    )
    return file


def remove(name: str, home: Path) -> int:
    """Forget a model, and delete what was pulled for it; files that were here before stay.

    Returns:
        Bytes that were freed.

    Raises:
        BadInput: there is no such model.
        OutputError: something cannot be deleted.
    """
    if name not in names(home):
        find(name, home)  # says that there is none, and which there are
    try:
        entry = read(name, home)
    except ModelError:
        entry = None  # what it was made of is not known any more, so nothing but the entry is deleted
    pulled = pulled_folder(name, home)
    if entry is not None and Remote.of(entry.source) is None:
        pulled = pulled / PARTS
    # A link is not followed: what it leads to was not pulled by us.
    mine = entry is not None and entry.remote and pulled.is_dir() and not pulled.is_symlink()
    freed = sum(file.lstat().st_size for file in pulled.rglob("*") if file.is_file()) if mine else 0
    try:
        # The entry goes first: files without an entry are only in the way, an entry without files misleads.
        path(name, home).unlink()
        if mine:
            shutil.rmtree(pulled)
    except OSError as error:
        raise OutputError(
            f"cannot delete {error.filename}: {error.strerror}", "delete it yourself"
        ) from error
    return freed


def read(name: str, home: Path) -> Entry:
    """The entry in the file of that name.

    Raises:
        ModelError: the file is damaged or says what cannot be.
    """
    file = path(name, home)
    values = tomlfile.read(file)
    try:
        loras = values.pop("loras", [])
        files = values.pop("files", {})
        entry = Entry(
            name=name,
            engine=_text(values, "engine", ENGINE),
            family=_text(values, "family"),
            source=_text(values, "source"),
            revision=_text(values, "revision", ""),
            files={str(key): str(digest) for key, digest in files.items()},
            profile=_text(values, "profile", "standard"),
            loras=tuple(_lora(lora) for lora in loras),
            licence=licences.find(_text(values, "licence")).key,
            base=_text(values, "base", ""),
            decoder=_text(values, "decoder", ""),
            pickle=values.pop("pickle", False) is True,
            eight_bits=values.pop("eight_bits", False) is True,
            second=_text(values, "second", ""),
        )
        if values:
            raise ValueError(f"{quote(next(iter(values)))} means nothing here")
        if entry.profile not in PROFILES:
            raise ValueError(f"the profile {quote(entry.profile)} is none of {join_names(PROFILES)}")
        bad = [digest for digest in entry.files.values() if not re.fullmatch("[0-9a-f]{64}", digest)]
        if bad:
            raise ValueError(f"{quote(bad[0])} is no SHA-256")
    except BadInput as error:
        raise ModelError(f"{file} is not the entry of a model: {error.message}", error.remedy) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{file} is not the entry of a model: {error}",
            "put it right, or remove it and add the model anew",
        ) from error
    return entry


def _text(values: dict[str, Any], key: str, default: str | None = None) -> str:
    value = values.pop(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} is missing" if value is None else f"{key} is no text")
    return value


def _lora(values: dict[str, Any]) -> Lora:
    lora = Lora(
        _text(values, "source"),
        _number(values, "weight", 1.0),
        tuple(values.pop("profiles", ())),
        values.pop("steps", 0),
        _number(values, "shift", 0.0),
        licences.find(licence).key if (licence := _text(values, "licence", "")) else "",
    )
    unknown = [name for name in lora.profiles if name not in PROFILES]
    if unknown:
        raise ValueError(f"the profile {quote(str(unknown[0]))} of a LoRA is none of {join_names(PROFILES)}")
    if not isinstance(lora.steps, int) or not 0 <= lora.steps <= MAX_STEPS:
        raise ValueError(f"the steps of a LoRA are no number from 0 to {MAX_STEPS}")
    if lora.shift < 0:
        raise ValueError("the shift of a LoRA is less than 0")
    return lora


def _number(values: dict[str, Any], key: str, default: float) -> float:
    value = values.pop(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"the {key} of a LoRA is no number")
    return float(value)
