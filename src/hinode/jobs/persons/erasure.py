"""The deletion of a person's data: what `records` lists.

It begins with one transaction, after which the person cannot sign in, goes on in short ones, and ends with
the account itself, so that a deletion that was interrupted is taken up again by the same call. In the audit
log and in decisions the id of the account remains, a pseudonym then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs.files.objects import Objects
from hinode.jobs.persons.records import Account, Records, consents_that_name, jobs_of, records_of
from hinode.jobs.rights.consents import Consents
from hinode.jobs.rights.enforcement import Action, act
from hinode.jobs.states import FINAL
from hinode.jobs.tenants import tokens
from hinode.jobs.tenants.erasure import delete_rows, drop_withheld, evidence
from hinode.jobs.tenants.sessions import end_sessions
from hinode.records.database import Database
from hinode.records.rows import count_rows
from hinode.records.tables import (
    audit_log,
    audit_payloads,
    characters,
    consents,
    invoices,
    jobs,
    sessions,
    takedowns,
    users,
)
from hinode.rights import events
from hinode.trust.audit import log

MIN_LETTERS = 3
"""Of a name that is looked for in payloads of the audit log: a shorter one is in every other text."""


@dataclass(frozen=True)
class Erased:
    """What a deletion did.

    Attributes:
        rows: that were deleted.
        exhibits: ids of videos that stay as evidence of a notice until appeals have ended.
        notices: that the person sent and that are not closed yet, which keep the name until then.
        invoices: that name the person and stay, as the law asks.
    """

    rows: int
    exhibits: tuple[str, ...]
    notices: int
    invoices: int

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits for the end of a notice."""
        return not (self.exhibits or self.notices)


def erase(
    database: Database,
    objects: Objects,
    people: Consents,
    account: Account,
    actor: str,
    clock: Callable[[], float],
) -> Erased:
    """Delete what there is of an account, or go on with a deletion that was interrupted, or that waited for
    the end of a notice: until then the account stays, and nobody can sign in with it.

    Args:
        people: the consents of the server; those that the person granted are revoked first.
        actor: id of who deletes it, or `rights.people.OPERATOR`.
    """
    with database.write() as connection:
        _close(connection, account, actor, clock())
        active = consents.c.owner == account.id, consents.c.revoked_at.is_(None)
        granted = list(connection.scalars(sa.select(consents.c.id).where(*active)))
        naming = consents_that_name(connection, account)
    for name in granted:
        people.revoke(name, None, actor)
    for name, names in naming.items():
        _take_out(database, people, account, name, names, actor)
    unfinished = jobs_of(account).where(jobs.c.status.not_in(FINAL))
    with database.write() as connection:
        stopped = act(connection, Action.STOP, list(connection.scalars(unfinished)), account.id, clock())
    for job_id in stopped:
        objects.delete_preview(job_id)
    exhibits = evidence(database, jobs.c.id.in_(jobs_of(account)))
    with database.write() as connection:
        drop_withheld(connection, jobs_of(account), exhibits)
        records = records_of(connection, account)
    count = 0
    for table, condition in records.rows.items():
        if table not in (sessions, users):
            count += delete_rows(database, table, condition, exhibits)
    with database.write() as connection:
        return _finish(connection, account, records, count, exhibits, clock())


def _close(connection: Connection, account: Account, actor: str, now: float) -> None:
    there = users.c.id == account.id, users.c.deleted_at.is_(None)
    connection.execute(users.update().where(*there).values(deleted_at=now))
    connection.execute(users.update().where(users.c.id == account.id).values(password=None))
    tokens.revoke(connection, account.id)
    end_sessions(connection, sessions.c.user_id == account.id, now)
    if not any(event["kind"] == "user.deleted" for event in events.history(connection, account.id)):
        events.record(connection, "user.deleted", account.id, actor, now)


def _take_out(
    database: Database,
    people: Consents,
    account: Account,
    consent_id: str,
    names: tuple[str, ...],
    actor: str,
) -> None:
    """Let a consent of somebody else name a person no more."""
    left = tuple(name for name in names if name not in (account.id, account.email))
    changes = {"people": left} if left else {"people": (), "access": "only_me"}
    try:
        people.amend(consent_id, changes, None, actor)
    except BadInput:  # it does not hold any more, so nobody signs it anew
        with database.write() as connection:
            update = consents.update().where(consents.c.id == consent_id)
            connection.execute(update.values(people=list(left)))


def _finish(
    connection: Connection, account: Account, records: Records, count: int, exhibits: set[str], now: float
) -> Erased:
    """Blank what stays, and delete the account itself unless something waits for the end of a notice."""
    notices = 0
    for blank in records.blanks:
        table, condition, values = blank.table, blank.condition, dict(blank.values)
        if table is takedowns:
            notices += count_rows(connection, condition, takedowns.c.closed_at.is_(None))
            condition = sa.and_(condition, takedowns.c.closed_at.is_not(None))
        if table is characters:
            values["deleted_at"] = sa.func.coalesce(characters.c.deleted_at, now)
        connection.execute(table.update().where(condition).values(**values))
    _erase_payloads(connection, account, records)
    legal = count_rows(connection, records.remains[invoices])
    if not exhibits and not notices:
        for table in (sessions, users):
            count += connection.execute(table.delete().where(records.rows[table])).rowcount
    return Erased(count, tuple(sorted(exhibits)), notices, legal)


def _erase_payloads(connection: Connection, account: Account, records: Records) -> None:
    """Erase the payloads of the audit log that name a person, or are about the account."""
    query = sa.select(audit_log.c.number, audit_log.c.subject, audit_payloads.c.payload)
    query = query.join(audit_payloads, audit_payloads.c.number == audit_log.c.number)
    texts = [text for text in (account.name.casefold(), account.email) if len(text) >= MIN_LETTERS]
    numbers = [
        number
        for number, subject, payload in connection.execute(query.where(records.remains[audit_log]))
        if subject == account.id or any(text in payload.casefold() for text in texts)
    ]
    if numbers:
        log.erase(connection, account.id, audit_payloads.c.number.in_(numbers))
