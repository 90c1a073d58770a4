"""Notices of takedown: what a notice has to say, its clock, and how it goes on.

    open ─► upheld ─► countered ─► restored
      │        │          └──────► final
      │        └─(appeals end)───► final
      └──► rejected

The law of the United States on intimate pictures (Take It Down Act, section 3) asks for a signature, a
locator, a statement of good faith and a contact, and for the removal of the named work and its identical
copies within 48 hours. The functions work inside the transaction of their caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError, join_names, quote
from hinode.records import ids
from hinode.records.rows import count_rows, first_row, from_row
from hinode.records.tables import takedowns
from hinode.rights import events
from hinode.rights.people import CLOCK

Kind = Literal["intimate", "likeness", "copyright", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
HOUR, DAY = 3600.0, 86_400.0
DUE_SECONDS = 48 * HOUR
AUTOMATIC_SECONDS = 47 * HOUR
"""After which an undecided notice is carried out, so that the term is met by all means."""
REMINDERS = (0.0, 24 * HOUR, 36 * HOUR, 44 * HOUR)
"""When the operator is told about an open notice, from its arrival on."""
APPEAL_SECONDS = 14 * DAY
"""For which the makers of what was taken down may answer, and its evidence is there."""
MAX_ENTRIES, MAX_PER_ADDRESS = 50, 20
"""Entries that one notice names, and notices from one address in a day."""
MAX_NAME_LENGTH, MAX_TEXT_LENGTH = 200, 5000
GOOD_FAITH = (
    "I believe in good faith that the content named here is used without the consent of the person shown or "
    "of the holder of the rights, and I am that person or act for that person. What I say here is true."
)
"""What whoever sends a notice confirms."""
_ENTRY = re.compile(r"(?:video_|file-|char_|post_)[0-9a-f]{32}")


class Status(StrEnum):
    """Where a notice is."""

    OPEN = "open"  # it waits for a decision
    UPHELD = "upheld"  # what it is about is withheld, and the makers may answer
    REJECTED = "rejected"
    COUNTERED = "countered"  # a maker has answered
    RESTORED = "restored"  # an answer was upheld
    FINAL = "final"  # appeals have ended, and the evidence is gone


class WrongStatus(HinodeError):
    """The notice is not where this is possible."""

    code = "notice_status"
    exit_code = 2


@dataclass(frozen=True)
class Notice:
    """A row of `records.tables.takedowns`; times are seconds since 1970.

    Attributes:
        locator: where the content is, as it was written.
        entries: ids of videos, files and characters of this server in it.
        due_at: when the law wants it carried out.
        appeal_ends_at: until when the makers may answer, or None before the decision.
    """

    id: str
    kind: str
    status: Status
    locator: str
    entries: tuple[str, ...]
    name: str
    contact: str
    statement: str
    signature: str
    created_at: float
    due_at: float
    reminders: int
    decided_at: float | None
    decided_by: str | None
    reason: str
    appeal_ends_at: float | None
    counter_project_id: str | None
    counter_statement: str | None
    counter_signature: str | None
    counter_at: float | None
    closed_at: float | None

    @classmethod
    def of(cls, row: sa.RowMapping) -> Notice:
        """The notice in a row."""
        return from_row(cls, row, status=Status(row["status"]), entries=tuple(row["entries"]))


@dataclass(frozen=True)
class Claim:
    """What somebody writes into the form; all fields are required."""

    kind: str
    locator: str
    name: str
    contact: str
    statement: str
    signature: str
    good_faith: bool


def check(claim: Claim) -> None:
    """Raise BadInput if a notice lacks what the law asks for."""
    for field, text in vars(claim).items():
        if isinstance(text, str) and ("\0" in text or not _is_unicode(text)):
            raise BadInput(f"the {field} has letters that are none", "write it anew", field=field)
    if claim.kind not in KINDS:
        message = f"there is no kind {quote(claim.kind)} of notice"
        raise BadInput(message, f"give {join_names(KINDS, last='or')}", field="kind")
    ids.parse_name(claim.name, MAX_NAME_LENGTH, kind="name")
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,253}", claim.contact.strip()):
        raise BadInput("the contact is no address of mail", "write it like name@example.com", field="contact")
    for field in ("locator", "statement"):
        text = getattr(claim, field)
        if not 1 <= len(text.strip()) <= MAX_TEXT_LENGTH:
            message = f"the {field} has {len(text.strip())} characters"
            raise BadInput(message, f"give 1 to {MAX_TEXT_LENGTH}", field=field)
    if " ".join(claim.signature.split()).casefold() != " ".join(claim.name.split()).casefold():
        remedy = "sign with the name that you give, letter by letter"
        raise BadInput("the signature is not the name", remedy, field="signature")
    if not claim.good_faith:
        remedy = "confirm it, or do not send the notice"
        raise BadInput("the statement of good faith is not confirmed", remedy, field="good_faith")
    if not 1 <= len(locate(claim.locator)) <= MAX_ENTRIES:
        message = "the locator names no content of this server, or too much"
        remedy = f"copy 1 to {MAX_ENTRIES} addresses or ids, such as video_…"
        raise BadInput(message, remedy, field="locator")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which no database stores
        return False
    return True


def locate(text: str) -> list[str]:
    """The ids of videos, posts, files and characters in addresses or any other text, each once."""
    return list(dict.fromkeys(_ENTRY.findall(text)))


def insert(
    connection: Connection, claim: Claim, entries: Sequence[str], token: str, address: str, now: float
) -> Notice:
    """Enter a notice, which `check` has passed.

    Args:
        entries: ids of videos, files and characters that it names.
        token: digest of the secret with which its sender asks for its status.
        address: digest of where it came from.

    Raises:
        BadInput: there were too many from there today.
    """
    recent = takedowns.c.address == address, takedowns.c.created_at > now - DAY
    if address and count_rows(connection, *recent) >= MAX_PER_ADDRESS:
        message = f"there were {MAX_PER_ADDRESS} notices from this address in a day"
        raise BadInput(message, "put several entries into one notice, or go on tomorrow", field="locator")
    values: dict[str, Any] = {
        "id": ids.make("takedown_", now),
        "kind": claim.kind,
        "status": Status.OPEN.value,
        "locator": claim.locator.strip(),
        "entries": list(entries),
        "name": claim.name.strip(),
        "contact": claim.contact.strip(),
        "statement": claim.statement.strip(),
        "signature": claim.signature.strip(),
        "token": token,
        "address": address,
        "created_at": now,
        "due_at": now + DUE_SECONDS,
    }
    connection.execute(takedowns.insert().values(**values))
    events.record(connection, "takedown.received", values["id"], "stranger", now, {"kind": claim.kind})
    notice = get(connection, values["id"])
    assert notice is not None, "it was just written"
    return notice


def get(connection: Connection, notice_id: str, *, lock: bool = False) -> Notice | None:
    """A notice, or None; with `lock`, no other transaction changes it meanwhile."""
    if not ids.is_id(notice_id):
        return None
    query = sa.select(takedowns).where(takedowns.c.id == notice_id)
    row = first_row(connection, query.with_for_update() if lock else query)
    return Notice.of(row) if row else None


def change(
    connection: Connection,
    notice: Notice,
    status: Status,
    actor: str,
    now: float,
    reason: str = "",
    **values: Any,
) -> Notice:
    """Move a notice, whose row the caller has locked, on to another status.

    Raises:
        WrongStatus: there is no way to it from where the notice is.
    """
    if (notice.status, status) not in MOVES:
        message = f"the notice {notice.id} is {notice.status.value}"
        raise WrongStatus(message, f"only another one can become {status.value}")
    columns: dict[str, Any] = {"status": status.value, **values}
    if reason:
        columns["reason"] = reason
    if notice.status is Status.OPEN:
        columns |= {"decided_at": now, "decided_by": actor}
    if status in CLOSED:
        columns["closed_at"] = now
    connection.execute(takedowns.update().where(takedowns.c.id == notice.id).values(**columns))
    events.record(connection, f"takedown.{status.value}", notice.id, actor, now)
    changed = get(connection, notice.id)
    assert changed is not None, "its row is locked"
    return changed


def due(connection: Connection, now: float) -> list[str]:
    """The ids of open notices that nobody has decided about in time."""
    late = takedowns.c.status == Status.OPEN.value, takedowns.c.created_at <= now - AUTOMATIC_SECONDS
    return list(connection.scalars(sa.select(takedowns.c.id).where(*late).order_by(takedowns.c.id)))


def settled(connection: Connection, now: float) -> list[str]:
    """The ids of upheld notices that nobody has answered in time."""
    over = takedowns.c.status == Status.UPHELD.value, takedowns.c.appeal_ends_at <= now
    return list(connection.scalars(sa.select(takedowns.c.id).where(*over).order_by(takedowns.c.id)))


def remind(connection: Connection, now: float) -> list[Notice]:
    """The open notices that the operator is to be told about now; each reminder is given out once."""
    query = sa.select(takedowns).where(takedowns.c.status == Status.OPEN.value).order_by(takedowns.c.id)
    result = []
    for row in connection.execute(query.with_for_update()).mappings():
        passed = sum(now - row["created_at"] >= after for after in REMINDERS)
        if passed > row["reminders"]:
            update = takedowns.update().where(takedowns.c.id == row["id"])
            connection.execute(update.values(reminders=passed))
            events.record(connection, "takedown.reminded", row["id"], CLOCK, now, {"number": passed})
            result.append(Notice.of(row))
    return result


MOVES = frozenset(
    {
        (Status.OPEN, Status.UPHELD),
        (Status.OPEN, Status.REJECTED),
        (Status.UPHELD, Status.COUNTERED),
        (Status.UPHELD, Status.RESTORED),
        (Status.UPHELD, Status.FINAL),
        (Status.COUNTERED, Status.RESTORED),
        (Status.COUNTERED, Status.FINAL),
    }
)
CLOSED = frozenset({Status.REJECTED, Status.RESTORED, Status.FINAL})
