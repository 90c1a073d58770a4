"""Checks weight files before they are trusted: that they are complete, and of a kind that runs no code.
Headers are read, tensors never."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hinode.errors import BadInput, ModelError, join_names, quote

INDEX = "model_index.json"
"""The file of a Diffusers folder that lists its parts."""

CONFIG = "config.json"
"""The file that describes how a part is built."""

SAFE = (".safetensors", ".sft", ".gguf")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
WEIGHTS = (*SAFE, *PICKLED)
LFS_HEAD = b"version https://git-lfs.github.com/"
WEIGHT_INDEX = ".index.json"
BLOCK = 2**22
MAX_JSON_BYTES = 2**24

Watch = Callable[[str, int, int], None]
"""Called after every piece of work with the name of the file, bytes done over all files, and bytes in all."""

_GGUF = struct.Struct("<4sIQQ")  # magic, version, tensors, metadata entries
_GGUF_VERSIONS = (2, 3)
_MAX_TENSORS = 2**20


def ignore_progress(name: str, done: int, total: int) -> None:
    """A `Watch` that does nothing."""


def check_folder(
    folder: Path, *, pickle: bool, without: Sequence[str] = (), field: str = "source"
) -> tuple[Path, ...]:
    """Check a folder in Diffusers' layout: a `model_index.json`, and a folder for each part that it names.

    Returns every file that may be loaded: hidden files, and pickles beside safe weights, are left out.
    BadInput if it is not such a folder, lacks something, or brings code of its own.

    Args:
        pickle: whether weights that can run code are allowed.
        without: parts whose weights come from elsewhere; only their configs are required.
        field: field that errors name.
    """
    index = read_json(
        folder / INDEX, missing="name a folder in Diffusers' layout, or a single weight file with --base"
    )
    for part, kind in index.items():
        named = isinstance(kind, list) and len(kind) == 2 and all(isinstance(word, str) for word in kind)
        if not part.startswith("_") and named:
            _check_part(folder, part, kind[0], without=part in without, field=field)
    if isinstance(index.get("_class_name"), list):
        raise _own_code(folder, f"its {INDEX} names a pipeline in a file of its own")
    files = [
        file
        for file in walk(folder)
        # Weights that are not loaded from here are not checked either.
        if not (file.parent.name in without and file.name.endswith((*WEIGHTS, WEIGHT_INDEX)))
    ]
    for file in files:
        if file.suffix == ".json" and file.stat().st_size <= MAX_JSON_BYTES:
            _check_json(file, folder)
    weights = [file for file in files if file.suffix.lower() in WEIGHTS]
    if not weights:
        raise BadInput(f"there are no weights in {_quoted(folder)}", "fetch it again", field="source")
    safe = {file.parent for file in weights if file.suffix.lower() in SAFE}
    never_loaded = {file for file in weights if file.suffix.lower() in PICKLED and file.parent in safe}
    for file in weights:
        if file not in never_loaded:
            check_weights(file, pickle=pickle)
    return tuple(file for file in files if file not in never_loaded)


def check_weights(file: Path, *, pickle: bool, field: str = "source") -> None:
    """Check a weight file; BadInput if it is missing, damaged, of another format, or can run code.

    Args:
        pickle: whether weights that can run code are allowed, beside safetensors and GGUF.
        field: field that errors name.
    """
    if not file.is_file():
        raise BadInput(f"there is no file {_quoted(file)}", "name an existing file", field=field)
    suffix = file.suffix.lower()
    if suffix in PICKLED:
        if not pickle:
            message = f"{_quoted(file)} is a pickle, and loading one runs whatever code is in it"
            remedy = "take the same weights as safetensors, or allow it with --allow-pickle if you trust them"
            raise BadInput(message, remedy, field=field)
        return
    if suffix not in SAFE:
        message = f"{_quoted(file)} is no weight file"
        raise BadInput(message, "name one that ends in .safetensors or .gguf", field=field)
    try:
        count = _count_gguf_tensors(file) if suffix == ".gguf" else len(tensor_shapes(file))
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        fault, remedy = _fault(file)
        raise BadInput(f"{_quoted(file)} {fault}", remedy, field=field) from error
    if not count:
        raise BadInput(f"there are no tensors in {_quoted(file)}", "name another file", field=field)


def _fault(file: Path) -> tuple[str, str]:
    """What is wrong with a weight file that cannot be read, and the remedy."""
    head = b""
    with suppress(OSError), file.open("rb") as opened:
        head = opened.read(len(LFS_HEAD))
    if head == LFS_HEAD:
        return "is a pointer of Git LFS and not the weights", "fetch them with `git lfs pull`"
    if head.lstrip()[:1] == b"<":
        return "is a web page and not the weights", "fetch it again, signed in if its page demands that"
    fault = "cannot be read: it is cut off, damaged or of another format than its name says"
    return fault, "fetch it again"


def tensor_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a safetensors file; SafetensorError or OSError if it is damaged."""
    with safe_open(file, framework="numpy") as opened:
        return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118


