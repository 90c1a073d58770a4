"""How a model comes to be known: added, pulled, and verified again later."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode.errors import BadInput, join_names, quote
from hinode.licensing import licences
from hinode.registry import entries, hub, inspection, lora_terms, single_files, tiny_decoders
from hinode.registry.entries import PARTS, Entry, Lora, Remote
from hinode.registry.family import PROFILES
from hinode.registry.hub import Hub, HubFile
from hinode.registry.inspection import Watch


def quiet(name: str, done: int, total: int) -> None:
    """A watch that looks away."""


def add(
    name: str,
    home: Path,
    *,
    family: str,
    source: str,
    revision: str = "",
    profile: str = "standard",
    loras: Sequence[str | Lora] = (),
    licence: str = "",
    base: str = "",
    decoder: str = "",
    pickle: bool = False,
    eight_bits: bool = False,
    lora_licences: Sequence[str] = (),
    second: str = "",
    reserved_names: Collection[str] = (),
    watch: Watch = quiet,
) -> Entry:
    """Make a model known. What is here is looked at and its digests are written down; what is on the hub is
    looked at when it is pulled. Nothing is written unless all is in order.

    Args:
        name: what clients will ask for.
        home: `Settings.home`.
        family: a key of `families.FAMILIES`.
        source: a Diffusers folder or a single weight file here, or `ORG/REPO[/PATH/FILE]` on the hub.
        revision: of a source on the hub; "" for the newest when it is pulled.
        profile: "draft", "standard" or "best".
        loras: each a file here or on the hub, with `:WEIGHT` behind it if that is not 1; see `parse_loras`.
        licence: a key of `licences.LICENCES`; "" for that of the family.
        base: the other parts of a pipeline whose transformer is the single file.
        decoder: a tiny decoder, a file here or on the hub; see `taehv`.
        pickle: whether weights are let through that can run code.
        eight_bits: see `Entry`.
        lora_licences: keys of `licences.LICENCES` or "": one for all LoRAs, or one for each in their order.
        second: the single file with the weights of the second denoiser, in families that have two.
        reserved_names: names that a model cannot have; see `engines.reserved_names`.
        watch: told while digests are taken.

    Raises:
        BadInput: something of it cannot be; the sentence says what.
        ModelError: a file cannot be read.
        OutputError: the entry cannot be written.
    """
    entries.check_name(name, home, reserved_names)
    known = entries.family(family)
    if not licence and known is None:
        raise BadInput(
            "the licence of the weights is not stated",
            f"choose {join_names(tuple(licences.LICENCES), 'or')}",
            field="licence",
        )
    if profile not in PROFILES:
        raise BadInput(
            f"there is no profile {quote(profile)}",
            f"choose {join_names(PROFILES, 'or')}",
            field="profile",
        )
    where = _reference(source, "source")
    if revision and Remote.of(where) is None:
        raise BadInput(
            "files on this machine have no revision",
            "leave it out, or name a source on the hub",
            field="revision",
        )
    entry = Entry(
        name=name,
        engine=entries.ENGINE,
        family=family,
        source=where,
        revision=revision,
        files={},
        profile=profile,
        loras=tuple(_lora(lora) if isinstance(lora, str) else lora for lora in loras),
        licence=licences.find(licence or str(known.licence)).key,
        base=_reference(base, "base") if base else "",
        decoder=_reference(decoder, "decoder") if decoder else "",
        pickle=pickle,
        eight_bits=eight_bits,
        second=_reference(second, "second") if second else "",
    )
    entry = dataclasses.replace(entry, loras=lora_terms.licensed(entry.loras, lora_licences))
    _check_parts(entry)
    _check_decoder(entry, home)
    single_files.check(entry, home)
    here = {entries.key_of(file, entry, home): file for file in _local_files(entry)}
    if not entry.remote:
        entry = dataclasses.replace(entry, files=inspection.digests(here, watch))
    entries.save(entry, home)
    return entry


def pull(entry: Entry, home: Path, connect: Callable[[], Hub], watch: Watch = quiet) -> Entry:
    """Fetch all that a model takes from the hub. The commit is written down first, so that a pull that was
    stopped goes on with the same files; digests are written down in the end.

    Args:
        entry: the model.
        home: `Settings.home`.
        connect: gives the hub where its repositories are.
        watch: told of progress in bytes.

    Raises:
        BadInput: there is nothing to pull, the licence excludes the operator, or the hub has it not.
        ModelError: something did not arrive, or not as it should be.
        OutputError: the disk is too small or cannot be written.
    """
    if not entry.remote:
        raise BadInput(
            f"the files of {entry.name} are on this machine and were not pulled",
            f"look at them with `hinode models verify {entry.name}`",
            field="model",
        )
    licences.check(entry.terms, home)
    there = connect()
    entry = _pinned(entry, there)
    entries.save(entry, home)
    found: dict[str, str] = {}
    for reference, field in _fields(entry):
        remote = _at(reference, entry)
        if remote is None:
            continue
        before = "" if field == "source" else f"{PARTS}/{remote.repository.replace('/', '--')}/"
        pulled = hub.pull(
            there,
            remote,
            entries.pulled_folder(entry.name, home) / before,
            {
                key.removeprefix(before): digest
                for key, digest in entry.files.items()
                if key.startswith(before)
            },
            without=single_files.parts(entry) if field == "base" else (),
            watch=watch,
            check=lambda files: _check_kinds(files, entry),
        )
        found |= {before + path: digest for path, digest in pulled.items()}
    for reference, field in _fields(entry):
        if Remote.of(reference) is not None:
            _check(entries.locate(reference, entry, home), entry, field)
    _check_decoder(entry, home)
    single_files.check(entry, home)
    here = {entries.key_of(file, entry, home): file for file in _local_files(entry)}
    entry = dataclasses.replace(entry, files=found | inspection.digests(here, watch))
    entries.save(entry, home)
    return entry


@dataclass(frozen=True)
class Verdict:
    """What is not as it was when a model was added or pulled; all empty if nothing is.

    Attributes:
        missing: files that are gone.
        changed: files with other bytes.
        added: weight files that were not there.
        checked: how many files were looked at.
    """

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    checked: int

    @property
    def good(self) -> bool:
        return not (self.missing or self.changed or self.added)


def verify(entry: Entry, home: Path, watch: Watch = quiet) -> Verdict:
    """Take every digest again.

    Raises:
        BadInput: all files are what they were, and the tiny decoder does not fit the model.
        ModelError: the model was never pulled, or a file cannot be read.
    """
    if not entry.pulled:
        entries.check_present(entry, home)
    files = {key: entries.path_of(key, entry, home) for key in sorted(entry.files)}
    here = {key: file for key, file in files.items() if file.is_file()}
    digests = inspection.digests(here, watch)
    place = entries.folder(entry, home)
    weights = (
        [
            file
            for file in sorted(place.rglob("*"))
            if file.suffix.lower() in inspection.SAFE and file.is_file()
        ]
        if place.is_dir()
        else []
    )
    known = set(files.values())
    verdict = Verdict(
        missing=tuple(key for key in files if key not in here),
        changed=tuple(key for key, digest in digests.items() if digest != entry.files[key]),
        added=tuple(
            file.relative_to(place).as_posix()
            for file in weights
            if file not in known and not any(part.startswith(".") for part in file.relative_to(place).parts)
        ),
        checked=len(files),
    )
    if verdict.good:
        _check_decoder(entry, home)
    return verdict


def _check_parts(entry: Entry) -> None:
    """Look at everything of an entry that is on this machine."""
    source, single = Remote.of(entry.source), False
    if source is not None:
        single = bool(source.path)
    elif not Path(entry.source).exists():
        raise BadInput(
            f"there is nothing at {quote(entry.source, 200)}",
            "name a folder or a file that is there, or ORG/REPO on the hub",
            field="source",
        )
    else:
        single = Path(entry.source).is_file()
    if single and not entry.base:
        raise BadInput(
            "a single file is only one part of a pipeline",
            "name the folder or the repository that gives the other parts with --base",
            field="base",
        )
    if entry.base and not single:
        raise BadInput(
            "a whole pipeline needs no base",
            "leave --base out, or name a single file as source",
            field="base",
        )
    base = Remote.of(entry.base) if entry.base else None
    if base is not None and base.path:
        raise BadInput("the base is a single file", "name a folder or a whole repository", field="base")
    if entry.second and not single:
        raise BadInput(
            "a whole pipeline needs no second file",
            "leave --second out, or name a single file as source",
            field="second",
        )
    for reference, field in (
        (entry.second, "second"),
        (entry.decoder, "decoder"),
        *((lora.source, "lora") for lora in entry.loras),
    ):
        remote = Remote.of(reference) if reference else None
        if remote is not None and not remote.path:
            raise BadInput(
                f"{remote} is a whole repository", "name one file of it, as ORG/REPO/FILE", field=field
            )
    _local_files(entry)


def _local_files(entry: Entry) -> list[Path]:
    """Every file that an entry takes from this machine and did not pull, looked at."""
    files: list[Path] = []
    for reference, field in _fields(entry):
        if Remote.of(reference) is None:
            files += _check(Path(reference), entry, field)
    return list(dict.fromkeys(files))


def _fields(entry: Entry) -> list[tuple[str, str]]:
    rest = [
        (entry.second, "second"),
        (entry.base, "base"),
        (entry.decoder, "decoder"),
        *((lora.source, "lora") for lora in entry.loras),
    ]
    return [(entry.source, "source"), *((reference, field) for reference, field in rest if reference)]


def _check(place: Path, entry: Entry, field: str) -> tuple[Path, ...]:
    """Look at one thing that an entry is made of, and say which files it has."""
    if place.is_dir() and field in ("source", "base"):
        without = single_files.parts(entry) if field == "base" else ()
        return inspection.check_folder(place, pickle=entry.pickle, without=without, field=field)
    inspection.check_weights(place, pickle=entry.pickle, field=field)
    return (place,)


def _check_decoder(entry: Entry, home: Path) -> None:
    """Make sure that the tiny decoder fits the model, as far as both are on this machine."""
    place = entries.locate(entry.decoder, entry, home) if entry.decoder else None
    family = entries.family(entry.family)
    if place is not None and place.is_file() and family is not None:
        folder = entries.locate(entry.base or entry.source, entry, home)
        tiny_decoders.check(place, family, folder if folder.is_dir() else None, pickle=entry.pickle)


def _check_kinds(files: Sequence[HubFile], entry: Entry) -> None:
    """Refuse pickles before a byte of them is fetched."""
    pickled = [file.path for file in files if Path(file.path).suffix.lower() in inspection.PICKLED]
    if pickled and not entry.pickle:
        raise BadInput(
            f"{quote(pickled[0], 200)} is a pickle, and loading one runs whatever code is in it",
            "use a repository with safetensors, or add it with --allow-pickle if you trust who made it",
            field="source",
        )


def _at(reference: str, entry: Entry) -> Remote | None:
    remote = Remote.of(reference)
    if remote is not None and reference == entry.source and entry.revision:
        return dataclasses.replace(remote, revision=entry.revision)
    return remote


def _pinned(entry: Entry, there: Hub) -> Entry:
    """The entry with a commit in place of every branch, tag or silence."""

    def pin(reference: str) -> str:
        remote = Remote.of(reference)
        if remote is None or _is_commit(remote.revision):
            return reference
        commit = there.listing(remote.repository, remote.revision).commit
        return str(dataclasses.replace(remote, revision=commit))

    source = Remote.of(entry.source)
    revision = entry.revision
    if source is not None and not _is_commit(revision):
        revision = there.listing(source.repository, revision or source.revision).commit
    return dataclasses.replace(
        entry,
        revision=revision,
        base=pin(entry.base) if entry.base else "",
        decoder=pin(entry.decoder) if entry.decoder else "",
        loras=tuple(dataclasses.replace(lora, source=pin(lora.source)) for lora in entry.loras),
        second=pin(entry.second) if entry.second else "",
    )


def _is_commit(revision: str) -> bool:
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def _reference(text: str, field: str) -> str:
    """A path on this machine, made absolute, or a place on the hub as it is written."""
    path = Path(text).expanduser()
    if path.exists() or Remote.of(text) is None:
        if not text.strip() or "\0" in text:
            raise BadInput(f"the {field} is empty", "name a folder, a file or ORG/REPO", field=field)
        return str(path.absolute())
    return text


def parse_loras(
    texts: Sequence[str],
    *,
    weights: Sequence[float] = (),
    profiles: Sequence[str] = (),
    steps: Sequence[int] = (),
    shifts: Sequence[float] = (),
) -> tuple[Lora, ...]:
    """LoRAs as they are written on the command line. Of what is said about them there is nothing, one value
    for all of them, or one for each in order.

    Args:
        texts: each a file here or on the hub, with `:WEIGHT` behind it if that is not 1.
        weights: in place of that.
        profiles: names with commas between, or "all".
        steps: how many they distil to, 0 for none.
        shifts: timestep shift that they were distilled with, 0 for the one known for the family.

    Raises:
        BadInput: something of it cannot be.
    """
    columns = {"lora-weight": weights, "lora-profiles": profiles, "lora-steps": steps, "lora-shift": shifts}
    for option, values in columns.items():
        if len(values) not in (0, 1, len(texts)) or (values and not texts):
            raise BadInput(
                f"--{option} is given {len(values)} times and --lora {len(texts)} times",
                "give it once for all LoRAs, or once for each in their order",
                field=option,
            )
    made = []
    for place, text in enumerate(texts):
        said: dict[str, Any] = {
            option: values[0] if len(values) == 1 else values[place]
            for option, values in columns.items()
            if values
        }
        lora = _lora(text)
        lora = dataclasses.replace(
            lora,
            weight=_finite(said.get("lora-weight", lora.weight)),
            profiles=_profiles(said.get("lora-profiles", "all")),
            steps=said.get("lora-steps", 0),
            shift=_finite(said.get("lora-shift", 0.0), "lora-shift"),
        )
        if not 0 <= lora.steps <= entries.MAX_STEPS:
            raise BadInput(
                f"a LoRA cannot be distilled to {lora.steps} steps",
                f"give 1 to {entries.MAX_STEPS}, or 0 if it is not distilled",
                field="lora-steps",
            )
        if lora.shift < 0:
            raise BadInput(
                f"a LoRA cannot have the timestep shift {lora.shift:g}",
                "give a number above 0 such as 5, or 0 for that of the family",
                field="lora-shift",
            )
        made.append(lora)
    return tuple(made)


def _profiles(text: str) -> tuple[str, ...]:
    """Read "draft,standard"; "all" is none in particular."""
    names = tuple(name.strip() for name in text.split(","))
    if names == ("all",):
        return ()
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        raise BadInput(
            f"there is no profile {quote(unknown[0])}",
            f"choose {join_names(PROFILES, 'or')}, several with commas between, or all",
            field="lora-profiles",
        )
    return names


def _finite(number: float, field: str = "lora") -> float:
    if not math.isfinite(number):
        raise BadInput(f"a LoRA cannot have {quote(str(number))}", "give a number such as 0.8", field=field)
    return number


def _lora(text: str) -> Lora:
    """Read `PATH:WEIGHT`; the weight may be left out. A colon of a Windows path is none of a weight."""
    source, colon, weight = text.rpartition(":")
    try:
        number = float(weight) if colon else 1.0
    except ValueError:
        source, number = text, 1.0
    if not colon or Path(text).is_file():
        source, number = text, 1.0
    if not math.isfinite(number):
        raise BadInput(
            f"a LoRA cannot have the weight {quote(weight)}", "give a number such as 0.8", field="lora"
        )
    return Lora(_reference(source, "lora"), number)


def sizes(entry: Entry, home: Path) -> int:
    """Bytes of the files of a model that are on this machine."""
    files: Mapping[str, Path] = {key: entries.path_of(key, entry, home) for key in entry.files}
    return inspection.size(file for file in files.values() if file.is_file())
