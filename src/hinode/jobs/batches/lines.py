"""The input of a batch: a file of JSON, one request on each line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hinode.errors import quote

ENDPOINT = "/v1/videos"
MAX_LINES = 50_000
MAX_LINE_BYTES = 24 << 20  # an image of the largest size that fits into a request, and the rest
# Brackets and commas: a value costs far more memory than the letters it is written in.
MAX_STRUCTURE_CHARACTERS = 200_000
MAX_ERRORS = 100
MAX_CUSTOM_ID_LENGTH = 512


@dataclass(frozen=True)
class Line:
    """One request of a batch.

    Attributes:
        number: which request it is, from 0; empty lines are not counted.
        custom_id: the client's name for it.
        body: of the request.
        end: place in the file where the next line begins, in bytes.
    """

    number: int
    custom_id: str
    body: Mapping[str, Any]
    end: int


def check(path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Check every line of a file, without the bodies of the requests.

    Returns:
        How many requests there are, and what is wrong with the file, at most a hundred faults.
    """
    faults: list[dict[str, Any]] = []
    custom_ids: set[bytes] = set()
    count = 0
    with path.open("rb") as file:
        for row, text in enumerate(_rows(file), 1):
            if text is not None and not text.strip():
                continue
            count += 1
            if count > MAX_LINES:
                message = f"the file has more than {MAX_LINES:,} lines; split it"
                faults.append(fault("too_many_requests", message, row))
                break
            error = _fault(text, row, custom_ids)
            if error is not None:
                faults.append(error)
                if len(faults) == MAX_ERRORS:
                    break
    if not count:
        faults.append(fault("empty_file", "the file has no lines; write one request on each", None))
    return count, faults


def read(path: Path, number: int = 0, place: int = 0) -> Iterator[Line]:
    """The requests of a file in which `check` has found nothing wrong.

    Args:
        path: of the file.
        number: of the request at `place`.
        place: in the file where to begin, in bytes.
    """
    with path.open("rb") as file:
        file.seek(place)
        end = place
        for text in _rows(file):
            assert text is not None, "the file was checked before"
            end += len(text)
            if not text.strip():
                continue
            values = json.loads(text)
            yield Line(number, values["custom_id"], values["body"], end)
            number += 1


def is_text(value: str) -> bool:
    """Whether a database can store a text: it has no half of a surrogate pair, and no NUL."""
    return not any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value)


def fault(code: str, message: str, line: int | None, param: str | None = None) -> dict[str, Any]:
    """One entry of a batch's `errors`; lines are counted from 1, empty ones too."""
    return {"code": code, "message": message, "param": param, "line": line}


def _rows(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file; the last is None if the next one is too long to be read."""
    while text := file.readline(MAX_LINE_BYTES + 1):
        if len(text) > MAX_LINE_BYTES:
            yield None
            return
        yield text


def _fault(text: bytes | None, row: int, custom_ids: set[bytes]) -> dict[str, Any] | None:
    """What is wrong with a line, or None; `custom_ids` has digests of those of the lines before."""
    if text is None:
        return fault("line_too_long", f"the line has more than {MAX_LINE_BYTES:,} bytes", row)
    if sum(map(text.count, (b",", b"[", b"{"))) > MAX_STRUCTURE_CHARACTERS:
        return fault("line_too_long", "the line has too many values in it", row)
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return fault("invalid_json_line", "the line is not JSON in UTF-8", row)
    if not isinstance(values, dict):
        return fault("invalid_json_line", "the line is not a JSON object", row)
    custom_id = values.get("custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MAX_CUSTOM_ID_LENGTH:
        message = f"custom_id is not a string of 1 to {MAX_CUSTOM_ID_LENGTH} characters"
        return fault("invalid_custom_id", message, row, "custom_id")
    if not is_text(custom_id):
        return fault("invalid_custom_id", "custom_id is not readable text", row, "custom_id")
    digest = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
    if digest in custom_ids:
        message = f"custom_id {quote(custom_id)} is on another line too"
        return fault("duplicate_custom_id", message, row, "custom_id")
    custom_ids.add(digest)
    if values.get("method") != "POST":
        return fault("invalid_method", "method is not POST", row, "method")
    if values.get("url") != ENDPOINT:
        return fault("invalid_url", f"url is not {ENDPOINT}, as the batch's endpoint is", row, "url")
    if not isinstance(values.get("body"), dict):
        return fault("invalid_request", "body is not a JSON object", row, "body")
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON
