"""Transactions on jobs."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from benchmarks import history
from hinode.errors import BadInput
from hinode.jobs import transitions
from hinode.jobs.admission.idempotency import RETRY_WINDOW
from hinode.jobs.job import (
    HeartbeatReply,
    Idempotency,
    Job,
    Lease,
    LeaseLost,
    OverQuota,
    Unfinished,
)
from hinode.jobs.rows import UnknownRequestField, read_request, stored_request
from hinode.jobs.scheduling.queue import UNSUPPORTED_SECONDS
from hinode.jobs.states import MAX_CRASHES, Outcome, Priority, Status
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.prepared import Prepared
from hinode.records.tables import attempts, events, projects, workers
from hinode.request import MediaFile, Reference, Request, Segment
from tests.jobs.service import FILES, START, Clock, add_projects, draft

BEAT = {"stage": "sample", "preview": 0, "slice_seconds": 15.0, "ran_for": 0.0}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    add_projects(database)
    return Store(database, clock)


def limit(store: Store, project: str = "proj_1", **values: object) -> None:
    with store.database.write() as connection:
        connection.execute(projects.update().where(projects.c.id == project).values(**values))


def claim(store: Store, host: str = "here") -> Lease:
    lease = store.claim(store.register_worker(host, 1), host=host)
    assert lease is not None
    return lease


def emitted(store: Store) -> list[tuple[str, str]]:
    with store.database.read() as connection:
        return [(row.type, row.data["id"]) for row in connection.execute(sa.select(events))]


def get(store: Store, job_id: str) -> Job:
    job = store.job("proj_1", job_id)
    assert job is not None
    return job


def status(store: Store, job_id: str) -> Status:
    return get(store, job_id).status


# The life of a job


@pytest.mark.both_databases
def test_a_job_is_accepted_claimed_and_finished(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    assert (job.status, job.progress, job.requested_model, job.seconds) == (Status.QUEUED, 0, "sora-2", 4.0)
    assert job.id.startswith("video_")
    lease = claim(store)
    assert (lease.job.id, lease.epoch, lease.job.status) == (job.id, 1, Status.RUNNING)
    assert store.claim(lease.worker_id, host="here") is None
    clock.now += 5
    assert store.heartbeat(lease, progress=40, **BEAT) == HeartbeatReply(cancel=False, preempt=False)
    clock.now += 5
    store.finish(lease, FILES, {"seed": 7}, retention=3600)
    done = get(store, job.id)
    assert (done.status, done.progress, done.provenance) == (Status.COMPLETED, 100, {"seed": 7})
    assert (done.completed_at, done.expires_at) == (START + 10, START + 10 + 3600)
    assert done.compute_seconds == pytest.approx(10)
    assert store.artifacts(job.id) == FILES
    assert emitted(store) == [("video.completed", job.id)]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("key_id", "expiry", "kept"),
    [
        ("session_1", "never", True),
        ("session_1", "week", False),
        ("key_1", "never", False),
    ],
)
def test_what_a_person_made_is_kept(store: Store, clock: Clock, key_id: str, expiry: str, kept: bool) -> None:
    limit(store, expiry=expiry)
    job = store.submit([dataclasses.replace(draft(), key_id=key_id)]).jobs[0]
    store.finish(claim(store), FILES, {}, retention=3600)
    assert get(store, job.id).expires_at == (None if kept else START + 3600)
    clock.now += 30 * 86_400
    assert store.expire() == ([] if kept else [job.id])
    still = {name: file for name, file in FILES.items() if name == "thumbnail"}
    assert store.artifacts(job.id) == (FILES if kept else still)


def test_a_request_comes_back_as_it_was_written() -> None:
    request = Request(
        "a kite",
        seconds=3.5,
        fps=12.0,
        seed=9,
        model="book",
        profile="draft",
        negative_prompt="rain",
        references=(Reference("source", "a" * 64, "video/mp4", path="/somewhere"),),
    )
    values = json.loads(json.dumps(stored_request(request)))
    assert "path" not in values["references"][0]
    assert read_request(values) == request


def test_a_request_of_the_previous_version_is_read() -> None:
    """It stored every field, at its default or not."""
    reference = Reference("source", "a" * 64, "video/mp4")
    segments = (Segment(1.0, curve=((0.0, 0.5),)), Segment(2.0))
    request = Request(
        "a kite", model="book", path=((0.0, 0.5, 0.5),), references=(reference,), segments=segments
    )
    values = json.loads(json.dumps(dataclasses.asdict(request)))
    for stored in values["references"]:
        del stored["path"]
    former = {
        "expand": False,
        "expanded_prompt": "a red kite",
        "guide_prompt": "",
    }  # change no video any more
    assert read_request(values | former) == request


@pytest.mark.parametrize("part", ["request", "reference", "segment"])
def test_a_request_with_a_field_of_a_later_version_is_not_read(part: str) -> None:
    request = Request(
        "a kite", references=(Reference("source", "a" * 64, "video/mp4"),), segments=(Segment(1.0),)
    )
    values = stored_request(request)
    {"request": values, "reference": values["references"][0], "segment": values["segments"][0]}[part] |= {
        "sparkle": 0.5
    }
    with pytest.raises(UnknownRequestField, match="uses sparkle"):
        read_request(values)


def test_a_later_field_at_its_default_is_not_stored() -> None:
    """So a worker of an older version can run the request."""

    @dataclasses.dataclass(frozen=True)
    class LaterRequest(Request):
        sparkle: float = 0.0

    assert "sparkle" not in stored_request(LaterRequest("a kite"))
    assert stored_request(LaterRequest("a kite", sparkle=0.5))["sparkle"] == 0.5


def test_progress_never_falls_and_only_the_file_makes_it_100(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    lease = claim(store)
    for progress, expected in ((40, 40), (30, 40), (120, 99)):
        store.heartbeat(lease, progress=progress, **BEAT)
        again = get(store, job.id)
        assert again.progress == expected


# Finishing and claiming in one transaction


@pytest.mark.both_databases
def test_a_worker_finishes_a_job_and_claims_the_next_at_once(store: Store, clock: Clock) -> None:
    first, second = store.submit([draft(), draft()]).jobs
    lease = claim(store)
    clock.now += 5
    following = store.finish(lease, FILES, {}, 100.0, claim_next=True)
    assert following is not None
    assert (following.job.id, following.epoch, following.claimed_at) == (second.id, 1, START + 5)
    assert (following.worker_id, following.host) == (lease.worker_id, lease.host)
    assert (status(store, first.id), status(store, second.id)) == (Status.COMPLETED, Status.RUNNING)
    assert get(store, second.id).lease_until == clock.now + store.lease_seconds
    assert store.finish(following, FILES, {}, 100.0, claim_next=True) is None
    assert emitted(store) == [("video.completed", first.id), ("video.completed", second.id)]


def test_a_worker_that_takes_no_other_job_only_finishes(store: Store) -> None:
    _, second = store.submit([draft(), draft()]).jobs
    assert store.finish(claim(store), FILES, {}, 100.0) is None
    assert status(store, second.id) is Status.QUEUED


@pytest.mark.both_databases
def test_a_worker_whose_lease_is_lost_claims_nothing(store: Store, clock: Clock) -> None:
    _, second = store.submit([draft(), draft()]).jobs
    lease = claim(store)
    store.lost(lease.worker_id)
    claim(store, "other")
    with pytest.raises(LeaseLost):
        store.finish(lease, FILES, {}, 100.0, claim_next=True)
    assert status(store, second.id) is Status.QUEUED


def test_a_finished_job_makes_room_under_its_projects_cap(store: Store) -> None:
    limit(store, max_running=1)
    _, second = store.submit([draft(), draft()]).jobs
    following = store.finish(claim(store), FILES, {}, 100.0, claim_next=True)
    assert following is not None
    assert following.job.id == second.id


def test_the_next_job_is_one_that_the_worker_can_run(store: Store) -> None:
    other = dataclasses.replace(draft(), request=dataclasses.replace(draft().request, engine="native"))
    store.submit([draft(), other])
    lease = store.claim(store.register_worker("here", 1), host="here", engines={"testcard"})
    assert lease is not None
    assert store.finish(lease, FILES, {}, 100.0, claim_next=True) is None


def test_finishing_and_claiming_is_one_transaction(store: Store) -> None:
    store.submit([draft(), draft()])
    lease, commits = claim(store), []
    sa.event.listen(store.database.engine, "commit", commits.append)
    assert store.finish(lease, FILES, {}, 100.0, claim_next=True)
    assert len(commits) == 1


# Fencing


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "write",
    [
        lambda store, lease: store.heartbeat(lease, progress=1, **BEAT),
        lambda store, lease: store.checkpoint(lease, "c" * 64, 1),
        lambda store, lease: store.give_back(lease),
        lambda store, lease: store.finish(lease, FILES, {}, 1.0, claim_next=True),
        lambda store, lease: store.fail(lease, "x", "y", final=True),
        lambda store, lease: store.acknowledge_cancel(lease),
    ],
    ids=["heartbeat", "checkpoint", "give_back", "finish", "fail", "cancelled"],
)
def test_a_worker_that_slept_past_its_lease_changes_nothing(
    store: Store, clock: Clock, write: Callable[[Store, Lease], object]
) -> None:
    job = store.submit([draft()]).jobs[0]
    sleeper = claim(store, "sleeper")
    clock.now += store.lease_seconds + 1
    assert store.reap() == 1
    other = claim(store, "other")
    assert other.epoch == sleeper.epoch + 1
    before = store.job("proj_1", job.id)
    with pytest.raises(LeaseLost):
        write(store, sleeper)
    assert store.job("proj_1", job.id) == before
    store.finish(other, FILES, {}, 1.0)
    with pytest.raises(LeaseLost):
        write(store, sleeper)
    assert emitted(store) == [("video.completed", job.id)]


def test_a_machine_that_slept_can_go_on_if_nobody_took_its_job(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    lease = claim(store)
    clock.now += 3600
    store.heartbeat(lease, progress=50, **BEAT)
    assert store.reap() == 0
    store.finish(lease, FILES, {}, 1.0)
    assert status(store, job.id) is Status.COMPLETED


def test_a_lease_is_kept_by_heartbeats(store: Store, clock: Clock) -> None:
    store.submit([draft()])
    lease = claim(store)
    for _ in range(5):
        clock.now += store.lease_seconds - 1
        assert store.reap() == 0
        store.heartbeat(lease, progress=1, **BEAT)


@pytest.mark.both_databases
def test_two_workers_never_get_the_same_job(store: Store) -> None:
    store.submit([draft() for _ in range(40)])
    claimed: list[str] = []

    def take() -> None:
        worker = store.register_worker("here", 1)
        while lease := store.claim(worker, host="here"):
            claimed.append(lease.job.id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40


# Failures


@pytest.mark.both_databases
def test_a_failed_job_is_left_to_another_host(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    for host in ("a", "b", "c"):
        store.register_worker(host, 1)
    for count, host in enumerate(("a", "b", "c"), start=1):
        lease = claim(store, host)
        store.fail(lease, "processing_error", "the engine broke", final=False)
        assert status(store, job.id) is (Status.QUEUED if count < 3 else Status.FAILED)
        clock.now += 59  # longer than it has to wait before the next try, shorter than a worker is counted on
        for other in ("a", "b", "c"):
            store.register_worker(other, 1)
        assert store.claim(lease.worker_id, host=host) is None, "a host fails at a job only once"
    failed = get(store, job.id)
    assert (failed.error_code, failed.error_message) == ("processing_error", "the engine broke")
    assert emitted(store) == [("video.failed", job.id)]


def test_without_another_host_a_failed_job_fails_at_once(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    store.fail(claim(store, "only"), "processing_error", "the engine broke", final=False)
    assert status(store, job.id) is Status.FAILED


@pytest.mark.both_databases
def test_a_job_that_failed_on_every_worker_left_is_given_up(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    other = store.register_worker("other", 1)
    lease = claim(store, "here")
    store.fail(lease, "engine", "it broke: here", final=False)
    assert (status(store, job.id), store.give_up()) == (Status.QUEUED, 0)
    store.end_worker(other)
    assert store.give_up() == 1
    failed = get(store, job.id)
    assert (failed.status, failed.error_code, failed.error_message) == (
        Status.FAILED,
        "engine",
        "it broke: here",
    )
    assert emitted(store) == [("video.failed", job.id)]


def test_while_there_is_no_worker_at_all_nothing_is_given_up(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    other = store.register_worker("other", 1)
    lease = claim(store, "here")
    store.fail(lease, "engine", "it broke", final=False)
    for worker in (other, lease.worker_id):
        store.end_worker(worker)
    assert (store.give_up(), status(store, job.id)) == (0, Status.QUEUED)


@pytest.mark.parametrize("gone", [False, True], ids=["at once", "when the other has gone"])
def test_a_failed_job_does_not_wait_for_workers_that_cannot_run_it(store: Store, gone: bool) -> None:
    job = store.submit([draft()]).jobs[0]
    for number, engines in enumerate((["native"], ["native", "other"])):
        store.register_worker(f"of no use {number}", 1, engines)
    other = store.register_worker("other", 1, ["testcard"]) if gone else ""
    lease = claim(store, "here")
    store.fail(lease, "engine", "it broke", final=False)
    assert status(store, job.id) is (Status.QUEUED if gone else Status.FAILED)
    if gone:
        assert store.give_up() == 0
        store.end_worker(other)
        assert (store.give_up(), status(store, job.id)) == (1, Status.FAILED)


@pytest.mark.both_databases
def test_a_request_that_a_host_cannot_read_is_left_to_others_for_a_while(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    lease = claim(store, "old")
    store.give_back(lease, Outcome.UNSUPPORTED)
    assert (status(store, job.id), get(store, job.id).crashes) == (Status.QUEUED, 0)
    assert store.claim(lease.worker_id, host="old") is None
    clock.now += UNSUPPORTED_SECONDS
    store.give_back(claim(store, "old"), Outcome.UNSUPPORTED)
    assert store.give_up() == 0, "it waits for a worker of a later version"
    assert claim(store, "new").job.id == job.id


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when the other has gone"])
def test_a_failed_job_does_not_wait_for_a_host_that_cannot_read_it(store: Store, late: bool) -> None:
    job = store.submit([draft()]).jobs[0]
    store.give_back(claim(store, "old"), Outcome.UNSUPPORTED)
    other = store.register_worker("other", 1) if late else ""
    store.fail(claim(store, "new"), "engine", "it broke", final=False)
    if late:
        assert (store.give_up(), status(store, job.id)) == (0, Status.QUEUED)
        store.end_worker(other)
        assert store.give_up() == 1
    assert status(store, job.id) is Status.FAILED


def test_workers_of_one_host_can_run_what_either_can(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    for engines in (["native"], ["testcard"]):
        store.register_worker("both", 1, engines)
    store.fail(claim(store, "here"), "engine", "it broke", final=False)
    assert status(store, job.id) is Status.QUEUED


def test_a_job_does_not_give_way_to_one_that_its_worker_cannot_take(store: Store, clock: Clock) -> None:
    store.register_worker("other", 1)
    failing = store.submit([draft("proj_2", priority=Priority.PREVIEW)]).jobs[0]
    lease = claim(store)
    assert lease.job.id == failing.id
    store.fail(lease, "engine", "it broke", final=False)
    clock.now += 10
    store.submit([draft()])
    lease = claim(store)
    clock.now += 20
    store.register_worker("other", 1)
    assert not store.heartbeat(lease, progress=1, **{**BEAT, "ran_for": 20.0}).preempt


def test_a_request_at_fault_is_not_tried_again(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    store.register_worker("another", 1)
    store.fail(claim(store), "bad_input", "the size is odd", final=True)
    assert status(store, job.id) is Status.FAILED


@pytest.mark.both_databases
def test_a_job_that_takes_its_workers_down_is_quarantined(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    for _ in range(MAX_CRASHES):
        assert status(store, job.id) is Status.QUEUED
        lease = claim(store)
        assert store.lost(lease.worker_id) == 1
        clock.now += 60
    poison = get(store, job.id)
    assert (poison.status, poison.error_code) == (Status.FAILED, "quarantined")


def test_a_job_that_gets_further_between_crashes_is_no_poison(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    for step in range(1, 2 * MAX_CRASHES):
        lease = claim(store)
        assert lease.job.checkpoint_step == step - 1
        store.checkpoint(lease, f"{step:064}", step)
        store.lost(lease.worker_id)
        clock.now += 60
    assert status(store, job.id) is Status.QUEUED


def test_a_lost_job_can_be_claimed_at_once(store: Store) -> None:
    store.submit([draft()])
    lease = claim(store)
    store.lost(lease.worker_id)
    assert claim(store).epoch == 2


# Preemption


@pytest.mark.both_databases
def test_a_job_given_back_keeps_its_place_and_its_state(store: Store, clock: Clock) -> None:
    first, second = store.submit([draft(), draft()]).jobs
    lease = claim(store)
    assert lease.job.id == first.id
    store.checkpoint(lease, "s" * 64, 3)
    store.give_back(lease)
    again = claim(store)
    assert (again.job.id, again.job.checkpoint, again.job.checkpoint_step) == (first.id, "s" * 64, 3)
    assert claim(store).job.id == second.id
    assert store.digests() == {"s" * 64}


@pytest.mark.both_databases
def test_a_long_job_is_told_to_give_way_to_a_preview_of_another(store: Store, clock: Clock) -> None:
    store.submit([draft(), draft()])
    lease = claim(store)
    clock.now += 60
    ran = {**BEAT, "ran_for": 20.0}
    assert not store.heartbeat(lease, progress=1, **ran).preempt, "its own queue does not push it out"
    store.submit([draft("proj_2", priority=Priority.PREVIEW)])
    clock.now += 5
    assert not store.heartbeat(lease, progress=1, **{**ran, "slice_seconds": 30.0}).preempt
    assert not store.heartbeat(lease, progress=1, **{**ran, "ran_for": 5.0}).preempt, "it was loading"
    assert store.heartbeat(lease, progress=1, **ran).preempt


# Ending early


@pytest.mark.both_databases
def test_a_waiting_job_is_cancelled_at_once(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    done = store.cancel("proj_1", job.id)
    assert done is not None
    assert (done.status, done.error_code) == (Status.CANCELLED, "cancelled")
    assert store.claim(store.register_worker("here", 1), host="here") is None
    assert emitted(store) == [("video.failed", job.id)]


def test_a_running_job_is_asked_to_stop(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    lease = claim(store)
    store.cancel("proj_1", job.id)
    assert status(store, job.id) is Status.RUNNING
    assert store.heartbeat(lease, progress=1, **BEAT).cancel
    store.acknowledge_cancel(lease)
    assert status(store, job.id) is Status.CANCELLED


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["give_back", "fail", "lost"])
def test_a_job_to_be_cancelled_is_not_tried_again(store: Store, how: str) -> None:
    job = store.submit([draft()]).jobs[0]
    store.register_worker("another", 1)
    lease = claim(store)
    store.cancel("proj_1", job.id)
    if how == "give_back":
        store.give_back(lease)
    elif how == "fail":
        store.fail(lease, "x", "y", final=False)
    else:
        store.lost(lease.worker_id)
    assert status(store, job.id) is Status.CANCELLED


def test_an_ended_job_cannot_be_cancelled(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    store.finish(claim(store), FILES, {}, 1.0)
    done = store.cancel("proj_1", job.id)
    assert done is not None
    assert done.status is Status.COMPLETED


def test_a_file_is_referenced_as_long_as_something_needs_it(store: Store) -> None:
    picture = MediaFile("p" * 64, "image/png", 3)
    job = store.submit([draft(inputs={"first_frame": picture})]).jobs[0]
    lease = claim(store)
    store.checkpoint(lease, "1" * 64, 1)
    assert [store.is_referenced(digest * 64) for digest in "p12"] == [True, True, False]
    store.checkpoint(lease, "2" * 64, 2)
    assert [store.is_referenced(digest * 64) for digest in "p12"] == [True, False, True]
    store.finish(lease, FILES, {}, 1.0)
    store.delete("proj_1", job.id)
    assert [store.is_referenced(digest * 64) for digest in "p12"] == [False] * 3


@pytest.mark.both_databases
def test_only_ended_jobs_are_deleted_with_their_files(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    with pytest.raises(Unfinished, match="not finished"):
        store.delete("proj_1", job.id)
    store.finish(claim(store), FILES, {}, 1.0)
    assert store.digests() == {file.digest for file in FILES.values()}
    assert store.delete("proj_1", job.id) is not None
    assert store.job("proj_1", job.id) is None
    assert store.delete("proj_1", job.id) is None
    assert store.digests() == set()


@pytest.mark.both_databases
def test_files_expire_and_the_job_stays(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    store.finish(claim(store), FILES, {}, retention=100.0)
    assert store.expire() == []
    clock.now += 101
    assert store.expire() == [job.id]
    assert store.expire() == []
    assert list(store.artifacts(job.id)) == ["thumbnail"]  # for lineages
    assert status(store, job.id) is Status.COMPLETED


def test_the_inputs_of_a_job_without_a_video_go_after_a_day(store: Store, clock: Clock) -> None:
    picture = MediaFile("p" * 64, "image/png", 3)
    job = store.submit([draft(inputs={"first_frame": picture})]).jobs[0]
    store.cancel("proj_1", job.id)
    clock.now += 86_000
    assert store.expire() == []
    clock.now += 1_000
    assert store.expire() == [job.id]


# Repeated requests


@pytest.mark.both_databases
def test_the_same_key_gives_the_same_jobs(store: Store) -> None:
    promise = Idempotency("POST /v1/videos", "k", "hash")
    first = store.submit([draft(), draft()], idempotency=promise)
    again = store.submit([draft(), draft()], idempotency=promise)
    assert (first.replayed, again.replayed) == (False, True)
    assert [job.id for job in again.jobs] == [job.id for job in first.jobs]
    other = store.submit([draft("proj_2")], idempotency=promise)
    assert not other.replayed, "keys of two projects have nothing to do with each other"


def test_the_same_key_for_another_request_is_refused(store: Store) -> None:
    store.submit([draft()], idempotency=Idempotency("POST /v1/videos", "k", "hash"))
    with pytest.raises(BadInput, match="another request") as refusal:
        store.submit([draft()], idempotency=Idempotency("POST /v1/videos", "k", "other"))
    assert refusal.value.field == "Idempotency-Key"


@pytest.mark.both_databases
def test_a_clients_retry_finds_the_job_of_its_first_try(store: Store, clock: Clock) -> None:
    a = store.submit([draft(request_hash="h")]).jobs[0]
    clock.now += 1
    b = store.submit([draft(request_hash="h")]).jobs[0]
    assert a.id != b.id, "two equal requests are two jobs"
    first = store.submit([draft(request_hash="h")], retry_count=1)
    second = store.submit([draft(request_hash="h")], retry_count=1)
    assert [first.jobs[0].id, second.jobs[0].id] == [a.id, b.id]
    assert not store.submit([draft(request_hash="h")], retry_count=1).replayed
    assert not store.submit([draft(request_hash="other")], retry_count=1).replayed
    clock.now += RETRY_WINDOW
    assert not store.submit([draft(request_hash="h")], retry_count=2).replayed


def test_a_retry_is_not_answered_with_what_was_there_before_its_first_try(store: Store, clock: Clock) -> None:
    older = store.submit([draft(request_hash="h")]).jobs[0]
    clock.now += 10
    began = clock.now  # of a try that is refused
    clock.now += 1
    retry = store.submit([draft(request_hash="h")], retry_count=1, since=began)
    assert not retry.replayed
    assert retry.jobs[0].id != older.id
    again = store.submit([draft(request_hash="h")], retry_count=2, since=began)
    assert (again.replayed, again.jobs[0].id) == (True, retry.jobs[0].id)


def test_a_deleted_job_is_no_answer_to_its_key(store: Store) -> None:
    promise = Idempotency("POST /v1/videos", "k", "hash")
    first, second = store.submit([draft(), draft()], idempotency=promise).jobs
    for job, left in ((first, [second.id]), (second, [])):
        store.cancel("proj_1", job.id)
        store.delete("proj_1", job.id)
        again = store.submit([draft(), draft()], idempotency=promise)
        assert (again.replayed, [job.id for job in again.jobs]) == (True, left)


def test_a_retry_of_a_request_for_several_finds_them_all(store: Store) -> None:
    jobs = store.submit([draft(request_hash="h") for _ in range(3)]).jobs
    again = store.submit([draft(request_hash="h") for _ in range(3)], retry_count=1)
    assert (again.replayed, [job.id for job in again.jobs]) == (True, [job.id for job in jobs])


@pytest.mark.both_databases
def test_all_jobs_of_a_submission_are_accepted_or_none(store: Store) -> None:
    limit(store, max_queued=3)
    store.submit([draft(), draft()])
    with pytest.raises(OverQuota, match="at most 3") as refusal:
        store.submit([draft(), draft()])
    assert refusal.value.retry_after > 0
    assert len(store.jobs("proj_1", after=None, limit=10, descending=False)[0]) == 2


@pytest.mark.both_databases
def test_a_days_quota_frees_itself(store: Store, clock: Clock) -> None:
    limit(store, daily_seconds=10.0)
    store.submit([draft(), draft()])
    clock.now += 3600
    with pytest.raises(OverQuota, match="8 of its 10 seconds") as refusal:
        store.submit([draft()])
    assert refusal.value.retry_after == pytest.approx(23 * 3600)
    clock.now += refusal.value.retry_after + 1
    assert store.submit([draft()]).jobs


def test_what_a_worker_had_begun_counts_for_the_days_quota_though_it_was_cancelled(store: Store) -> None:
    limit(store, daily_seconds=8.0)
    begun, waiting = store.submit([draft(), draft()]).jobs
    lease = claim(store)
    for job in (begun, waiting):
        store.cancel("proj_1", job.id)
    store.acknowledge_cancel(lease)
    assert [status(store, job.id) for job in (begun, waiting)] == [Status.CANCELLED] * 2
    assert store.submit([draft()]).jobs
    with pytest.raises(OverQuota, match="8 of its 8 seconds"):
        store.submit([draft()])


@pytest.mark.both_databases
def test_a_tenants_cap_holds_and_others_go_on(store: Store) -> None:
    limit(store, max_running=1)
    mine = store.submit([draft(), draft()]).jobs
    other = store.submit([draft("proj_2")]).jobs[0]
    first = claim(store)
    assert first.job.id == mine[0].id
    assert claim(store).job.id == other.id
    assert store.claim(first.worker_id, host="here") is None
    store.finish(first, FILES, {}, 1.0)
    assert claim(store).job.id == mine[1].id


def test_a_worker_takes_only_what_its_engines_can_do(store: Store) -> None:
    store.submit([draft()])
    worker = store.register_worker("here", 1)
    assert store.claim(worker, host="here", engines={"native"}) is None
    assert store.claim(worker, host="here", engines={"native", "testcard"}) is not None


# Lists


@pytest.mark.both_databases
def test_lists_page_through_all_jobs_in_both_directions(store: Store, clock: Clock) -> None:
    names = []
    for _ in range(5):
        names += [store.submit([draft()]).jobs[0].id]
        clock.now += 1
    for descending in (False, True):
        expected = names[::-1] if descending else names
        page, more = store.jobs("proj_1", after=None, limit=2, descending=descending)
        assert ([job.id for job in page], more) == (expected[:2], True)
        page, more = store.jobs("proj_1", after=page[-1].id, limit=3, descending=descending)
        assert ([job.id for job in page], more) == (expected[2:], False)
    with pytest.raises(BadInput, match="no video"):
        store.jobs("proj_2", after=names[0], limit=1, descending=False)


def test_a_job_of_another_project_is_not_there(store: Store) -> None:
    job = store.submit([draft()]).jobs[0]
    assert store.job("proj_2", job.id) is None
    assert store.cancel("proj_2", job.id) is None
    assert store.delete("proj_2", job.id) is None


@pytest.mark.both_databases
def test_counts_say_how_things_stand(store: Store) -> None:
    store.submit([draft(), draft(priority=Priority.BATCH), draft()])
    claim(store)
    counts = store.counts()
    assert counts.jobs == {
        (Status.QUEUED, Priority.INTERACTIVE): 1,
        (Status.QUEUED, Priority.BATCH): 1,
        (Status.RUNNING, Priority.INTERACTIVE): 1,
    }
    assert (counts.workers, counts.deliveries, counts.oldest_queued) == (1, 0, START)


@pytest.mark.both_databases
def test_every_attempt_is_on_record(store: Store, clock: Clock) -> None:
    job = store.submit([draft()]).jobs[0]
    store.give_back(claim(store))
    store.lost(claim(store).worker_id)
    store.finish(claim(store), FILES, {}, 1.0)
    with store.database.read() as connection:
        rows = connection.execute(sa.select(attempts).order_by(attempts.c.epoch)).all()
    assert [(row.job_id, row.epoch, row.outcome) for row in rows] == [
        (job.id, 1, "yielded"),
        (job.id, 2, "lost"),
        (job.id, 3, "completed"),
    ]


def test_a_new_worker_is_alive_and_not_draining(store: Store, clock: Clock) -> None:
    worker = store.register_worker("here", 7, ["native"])
    clock.now += 5
    store.touch_worker(worker, ["native/book"])
    with store.database.read() as connection:
        row = connection.execute(sa.select(workers)).one()
    assert (row.host, row.pid, row.engines, row.resident) == ("here", 7, ["native"], ["native/book"])
    assert (row.started_at, row.last_seen_at, row.stopped_at) == (START, START + 5, None)
    assert row.draining is False


# Histories

FAULTS = (
    "crashes",
    "pauses",
    "clock jumps",
    "failed transactions",
    "stale writes refused",
    "leases taken",
    "claimed with a finish",
    "unsupported requests",
)


def check_histories(url: str, seeds: range) -> None:
    counts = history.run_histories(url, seeds)
    assert all(counts[fault] for fault in FAULTS), "every fault has to occur for this to mean something"
    assert counts["completed"] > 3 * len(seeds)


@pytest.mark.both_databases
def test_no_history_breaks_an_invariant(database_url: str) -> None:
    check_histories(database_url, range(12) if database_url.startswith("sqlite") else range(100, 106))


@pytest.mark.slow
@pytest.mark.both_databases
def test_no_history_of_many_breaks_an_invariant(database_url: str) -> None:
    """The long run is `python -m benchmarks histories`: 10,000 of them."""
    check_histories(database_url, range(1000, 1060 if database_url.startswith("sqlite") else 1025))


def test_the_histories_notice_a_broken_store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fencing token a worker that slept too long gets its way, and that is noticed."""
    always = Prepared("SELECT NULL")
    monkeypatch.setattr(transitions, "_RENEW", always)
    with pytest.raises(history.InvariantBroken, match="stale lease"):
        history.run_histories(database_url, range(40))
