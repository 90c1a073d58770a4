"""Consents as the service keeps them: granted, changed and revoked, and carried out on jobs and videos."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.files.characters import Character
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Job
from hinode.jobs.rights.enforcement import Action, act
from hinode.jobs.rows import read_job
from hinode.jobs.states import FINAL
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import characters, consent_uses, consents, jobs, posts, withheld_entries
from hinode.rights import attestations
from hinode.rights import consents as records
from hinode.rights.consents import Consent, Terms
from hinode.rights.people import Person, person_of
from hinode.rights.receipts import Receipt, Signer


class UnknownConsent(BadInput):
    """There is no such consent, or the person may not decide about it; the answer does not differ."""

    code = "not_found"

    def __init__(self, consent_id: str) -> None:
        super().__init__(f"there is no consent {quote(consent_id, 80)}", "check the id", field="consent_id")


class Consents:
    """The consents in one database. Safe to use from several threads.

    Methods with an `owner` are for the person who granted the consent, and for whoever manages the project of
    the character; None is the operator, at the command line. They raise `UnknownConsent` for anybody else.
    """

    def __init__(
        self, database: Database, objects: Objects, signer: Signer, clock: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self.objects = objects
        self.signer = signer
        self.clock = clock

    def person(self, project_id: str, key_id: str | None) -> Person:
        """Who a request of a project comes from."""
        with self.database.read() as connection:
            return person_of(connection, project_id, key_id)

    def grant(self, character_id: str, terms: Terms, owner: Person) -> Consent:
        """Enter the consent to a character of the owner's project; see `rights.consents.grant`.

        Raises:
            BadInput: the terms are wrong, there is no such character, or it has a consent.
        """
        query = sa.select(characters).where(
            characters.c.id == (character_id if ids.is_id(character_id) else ""),
            characters.c.project_id == owner.project_id,
            characters.c.deleted_at.is_(None),
        )
        with self.database.write() as connection:
            character = first_row(connection, query.with_for_update())
            if character is None:
                message = f"there is no character {quote(character_id, 80)}"
                raise BadInput(message, "check the id", field="character_id")
            return records.grant(connection, self.signer, character, terms, owner, self.clock())

    def amend(self, consent_id: str, changes: dict[str, Any], owner: Person | None, actor: str) -> Consent:
        """Replace some of the terms, by the names of the fields of `Terms`; returns the new version.

        What is not allowed any more stops at once: unfinished jobs of people who lost access, and all posts
        if the feed is not among the uses any more.

        Raises:
            BadInput: the terms are wrong, or the consent does not hold any more.
        """
        now = self.clock()
        with self.database.write() as connection:
            consent = self._own(connection, consent_id, owner, lock=True)
            names = [field.name for field in dataclasses.fields(Terms)]
            terms = Terms(**{name: getattr(consent, name) for name in names} | changes)
            if terms.access != "named":
                terms = dataclasses.replace(terms, people=())
            changed = records.amend(connection, self.signer, consent, terms, actor, now)
        self._enforce(changed)
        return changed

    def revoke(
        self, consent_id: str, owner: Person | None, actor: str, *, everything: bool = False
    ) -> Consent:
        """Revoke a consent for ever. Unfinished jobs with the character fail, and published videos are
        withheld, at once; with `everything`, drafts are withheld too."""
        now = self.clock()
        with self.database.write() as connection:
            consent = self._own(connection, consent_id, owner, lock=True)
            changed = records.revoke(connection, self.signer, consent, actor, now)
        # In a transaction of its own: a submission locks its project and then the consent.
        self._enforce(changed, everything=everything)
        return changed

    def enforce_ended(self) -> int:
        """Carry out again what revoked and expired consents ask for, as after a crash between two
        transactions; returns how many consents had something to do."""
        now = self.clock()
        over = sa.or_(consents.c.revoked_at.is_not(None), consents.c.expires_at <= now)
        left = sa.or_(jobs.c.status.not_in(FINAL), sa.exists().where(*_published(jobs.c.id)))
        query = sa.select(consents).where(
            over,
            sa.exists().where(
                consent_uses.c.consent_id == consents.c.id, jobs.c.id == consent_uses.c.job_id, left
            ),
        )
        with self.database.read() as connection:
            ended = [Consent.of(row) for row in connection.execute(query).mappings()]
        for consent in ended:
            self._enforce(consent)
        return len(ended)

    def get(self, consent_id: str, owner: Person | None) -> Consent:
        """A consent."""
        with self.database.read() as connection:
            return self._own(connection, consent_id, owner)

    def receipts(self, consent_id: str, owner: Person | None) -> list[Receipt]:
        """The receipts of a consent, in the order of their versions."""
        with self.database.read() as connection:
            self._own(connection, consent_id, owner)
            return records.receipts(connection, consent_id)

    def page(
        self, owner: Person | None, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Consent], bool]:
        """The consents that a person decides about, or all for None, in the order of creation, and whether
        there are more; see `page_of`."""
        mine: sa.ColumnElement[bool] = sa.true() if owner is None else consents.c.owner == owner.id
        if owner is not None and owner.manages:
            mine = sa.or_(mine, consents.c.project_id == owner.project_id)
        with self.database.read() as connection:
            query = sa.select(consents).where(mine)
            rows, more = page_of(connection, query, mine, "consent", after, limit, descending)
        return [Consent.of(row) for row in rows], more

    def all(self) -> list[Consent]:
        """Every consent on this server, the oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(consents).order_by(consents.c.id)).mappings()
            return [Consent.of(row) for row in rows]

    def of_video(self, job_id: str) -> list[Consent]:
        """The consents that a video needs."""
        with self.database.read() as connection:
            return records.used_by(connection, job_id)

    def shared(self, character_id: str, person: Person) -> Character | None:
        """A character of another project whose consent includes a person, or None."""
        query = sa.select(characters).where(
            characters.c.id == character_id, characters.c.deleted_at.is_(None), characters.c.person
        )
        with self.database.read() as connection:
            row = first_row(connection, query)
            found = records.of_character(connection, character_id) if row else []
        now = self.clock()
        admitted = any(entry.status(now) == "active" and entry.admits(person) for entry in found)
        return from_row(Character, row) if row and admitted else None

    def usable(self, person: Person, limit: int) -> list[tuple[Character, Consent]]:
        """Characters of other projects that a person may use, the newest first."""
        query = sa.select(consents).where(
            consents.c.project_id != person.project_id,
            consents.c.access.in_(("named", "server")),
            consents.c.revoked_at.is_(None),
            consents.c.expires_at > self.clock(),
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(consents.c.id.desc())).mappings()
            admitting = [entry for entry in map(Consent.of, rows) if entry.admits(person)][:limit]
            names = [entry.character_id for entry in admitting]
            there = sa.select(characters).where(characters.c.id.in_(names), characters.c.deleted_at.is_(None))
            found = {row["id"]: from_row(Character, row) for row in connection.execute(there).mappings()}
        return [(found[entry.character_id], entry) for entry in admitting if entry.character_id in found]

    def videos(
        self, consent_id: str, owner: Person | None, *, after: str | None = None, limit: int = 100
    ) -> tuple[list[Job], bool]:
        """Everything that was made with a consent, in all projects and drafts too, the newest first, and
        whether there is more; see `page_of`."""
        with self.database.read() as connection:
            self._own(connection, consent_id, owner)
            mine = jobs.c.id.in_(_uses(consent_id))
            query = sa.select(jobs).where(mine, jobs.c.deleted_at.is_(None))
            rows, more = page_of(connection, query, mine, "video", after, limit, True)
        return [read_job(row) for row in rows], more

    def video(self, consent_id: str, owner: Person | None, job_id: str) -> Job | None:
        """A video that was made with a consent, or None."""
        with self.database.read() as connection:
            self._own(connection, consent_id, owner)
            return next(iter(self._videos(connection, consent_id, jobs.c.id == job_id)), None)

    def delete_video(self, consent_id: str, owner: Person | None, job_id: str) -> bool:
        """Delete a video that was made with a consent for good, whoever made it and whatever its state;
        returns whether it was there."""
        now = self.clock()
        with self.database.write() as connection:
            self._own(connection, consent_id, owner)
            if not self._videos(connection, consent_id, jobs.c.id == job_id):
                return False
            act(connection, Action.DELETE, [job_id], consent_id, now)
        self.objects.delete_preview(job_id)
        return True

    # Confirmations of projects

    def confirmation(self, project_id: str) -> tuple[str, float] | None:
        """Who confirmed that a project has the rights to what it uploads, and when; or None."""
        with self.database.read() as connection:
            row = attestations.confirmed(connection, project_id)
        return (row["person"], row["at"]) if row else None

    def confirm(self, project_id: str, person: str) -> None:
        """Enter that a person confirms it."""
        with self.database.write() as connection:
            attestations.confirm(connection, project_id, person, self.clock())

    # Parts of transactions

    def _own(
        self, connection: Connection, consent_id: str, owner: Person | None, *, lock: bool = False
    ) -> Consent:
        consent = records.get(connection, consent_id, lock=lock)
        if consent is None or not (owner is None or _decides(owner, consent)):
            raise UnknownConsent(consent_id)
        return consent

    def _videos(
        self, connection: Connection, consent_id: str, condition: sa.ColumnElement[bool]
    ) -> list[Job]:
        query = sa.select(jobs).where(
            jobs.c.id.in_(_uses(consent_id)), condition, jobs.c.deleted_at.is_(None)
        )
        return [read_job(row) for row in connection.execute(query).mappings()]

    def _enforce(self, consent: Consent, *, everything: bool = False) -> None:
        now = self.clock()
        with self.database.write() as connection:
            used = self._videos(connection, consent.id, sa.true())
            if consent.status(now) != "active":
                open_jobs = [job.id for job in used if not job.final]
                published = self._are_published(connection, [job.id for job in used])
                hidden = [job.id for job in used if job.final] if everything else published
            else:
                open_jobs = [
                    job.id
                    for job in used
                    if not job.final and not consent.admits(person_of(connection, job.project_id, job.key_id))
                ]
                published = self._are_published(connection, [job.id for job in used])
                hidden = [] if "publish" in consent.uses else published
            act(connection, Action.STOP, open_jobs, consent.id, now)
            act(connection, Action.HIDE, hidden, consent.id, now)
        for job_id in open_jobs:
            self.objects.delete_preview(job_id)

    def _are_published(self, connection: Connection, job_ids: Sequence[str]) -> list[str]:
        query = sa.select(jobs.c.id).where(jobs.c.id.in_(job_ids), sa.exists().where(*_published(jobs.c.id)))
        return list(connection.scalars(query))


def _decides(person: Person, consent: Consent) -> bool:
    return person.id == consent.owner or (person.manages and person.project_id == consent.project_id)


def _uses(consent_id: str) -> sa.Select[tuple[str]]:
    return sa.select(consent_uses.c.job_id).where(consent_uses.c.consent_id == consent_id)


def _published(job_id: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[bool], ...]:
    hidden = sa.select(withheld_entries.c.entry_id)
    return posts.c.video_id == job_id, posts.c.deleted_at.is_(None), job_id.not_in(hidden)
