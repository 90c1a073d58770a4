"""Tokens of workers, and the list of who works."""

from __future__ import annotations

import pytest

from hinode.errors import BadInput
from hinode.jobs.fleet.tokens import PREFIX, FleetEntry, WorkerTokens
from hinode.jobs.scheduling.live_workers import LIVE_SECONDS
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.records.database import Database
from tests.jobs.service import Clock, add_projects, draft

pytestmark = pytest.mark.both_databases


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(database: Database, clock: Clock) -> WorkerTokens:
    add_projects(database)
    return WorkerTokens(database, clock)


def states(tokens: WorkerTokens) -> list[tuple[str | None, str]]:
    return [(entry.host, entry.state) for entry in tokens.fleet()]


def test_a_token_is_known_by_its_digest_until_it_is_removed(tokens: WorkerTokens) -> None:
    made = tokens.create("attic", engines=["testcard"], projects=["proj_1"])
    assert made.token.startswith(PREFIX)
    assert made.token not in repr(made)
    token = tokens.authenticate(made.token)
    assert token is not None
    assert (token.id, token.engines, token.projects) == (made.id, ("testcard",), ("proj_1",))
    assert tokens.authenticate("wk-hinode-other") is None
    assert tokens.authenticate("é") is None
    assert tokens.remove("attic")[1] == 0
    assert tokens.authenticate(made.token) is None
    for name in ("attic", made.id, "nobody"):
        with pytest.raises(BadInput, match="there is no worker"):
            tokens.remove(name)
    assert states(tokens) == [(None, "removed")]


def test_a_name_is_that_of_one_token(tokens: WorkerTokens) -> None:
    tokens.create("attic")
    with pytest.raises(BadInput, match="already"):
        tokens.create(" attic ")
    tokens.remove("attic")
    tokens.create("attic")


def test_the_list_says_who_works_on_what(tokens: WorkerTokens, database: Database, clock: Clock) -> None:
    store = Store(database, clock)
    token = tokens.create("attic").id
    assert states(tokens) == [(None, "never seen")]
    local = store.register_worker("server", 1, ["native"])
    worker = store.register_worker("attic", 2, ["testcard"], token_id=token)
    store.touch_worker(local, ["native/book"])
    assert states(tokens) == [("server", "idle"), ("attic", "idle")]
    assert tokens.fleet()[0].resident == ("native/book",)
    job = store.submit([draft()]).jobs[0].id
    lease = store.claim(worker, host="attic", engines=["testcard"])
    assert lease is not None
    entry = tokens.fleet()[1]
    assert (entry.state, entry.job_id, entry.resident) == ("working", job, ("testcard/testcard",))
    assert entry.token is not None
    assert entry.token.name == "attic"
    clock.now += LIVE_SECONDS + 1
    assert states(tokens) == [("attic", "away")]
    assert isinstance(entry, FleetEntry)


def test_a_removed_worker_gives_its_job_back_without_blame(
    tokens: WorkerTokens, database: Database, clock: Clock
) -> None:
    store = Store(database, clock)
    token = tokens.create("attic")
    worker = store.register_worker("attic", 1, ["testcard"], token_id=token.id)
    jobs = [store.submit([draft()]).jobs[0].id for _ in range(2)]
    assert store.claim(worker, host="attic") is not None
    store.claim(store.register_worker("other", 1), host="other")
    assert tokens.remove(token.id)[1] == 1
    status = {job: store.job("proj_1", job) for job in jobs}
    assert sorted(job.status for job in status.values() if job) == [Status.QUEUED, Status.RUNNING]
    assert [job.crashes for job in status.values() if job] == [0, 0]


def test_after_its_start_a_server_spares_workers_over_http(
    tokens: WorkerTokens, database: Database, clock: Clock
) -> None:
    store = Store(database, clock, lease_seconds=15.0)
    token = tokens.create("attic").id
    for host, token_id in (("attic", token), ("here", None)):
        store.submit([draft()])
        worker = store.register_worker(host, 1, token_id=token_id)
        assert store.claim(worker, host=host) is not None
    clock.now += 16.0
    assert store.reap(over_http=False) == 1
    assert store.reap(over_http=False) == 0
    assert store.reap() == 1


def test_workers_of_other_projects_neither_get_a_job_nor_keep_it_waiting(
    tokens: WorkerTokens, database: Database, clock: Clock
) -> None:
    store = Store(database, clock)
    job = store.submit([draft()]).jobs[0].id
    limited = store.register_worker("limited", 1, token_id="t", projects=["proj_2"])
    assert store.claim(limited, host="limited", projects=["proj_2"]) is None
    worker = store.register_worker("here", 1)
    lease = store.claim(worker, host="here")
    assert lease is not None
    store.fail(lease, "engine", "it broke", final=False)
    failed = store.job("proj_1", job)
    assert failed is not None
    assert failed.status is Status.FAILED, "no other live worker may have it"
