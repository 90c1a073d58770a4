"""Entries of the audit log, their hashes, and what a chain of them must satisfy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FIRST = "0" * 64
"""Previous hash of the first entry."""
SALT_BYTES = 16
DAY = 86_400


@dataclass(frozen=True)
class Event:
    """Something that is worth an entry.

    Attributes:
        kind: noun and verb, such as "key.created", "takedown.accepted".
        actor: who did it: an id of a key or session, "command:NAME", "system".
        subject: id of what it was done to.
        payload: facts, in JSON values; they may be erased later, and only their digest stays.
    """

    kind: str
    actor: str
    subject: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A row of the log.

    Attributes:
        number: from 1, without gaps.
        at: microseconds since 1970; an integer, which has one form in JSON.
        kind, actor, subject: see `Event`.
        payload_digest: SHA-256 of the salt and the payload.
        previous: hash of the entry before, or `FIRST`.
        hash: SHA-256 of everything above.
    """

    number: int
    at: int
    kind: str
    actor: str
    subject: str
    payload_digest: str
    previous: str
    hash: str

    def expected_hash(self) -> str:
        """What `hash` has to be."""
        values = asdict(self)
        del values["hash"]
        return hashlib.sha256(canonical(values)).hexdigest()


@dataclass(frozen=True)
class Head:
    """The end of a log: how many entries it has, the hash of the last one, and when that was."""

    count: int
    hash: str
    at: int

    @classmethod
    def of(cls, entry: Entry) -> Head:
        return cls(entry.number, entry.hash, entry.at)

    @property
    def day(self) -> int:
        """Days since 1970, in UTC."""
        return self.at // 1_000_000 // DAY


EMPTY = Head(0, FIRST, 0)


def canonical(value: Any) -> bytes:
    """JSON with one form for each value: sorted keys, no spaces, UTF-8. Without fractions it is that of
    RFC 8785."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_payload(salt: bytes, payload: bytes) -> str:
    """The digest of a payload in canonical JSON."""
    return hashlib.sha256(salt + payload).hexdigest()


def append(head: Head, event: Event, at: int, salt: bytes) -> tuple[Entry, bytes]:
    """The entry of an event after a head, and its payload in canonical JSON."""
    payload = canonical(dict(event.payload))
    digest = digest_payload(salt, payload)
    unhashed = Entry(head.count + 1, at, event.kind, event.actor, event.subject, digest, head.hash, hash="")
    return Entry(**(asdict(unhashed) | {"hash": unhashed.expected_hash()})), payload


def follow(head: Head, entries: Iterable[Entry]) -> Head | None:
    """The head of a log that continues another head, or None if it does not.

    `entries` begin with the last one that the head covers, if it covers any.
    """
    first = True
    for entry in entries:
        if entry.expected_hash() != entry.hash:
            return None
        if first and head.count:
            if (entry.number, entry.hash) != (head.count, head.hash):
                return None
        elif (entry.number, entry.previous) != (head.count + 1, head.hash):
            return None
        else:
            head = Head.of(entry)
        first = False
    return None if first and head.count else head
