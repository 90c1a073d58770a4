"""Looks at weight files before they are trusted: that they are whole, of a kind that runs no code, and which
bytes they are. Heads are read, tensors never."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hinode.errors import BadInput, ModelError, join_names, quote

INDEX = "model_index.json"
"""What a Diffusers folder says of its parts."""

SETTINGS = "config.json"
"""What says how a part is built."""

SAFE = (".safetensors", ".sft", ".gguf")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
BLOCK = 2**22
MAX_JSON_BYTES = 2**24

Watch = Callable[[str, int, int], None]
"""Told of every piece of work: which file, how many bytes of all are done, how many there are."""

_GGUF = struct.Struct("<4sIQQ")  # magic, version, tensors, metadata entries
_GGUF_VERSIONS = (2, 3)
_MAX_TENSORS = 2**20


def check_folder(
    folder: Path, *, pickle: bool, without: Sequence[str] = (), field: str = "source"
) -> tuple[Path, ...]:
    """Look at a Diffusers folder.

    Args:
        folder: with a `model_index.json` and a folder for each part that it names.
        pickle: whether weights that can run code are let through.
        without: parts of which only the settings need be there, for their weights come from elsewhere.
        field: what to name in errors.

    Returns:
        Every file of it, but for hidden ones and for pickles that have safe weights beside them: those are
        never loaded.

    Raises:
        BadInput: it is no such folder, lacks something, or asks for code that can not be trusted.
    """
    index = read_json(
        folder / INDEX, missing="name a folder in Diffusers' layout, or a single weight file with --base"
    )
    for part, kind in index.items():
        named = isinstance(kind, list) and len(kind) == 2 and all(isinstance(word, str) for word in kind)
        if part.startswith("_") or not named:
            continue
        if (folder / f"{part}.py").exists() or (folder / part / f"{kind[0]}.py").exists():
            raise _own_code(folder, f"{part} is of a class in a file of its own")
        if part in without and not (folder / part / SETTINGS).is_file():
            raise BadInput(
                f"{_quoted(folder)} has no settings of its {part}, which the single file needs",
                f"put {part}/{SETTINGS} there, from the repository of the whole model",
                field=field,
            )
        if not (folder / part).is_dir():
            raise BadInput(
                f"{_quoted(folder)} has no {part}, which its {INDEX} names", "fetch it whole", field="source"
            )
    if isinstance(index.get("_class_name"), list):
        raise _own_code(folder, f"its {INDEX} names a pipeline in a file of its own")
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not _hidden(file, folder)
        # Where the weights come from elsewhere, those that may be there are not looked at.
        and not (file.parent.name in without and file.name.endswith((*SAFE, *PICKLED, ".index.json")))
    ]
    for file in files:
        if file.suffix == ".json" and file.stat().st_size <= MAX_JSON_BYTES:
            _check_json(file, folder)
    weights = [file for file in files if file.suffix.lower() in (*SAFE, *PICKLED)]
    if not weights:
        raise BadInput(f"there are no weights in {_quoted(folder)}", "fetch it whole", field="source")
    safe = {file.parent for file in weights if file.suffix.lower() in SAFE}
    passed_over = {file for file in weights if file.suffix.lower() in PICKLED and file.parent in safe}
    for file in weights:
        if file not in passed_over:
            check_weights(file, pickle=pickle)
    return tuple(file for file in files if file not in passed_over)


def check_weights(file: Path, *, pickle: bool, field: str = "source") -> None:
    """Look at a single weight file.

    Args:
        file: of safetensors or GGUF; of a pickle, if those are let through.
        pickle: whether they are.
        field: what to name in errors.

    Raises:
        BadInput: it is missing, damaged, of another kind, or can run code.
    """
    if not file.is_file():
        raise BadInput(f"there is no file {_quoted(file)}", "name one that is there", field=field)
    kind = file.suffix.lower()
    if kind in PICKLED:
        if not pickle:
            raise BadInput(
                f"{_quoted(file)} is a pickle, and loading one runs whatever code is in it",
                "take the same weights as safetensors, or allow it with --allow-pickle if you trust them",
                field=field,
            )
        return
    if kind not in SAFE:
        raise BadInput(
            f"{_quoted(file)} is no weight file", "name one that ends in .safetensors or .gguf", field=field
        )
    try:
        count = _gguf_tensors(file) if kind == ".gguf" else _safetensors_tensors(file)
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise BadInput(
            f"{_quoted(file)} cannot be read, for it is cut off, damaged or of another kind than it says",
            "fetch it again",
            field=field,
        ) from error
    if not count:
        raise BadInput(f"there are no tensors in {_quoted(file)}", "name another file", field=field)


def tensor_names(file: Path) -> tuple[str, ...]:
    """Names of the tensors in a safetensors file that was looked at before."""
    with safe_open(file, framework="numpy") as opened:
        return tuple(opened.keys())


def digests(files: Mapping[str, Path], watch: Watch = lambda name, done, total: None) -> dict[str, str]:
    """SHA-256 of files in hexadecimal, by the same keys.

    Args:
        files: by any key.
        watch: told of every block.

    Raises:
        ModelError: one cannot be read.
    """
    found, done = {}, 0
    try:
        total = size(files.values())
        for key, path in files.items():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    done += len(block)
                    watch(path.name, done, total)
            found[key] = digest.hexdigest()
    except OSError as error:
        raise ModelError(
            f"{error.filename} cannot be read: {error.strerror or error}",
            "see to its disk and its permissions",
        ) from error
    return found


def size(files: Iterable[Path]) -> int:
    """Bytes of files together."""
    return sum(file.stat().st_size for file in files)


def _check_json(file: Path, folder: Path) -> None:
    values = read_json(file)
    if "auto_map" in values:
        raise _own_code(folder, f"{file.relative_to(folder).as_posix()} has an auto_map")
    shards = values.get("weight_map") if file.name.endswith(".index.json") else None
    if isinstance(shards, dict):
        missing = sorted(
            {str(shard) for shard in shards.values() if not (file.parent / str(shard)).is_file()}
        )
        # A pickle's index may lie beside safe weights whose own index is complete.
        if missing and Path(missing[0]).suffix in SAFE:
            raise BadInput(
                f"{_quoted(folder)} lacks {join_names(tuple(missing[:3]))}", "fetch it whole", field="source"
            )


def read_json(file: Path, missing: str = "fetch it whole") -> dict[str, Any]:
    """The values of a JSON file; none if it holds something other than an object.

    Args:
        missing: what to do if there is no such file.

    Raises:
        BadInput: it is not there or cannot be read.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            f"there is no {file.name} in {_quoted(file.parent)}", missing, field="source"
        ) from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{_quoted(file)} cannot be read", "fetch it again", field="source") from error
    return values if isinstance(values, dict) else {}


def _own_code(folder: Path, reason: str) -> BadInput:
    return BadInput(
        f"{_quoted(folder)} brings Python code of its own ({reason}), which is never run here",
        "take a version of the model that needs none",
        field="source",
    )


def _safetensors_tensors(file: Path) -> int:
    with safe_open(file, framework="numpy") as opened:
        return len(opened.keys())


def _gguf_tensors(file: Path) -> int:
    """Tensors that the head of a GGUF file counts (ggml's gguf.md).

    Raises:
        ValueError: it is no such file.
    """
    with file.open("rb") as opened:
        magic, version, tensors, entries = _GGUF.unpack(opened.read(_GGUF.size))
    if magic != b"GGUF" or version not in _GGUF_VERSIONS or max(tensors, entries) > _MAX_TENSORS:
        raise ValueError("no head of GGUF")
    if file.stat().st_size <= _GGUF.size:
        raise ValueError("cut off")
    return int(tensors)


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _quoted(path: Path) -> str:
    return quote(str(path), 200)
