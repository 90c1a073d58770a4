"""The one normal form of a request's body, whether it came as JSON, multipart or a web form.

Multipart knows only flat names, so clients write the paths of values into brackets: `video[id]`,
`input_reference[image_url]`, `characters[][id]`, `characters[0][id]`. `nested` puts the values where they
belong. What a form says in text, `Fields` reads as the number or object that JSON would have said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinode.errors import BadInput, quote

MAX_DEPTH = 4
MAX_ENTRIES = 100
MAX_STRUCTURE_CHARACTERS = 200_000
"""Brackets and commas in a JSON body; a value costs far more memory than the two letters it is written in."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?")
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


@dataclass(frozen=True)
class Part:
    """A file that came with a request; it is gone when the request is over.

    Attributes:
        path: where it is, inside the store's temporary folder.
        filename: as the client called it; not to be trusted.
        media_type: as the client called it; not to be trusted.
        bytes: its size.
    """

    path: Path
    filename: str
    media_type: str
    bytes: int


class Fields:
    """The values of a body by name. A value that is null, or an empty text, counts as not given."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def get(self, name: str) -> Any:
        """The value as it is, or None."""
        value = self.values.get(name)
        if isinstance(value, Part) and not value.bytes and not value.filename:
            return None  # a file field of a web form that was left empty
        return None if value == "" else value

    def text(self, name: str) -> str | None:
        """A text.

        Raises:
            BadInput: it is something else.
        """
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, Part):
            raise BadInput(f"{name} came as a file", "send it as text", field=name)
        if not isinstance(value, str):
            raise BadInput(f"{name} is {_kind(value)}", "send it as text", field=name)
        return value

    def number(self, name: str) -> float | None:
        """A number, which may be written as a text: 4, "4", 4.5.

        Raises:
            BadInput: it is something else, or not finite.
        """
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = value.strip()
            number = float(value) if _NUMBER.fullmatch(value) else math.nan
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value) if abs(value) < 1e300 else math.nan
        else:
            number = math.nan
        if not math.isfinite(number):
            raise BadInput(f"{name} is {_kind(value)}", "give a number", field=name)
        return number

    def whole(self, name: str) -> int | None:
        """A whole number, which may be written as a text: 3, "3", 3.0.

        Raises:
            BadInput: it is something else.
        """
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 70:
            return value
        if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,20}\s*", value, re.ASCII):
            return int(value)
        if isinstance(value, float) and abs(value) < 1 << 53 and value.is_integer():
            return int(value)
        raise BadInput(f"{name} is {_kind(value)}", "give a whole number", field=name)

    def switch(self, name: str) -> bool | None:
        """Yes or no, which may be written as a text: true, "true", "false".

        Raises:
            BadInput: it is something else.
        """
        value = self.get(name)
        known = {"true": True, "false": False}
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in known:
            return known[value.strip().lower()]
        raise BadInput(f"{name} is {_kind(value)}", "give true or false", field=name)

    def known(self) -> dict[str, Any]:
        """The values without files, for what is kept of them."""
        return {name: value for name, value in self.values.items() if not isinstance(value, Part)}


def from_json(body: bytes) -> dict[str, Any]:
    """The values of a JSON body.

    Raises:
        BadInput: it is not a JSON object, or one that is built to fill the memory.
    """
    if not body.strip():
        return {}
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_STRUCTURE_CHARACTERS:
        raise BadInput("the body has too many values in it", "send only what is needed", field="body")
    try:
        values = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON in UTF-8", "see that it is whole", field="body") from error
    if not isinstance(values, dict):
        raise BadInput(
            f"the body is {_kind(values)}", 'send a JSON object, such as {"prompt": "…"}', field="body"
        )
    return values


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The values of a form, each at the place that its name says.

    Raises:
        BadInput: a name that cannot be read, or two that contradict each other.
    """
    root: dict[str, Any] = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            raise BadInput(
                f"{quote(name)} is no name of a field", "write it like prompt or video[id]", field="body"
            )
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(path) > MAX_DEPTH:
            raise BadInput(
                f"field {quote(name)} is too deep", f"stay within {MAX_DEPTH} levels", field=match[1]
            )
        _place(root, path, value, match[1])
    return root


def _place(root: dict[str, Any], path: list[str], value: Any, field: str) -> None:
    """Put `value` where `path` leads; the last of two values of one name is kept, as in JSON."""
    here: Any = root
    for index, key in enumerate(path):
        last = index == len(path) - 1
        below: Any = value if last else _empty(path[index + 1])
        if isinstance(here, dict) and key:
            if last:
                here[key] = value
            else:
                here = here.setdefault(key, below)
        elif isinstance(here, list) and (key == "" or re.fullmatch("[0-9]{1,3}", key, re.ASCII)):
            at = _entry(here, key, path[index + 1 :])
            if at > len(here) or at >= MAX_ENTRIES:
                raise BadInput(
                    f"the entries of {field} are not in order",
                    f"number them from 0, {MAX_ENTRIES} at most",
                    field=field,
                )
            if at == len(here):
                here.append(below)
            elif last:
                here[at] = value
            here = here[at]
        else:
            raise BadInput(
                f"{field} is given in two ways that contradict each other", "give it once", field=field
            )


def _entry(entries: list[Any], key: str, rest: list[str]) -> int:
    """Which entry of a list is meant. `[]` is a new one unless the last one still lacks what follows:
    `a[][x]=1&a[][y]=2&a[][x]=3` are two entries."""
    if key:
        return int(key)
    if rest and entries and isinstance(entries[-1], dict) and rest[0] not in entries[-1]:
        return len(entries) - 1
    return len(entries)


def _empty(key: str) -> dict[str, Any] | list[Any]:
    return [] if key == "" or re.fullmatch("[0-9]{1,3}", key, re.ASCII) else {}


def unpacked(value: Any) -> Any:
    """`value`, or what it says if it is a JSON object or list that was put into a text field of a form."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return from_json(b'{"value":' + value.encode() + b"}")["value"]
        except (BadInput, UnicodeEncodeError):
            return value
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which are no JSON


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return quote(str(value) if abs(value) < 1e40 else "a number too large to write out")
    return {dict: "an object", list: "a list", Part: "a file"}.get(type(value), "nothing")
