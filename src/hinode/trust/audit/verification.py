"""Verifying a log against its signed head, without the database that it came from."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from hinode.trust.audit.anchor import Anchor
from hinode.trust.audit.chain import EMPTY, Entry, Head, digest_payload

MAX_FAULTS = 20


class Fault(enum.StrEnum):
    """What can be wrong with a log."""

    CHANGED = "changed"
    REMOVED = "removed"
    TWO_WRITERS = "two writers"
    CUT = "cut"
    OLDER_COPY = "older copy"
    REPLACED = "replaced"
    PAYLOAD = "payload changed"
    SIGNATURE = "signature"
    UNSIGNED = "unsigned"


@dataclass(frozen=True)
class Finding:
    """A fault, the number of the entry where it shows, and a sentence about it."""

    fault: Fault
    number: int
    message: str


@dataclass(frozen=True)
class Payload:
    """The payload of an entry that was not erased."""

    salt: bytes
    payload: bytes


@dataclass(frozen=True)
class Report:
    """The result: `entries` were read, `erased` of them have no payload any more, and `unsigned` came after
    the signed head, as after a crash."""

    entries: int
    erased: int
    unsigned: int
    findings: tuple[Finding, ...]

    @property
    def intact(self) -> bool:
        return not self.findings


def verify(
    rows: Iterable[tuple[Entry, Payload | None]],
    anchor: Anchor | None,
    stored_head: Head | None = None,
    public_key: str | None = None,
    *,
    expect_anchor: bool = True,
) -> Report:
    """Verify a log.

    Args:
        rows: entries in their order with their payloads; None for one that was erased.
        anchor: the signed head from outside the log.
        stored_head: the head that the database has beside the log. It is not signed; it tells a log that was
            cut from a whole database that was restored from an older copy.
        public_key: PEM of the key that must have signed; by default the one that the anchor names.
        expect_anchor: False if no head was ever signed, so that it is no fault that there is none.
    """
    found: list[Finding] = []
    before, count, erased = EMPTY, 0, 0
    wanted = {day.count: day for day in (*anchor.days, anchor.head)} if anchor else {}
    for entry, payload in rows:
        count += 1
        if len(found) < MAX_FAULTS:
            found.extend(_check(entry, before, payload))
            signed = wanted.get(entry.number)
            if signed is not None and signed.hash != entry.hash:
                message = f"entry {entry.number} is not the one that was signed: the log was rewritten"
                found.append(Finding(Fault.REPLACED, entry.number, message))
        erased += payload is None
        before = Head(entry.number, entry.hash, entry.at)
    if anchor is not None or expect_anchor:
        found.extend(_check_end(before, anchor, stored_head, public_key))
    unsigned = max(0, before.count - (anchor.head.count if anchor else 0))
    return Report(count, erased, unsigned, tuple(found))


def _check(entry: Entry, before: Head, payload: Payload | None) -> Iterable[Finding]:
    number = entry.number
    if entry.expected_hash() != entry.hash:
        yield Finding(Fault.CHANGED, number, f"entry {number} was changed: its hash does not fit it")
    if number <= before.count:
        message = f"entry {number} follows entry {before.count}: two writers wrote to the log at once"
        yield Finding(Fault.TWO_WRITERS, number, message)
    elif number > before.count + 1:
        message = f"entries {before.count + 1} to {number - 1} are missing"
        yield Finding(Fault.REMOVED, number, message)
    elif entry.previous != before.hash:
        message = f"entry {number} does not follow the entry before it: one of them was replaced"
        yield Finding(Fault.CHANGED, number, message)
    if payload is not None and digest_payload(payload.salt, payload.payload) != entry.payload_digest:
        yield Finding(Fault.PAYLOAD, number, f"the payload of entry {number} was changed")


def _check_end(
    end: Head, anchor: Anchor | None, stored: Head | None, public_key: str | None
) -> Iterable[Finding]:
    if anchor is None:
        if end.count:
            message = "there is no signed head outside the log, so that missing entries cannot be noticed"
            yield Finding(Fault.UNSIGNED, end.count, message)
        return
    if (public_key is not None and public_key.strip() != anchor.public_key.strip()) or not anchor.is_signed():
        message = "the head was not signed by the key of this installation"
        yield Finding(Fault.SIGNATURE, anchor.head.count, message)
        return
    missing = anchor.head.count - end.count
    if missing > 0:
        if stored is not None and stored.count == end.count:
            message = (
                f"the database is an older copy: it ends with entry {end.count}, and entry "
                f"{anchor.head.count} was signed"
            )
            yield Finding(Fault.OLDER_COPY, end.count, message)
        else:
            message = f"the last {missing} entries, {end.count + 1} to {anchor.head.count}, were cut off"
            yield Finding(Fault.CUT, end.count, message)
    elif stored is not None and stored.count > end.count:
        message = f"the last {stored.count - end.count} entries, from {end.count + 1} on, were cut off"
        yield Finding(Fault.CUT, end.count, message)
