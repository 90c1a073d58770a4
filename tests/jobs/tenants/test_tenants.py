from __future__ import annotations

import dataclasses
import multiprocessing
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs.tenants.tenant import Limits
from hinode.jobs.tenants.tenants import KEY_PREFIX, Tenants
from hinode.records.database import Database
from hinode.records.tables import api_keys, organisations
from tests.jobs.service import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def tenants(database: Database, clock: Clock) -> Tenants:
    return Tenants(database, clock)


@pytest.mark.both_databases
def test_a_key_says_who_is_asking(tenants: Tenants) -> None:
    project = tenants.create_project("films")
    created = tenants.create_key(
        "laptop", project="films", scopes=["write", "read", "read"], requests_per_minute=60
    )
    identity = tenants.authenticate(created.key)
    assert identity is not None
    assert identity.key_id == created.id
    assert identity.project_id == project.id
    assert identity.scopes == {"read", "write"}
    assert identity.requests_per_minute == 60


@pytest.mark.parametrize(
    "wrong",
    ["", "sk-hinode-", KEY_PREFIX + "A" * 43, "sk-ключ", "x" * 100_000, "\0", "'; DROP TABLE api_keys; --"],
)
def test_any_other_key_is_nobodys(tenants: Tenants, wrong: str) -> None:
    tenants.first_start()
    assert tenants.authenticate(wrong) is None


def test_a_key_is_not_found_by_what_is_kept_of_it(tenants: Tenants, database: Database) -> None:
    key = tenants.create_key("laptop").key
    assert key.startswith(KEY_PREFIX)
    assert len(key) == len(KEY_PREFIX) + 43
    with database.read() as connection:
        row = connection.execute(sa.select(api_keys)).one()
    assert key not in map(str, row)
    assert row.hint == f"{key[:12]}…{key[-4:]}"
    assert all(tenants.authenticate(text) is None for text in (row.digest, row.hint, row.id))
    assert key not in repr(tenants.create_key("other"))


def test_keys_differ(tenants: Tenants) -> None:
    keys = [tenants.create_key("same name") for _ in range(20)]
    assert len({key.key for key in keys}) == len({key.id for key in keys}) == 20


def test_a_revoked_key_is_nobodys_from_then_on(tenants: Tenants, clock: Clock) -> None:
    created, other = tenants.create_key("lost"), tenants.create_key("other")
    assert tenants.revoke(created.id).revoked_at == clock.now
    assert tenants.authenticate(created.key) is None
    assert tenants.authenticate(other.key) is not None
    clock.now += 10
    assert tenants.revoke(created.id).revoked_at == clock.now - 10
    with pytest.raises(BadInput, match="there is no key 'key_x'"):
        tenants.revoke("key_x")


def test_last_use_is_written_at_most_once_a_minute(tenants: Tenants, clock: Clock) -> None:
    created = tenants.create_key("laptop")
    idle = tenants.create_key("idle")

    def last_use(key_id: str = created.id) -> float | None:
        keys = tenants.all_keys()
        return next(key.last_used_at for key in keys if key.id == key_id)

    assert last_use() is None
    tenants.authenticate(created.key)
    assert tenants.record_uses() == 1
    first = clock.now
    assert last_use() == first
    clock.now += 59
    tenants.authenticate(created.key)
    assert tenants.record_uses() == 0
    assert last_use() == first
    clock.now += 1
    assert tenants.record_uses() == 1
    assert last_use() == first + 59
    tenants.authenticate(created.key)
    assert tenants.record_uses(all=True) == 1
    assert last_use() == first + 60
    assert tenants.record_uses(all=True) == 0
    assert last_use(idle.id) is None


def test_a_later_use_that_another_process_wrote_stays(
    database: Database, tenants: Tenants, clock: Clock
) -> None:
    created = tenants.create_key("shared")
    tenants.authenticate(created.key)
    clock.now += 5
    other = Tenants(database, clock)
    other.authenticate(created.key)
    other.record_uses()
    tenants.record_uses()
    assert tenants.all_keys()[0].last_used_at == clock.now


def test_a_clock_that_went_back_does_not_stop_the_writing(tenants: Tenants, clock: Clock) -> None:
    created = tenants.create_key("laptop")
    tenants.authenticate(created.key)
    tenants.record_uses()
    clock.now -= 3600
    tenants.authenticate(created.key)
    assert tenants.record_uses() == 1


def test_authenticating_does_not_wait_for_writers(tenants: Tenants, database: Database) -> None:
    key = tenants.create_key("laptop").key
    with database.write():  # in SQLite, nobody else can write as long as this lasts
        assert tenants.authenticate(key) is not None


