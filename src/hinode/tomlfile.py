"""Small TOML files that people may read and change: read whole, written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hinode.errors import ModelError, OutputError


def read(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        ModelError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path} cannot be read: {reason}", "put it right or remove it") from error


def write(path: Path, values: Mapping[str, Any], head: str = "") -> None:
    """Write values as TOML, beside the place first and then renamed into it.

    Args:
        path: the file; its folder is made if need be.
        values: text, numbers, truth values, lists of those, tables of those, and lists of tables.
        head: a comment of one line to begin with.

    Raises:
        OutputError: it cannot be written.
    """
    text = "".join(line + "\n" for line in [*([f"# {head}"] if head else []), *_lines(values)])
    part = path.with_name(f".hinode-{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", "make room or choose another HINODE_HOME"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _lines(values: Mapping[str, Any]) -> list[str]:
    tables = {key: value for key, value in values.items() if _is_table(value) or _is_tables(value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if key not in tables]
    for key, value in tables.items():
        for table in value if _is_tables(value) else [value]:
            lines += ["", f"[[{_key(key)}]]" if _is_tables(value) else f"[{_key(key)}]"]
            lines += [f"{_key(name)} = {_value(inner)}" for name, inner in table.items()]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _text(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return repr(value)
    assert isinstance(value, Sequence), f"{value!r} has no place in such a file"
    return "[" + ", ".join(_value(one) for one in value) + "]"


def _text(text: str) -> str:
    # A TOML string in double quotes is a JSON string, but for the one control character that JSON permits.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
