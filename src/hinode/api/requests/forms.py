"""Plain values from bodies in JSON, multipart and web forms, to be read with models of `hinode.parsing`.

Forms have only flat names and texts, so clients write the path of a value in brackets: `video[id]`,
`characters[][id]`, `characters[0][id]`. `nested` builds the nested values; `Unpacked` reads JSON in texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

from hinode.errors import BadInput, quote
from hinode.parsing import describe

MAX_DEPTH = 4
MAX_ENTRIES = 100
MAX_STRUCTURE_CHARACTERS = 20_000
"""Brackets and commas in a JSON body; a value takes far more memory than its text."""

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INDEX = re.compile("[0-9]{1,3}", re.ASCII)


@dataclass(frozen=True)
class FilePart:
    """A file of a request, in the store's temporary folder until the request is over. Its `filename` and
    `media_type` are from the client, not trusted."""

    path: Path
    filename: str
    media_type: str
    bytes: int


def _check_file(value: Any) -> FilePart:
    if not isinstance(value, FilePart):
        raise ValueError("send a file, in a body of type multipart/form-data")
    return value


def unpack(value: Any) -> Any:
    """The object or list in a text of JSON; any other value unchanged."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return from_json(b'{"value":' + value.encode() + b"}")["value"]
        except (BadInput, UnicodeEncodeError):
            return value
    return value


Binary = Annotated[str, Field(json_schema_extra={"format": "binary"}, description="A file, in a form.")]
"""A file in OpenAPI."""
UploadedFile = Annotated[FilePart, PlainValidator(_check_file, json_schema_input_type=Binary)]
"""A file of a form."""
Unpacked = BeforeValidator(unpack)
"""Annotates an object or a list, which a form may have as JSON text."""


def from_json(body: bytes) -> dict[str, Any]:
    """The values of a JSON body.

    Raises:
        BadInput: it is not a JSON object, or has too many values.
    """
    if not body.strip():
        return {}
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_STRUCTURE_CHARACTERS:
        raise BadInput("the body has too many values", "send only what is needed", field="body")
    try:
        values = json.loads(body, parse_constant=_reject_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        message = "the body is not JSON in UTF-8"
        raise BadInput(message, "check its syntax and that it is complete", field="body") from error
    if not isinstance(values, dict):
        message = f"the body is {describe(values)}"
        raise BadInput(message, 'send a JSON object, such as {"prompt": "…"}', field="body")
    return values


def _reject_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are there once; the last of two values would win unseen."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values and values[name] != value:
            raise _repeated(name)
        values[name] = value
    return values


def _repeated(field: str) -> BadInput:
    message = f"{quote(field)} is there twice, with two values"
    return BadInput(message, "send it once", field=field)


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The nested values of a form.

    Raises:
        BadInput: a name cannot be read, two names contradict each other, or one has two values.
    """
    root: dict[str, Any] = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            message = f"{quote(name)} is not the name of a field"
            raise BadInput(message, "write it like prompt or video[id]", field="body")
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(path) > MAX_DEPTH:
            message = f"field {quote(name)} is too deep"
            raise BadInput(message, f"stay within {MAX_DEPTH} levels", field=match[1])
        _place(root, path, value)
    return root


def _place(root: dict[str, Any], path: list[str], value: Any) -> None:
    """Set the value at a path."""
    field = path[0]
    container: Any = root
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        entry: Any = value if last else [] if _is_index(path[depth + 1]) else {}
        if isinstance(container, dict) and key:
            if last and container.get(key, value) != value:
                raise _repeated(field)
            container = container.setdefault(key, entry)
        elif isinstance(container, list) and _is_index(key):
            index = _index(container, key, path[depth + 1 :])
            if index > len(container) or index >= MAX_ENTRIES:
                message = f"the entries of {field} are not in order"
                raise BadInput(message, f"number them from 0, {MAX_ENTRIES} at most", field=field)
            if index == len(container):
                container.append(entry)
            elif last and container[index] != value:
                raise _repeated(field)
            container = container[index]
        else:
            raise BadInput(f"{field} has two values that contradict each other", "send one", field=field)


def _is_index(key: str) -> bool:
    return key == "" or _INDEX.fullmatch(key) is not None


def _index(entries: list[Any], key: str, rest: list[str]) -> int:
    """The index of an entry. `[]` is a new entry, unless the last one lacks the field that follows:
    `a[][x]=1&a[][y]=2&a[][x]=3` are two entries."""
    if key:
        return int(key)
    if rest and entries and isinstance(entries[-1], dict) and rest[0] not in entries[-1]:
        return len(entries) - 1
    return len(entries)