def test_the_first_start_makes_one_key(tenants: Tenants, database: Database) -> None:
    key = tenants.first_start()
    assert key is not None
    identity = tenants.authenticate(key)
    assert identity is not None
    assert [project.id for project in tenants.projects()] == [identity.project_id]
    assert identity.scopes == {"read", "write"}
    assert tenants.first_start() is None
    assert Tenants(database, tenants.clock).first_start() is None
    assert len(tenants.all_keys()) == 1


def test_who_has_made_a_key_needs_no_first_start(tenants: Tenants) -> None:
    tenants.create_key("laptop")
    assert tenants.first_start() is None
    assert len(tenants.projects()) == 1


def _start(url: str, gate: object, answers: object) -> None:
    database = Database(url)
    database.upgrade()
    gate.wait(60)  # type: ignore[attr-defined]
    answers.put(Tenants(database, lambda: 1.0).first_start())  # type: ignore[attr-defined]


@pytest.mark.both_databases
def test_two_processes_that_start_together_make_one_key(empty_database_url: str) -> None:
    url = empty_database_url
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_start, args=(url, gate, answers), daemon=True) for _ in range(2)]
    for process in processes:
        process.start()
    keys = [answers.get(timeout=90) for _ in processes]
    for process in processes:
        process.join(60)
    assert sum(key is not None for key in keys) == 1
    database = Database(url)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(organisations)) == 1
    assert len(Tenants(database, lambda: 1.0).all_keys()) == 1
    database.close()


def test_many_threads_that_start_together_make_one_key(tenants: Tenants) -> None:
    gate = threading.Barrier(6)
    keys: list[str | None] = []

    def start() -> None:
        gate.wait(60)
        keys.append(tenants.first_start())

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 6
    assert sum(key is not None for key in keys) == 1


def test_a_project_has_limits_that_can_be_changed(tenants: Tenants, clock: Clock) -> None:
    tenants.first_start()
    clock.now += 1
    studio = tenants.create_project("studio", Limits(weight=2, max_running=4))
    assert [project.name for project in tenants.projects()] == ["default", "studio"]
    assert tenants.projects()[1] == studio
    assert tenants.projects()[0].limits == Limits()
    changed = tenants.change_limits(
        "studio", lambda limits: dataclasses.replace(limits, max_running=None, daily_seconds=600)
    )
    assert changed.limits == Limits(weight=2, daily_seconds=600)
    assert tenants.projects()[1] == changed
    assert tenants.change_limits(studio.id, lambda limits: Limits(max_queued=0)).limits.max_queued == 0


@pytest.mark.both_databases
def test_the_identity_of_a_project_goes_before_a_name(tenants: Tenants) -> None:
    first = tenants.create_project("first")
    tenants.create_project(first.id)  # a perverse name
    assert tenants.change_limits(first.id, lambda limits: limits).name == "first"


@pytest.mark.both_databases
def test_projects_belong_to_an_organisation(tenants: Tenants) -> None:
    first = tenants.create_organisation("first")
    assert tenants.create_project("a").organisation_id == first
    other = tenants.create_organisation("other")
    assert tenants.create_project("b", organisation_id=other).organisation_id == other
    with pytest.raises(BadInput, match="there is no organisation"):
        tenants.create_project("c", organisation_id="org_x")


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda t: t.create_key(""), "cannot be a name"),
        (lambda t: t.create_key("x" * 101), "cannot be a name"),
        (lambda t: t.create_key("two\nlines"), "cannot be a name"),
        (lambda t: t.create_key("a", scopes=[]), "allows nothing"),
        (lambda t: t.create_key("a", scopes=["read", "admin"]), "no scope 'admin'"),
        (lambda t: t.create_key("a", requests_per_minute=0), "0 requests a minute"),
        (lambda t: t.create_key("a", project="nowhere"), "no project 'nowhere'"),
        (lambda t: t.create_project(" "), "cannot be a name"),
        (lambda t: t.create_project("default"), "is a project 'default' already"),
        (lambda t: t.create_organisation("\0"), "cannot be a name"),
        (lambda t: t.change_limits("nowhere", lambda limits: limits), "no project 'nowhere'"),
        (lambda t: Limits(weight=0), "weight 0"),
        (lambda t: Limits(weight=float("nan")), "weight nan"),
        (lambda t: Limits(max_running=-1), "max running"),
        (lambda t: Limits(daily_seconds=float("inf")), "daily seconds"),
    ],
)
def test_what_cannot_be_is_refused(tenants: Tenants, ask: Callable[[Tenants], object], says: str) -> None:
    tenants.first_start()
    before = tenants.projects(), tenants.all_keys()
    with pytest.raises(BadInput, match=says):
        ask(tenants)
    assert (tenants.projects(), tenants.all_keys()) == before
