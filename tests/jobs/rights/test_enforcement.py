"""Stopping, hiding and restoring, on both databases and against transactions of workers and clients."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from hinode.jobs.files.characters import Characters
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import LeaseLost
from hinode.jobs.rights.consents import Consents
from hinode.jobs.rights.enforcement import Action, Withheld, act
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import artifacts, withheld_files
from hinode.request import MediaFile
from hinode.rights import events
from hinode.rights.consents import YEAR, Consent, Terms
from hinode.rights.people import Person
from hinode.rights.receipts import Signer
from hinode.rights.refusals import ConsentRefused
from hinode.trust.audit import log
from hinode.trust.audit.verification import verify
from tests.jobs.service import DAY, FILES, START, Clock, add_projects, draft

pytestmark = pytest.mark.both_databases

ADA = MediaFile("a" * 64, "image/png", 9)
OWNER = Person("key_1", "proj_1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    add_projects(database)
    return Store(database, clock)


@pytest.fixture
def consents(database: Database, clock: Clock, tmp_path) -> Consents:  # type: ignore[no-untyped-def]
    return Consents(database, Objects(tmp_path / "store"), Signer(tmp_path), clock)


def grant(store: Store, consents: Consents) -> Consent:
    character = Characters(store.database, store.clock).create("proj_1", "Ada", ADA, person=True)
    terms = Terms("Ada", "", ("generate", "remix"), "project", (), START + YEAR)
    return consents.grant(character.id, terms, OWNER)


def finished(store: Store) -> str:
    (job,) = store.submit([draft(inputs={"character": ADA})]).jobs
    lease = store.claim(store.register_worker("host", 1), host="host")
    assert lease is not None
    store.finish(lease, FILES, {}, 7 * DAY)
    return job.id


def test_what_is_hidden_comes_back_as_it_was(store: Store, consents: Consents, clock: Clock) -> None:
    grant(store, consents)
    video = finished(store)
    before, files = store.job("proj_1", video), store.artifacts(video)
    for cause in ("takedown_1", "consent_1", "takedown_1"):
        with store.database.write() as connection:
            act(connection, Action.HIDE, [video], cause, clock())
    assert store.artifacts(video) == {}
    with pytest.raises(Withheld, match="taken down"):
        store.job("proj_1", video)
    assert store.job("proj_2", video) is None
    clock.now += 30 * DAY
    assert store.expire() == []
    assert FILES["video"].digest in store.digests()
    for cause, there in (("takedown_1", False), ("consent_1", True)):
        with store.database.write() as connection:
            assert act(connection, Action.RESTORE, [video], cause, clock()) == [video] * there
    after = store.job("proj_1", video)
    assert before is not None
    assert before.expires_at is not None
    # The time for which it was withheld is not taken from it.
    assert after == replace(before, expires_at=before.expires_at + 30 * DAY)
    assert store.artifacts(video) == files
    with store.database.read() as connection:
        assert connection.execute(sa.select(withheld_files)).all() == []


def test_erased_evidence_does_not_come_back(store: Store, consents: Consents, clock: Clock) -> None:
    grant(store, consents)
    video = finished(store)
    for action in (Action.HIDE, Action.ERASE, Action.RESTORE):
        with store.database.write() as connection:
            act(connection, action, [video], "takedown_1", clock())
    with store.database.read() as connection:
        for table in (withheld_files, artifacts):
            assert connection.execute(sa.select(table)).all() == []
    with pytest.raises(Withheld):
        store.job("proj_1", video)


def test_a_running_job_is_fenced_off(store: Store, consents: Consents) -> None:
    consent = grant(store, consents)
    (job,) = store.submit([draft(inputs={"character": ADA})]).jobs
    lease = store.claim(store.register_worker("host", 1), host="host")
    assert lease is not None
    consents.revoke(consent.id, OWNER, OWNER.id)
    with pytest.raises(LeaseLost):
        store.finish(lease, FILES, {}, DAY)
    after = store.job("proj_1", job.id)
    assert after is not None
    assert (after.status, after.error_code) == (Status.FAILED, "consent_revoked")


@pytest.mark.slow
def test_decisions_are_in_the_audit_log_and_lock_it_last(store: Store, consents: Consents) -> None:
    consent = grant(store, consents)
    with store.database.write() as connection:
        events.record(connection, "takedown.upheld", "takedown_1", "operator", START, {"kind": "likeness"})
        assert [entry.kind for entry, _ in log.read(connection)] == ["consent.granted"]
    with pytest.raises(RuntimeError), store.database.write() as connection:
        events.record(connection, "takedown.rejected", "takedown_2", "operator", START)
        raise RuntimeError  # so nothing was decided
    consents.revoke(consent.id, OWNER, OWNER.id)
    with store.database.read() as connection:
        entries = list(log.read(connection))
        report = verify(entries, None, log.stored_head(connection), expect_anchor=False)
    assert [(entry.kind, entry.actor, entry.subject) for entry, _ in entries] == [
        ("consent.granted", OWNER.id, consent.id),
        ("takedown.upheld", "operator", "takedown_1"),
        ("consent.revoked", OWNER.id, consent.id),
    ]
    assert report.intact


def test_submissions_and_a_revocation_at_once_leave_no_job(store: Store, consents: Consents) -> None:
    """Each submission is either stopped by the revocation or refused by it."""
    consent = grant(store, consents)
    begin, refused, failures = threading.Barrier(5), [], []

    def submit() -> None:
        begin.wait()
        for _ in range(6):
            try:
                store.submit([draft(inputs={"character": ADA})])
            except ConsentRefused as refusal:
                refused.append(refusal)
            except Exception as failure:
                failures.append(failure)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    begin.wait()
    consents.revoke(consent.id, OWNER, OWNER.id)
    for thread in threads:
        thread.join()
    assert failures == []
    jobs = store.jobs("proj_1", after=None, limit=100, descending=False)[0]
    assert len(jobs) + len(refused) == 24
    assert {job.status for job in jobs} <= {Status.FAILED}
