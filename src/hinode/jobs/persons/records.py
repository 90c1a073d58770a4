"""Which rows belong to a person, which ones name the person, and what is left of each after a deletion.

A person has an account in each project. What was made in a signed-in session is the person's; what was made
with an API key, files that were uploaded and storyboards are the project's, since nothing says who sent them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.tenants.attempts import subject_of
from hinode.money.budgets import Scope
from hinode.records import tables

Condition = sa.ColumnElement[bool]

NOBODY = frozenset(
    {
        "api_keys",  # of a project
        "archives",
        "audit_head",
        "authorities",
        "budget_charges",
        "budget_windows",
        "collections",
        "deliveries",
        "delivery_attempts",
        "events",  # ids of videos and members
        "fingerprints",
        "idempotency",
        "instances",
        "invoice_series",
        "ledger_accounts",
        "ledger_transfers",
        "marks",
        "organisations",
        "payment_events",
        "projects",
        "promo_codes",
        "promo_redemptions",
        "quotes",  # of a project
        "rejections",
        "runs",
        "schema_revisions",
        "status_buckets",
        "status_components",
        "status_incidents",
        "status_notes",
        "status_probers",
        "staydowns",
        "storyboards",  # of a project, like their versions
        "storyboard_versions",
        "takedown_matches",
        "uploads",
        "usage",  # accounts of months that are over, with ids in place of names
        "usage_days",
        "webhook_endpoints",
        "withheld",
        "withheld_entries",
        "withheld_files",
        "worker_tokens",
        "workers",
    }
)
"""Tables that have nothing of a person: rows of projects or of the server, and ids."""


@dataclass(frozen=True)
class Account:
    """A member of a project, or somebody who was one: a row of `records.tables.users`."""

    id: str
    project_id: str
    email: str
    name: str

    def is_in(self, text: str) -> bool:
        """Whether a text is the name, or contains the address."""
        folded = text.casefold()
        return folded.strip() == self.name.casefold() or self.email in folded


@dataclass(frozen=True)
class Blank:
    """Rows of a table that stay without what they say of a person: which ones, and the new values of their
    columns."""

    table: sa.Table
    condition: Condition
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Records:
    """What there is of an account.

    Attributes:
        rows: belong to the person, and are deleted.
        blanks: stay, without what they say of the person.
        remains: stay as they are, since the law asks for them or they have only ids.
    """

    rows: Mapping[sa.Table, Condition]
    blanks: tuple[Blank, ...]
    remains: Mapping[sa.Table, Condition]


def find_accounts(connection: Connection, user: str, project_id: str | None = None) -> list[Account]:
    """The accounts with an id or an address, removed ones too.

    Raises:
        BadInput: there is none.
    """
    users = tables.users.c
    matching = sa.or_(users.id == user, users.email == user.strip().lower())
    query = sa.select(users.id, users.project_id, users.email, users.name).where(matching).order_by(users.id)
    if project_id is not None:
        query = query.where(users.project_id == project_id)
    accounts = [Account(*row) for row in connection.execute(query)]
    if not accounts:
        remedy = "give an id, user_…, or an address; `hinode users list` has those who are not removed"
        raise BadInput(f"there is no user {quote(user)}", remedy, field="user")
    return accounts


def jobs_of(account: Account) -> sa.Select[Any]:
    """The ids of the videos that a person made in signed-in sessions."""
    jobs = tables.jobs.c
    mine = jobs.project_id == account.project_id, jobs.key_id.in_(_sessions(account))
    return sa.select(jobs.id).where(*mine)


def records_of(connection: Connection, account: Account) -> Records:
    """What there is of an account at present."""
    return Records(_rows(account), _blanks(account), _remains(connection, account))


def consents_that_name(connection: Connection, account: Account) -> dict[str, tuple[str, ...]]:
    """Consents of others that allow something to a person by name, each with all names."""
    consents = tables.consents.c
    query = sa.select(consents.id, consents.people).where(consents.owner != account.id)
    listed = {str(name): tuple(people) for name, people in connection.execute(query)}
    return {name: people for name, people in listed.items() if {account.id, account.email} & set(people)}


def _sessions(account: Account) -> sa.Select[Any]:
    return sa.select(tables.sessions.c.id).where(tables.sessions.c.user_id == account.id)


def _rows(account: Account) -> dict[sa.Table, Condition]:
    """In the order in which they can be deleted: what leads to others goes last."""
    keys, mine = _sessions(account), jobs_of(account)
    posted = sa.select(tables.posts.c.id).where(tables.posts.c.video_id.in_(mine))
    batches = sa.select(tables.batches.c.id).where(tables.batches.c.key_id.in_(keys))
    stopped = tables.screening_decisions.c
    decisions = sa.select(stopped.id).where(sa.or_(stopped.key_id.in_(keys), stopped.job_id.in_(mine)))
    grants = sa.select(tables.consents.c.id).where(tables.consents.c.owner == account.id)
    appeals, recipients = tables.screening_appeals.c, tables.recipients.c
    of_jobs = (
        tables.artifacts,
        tables.attempts,
        tables.parents,
        tables.library,
        tables.library_tags,
        tables.collection_items,
        tables.storyboard_takes,
        tables.worker_objects,
        tables.consent_uses,
    )
    return {
        tables.screening_frames: tables.screening_frames.c.decision_id.in_(decisions),
        tables.screening_appeals: sa.or_(appeals.person == account.id, appeals.decision_id.in_(decisions)),
        tables.screening_decisions: stopped.id.in_(decisions),
        **{
            table: sa.or_(table.c.person == account.id, table.c.post_id.in_(posted))
            for table in (tables.likes, tables.reports)
        },
        tables.posts: tables.posts.c.id.in_(posted),
        **{table: table.c.job_id.in_(mine) for table in of_jobs},
        tables.batch_lines: tables.batch_lines.c.batch_id.in_(batches),
        tables.batches: tables.batches.c.key_id.in_(keys),
        tables.jobs: tables.jobs.c.id.in_(mine),
        tables.consent_receipts: tables.consent_receipts.c.consent_id.in_(grants),
        tables.budgets: sa.and_(
            tables.budgets.c.scope == Scope.USER.value, tables.budgets.c.subject == account.id
        ),
        tables.recipients: sa.and_(
            recipients.project_id == account.project_id,
            sa.or_(recipients.name == account.name, recipients.address.icontains(account.email)),
        ),
        tables.sign_in_attempts: tables.sign_in_attempts.c.subject == subject_of("account", account.email),
        tables.one_time_tokens: tables.one_time_tokens.c.user_id == account.id,
        tables.sessions: tables.sessions.c.user_id == account.id,
        tables.users: tables.users.c.id == account.id,
    }


def _blanks(account: Account) -> tuple[Blank, ...]:
    consents, characters = tables.consents, tables.characters
    takedowns, posts, events = tables.takedowns, tables.posts, tables.rights_events.c
    faces = sa.select(consents.c.character_id).where(consents.c.owner == account.id)
    by_name = posts.c.project_id == account.project_id, posts.c.author == account.name
    sent = sa.func.lower(takedowns.c.contact) == account.email
    answers = events.actor == account.id, events.kind == "takedown.countered"
    answered = takedowns.c.id.in_(sa.select(events.subject).where(*answers))
    notice = ("locator", "name", "contact", "statement", "signature", "reason")
    return (
        # The digest stays, so that nobody else can consent in this person's place.
        Blank(consents, consents.c.owner == account.id, {"person": "", "scope": "", "people": []}),
        Blank(characters, characters.c.id.in_(faces), {"name": "deleted", "description": "", "notes": ""}),
        Blank(takedowns, sent, dict.fromkeys(notice, "")),
        Blank(takedowns, answered, {"counter_statement": "", "counter_signature": ""}),
        Blank(posts, sa.and_(*by_name), {"author": ""}),
    )


def _remains(connection: Connection, account: Account) -> dict[sa.Table, Condition]:
    events, log = tables.rights_events.c, tables.audit_log.c
    grants = sa.select(tables.consents.c.id).where(tables.consents.c.owner == account.id)
    ours = sa.or_(log.actor == account.id, log.actor.in_(_sessions(account)), log.subject == account.id)
    numbers = sa.select(log.number).where(ours)
    lines, invoices = tables.invoice_lines.c, _invoices(connection, account)
    paid = sa.select(lines.transfer_id).where(lines.invoice_id.in_(invoices))
    return {
        tables.attestations: tables.attestations.c.person == account.id,
        tables.upload_reviews: tables.upload_reviews.c.decided_by == account.id,
        tables.operator_texts: tables.operator_texts.c.actor == account.id,
        tables.policies: tables.policies.c.actor == account.id,
        tables.rights_events: sa.or_(events.actor == account.id, events.subject.in_(grants)),
        tables.audit_log: ours,
        tables.audit_payloads: tables.audit_payloads.c.number.in_(numbers),
        tables.invoices: tables.invoices.c.id.in_(invoices),
        tables.invoice_lines: lines.invoice_id.in_(invoices),
        tables.payments: tables.payments.c.id.in_(paid),
    }


def _invoices(connection: Connection, account: Account) -> list[str]:
    """The numbers of the invoices of the project that name a person."""
    invoices = tables.invoices.c
    query = sa.select(invoices.id, invoices.parties).where(invoices.project_id == account.project_id)
    rows = connection.execute(query)
    return [str(number) for number, parties in rows if any(map(account.is_in, _texts(parties)))]


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
