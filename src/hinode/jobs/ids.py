"""Ids that sort by the time of their creation."""

from __future__ import annotations

import secrets


def make(prefix: str, now: float) -> str:
    """A new id: the prefix, 12 hexadecimal digits of milliseconds since 1970 and 20 random ones.

    Args:
        prefix: with its separator, such as "video_", "file-" or "evt_".
        now: seconds since 1970.
    """
    return f"{prefix}{int(now * 1000):012x}{secrets.token_hex(10)}"
