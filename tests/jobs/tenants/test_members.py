"""Members and sessions on both databases."""

from __future__ import annotations

import threading

import pytest
from argon2 import PasswordHasher

from hinode.errors import BadInput
from hinode.jobs.job import OverQuota
from hinode.jobs.tenants import passwords
from hinode.jobs.tenants.attempts import Attempts
from hinode.jobs.tenants.members import Members
from hinode.jobs.tenants.sessions import NewSession, Sessions
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.tenants.tokens import SignInError
from hinode.records.database import Database
from hinode.records.tables import metadata
from tests.jobs.service import Clock

pytestmark = pytest.mark.both_databases

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database, clock)


@pytest.fixture
def project_id(database: Database, clock: Clock) -> str:
    return Tenants(database, clock).create_project("films").id


def test_two_who_use_one_link_at_once(sessions: Sessions, project_id: str) -> None:
    token = sessions.create_link(project_id)
    results: list[NewSession | SignInError] = []

    def use() -> None:
        try:
            results.append(sessions.open_with_token(token, ""))
        except SignInError as error:
            results.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(result).__name__ for result in results) == ["NewSession"] + ["SignInError"] * 3


def test_the_life_of_a_member(database: Database, sessions: Sessions, clock: Clock, project_id: str) -> None:
    members = Members(database, sessions, clock)
    invited, token = members.invite(project_id, " Ada@Example.com ", "Ada", "viewer")
    assert (invited.email, invited.accepted) == ("ada@example.com", False)
    with pytest.raises(BadInput, match="is a member already"):
        members.invite(project_id, "ada@example.com", "Ada", "viewer")
    opened = members.set_password(token, PASSWORD, "Firefox")
    found = sessions.authenticate(opened.token)
    assert found is not None
    identity, session = found
    assert (identity.role, identity.user_id, identity.key_id) == ("viewer", invited.id, session.id)
    assert identity.scopes == {"read"}
    assert sessions.record_uses() == 1
    (listed,), more = sessions.page(project_id, after=None, limit=1)
    assert (listed.email, listed.last_used_at, more) == ("ada@example.com", clock.now, False)
    members.change_role(project_id, invited.id, "owner")
    again = sessions.open_with_password("ada@example.com", PASSWORD, "")
    assert again.session.role == "owner"
    assert members.change_password(invited.id, again.session.id, PASSWORD, "another password")
    assert sessions.authenticate(opened.token) is None
    assert sessions.authenticate(again.token) is not None
    assert members.remove(project_id, invited.id)
    assert sessions.authenticate(again.token) is None
    assert members.page(project_id, after=None, limit=5) == ([], False)
    members.invite(project_id, "ada@example.com", "Ada", "viewer")


def test_secrets_are_not_in_the_database(
    database: Database, sessions: Sessions, clock: Clock, project_id: str
) -> None:
    members = Members(database, sessions, clock)
    _, invitation = members.invite(project_id, "ada@example.com", "Ada", "viewer")
    opened = members.set_password(invitation, PASSWORD, "")
    link = sessions.create_link(project_id)
    with database.read() as connection:
        rows = str([connection.execute(table.select()).all() for table in metadata.sorted_tables])
    assert [secret for secret in (invitation, opened.token, link, PASSWORD) if secret in rows] == []
    assert "$argon2id$" in rows


def test_an_instance_keeps_its_id(database: Database, sessions: Sessions, clock: Clock) -> None:
    assert sessions.url is None
    sessions.announce("http://localhost:1")
    other = Sessions(database, clock)
    assert (other.instance, other.url) == (sessions.instance, "http://localhost:1")


def test_attempts(database: Database, clock: Clock) -> None:
    attempts = Attempts(database, clock)
    for _ in range(10):
        attempts.begin("192.0.2.1", "ada")
    with pytest.raises(OverQuota, match="too many attempts"):
        attempts.begin("192.0.2.1", "ada")
    attempts.begin("192.0.2.2", "ada")()
    attempts.begin("192.0.2.1", "bob")()
    clock.now += 1000
    succeed = [attempts.begin("192.0.2.1", "ada") for _ in range(10)]
    succeed[0]()
    attempts.begin("192.0.2.1", "ada")
