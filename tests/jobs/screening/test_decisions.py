"""Decisions, appeals, frames and the dry run, on both databases."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hinode.errors import BadInput
from hinode.jobs.screening import past
from hinode.jobs.screening.decisions import Decisions, Outcome, UnknownDecision
from hinode.jobs.store import Store
from hinode.jobs.upkeep import Upkeep
from hinode.records.database import Database
from hinode.request import MediaFile
from hinode.trust.audit import log
from hinode.trust.audit.log import Filter
from hinode.trust.screening import policy as policies
from hinode.trust.screening.samples import ClipBlocked, Sample
from hinode.trust.screening.verdict import Action, Finding, ModerationBlocked, Stage, Verdict
from tests.jobs.service import Clock, add_projects, draft

pytestmark = pytest.mark.both_databases

PICTURE = MediaFile("f" * 64, "image/jpeg", 9)
GORE = Verdict((Finding("gore", "guard", Action.BLOCK, Stage.FRAMES, "guard"),), "version")


@pytest.fixture
def store(database: Database) -> Store:
    add_projects(database)
    return Store(database, Clock())


def test_a_blocked_clip_is_appealed_reviewed_and_tried_again(store: Store) -> None:
    decisions, upkeep = Decisions(store.database, store.clock), Upkeep(store.database)
    worker = store.register_worker("host", 1)
    (job,) = store.submit([draft()]).jobs
    lease = store.claim(worker, host="host")
    assert lease is not None
    assert not store.is_approved(lease)
    store.block(
        lease, ClipBlocked(policies.builtin(), GORE, Sample(np.zeros((1, 4, 4, 3), np.uint8))), PICTURE
    )
    failed = store.job("proj_1", job.id)
    assert failed is not None
    assert failed.error_code == "moderation_blocked"
    ((entry,), _) = decisions.page()
    assert failed.error_message is not None
    assert entry.id in failed.error_message
    assert (entry.job_id, entry.frames, entry.appeal) == (job.id, PICTURE.digest, None)
    assert upkeep.is_referenced(PICTURE.digest)

    with pytest.raises(UnknownDecision):
        decisions.appeal("proj_2", entry.id, "mine", "key_2")
    for note in ("first", "second"):
        assert decisions.appeal("proj_1", entry.id, note, "key_1").appeal == note
    assert [found.id for found in decisions.page(appealed=True)[0]] == [entry.id]
    assert decisions.of_project("proj_2") == ([], False)
    decisions.review(entry.id, Outcome.APPROVED, "key_9")
    assert not upkeep.is_referenced(PICTURE.digest)
    assert decisions.page() == ([], False)
    assert decisions.page(waiting=False, after=entry.id) == ([], False)
    with pytest.raises(BadInput, match="already"):
        decisions.appeal("proj_1", entry.id, "third", "key_1")

    store.submit([draft()])
    again = store.claim(worker, host="host")
    assert again is not None
    assert store.is_approved(again)
    other = dataclasses.replace(again.job, request={**again.job.request, "seed": 99})
    assert not store.is_approved(dataclasses.replace(again, job=other))
    with store.database.read() as connection:
        kinds = [
            found.kind for found, _ in log.page(connection, Filter(subject=entry.id), after=None, limit=9)[0]
        ]
        assert kinds == ["review.approved", "review.appealed", "review.appealed", "screening.stopped"]
        assert log.page(connection, Filter(kind="rev", since=0.0, until=1e12), after=None, limit=9) == (
            [],
            False,
        )


def test_past_requests_are_those_that_were_made_and_those_that_were_stopped(store: Store) -> None:
    made = store.submit([draft()]).jobs[0]
    with pytest.raises(ModerationBlocked):
        store.submit([draft(prompt="graphic gore")])
    with pytest.raises(ModerationBlocked):
        store.submit([draft(prompt="a naked child")])  # whose text is not stored
    found = past.last(store.database, 10)
    found.sort(key=lambda entry: entry.prompt)
    assert [entry.prompt for entry in found] == [made.request["prompt"], "graphic gore"]
    policy = policies.compiled(policies.read("categories: {gore: {action: review}}"))
    trials = past.dry_run(found, policy, policies.builtin())
    assert [(trial.before, trial.verdict.action) for trial in trials] == [
        (Action.ALLOW, Action.ALLOW),
        (Action.BLOCK, Action.REVIEW),
    ]
    assert [trial.changes for trial in past.dry_run(found, policy, None)] == [True, True]
