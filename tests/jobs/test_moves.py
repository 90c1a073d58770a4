"""Jobs of a pool move to the next member, on both databases."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from hinode.errors import EngineError, NoPlace, NotAccepted
from hinode.jobs.job import Draft, Job, Lease
from hinode.jobs.moves import LocalOnly
from hinode.jobs.states import Outcome, Status
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import attempts, projects
from hinode.routing import record
from hinode.routing.decision import Candidate, Policy, decide
from tests.jobs.service import Clock, add_projects, draft

CODE = NotAccepted.code
BUSY = "no server took the request in time"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    add_projects(database)
    return Store(database, clock)


def pooled(project: str = "proj_1") -> Draft:
    """A job whose routes are a provider, own workers and a dearer provider."""
    members = [Candidate("remote", "wan@fal", "fal"), Candidate("testcard", "testcard", price=1)]
    members.append(Candidate("remote", "wan@rack", "rack", price=2))
    first = draft(project)
    request = dataclasses.replace(first.request, engine="remote", model="wan@fal")
    routing = record.begin("film", decide(members, Policy()))
    return dataclasses.replace(first, request=request, routing=routing)


def claim(store: Store, host: str = "here", engines: tuple[str, ...] | None = None) -> Lease | None:
    return store.claim(store.register_worker(host, 1, engines), host=host, engines=engines)


def lease_on(store: Store, host: str = "here") -> Lease:
    lease = claim(store, host)
    assert lease is not None
    return lease


def get(store: Store, job_id: str) -> Job:
    job = store.job("proj_1", job_id)
    assert job is not None
    return job


def restrict(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(projects.update().where(projects.c.id == "proj_1").values(local_only=True))


@pytest.mark.both_databases
def test_a_job_moves_to_workers_of_the_next_engine_and_keeps_its_place(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    lease = lease_on(store)
    store.checkpoint(lease, "c" * 64, 3)
    store.fail(lease, CODE, BUSY, final=False)
    moved = get(store, job.id)
    assert (moved.status, moved.engine, moved.model) == (Status.QUEUED, "testcard", "testcard")
    assert (moved.request["engine"], moved.request["model"]) == ("testcard", "testcard")
    assert (moved.queued_at, moved.checkpoint, moved.checkpoint_step) == (job.queued_at, None, 0)
    assert claim(store, engines=("remote",)) is None
    lease = lease_on(store)  # the same host: a move is no failure of it
    assert (lease.job.id, lease.job.engine) == (job.id, "testcard")
    with store.database.read() as connection:
        outcomes = connection.scalars(sa.select(attempts.c.outcome).order_by(attempts.c.epoch)).all()
    assert outcomes == [Outcome.MOVED.value, None]


@pytest.mark.both_databases
def test_after_the_last_member_the_first_is_tried_later(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    for _ in range(3):
        store.fail(lease_on(store), CODE, BUSY, final=False)
    assert claim(store) is None
    clock.now += record.FIRST_PAUSE
    assert lease_on(store).job.model == "wan@fal"
    routing = get(store, job.id).routing
    assert routing is not None
    assert (routing["round"], len(routing["moves"])) == (2, 3)


@pytest.mark.both_databases
def test_a_job_that_all_members_refuse_fails(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    store.register_worker("another", 1)  # a second host is no reason to ask a provider again
    for _ in range(3):
        store.fail(lease_on(store), CODE, BUSY, final=True)
    failed = get(store, job.id)
    assert (failed.status, failed.error_code, failed.error_message) == (Status.FAILED, CODE, BUSY)


@pytest.mark.both_databases
def test_a_job_keeps_its_member_while_that_only_has_no_place(store: Store, clock: Clock) -> None:
    entry = pooled()
    assert entry.routing is not None
    entry.routing["routes"][0]["wait"] = 40.0
    store.submit([entry])
    store.fail(lease_on(store), NoPlace.code, "it has no free place", final=False)
    assert claim(store) is None
    clock.now += 10
    lease = lease_on(store)
    assert lease.job.model == "wan@fal"
    clock.now += 80
    store.fail(lease, NoPlace.code, "it has no free place", final=False)
    assert lease_on(store).job.engine == "testcard"


@pytest.mark.both_databases
def test_patience_ends(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    clock.now += record.PATIENCE_SECONDS
    for _ in range(3):
        store.fail(lease_on(store), CODE, BUSY, final=False)
    assert get(store, job.id).status is Status.FAILED


@pytest.mark.both_databases
def test_an_error_after_acceptance_moves_nothing(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    store.fail(lease_on(store), EngineError.code, "a server may have begun the video", final=True)
    failed = get(store, job.id)
    assert (failed.status, failed.engine) == (Status.FAILED, "remote")
    assert failed.routing is not None
    assert failed.routing["moves"] == []


@pytest.mark.both_databases
def test_a_cancelled_job_moves_nowhere(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    lease = lease_on(store)
    store.cancel("proj_1", job.id)
    store.fail(lease, CODE, BUSY, final=False)
    assert get(store, job.id).status is Status.CANCELLED


@pytest.mark.both_databases
def test_a_local_only_project_has_no_job_at_a_provider(store: Store, clock: Clock) -> None:
    hosted = draft()
    request = dataclasses.replace(hosted.request, engine="remote", model="wan")
    hosted = dataclasses.replace(hosted, request=request)
    waiting, other = (store.submit([entry]).jobs[0] for entry in (hosted, pooled()))
    mine = store.submit([pooled("proj_2")]).jobs[0]
    restrict(store)
    with pytest.raises(LocalOnly, match="own workers only"):
        store.submit([hosted])
    assert lease_on(store).job.id == mine.id
    assert claim(store) is None
    assert store.give_up() == 2
    assert get(store, waiting.id).error_code == "local_only"
    assert lease_on(store).job.id == other.id
    assert store.give_up() == 0


@pytest.mark.both_databases
def test_a_job_of_a_project_that_became_local_only_skips_providers(store: Store, clock: Clock) -> None:
    (job,) = store.submit([pooled()]).jobs
    lease = lease_on(store)
    restrict(store)
    store.fail(lease, CODE, BUSY, final=False)
    lease = lease_on(store)
    assert lease.job.engine == "testcard"
    store.fail(lease, CODE, BUSY, final=True)  # no other member may have it
    assert get(store, job.id).status is Status.FAILED
