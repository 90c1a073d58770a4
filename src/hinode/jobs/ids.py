"""Identities that sort by the time at which they were made."""

from __future__ import annotations

import secrets

Prefix = str
"""What an identity begins with: "video_", "file-", "evt_", …"""


def make(prefix: Prefix, now: float) -> str:
    """A new identity: the prefix, 12 hexadecimal digits of milliseconds since 1970 and 20 random ones.

    Args:
        prefix: with its separator, such as "video_".
        now: seconds since 1970.
    """
    return f"{prefix}{int(now * 1000):012x}{secrets.token_hex(10)}"
