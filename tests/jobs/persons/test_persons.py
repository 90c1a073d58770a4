"""One person's data: a name that stands in every table is in the export, and after the deletion nowhere."""

from __future__ import annotations

import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.files.characters import Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.persons import records
from hinode.jobs.persons.erasure import erase
from hinode.jobs.persons.export import export
from hinode.jobs.persons.records import Account, find_accounts
from hinode.jobs.rights.consents import Consents
from hinode.jobs.store import Store
from hinode.jobs.tenants.attempts import subject_of
from hinode.jobs.tenants.members import Members
from hinode.jobs.tenants.sessions import Sessions
from hinode.records import tables
from hinode.records.database import Database
from hinode.records.tables import metadata
from hinode.request import MediaFile
from hinode.rights import events
from hinode.rights.consents import YEAR, Terms
from hinode.rights.people import Person
from hinode.rights.receipts import Signer
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event
from hinode.trust.audit.verification import verify
from tests.jobs.service import DAY, START, Clock, add_projects, draft

pytestmark = pytest.mark.both_databases

NAME, EMAIL = "Zoë Plantedname", "zoe@example.com"
WITHOUT_TEXT = {"invoice_lines", "payments"}
"""Tables that need a ledger, and have only ids and amounts."""
MIN_TEXT = 100
NO_ANSWER = {"entries": [], "counter_statement": None, "counter_signature": None}


class World:
    """A project with a person in it, whose name is in every table that can have it."""

    def __init__(self, database: Database, folder: Path) -> None:
        add_projects(database)
        self.database, self.clock, self.folder = database, Clock(), folder
        self.objects = Objects(folder / "store", self.clock)
        self.store = Store(database, self.clock)
        self.people = Consents(database, self.objects, Signer(folder), self.clock)
        self.sessions = Sessions(database, self.clock)
        member, _ = Members(database, self.sessions, self.clock).invite("proj_1", EMAIL, NAME, "owner")
        self.user = member.id
        with database.write() as connection:
            self.session = self.sessions.open(connection, "proj_1", self.user, NAME).session.id
        digest, size = self.objects.put(b"the face of " + NAME.encode())
        face = MediaFile(digest, "image/png", size)
        character = Characters(database, self.clock).create("proj_1", NAME, face, person=True)
        terms = Terms(NAME, NAME, ("generate",), "only_me", (), START + YEAR)
        self.consent = self.people.grant(character.id, terms, Person(self.user, "proj_1", EMAIL)).id
        self.bobs = self._allowed_by_bob()
        self.video = self._make(face)
        self.waiting = self._submit("still waiting", {})
        self.bobs_video = self.store.submit([draft(prompt="by Bob")]).jobs[0].id
        with database.write() as connection:
            self._fill(connection)

    def account(self) -> Account:
        with self.database.read() as connection:
            (account,) = find_accounts(connection, EMAIL.upper())
        return account

    def erase(self) -> Any:
        return erase(self.database, self.objects, self.people, self.account(), "operator", self.clock)

    def _submit(self, prompt: str, inputs: dict[str, MediaFile]) -> str:
        wanted = replace(draft(prompt=f"{prompt} {NAME}", inputs=inputs), key_id=self.session)
        return self.store.submit([wanted]).jobs[0].id

    def _make(self, face: MediaFile) -> str:
        video = self._submit("a portrait of", {"character": face})
        lease = self.store.claim(self.store.register_worker("host", 1), host="host")
        assert lease is not None
        digest, size = self.objects.put(b"a clip of " + NAME.encode())
        self.store.finish(lease, {"video": MediaFile(digest, "video/mp4", size)}, {}, DAY)
        return video

    def _allowed_by_bob(self) -> str:
        bob = MediaFile("b" * 64, "image/png", 1)
        character = Characters(self.database, self.clock).create("proj_1", "Bob", bob, person=True)
        terms = Terms("Bob", "", ("generate",), "named", (EMAIL, "user_2"), START + YEAR)
        return self.people.grant(character.id, terms, Person("user_2", "proj_1")).id

    def _fill(self, connection: Connection) -> None:
        job, mine = {"job_id": self.video}, {"project_id": "proj_1"}
        for table, values in (
            (tables.screening_decisions, {"id": "decision_1", "key_id": self.session, **mine}),
            (tables.screening_decisions, {"id": "decision_2", "key_id": "key_1", **mine}),
            (tables.screening_appeals, {"decision_id": "decision_2", "person": self.user}),
            (tables.screening_frames, {"decision_id": "decision_1"}),
            (tables.posts, {"id": "post_1", "video_id": self.video, **mine}),
            (tables.likes, {"post_id": "post_1", "person": self.user}),
            (tables.reports, {"post_id": "post_1", "person": self.user}),
            (tables.parents, {**job, "parent_id": "video_0"}),
            (tables.library_tags, job),
            (tables.collections, {"id": "coll_1", "name": "of the project", **mine}),
            (tables.collection_items, {**job, "collection_id": "coll_1"}),
            (tables.storyboards, {"id": "board_1", "title": "ours", "document": {}, **mine}),
            (tables.storyboard_takes, {**job, "storyboard_id": "board_1"}),
            (tables.worker_objects, {**job, "digest": "c" * 64}),
            (tables.batches, {"id": "batch_1", "key_id": self.session, **mine}),
            (tables.batch_lines, {"batch_id": "batch_1"}),
            (tables.budgets, {"scope": "user", "subject": self.user}),
            (tables.sign_in_attempts, {"subject": subject_of("account", EMAIL)}),
            (tables.recipients, {"name": NAME, **mine}),
            (tables.invoices, {"parties": {"recipient": {"name": NAME}}, "kind": "receipt", **mine}),
            (tables.attestations, {"person": self.user, **mine}),
            (tables.upload_reviews, {"decided_by": self.user, "media_type": "image/png", **mine}),
            (tables.operator_texts, {"actor": self.user, "version": "1", "text": ""}),
            (tables.policies, {"actor": self.user, "version": "1", "text": ""}),
            (tables.takedowns, {"id": "takedown_1", "contact": EMAIL, "closed_at": 1.0, **NO_ANSWER}),
            (tables.takedowns, {"id": "takedown_2", "contact": "bob@example.com", "entries": []}),
        ):
            plant(connection, table, **values)
        bobs = {
            "name": "Bob",
            "closed_at": 1.0,
            "locator": "",
            "statement": "",
            "signature": "Bob",
            "reason": "",
        }
        connection.execute(
            tables.takedowns.update().where(tables.takedowns.c.id == "takedown_2").values(**bobs)
        )
        decision = tables.screening_decisions
        others = {"text": "of somebody else", "category": "", "reviewer": "", "note": "", "findings": []}
        connection.execute(decision.update().where(decision.c.id == "decision_2").values(**others))
        events.record(connection, "takedown.countered", "takedown_2", self.user, START)
        log.record(connection, Event("key.created", self.session, "key_9", {"name": NAME}), START)
        post = {"video_id": self.bobs_video, "caption": "by Bob", "credits": [], **mine}
        plant(connection, tables.posts, id="post_2", author=NAME, **post)


