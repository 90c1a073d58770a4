"""A small reader and writer of CBOR (RFC 8949), as far as manifests of C2PA use it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

BREAK = object()
FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
SIMPLE = {20: False, 21: True, 22: None, 23: None}


@dataclass(frozen=True)
class Tag:
    """A value with a tag, such as 18 for COSE_Sign1."""

    number: int
    value: Any


def decode(data: bytes) -> Any:
    """The one value of some bytes; raises ValueError if they are anything else."""
    try:
        value, end = _value(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("the CBOR is cut off or malformed") from error
    if end != len(data):
        raise ValueError("there are bytes after the CBOR")
    return value


def encode(value: bytes | str | list[Any]) -> bytes:
    """Bytes, a text, or a list of them."""
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    return _head(4, len(value)) + b"".join(map(encode, value))


def _head(kind: int, count: int) -> bytes:
    if count < 24:
        return bytes([kind << 5 | count])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if count < 1 << 8 * size:
            return bytes([kind << 5 | code]) + count.to_bytes(size, "big")
    raise ValueError(count)


def _value(data: bytes, at: int) -> tuple[Any, int]:
    kind, code = data[at] >> 5, data[at] & 31
    at += 1
    if kind == 7:
        if code in FLOATS:
            form, size = FLOATS[code]
            return struct.unpack(form, data[at : at + size])[0], at + size
        return (BREAK if code == 31 else SIMPLE[code]), at
    count: int | None = code
    if 24 <= code <= 27:
        size = 1 << (code - 24)
        if at + size > len(data):
            raise IndexError(at)
        count, at = int.from_bytes(data[at : at + size], "big"), at + size
    elif code == 31:
        count = None
    elif code > 27:
        raise ValueError(f"CBOR has no code {code}")
    return _of_kind(data, at, kind, count)


def _of_kind(data: bytes, at: int, kind: int, count: int | None) -> tuple[Any, int]:
    if kind in (0, 1):
        assert count is not None
        return (count if kind == 0 else -1 - count), at
    if kind in (2, 3):
        if count is None:
            parts, at = _items(data, at, None)
            return (b"" if kind == 2 else "").join(parts), at
        if at + count > len(data):
            raise IndexError(at)
        piece = data[at : at + count]
        return (piece if kind == 2 else piece.decode()), at + count
    if kind == 4:
        return _items(data, at, count)
    if kind == 5:
        items, at = _items(data, at, None if count is None else 2 * count)
        return dict(zip(items[::2], items[1::2], strict=True)), at
    assert count is not None
    value, at = _value(data, at)
    return Tag(count, value), at


def _items(data: bytes, at: int, count: int | None) -> tuple[list[Any], int]:
    items: list[Any] = []
    while count is None or len(items) < count:
        value, at = _value(data, at)
        if value is BREAK:
            break
        items.append(value)
    return items, at
