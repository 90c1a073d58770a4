"""Consents of people to be shown: what they allow, to whom and until when.

A consent belongs to a character that is a person. Each change of it makes a new version with a signed
receipt; a revocation is the last one. The functions work inside the transaction of their caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.records import ids
from hinode.records.rows import first_row, from_row
from hinode.records.tables import characters, consent_receipts, consent_uses, consents
from hinode.rights import events
from hinode.rights.people import Person
from hinode.rights.receipts import Receipt, Signer
from hinode.rights.refusals import ConsentRefused, ConsentRequired

Access = Literal["only_me", "named", "project", "server"]
ACCESSES: tuple[Access, ...] = get_args(Access)
Use = Literal["generate", "remix", "publish"]
USES: tuple[Use, ...] = get_args(Use)
"""What a consent can allow: new videos with the character, videos made from those, and the feed."""
YEAR = 365.25 * 86_400.0
MAX_YEARS = 10
MAX_NAME_LENGTH, MAX_SCOPE_LENGTH, MAX_PEOPLE = 200, 2000, 100
STATEMENT = (
    "I am the person shown, or I hold the person's written permission. The person agrees to be shown in "
    "videos within this scope, for these uses and this time, and may withdraw this at any time."
)
"""What whoever grants a consent confirms."""


@dataclass(frozen=True)
class Terms:
    """What a consent allows.

    Attributes:
        person: name of the person shown.
        scope: in words, such as "music videos, no advertising"; people read it, the server does not.
        uses: of `USES`, at least one.
        access: who may use the character: whoever granted the consent, the named people, the members and
            keys of the project, or everyone on this server. The first always may.
        people: ids of members, keys or projects and addresses of members, for the access "named".
        expires_at: seconds since 1970.
    """

    person: str
    scope: str
    uses: tuple[str, ...]
    access: str
    people: tuple[str, ...]
    expires_at: float


@dataclass(frozen=True)
class Consent:
    """A row of `records.tables.consents`; times are seconds since 1970."""

    id: str
    project_id: str
    character_id: str
    digest: str
    owner: str
    person: str
    scope: str
    uses: tuple[str, ...]
    access: str
    people: tuple[str, ...]
    version: int
    created_at: float
    expires_at: float
    revoked_at: float | None

    @classmethod
    def of(cls, row: sa.RowMapping) -> Consent:
        """The consent in a row."""
        return from_row(cls, row, uses=tuple(row["uses"]), people=tuple(row["people"]))

    def status(self, now: float) -> Literal["active", "expired", "revoked"]:
        """Whether it holds at `now`."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if now < self.expires_at else "expired"

    def admits(self, person: Person) -> bool:
        """Whether its access level includes a person."""
        match self.access:
            case "server":
                return True
            case "project":
                return person.project_id == self.project_id
            case "named":
                return person.id == self.owner or person.is_named(self.people)
        return person.id == self.owner

    def check(self, person: Person, use: str, now: float, field: str = "characters") -> None:
        """Raise `ConsentRefused` unless it allows a use by a person at `now`."""
        who = f"the consent of {quote(self.person, 80)}"
        state = self.status(now)
        if state != "active":
            message = f"{who} {'was revoked' if state == 'revoked' else 'has expired'}"
            raise ConsentRefused(message, "leave the character out, or ask the person again", field=field)
        if not self.admits(person):
            message = f"{who} does not include you"
            raise ConsentRefused(message, "ask the owner of the character for access", field=field)
        if use not in self.uses:
            message = f"{who} does not allow to {use}"
            raise ConsentRefused(message, f"it allows: {join_names(self.uses)}", field=field)


def check_terms(terms: Terms, now: float) -> None:
    """Raise BadInput if terms are incomplete or out of range."""
    ids.parse_name(terms.person, MAX_NAME_LENGTH, field="person", kind="name of a person")
    if len(terms.scope) > MAX_SCOPE_LENGTH:
        message = f"the scope has {len(terms.scope)} characters"
        raise BadInput(message, f"give {MAX_SCOPE_LENGTH} at most", field="scope")
    if not terms.uses or set(terms.uses) - set(USES):
        raise BadInput("the uses are not complete", f"give {join_names(USES)}, or some of them", field="uses")
    if terms.access not in ACCESSES:
        message = f"there is no access {quote(terms.access)}"
        raise BadInput(message, f"give {join_names(ACCESSES, last='or')}", field="access")
    if (terms.access == "named") != bool(terms.people):
        message = "names belong to the access “named”, and to no other"
        raise BadInput(message, "give both or neither", field="people")
    if len(terms.people) > MAX_PEOPLE or any(not 1 <= len(name) <= 254 for name in terms.people):
        raise BadInput("the list of people is too long", f"name {MAX_PEOPLE} at most", field="people")
    if not now < terms.expires_at <= now + MAX_YEARS * YEAR:
        message = "the consent would not end within ten years from now"
        raise BadInput(
            message, f"let it expire in the future, after {MAX_YEARS} years at most", field="expires_at"
        )


