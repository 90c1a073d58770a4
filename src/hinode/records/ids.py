"""Ids that sort by the time of their creation, and the names of things."""

from __future__ import annotations

import re
import secrets

from hinode.errors import BadInput, quote

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def is_id(name: str) -> bool:
    """Whether a text has the form of an id; any other is not looked up, since databases refuse some texts."""
    return _ID.fullmatch(name) is not None


def make(prefix: str, now: float) -> str:
    """A new id: the prefix, 12 hexadecimal digits of milliseconds since 1970 and 20 random ones.

    Args:
        prefix: with its separator, such as "video_", "file-" or "evt_".
        now: seconds since 1970.
    """
    return f"{prefix}{int(now * 1000):012x}{secrets.token_hex(10)}"


def parse_name(name: str, max_length: int, field: str = "name", kind: str = "") -> str:
    """The name of something, without spaces around it; `max_length` is in characters.

    `field` names it in the error, and `kind` is what it is in words, by default the same.

    Raises:
        BadInput: it is empty, too long, or not printable on one line.
    """
    name = name.strip()
    if not 1 <= len(name) <= max_length or not name.isprintable():
        message = f"{quote(name)} cannot be a {kind or field}"
        raise BadInput(message, f"give 1 to {max_length} printable characters on one line", field=field)
    return name
