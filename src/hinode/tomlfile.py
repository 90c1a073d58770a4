"""Small TOML files that people may read and change: read whole, written whole or not at all."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from hinode.errors import ModelError, OutputError
from hinode.output import replace_file


def read(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        ModelError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path} cannot be read: {reason}", "correct it or remove it") from error


def write(path: Path, values: Mapping[str, Any], head: str = "") -> None:
    """Write values as TOML.

    Args:
        path: the file; its folder is made if need be.
        values: text, numbers, truth values, lists of those, tables of those, and lists of tables.
        head: a comment of one line to begin with.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make {path.parent}: {error.strerror or error}"
        raise OutputError(message, "choose another HINODE_HOME") from error
    with replace_file(path, durable=True) as part:
        part.write_text((f"# {head}\n" if head else "") + tomli_w.dumps(values), encoding="utf-8")