def grant(
    connection: Connection, signer: Signer, character: sa.RowMapping, terms: Terms, owner: Person, now: float
) -> Consent:
    """Enter the consent to a character, which is a person from now on, and sign its receipt.

    Args:
        character: its row.
        owner: who grants it, and decides about it later.

    Raises:
        BadInput: the terms are wrong, or the character has a consent that holds.
    """
    check_terms(terms, now)
    for before in of_character(connection, character["id"]):
        if before.status(now) == "active":
            message = f"the character has a consent already, {before.id}"
            raise BadInput(message, "change that one, or revoke it first", field="character_id")
    same = sa.select(consents.c.id).where(consents.c.digest == character["digest"])
    if connection.scalar(same.where(consents.c.revoked_at.is_not(None), consents.c.owner != owner.id)):
        message = "somebody else has revoked the consent to this picture or video"
        raise ConsentRefused(message, "only that person can grant another", field="character_id")
    consent = Consent(
        id=ids.make("consent_", now),
        project_id=character["project_id"],
        character_id=character["id"],
        digest=character["digest"],
        owner=owner.id,
        version=1,
        created_at=now,
        revoked_at=None,
        **_values(terms),
    )
    connection.execute(consents.insert().values(**_columns(consent)))
    update = characters.update().where(characters.c.id == character["id"])
    connection.execute(update.values(person=True))
    _sign(connection, signer, consent, now)
    events.record(connection, "consent.granted", consent.id, owner.id, now, {"version": 1})
    return consent


def amend(
    connection: Connection, signer: Signer, consent: Consent, terms: Terms, actor: str, now: float
) -> Consent:
    """Replace the terms of a consent that holds, whose row the caller has locked; returns the new version.

    Raises:
        BadInput: the terms are wrong.
        ConsentRefused: it was revoked or has expired.
    """
    if consent.status(now) != "active":
        raise ConsentRefused("the consent does not hold any more", "grant another one", field="consent_id")
    check_terms(terms, now)
    changed = _with(consent, version=consent.version + 1, **_values(terms))
    _store(connection, signer, changed, now)
    events.record(connection, "consent.amended", consent.id, actor, now, {"version": changed.version})
    return changed


def revoke(connection: Connection, signer: Signer, consent: Consent, actor: str, now: float) -> Consent:
    """Revoke a consent, whose row the caller has locked, for ever; doing it again changes nothing."""
    if consent.revoked_at is not None:
        return consent
    changed = _with(consent, version=consent.version + 1, revoked_at=now)
    _store(connection, signer, changed, now)
    events.record(connection, "consent.revoked", consent.id, actor, now, {"version": changed.version})
    return changed


def get(connection: Connection, consent_id: str, *, lock: bool = False) -> Consent | None:
    """A consent, or None if there is none; with `lock`, no other transaction changes it meanwhile."""
    if not ids.is_id(consent_id):
        return None
    query = sa.select(consents).where(consents.c.id == consent_id)
    row = first_row(connection, query.with_for_update() if lock else query)
    return Consent.of(row) if row else None


def of_character(connection: Connection, character_id: str) -> list[Consent]:
    """The consents of a character, the newest first."""
    query = sa.select(consents).where(consents.c.character_id == character_id)
    rows = connection.execute(query.order_by(consents.c.id.desc())).mappings()
    return [Consent.of(row) for row in rows]


def receipts(connection: Connection, consent_id: str) -> list[Receipt]:
    """The receipts of a consent, in the order of their versions."""
    query = sa.select(consent_receipts).where(consent_receipts.c.consent_id == consent_id)
    rows = connection.execute(query.order_by(consent_receipts.c.version)).mappings()
    return [from_row(Receipt, row) for row in rows]