def digests(files: Mapping[str, Path], watch: Watch = ignore_progress) -> dict[str, str]:
    """SHA-256 of files in hexadecimal, by the same keys; ModelError if a file cannot be read."""
    result, done = {}, 0
    try:
        total = size(files.values())
        for key, path in files.items():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    done += len(block)
                    watch(path.name, done, total)
            result[key] = digest.hexdigest()
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror or error}"
        raise ModelError(message, "check its disk and its permissions") from error
    return result


def size(files: Iterable[Path]) -> int:
    """Bytes of those files together that exist."""
    return sum(file.stat().st_size for file in files if file.is_file())


def read_json(file: Path, missing: str = "fetch it again") -> dict[str, Any]:
    """The object in a JSON file, empty if it holds something else; BadInput if it cannot be read.

    `missing` is the remedy if there is no such file.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"there is no {file.name} in {_quoted(file.parent)}"
        raise BadInput(message, missing, field="source") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{_quoted(file)} cannot be read", "fetch it again", field="source") from error
    return values if isinstance(values, dict) else {}


def walk(folder: Path, above: frozenset[Path] = frozenset()) -> list[Path]:
    """Every file in a folder and below, sorted, also in folders that are links: several models may share a
    part. Hidden files and folders are left out, and links to one of the folders `above`."""
    real = folder.resolve()
    files = []
    for path in folder.iterdir() if real not in above else ():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            files += walk(path, above | {real})
        elif path.is_file():
            files.append(path)
    return sorted(files)


def _check_part(folder: Path, part: str, library: str, *, without: bool, field: str) -> None:
    if (folder / f"{part}.py").exists() or (folder / part / f"{library}.py").exists():
        raise _own_code(folder, f"{part} is of a class in a file of its own")
    if without and not (folder / part / CONFIG).is_file():
        message = f"{_quoted(folder)} has no settings of its {part}, which the single file needs"
        remedy = f"put {part}/{CONFIG} there, from the repository of the whole model"
        raise BadInput(message, remedy, field=field)
    place = folder / part
    for file in place.iterdir() if place.is_dir() else ():
        if file.name.endswith(WEIGHTS) and file.is_symlink() and not file.exists() and file.name[0] != ".":
            message = f"{_quoted(file)} is a link that leads nowhere"
            raise BadInput(message, "fetch the file that it stands for again", field=field)
    if not place.is_dir():
        message = f"{_quoted(folder)} has no {part}, which its {INDEX} names"
        raise BadInput(message, "fetch it again", field="source")


def _check_json(file: Path, folder: Path) -> None:
    values = read_json(file)
    if "auto_map" in values:
        raise _own_code(folder, f"{file.relative_to(folder).as_posix()} has an auto_map")
    shards = values.get("weight_map") if file.name.endswith(WEIGHT_INDEX) else None
    if isinstance(shards, dict):
        outside = sorted({name for name in map(str, shards.values()) if Path(name).name != name})
        if outside:
            message = f"{_quoted(file)} names the file {quote(outside[0], 200)}, which is outside its folder"
            raise BadInput(message, "fetch it again", field="source")
        missing = sorted(
            name for name in set(map(str, shards.values())) if not (file.parent / name).is_file()
        )
        # A pickle's index may lie beside safe weights whose own index is complete.
        if missing and Path(missing[0]).suffix in SAFE:
            message = f"{_quoted(folder)} lacks {join_names(tuple(missing[:3]))}"
            raise BadInput(message, "fetch it again", field="source")


def _own_code(folder: Path, reason: str) -> BadInput:
    message = f"{_quoted(folder)} brings Python code of its own ({reason}), which is never run here"
    return BadInput(message, "take a version of the model that needs none", field="source")


def _count_gguf_tensors(file: Path) -> int:
    """The number of tensors in the header of a GGUF file (ggml's gguf.md)."""
    with file.open("rb") as opened:
        magic, version, tensors, entries = _GGUF.unpack(opened.read(_GGUF.size))
    if magic != b"GGUF" or version not in _GGUF_VERSIONS or max(tensors, entries) > _MAX_TENSORS:
        raise ValueError("not a GGUF header")
    if file.stat().st_size <= _GGUF.size:
        raise ValueError("cut off")
    return int(tensors)


def _quoted(path: Path) -> str:
    return quote(str(path), 200)