def plant(connection: Connection, table: sa.Table, **values: Any) -> None:
    """Insert a row with the name of the person in each text that `values` leaves open; ids, digests and codes
    are shorter than what people write."""
    row: dict[str, Any] = {}
    for column in table.c:
        if column.foreign_keys or (column.nullable and not isinstance(column.type, sa.String | sa.JSON)):
            continue
        if isinstance(column.type, sa.JSON):
            row[column.key] = {"text": NAME}
        elif isinstance(column.type, sa.String):
            row[column.key] = NAME if (column.type.length or MIN_TEXT) >= MIN_TEXT else "cod"
        elif isinstance(column.type, sa.LargeBinary):
            row[column.key] = NAME.encode()
        else:
            row[column.key] = False if isinstance(column.type, sa.Boolean) else 1
    connection.execute(table.insert().values({**row, **values}))


def tables_with(database: Database, *texts: str) -> set[str]:
    """The tables in which one of some texts stands, letter by letter or as JSON."""
    result = set()
    with database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(sa.select(table)).mappings():
                shown = json.dumps(dict(row), default=str, ensure_ascii=False)
                if any(text in shown for text in texts):
                    result.add(table.name)
    return result


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def test_every_table_is_a_persons_or_nobodys(world: World) -> None:
    with world.database.read() as connection:
        found = records.records_of(connection, world.account())
    listed = {table.name for table in (*found.rows, *found.remains)} | {
        blank.table.name for blank in found.blanks
    }
    assert listed | records.NOBODY == set(metadata.tables)
    assert not listed & records.NOBODY