def required(
    connection: Connection, digests: Collection[str], parents: Collection[str], person: Person, now: float
) -> list[str]:
    """The ids of the consents that a video needs, all of which allow it.

    The rows are locked against a revocation until the transaction ends, so that a revocation either sees the
    video or stops it here.

    Args:
        digests: of the files that it is made from.
        parents: ids of the videos that it is made from.
        person: who makes it.

    Raises:
        ConsentRequired: a character is a person, and has none.
        ConsentRefused: one does not allow it.
    """
    result: dict[str, None] = {}
    for digest in _of_people(connection, digests):
        found = _locked(connection, consents.c.digest == digest)
        if not found:
            message = "a character is a person who has not consented"
            raise ConsentRequired(message, "enter the consent of the person first", field="characters")
        allowing = [consent for consent in found if permits(consent, person, "generate", now)]
        if not allowing:
            found[0].check(person, "generate", now)
        result[allowing[0].id] = None
    inherited = sa.select(consent_uses.c.consent_id).where(consent_uses.c.job_id.in_(parents))
    for consent in _locked(connection, consents.c.id.in_(inherited)) if parents else ():
        consent.check(person, "remix", now, field="video")
        result[consent.id] = None
    return list(result)


def enter_uses(connection: Connection, job_id: str, consent_ids: Iterable[str]) -> None:
    """Enter that a video needs some consents."""
    rows = [{"consent_id": consent_id, "job_id": job_id} for consent_id in consent_ids]
    if rows:
        connection.execute(consent_uses.insert(), rows)


def used_by(connection: Connection, job_id: str, *, lock: bool = False) -> list[Consent]:
    """The consents that a video needs; with `lock`, nobody revokes them before the transaction ends."""
    query = sa.select(consents).join(consent_uses, consent_uses.c.consent_id == consents.c.id)
    query = query.where(consent_uses.c.job_id == job_id).order_by(consents.c.id)
    rows = connection.execute(query.with_for_update(read=True, of=consents) if lock else query).mappings()
    return [Consent.of(row) for row in rows]


def permits(consent: Consent, person: Person, use: Use, now: float) -> bool:
    """Whether a consent allows a use by a person at `now`."""
    try:
        consent.check(person, use, now)
    except ConsentRefused:
        return False
    return True


def _of_people(connection: Connection, digests: Collection[str]) -> list[str]:
    """Those of some files that are characters who are people, deleted ones too."""
    if not digests:
        return []
    people = sa.select(characters.c.digest).where(characters.c.digest.in_(digests), characters.c.person)
    known = sa.select(consents.c.digest).where(consents.c.digest.in_(digests))
    return sorted(connection.scalars(sa.union(people, known)))


def _locked(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Consent]:
    """Consents, the newest first, which nobody revokes before the transaction ends."""
    query = sa.select(consents).where(condition).order_by(consents.c.id.desc()).with_for_update(read=True)
    return [Consent.of(row) for row in connection.execute(query).mappings()]


def _values(terms: Terms) -> dict[str, Any]:
    uses = tuple(use for use in USES if use in terms.uses)
    people = tuple(dict.fromkeys(name.strip().lower() if "@" in name else name for name in terms.people))
    return {
        "person": terms.person.strip(),
        "scope": terms.scope.strip(),
        "uses": uses,
        "access": terms.access,
        "people": people,
        "expires_at": terms.expires_at,
    }


def _with(consent: Consent, **changes: Any) -> Consent:
    return Consent(**{**vars(consent), **changes})


def _columns(consent: Consent) -> dict[str, Any]:
    return {**vars(consent), "uses": list(consent.uses), "people": list(consent.people)}


def _store(connection: Connection, signer: Signer, consent: Consent, now: float) -> None:
    values = _columns(consent)
    connection.execute(consents.update().where(consents.c.id == values.pop("id")).values(**values))
    _sign(connection, signer, consent, now)


def _sign(connection: Connection, signer: Signer, consent: Consent, now: float) -> None:
    before = receipts(connection, consent.id)
    facts = {
        "id": consent.id,
        "character": {"id": consent.character_id, "sha256": consent.digest},
        "person": consent.person,
        "granted_by": consent.owner,
        "scope": consent.scope,
        "uses": list(consent.uses),
        "access": consent.access,
        "people": list(consent.people),
        "issued_at": int(now),
        "expires_at": int(consent.expires_at),
        "revoked_at": None if consent.revoked_at is None else int(consent.revoked_at),
        "statement": STATEMENT,
        "previous": before[-1].digest if before else "",
    }
    receipt = signer.sign(consent.version, facts, now)
    connection.execute(consent_receipts.insert().values(consent_id=consent.id, **vars(receipt)))
