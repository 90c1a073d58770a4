"""YAML and JSON of people, read as plain values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from hinode.errors import BadInput

MAX_FILE_BYTES = 2**20


def read(path: Path, name: str, field: str = "file", remedy: str = "name a YAML or JSON file") -> object:
    """The plain values in a YAML file, or in a JSON file by its suffix.

    Args:
        name: the file in words, for errors.
        field: its field, for errors.
        remedy: for a file that cannot be read.

    Raises:
        BadInput: it cannot be read, or is larger than `MAX_FILE_BYTES`.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror}"
        raise BadInput(message, remedy, field=field) from error
    return read_text(text, name, field, json_text=path.suffix.lower() == ".json")


def read_text(text: bytes, name: str, field: str, *, json_text: bool = False) -> object:
    """The plain values in YAML, or in JSON; `name` and `field` are for the errors of `read`."""
    if len(text) > MAX_FILE_BYTES:
        raise BadInput(f"{name} is larger than {MAX_FILE_BYTES:,} bytes", "shorten it", field=field)
    try:
        return json.loads(text) if json_text else yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line, mark = fault_line(error, text.decode(errors="replace")), error.problem_mark
        where = f" in line {line}, column {mark.column + 1}" if mark else ""
        message = f"{name} is not YAML{where}: {error.problem}"
        raise BadInput(message, "correct it there", field=field) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"{name} is neither YAML nor JSON"
        raise BadInput(message, "correct it", field=field) from error


def fault_line(error: Exception, text: str) -> int | None:
    """The line of a text, from 1 on, in which YAML found a fault; None if it does not say. What is missing at
    the end is missing in the last line, not in the one after it."""
    mark = getattr(error, "problem_mark", None)
    return None if mark is None else min(mark.line + 1, max(1, len(text.splitlines())))


class _Loader(yaml.SafeLoader):
    """YAML 1.2 without code, without the same key twice, and without references, of which a few lines can
    stand for gigabytes. `no`, `12:30` and `2026-11-29` are the texts that they look like."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references are not accepted", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                message = f"{key.value} is there twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


class _Dumper(yaml.SafeDumper):
    """YAML that `_Loader` reads as the same values: no text looks like a number, nothing is a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [
        *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []),
        *_Loader.yaml_implicit_resolvers.get(first, []),
    ]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


def write_text(value: object) -> str:
    """The YAML of plain values, which `read_text` reads back."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