def test_the_export_has_every_row_with_the_name(world: World) -> None:
    path = world.folder / "zoe.zip"
    exported = export(world.database, world.objects, [world.account()], path, time.time())
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read("index.json"))
        names = {part["name"] for part in index["parts"]}
        assert names | {"index.json"} == set(archive.namelist())
        parts = {name: archive.read(name) for name in names}
    rows = {name.rpartition("/")[2].removesuffix(".jsonl") for name, text in parts.items() if text}
    assert tables_with(world.database, NAME, EMAIL) - {"jobs"} <= rows
    with world.database.read() as connection:
        found = records.records_of(connection, world.account())
    for table in (*found.rows, *found.remains, *(blank.table for blank in found.blanks)):
        assert exported.rows[table.name] or table.name in WITHOUT_TEXT, table.name
    text = b"".join(parts.values())
    assert b"the face of" in text
    assert b"a clip of" in text
    assert b"by Bob" not in parts[f"{world.user}/own/jobs.jsonl"]
    assert not any(word in text for word in (b'"password":', b'"secret":'))
    assert index["accounts"] == [{"id": world.user, "project_id": "proj_1", "email": EMAIL, "name": NAME}]
    assert exported.missing == ()


def test_after_the_deletion_the_name_is_nowhere_but_where_the_law_wants_it(world: World) -> None:
    assert len(tables_with(world.database, NAME)) >= 18
    before = set(filter(world.objects.has, world.store.digests() - {"cod"}))
    assert len(before) == 2
    erased = world.erase()
    assert (erased.exhibits, erased.notices, erased.invoices) == ((), 0, 1)
    assert tables_with(world.database, NAME) == {"invoices"}
    # The receipt that Bob signed, and holds, names whom he allowed; the present version does not.
    assert tables_with(world.database, EMAIL) == {"consent_receipts"}
    with world.database.read() as connection:
        bobs = connection.execute(sa.select(tables.consents).where(tables.consents.c.id == world.bobs)).one()
        assert (bobs.people, bobs.version) == (["user_2"], 2)
        own = connection.execute(
            sa.select(tables.consents).where(tables.consents.c.id == world.consent)
        ).one()
        assert own.revoked_at is not None
        assert connection.scalars(sa.select(tables.jobs.c.id)).all() == [world.bobs_video]
        assert connection.scalar(
            sa.select(tables.takedowns.c.name).where(tables.takedowns.c.id == "takedown_2")
        )
        entries = list(log.read(connection))
        assert verify(entries, None, log.stored_head(connection), expect_anchor=False).intact
    kinds = [entry.kind for entry, _ in entries]
    assert kinds[-1] == "payloads.erased"
    assert {"consent.revoked", "user.deleted"} <= set(kinds)
    assert not before & world.store.digests()  # so that the sweep takes the files


def test_what_was_made_long_ago_is_still_a_persons(world: World) -> None:
    world.clock.now += YEAR
    with world.database.write() as connection:
        opened = world.sessions.open(connection, "proj_1", world.user, "later").session.id
    world.clock.now += YEAR
    with world.database.write() as connection:  # the one in which nothing was made is over
        world.sessions.open(connection, "proj_1", world.user, "last")
    with world.database.read() as connection:
        left = set(connection.scalars(sa.select(tables.sessions.c.id)))
        assert set(connection.scalars(records.jobs_of(world.account()))) == {world.video, world.waiting}
    assert world.session in left
    assert opened not in left


def test_an_open_notice_keeps_the_account_until_it_is_closed(world: World) -> None:
    takedowns = tables.takedowns
    with world.database.write() as connection:
        connection.execute(takedowns.update().where(takedowns.c.id == "takedown_1").values(closed_at=None))
    erased = world.erase()
    assert (erased.notices, erased.is_complete) == (1, False)
    assert tables_with(world.database, NAME) == {"invoices", "sessions", "takedowns", "users"}
    with world.database.write() as connection:
        connection.execute(takedowns.update().where(takedowns.c.id == "takedown_1").values(closed_at=2.0))
    assert world.erase().is_complete
    assert tables_with(world.database, NAME) == {"invoices"}
