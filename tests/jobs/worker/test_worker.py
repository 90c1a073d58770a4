from __future__ import annotations

import dataclasses
import errno
import hashlib
import itertools
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from hinode import engines as installed
from hinode.engines.protocol import Engine, Progress, State
from hinode.engines.testcard.engine import TestcardEngine, TestcardRun
from hinode.errors import BadInput, DeviceError, EngineError, ModelError
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Draft, HeartbeatReply, Job, Lease
from hinode.jobs.scheduling import live_workers
from hinode.jobs.states import MAX_CRASHES, MAX_POSTPONEMENTS, Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker import attempt, heartbeat
from hinode.jobs.worker.heartbeat import Heartbeat
from hinode.jobs.worker.worker import Worker
from hinode.records import tables
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import events
from hinode.request import MediaFile, Reference, Request
from hinode.settings import Settings
from tests.videos import read_video, shown_by

REQUEST = Request("a red balloon", 64, 48, seconds=0.5, seed=3, engine="testcard", model="testcard", steps=6)


class Killed(BaseException):
    """Ends a worker as a power cut does: nothing that it does afterwards counts."""


@dataclasses.dataclass
class Service:
    """The jobs and files of one project."""

    store: Store
    objects: Objects
    settings: Settings
    project: str

    def submit(self, inputs: Mapping[str, MediaFile] = {}, **changes: Any) -> str:
        request = dataclasses.replace(REQUEST, **changes)
        draft = Draft(self.project, None, request, "testcard", inputs=inputs)
        return self.store.submit([draft]).jobs[0].id

    def job(self, job_id: str) -> Job:
        job = self.store.job(self.project, job_id)
        assert job is not None
        return job

    def worker(
        self,
        step: Callable[[int], None] = lambda number: None,
        *,
        make: type[TestcardEngine] = TestcardEngine,
        **changes: Any,
    ) -> Worker:
        """A worker whose engine calls `step` with 1, 2, ... instead of waiting."""
        count = iter(range(1, 1000))
        engine = make(self.settings, lambda seconds: step(next(count)))
        settings = dataclasses.replace(self.settings, **changes)
        return Worker(self.store, self.objects, settings, host="here", engine=lambda name, settings: engine)

    def steps(self, **changes: Any) -> int:
        """Run the next job to its end; returns how many steps that took."""
        steps: list[int] = []
        assert self.worker(steps.append, **changes).run_one()
        return len(steps)

    def video(self, job_id: str) -> str:
        """Digest of the finished video."""
        assert self.job(job_id).status is Status.COMPLETED
        return self.store.artifacts(job_id)["video"].digest

    def shown(self, job_id: str) -> str:
        """What the finished video shows; see `shown_by`."""
        return shown_by(self.objects.path(self.video(job_id)))

    def states(self) -> set[str]:
        """The files in the store that are no file of a finished job."""
        artifacts = {path.name for path in self.objects.root.glob("objects/??/*")}
        with self.store.database.read() as connection:
            return artifacts - set(connection.scalars(sa.select(tables.artifacts.c.digest)))


def size_of(path: Path) -> tuple[int, int]:
    """Of a picture."""
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    settings = Settings(home=tmp_path / "home", checkpoint_seconds=0.0, slice_seconds=1000.0)
    project = Tenants(database, time.time).create_project("films").id
    return Service(Store(database), Objects(settings.store), settings, project)


def undisturbed(service: Service) -> str:
    """Digest of the video that the request gives if nothing goes wrong."""
    job = service.submit()
    service.steps()
    return service.shown(job)


@pytest.fixture
def finished(service: Service) -> str:
    return undisturbed(service)


@pytest.fixture(autouse=True)
def _every_step_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every step took longer than the pause between heartbeats."""
    monkeypatch.setattr(heartbeat, "MIN_INTERVAL", 0.0)


def test_a_job_becomes_a_video_and_its_pictures(service: Service) -> None:
    assert not service.worker().run_one()
    job_id = service.submit(width=1280, height=720)
    assert service.steps() == 6
    job = service.job(job_id)
    assert (job.status, job.progress, job.error_code) == (Status.COMPLETED, 100, None)
    assert job.preview >= 1  # one a second
    assert job.expires_at is not None
    assert job.expires_at - (job.completed_at or 0) == service.settings.retention_seconds
    files = service.store.artifacts(job_id)
    assert {role: file.media_type for role, file in files.items()} == {
        "video": "video/mp4",
        "thumbnail": "image/webp",
        "spritesheet": "image/jpeg",
    }
    for file in files.values():
        content = service.objects.path(file.digest).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.digest)
    video = read_video(service.objects.path(files["video"].digest))
    assert video.frames.shape == (4, 720, 1280, 3)
    assert size_of(service.objects.path(files["thumbnail"].digest)) == (512, 288)
    assert job.provenance is not None
    assert (job.provenance["seed"], job.provenance["native_size"], job.provenance["steps"]) == (
        3,
        "1280x720",
        6,
    )
    assert "path" not in job.provenance
    assert not service.objects.preview(job_id).exists()
    assert list((service.settings.store / "temporary").iterdir()) == []


def test_people_are_told_how_far_it_is_and_shown_previews(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "PREVIEW_SECONDS", 0.0)
    job_id, looks = service.submit(), []

    def look(number: int) -> None:
        job = service.job(job_id)
        looks.append((job.status, job.stage, job.progress, job.preview))
        if number > 1:
            assert size_of(service.objects.preview(job_id)) == (64, 48)

    service.worker(look).run_one()
    assert looks[1:3] == [(Status.RUNNING, "sample", 16, 1), (Status.RUNNING, "sample", 31, 2)]
    assert [progress for _, _, progress, _ in looks] == sorted(progress for _, _, progress, _ in looks)
    assert service.job(job_id).preview == 6


def test_a_worker_takes_one_job_after_the_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, stop = [service.submit() for _ in range(3)], threading.Event()
    claims: list[Lease | None] = []
    claim = service.store.claim

    def counted(*args: Any, **more: Any) -> Lease | None:
        claims.append(claim(*args, **more))
        if claims[-1] is None:
            stop.set()
        return claims[-1]

    monkeypatch.setattr(service.store, "claim", counted)
    service.worker().run(stop)
    assert {service.job(job).status for job in jobs} == {Status.COMPLETED}
    assert [lease and lease.job.id for lease in claims] == [jobs[0], None], "the others came with a finish"
    assert [service.job(job).epoch for job in jobs] == [1, 1, 1]


def test_a_worker_that_is_asked_to_end_with_its_last_file_takes_no_other_job(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode import pipeline

    jobs, stop = [service.submit() for _ in range(2)], threading.Event()
    write = pipeline.write_stills

    def stopped(*args: Any, **more: Any) -> Any:
        marks = write(*args, **more)
        stop.set()
        return marks

    monkeypatch.setattr(pipeline, "write_stills", stopped)
    service.worker().run(stop)
    assert [service.job(job).status for job in jobs] == [Status.COMPLETED, Status.QUEUED]


def test_a_job_that_was_claimed_before_the_worker_was_asked_to_end_is_given_back(service: Service) -> None:
    jobs, stop = [service.submit() for _ in range(2)], threading.Event()
    finish = service.store.finish

    def late(*args: Any, **more: Any) -> Lease | None:
        lease = finish(*args, **more)
        stop.set()
        return lease

    service.store.finish = late  # type: ignore[method-assign]
    service.worker().run(stop)
    assert [service.job(job).status for job in jobs] == [Status.COMPLETED, Status.QUEUED]
    assert (service.job(jobs[1]).epoch, service.job(jobs[1]).crashes) == (1, 0)


def test_a_request_of_a_later_version_is_left_to_other_workers(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = service.submit()
    with service.store.database.write() as connection:
        request = {**service.job(job_id).request, "sparkle": 0.5}
        connection.execute(tables.jobs.update().values(request=request))
    assert service.steps() == 0
    assert service.job(job_id).status is Status.QUEUED
    assert "uses sparkle" in caplog.text
    assert not service.worker().run_one(), "not here again"


def test_the_same_request_gives_the_same_file(service: Service, finished: str) -> None:
    job_id = service.submit()
    service.steps()
    assert service.shown(job_id) == finished


@pytest.mark.both_databases
@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_killed_worker_costs_one_step_and_no_bit(service: Service, step: int) -> None:
    finished = undisturbed(service)
    job_id = service.submit()

    def die(number: int) -> None:
        if number == step:
            raise Killed

    dead = service.worker(die)
    with pytest.raises(Killed):
        dead.run_one()
    assert service.job(job_id).status is Status.RUNNING
    assert service.store.lost(dead.id) == 1
    assert service.steps() == 6 - (step - 1)
    assert service.shown(job_id) == finished


def test_a_worker_killed_while_it_writes_the_file_costs_no_step(
    service: Service, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode import pipeline

    job_id = service.submit()
    write = pipeline.write_stills

    def die(*args: Any, **more: Any) -> None:
        raise Killed

    monkeypatch.setattr(pipeline, "write_stills", die)
    dead = service.worker()
    with pytest.raises(Killed):
        dead.run_one()
    monkeypatch.setattr(pipeline, "write_stills", write)
    service.store.lost(dead.id)
    assert service.steps() == 0
    assert service.shown(job_id) == finished


def test_a_worker_killed_between_the_file_and_its_row_costs_no_step(
    service: Service, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = service.submit()

    def die(*args: Any, **options: Any) -> None:
        raise Killed

    dead = service.worker()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(service.store, "finish", die)
        dead.run_one()
    assert service.job(job_id).status is Status.RUNNING
    service.store.lost(dead.id)
    assert service.steps() == 0
    assert service.shown(job_id) == finished


def test_states_are_saved_as_often_as_it_is_told_and_before_decoding(service: Service) -> None:
    job_id, checkpoints = service.submit(), []
    service.worker(
        lambda number: checkpoints.append(service.job(job_id).checkpoint_step), checkpoint_seconds=1e6
    ).run_one()
    assert checkpoints == [0] * 6
    assert service.job(job_id).checkpoint_step == 6
    job_id, checkpoints = service.submit(), []
    service.worker(lambda number: checkpoints.append(service.job(job_id).checkpoint_step)).run_one()
    assert checkpoints == [0, 1, 2, 3, 4, 5]


def test_a_state_is_saved_at_once_where_the_engine_says_so(service: Service) -> None:
    class Remote(TestcardEngine):
        def start(self, request: Request, state: State | None = None) -> Any:
            run = super().start(request, state)
            run.__class__ = type("Saving", (type(run),), {"__iter__": saving(type(run).__iter__)})
            return run

    def saving(iterate: Any) -> Any:
        def steps(run: Any) -> Any:
            return (dataclasses.replace(report, save=report.done == 2) for report in iterate(run))

        return steps

    job_id, checkpoints = service.submit(), []
    service.worker(
        lambda number: checkpoints.append(service.job(job_id).checkpoint_step),
        make=Remote,
        checkpoint_seconds=1e6,
    ).run_one()
    assert checkpoints == [0, 0, 2, 2, 2, 2]


@pytest.mark.parametrize("age", [-1.0, 1000.0], ids=["old", "young"])
def test_a_new_state_replaces_the_one_before_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    monkeypatch.setattr(attempt, "DISCARD_AGE", age)
    job_id, states = service.submit(), []
    service.worker(lambda number: states.append(service.states())).run_one()
    # Of the states in the store, one is the job's; one that is young may be about to be another job's.
    assert [len(files) for files in states] == ([0, 1, 1, 1, 1, 1] if age < 0 else [0, 1, 2, 3, 4, 5])
    assert service.job(job_id).status is Status.COMPLETED


def test_a_state_that_another_job_needs_stays(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "DISCARD_AGE", -1.0)
    monkeypatch.setattr(service.store, "is_referenced", lambda digest: True)
    states: list[set[str]] = []
    service.submit()
    service.worker(lambda number: states.append(service.states())).run_one()
    assert [len(files) for files in states] == [0, 1, 2, 3, 4, 5]


def test_after_a_crash_every_step_is_saved(service: Service, finished: str) -> None:
    job_id = service.submit()

    def die(number: int) -> None:
        if number == 4:
            raise Killed

    for crashes, step in ((1, 0), (1, 3), (1, 6)):
        dead = service.worker(die, checkpoint_seconds=1e6)
        if step == 6:
            assert dead.run_one()  # three steps were left
            continue
        with pytest.raises(Killed):
            dead.run_one()
        service.store.lost(dead.id)
        job = service.job(job_id)
        assert (job.checkpoint_step, job.crashes) == (step, crashes)
    assert service.shown(job_id) == finished


def test_a_step_that_takes_every_worker_down_is_found_out(service: Service) -> None:
    job_id, steps = service.submit(), []

    class Deadly(TestcardEngine):
        def start(self, request: Request, state: State | None = None) -> TestcardRun:
            run = super().start(request, state)
            run.wait = lambda: deadly(run.step)
            return run

    def deadly(step: int) -> None:
        steps.append(step)
        if step == 4:
            raise Killed

    for attempts in itertools.count(1):
        if service.job(job_id).final:
            break
        dead = service.worker(make=Deadly, checkpoint_seconds=1e6)
        service.store.clock = lambda later=100.0 * attempts: (
            time.time() + later
        )  # it waits between two crashes
        with pytest.raises(Killed):
            dead.run_one()
        service.store.lost(dead.id)
    assert service.job(job_id).error_code == "quarantined"
    # From the beginning twice, and then only the step itself.
    assert steps == [0, 1, 2, 3, 4] * 2 + [4] * (MAX_CRASHES - 1)


@pytest.mark.parametrize("step", [1, 3, 6])
def test_cancelling_is_heard_after_the_step(service: Service, step: int) -> None:
    job_id, steps = service.submit(), []

    def cancel(number: int) -> None:
        steps.append(number)
        if number == step:
            service.store.cancel(service.project, job_id)

    assert service.worker(cancel).run_one()
    job = service.job(job_id)
    assert (job.status, job.error_code, len(steps)) == (Status.CANCELLED, "cancelled", step)
    assert service.store.artifacts(job_id) == {}
    assert not service.objects.preview(job_id).exists()


def test_cancelling_is_heard_while_the_file_is_written(service: Service) -> None:
    job_id = service.submit()

    class Engine(TestcardEngine):
        def start(self, request: Request, state: State | None = None) -> TestcardRun:
            run = super().start(request, state)
            clip = run.clip

            def late() -> Any:
                service.store.cancel(service.project, job_id)
                return clip()

            run.clip = late  # type: ignore[method-assign]
            return run

    service.worker(make=Engine).run_one()
    assert service.job(job_id).status is Status.CANCELLED
    assert list((service.settings.store / "temporary").iterdir()) == []


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e6])
def test_a_job_that_gives_way_goes_on_later_to_the_same_bits(
    service: Service, finished: str, monkeypatch: pytest.MonkeyPatch, checkpoint_seconds: float
) -> None:
    job_id, beat = service.submit(), service.store.heartbeat
    preempt = [True]

    def heartbeat_reply(*args: Any, **more: Any) -> HeartbeatReply:
        beat(*args, **more)
        return HeartbeatReply(preempt=preempt[0])

    monkeypatch.setattr(service.store, "heartbeat", heartbeat_reply)
    # It is always one step further, so that two jobs cannot push each other aside for ever.
    for done in range(1, 6):
        assert service.steps(checkpoint_seconds=checkpoint_seconds) == 1
        job = service.job(job_id)
        assert (job.status, job.checkpoint_step, job.crashes) == (Status.QUEUED, done, 0)
    assert service.steps() == 1  # and with all steps taken it does not give way any more
    assert service.shown(job_id) == finished


def test_a_worker_that_is_asked_to_stop_gives_its_job_back(service: Service, finished: str) -> None:
    job_id, stop = service.submit(), threading.Event()
    worker = service.worker(lambda number: stop.set() if number == 3 else None, checkpoint_seconds=1e6)
    worker.run(stop)
    job = service.job(job_id)
    assert (job.status, job.checkpoint_step, job.worker_id) == (Status.QUEUED, 3, None)
    assert service.steps() == 3
    assert service.shown(job_id) == finished


@pytest.mark.both_databases
def test_work_on_a_job_that_was_taken_away_is_dropped(service: Service) -> None:
    finished = undisturbed(service)
    job_id = service.submit()
    other: list[int] = []

    def lose(number: int) -> None:
        if number == 3:  # it seems dead to everybody else, and another worker finishes its job
            service.store.lost(slow.id)
            other.append(service.steps())

    slow = service.worker(lose)
    assert slow.run_one()
    assert other == [4]
    assert service.shown(job_id) == finished
    assert service.job(job_id).epoch == 2


class Undecodable(TestcardEngine):
    """Fails at decoding as often as it is told."""

    failures = 0
    error: Exception = RuntimeError("out of memory at 0xdeadbeef in /srv/secret")
    stage = "decode"

    def start(self, request: Request, state: State | None = None) -> TestcardRun:
        run = super().start(request, state)
        engine, iterate = self, run.__iter__

        class Failing(type(run)):  # type: ignore[misc]
            def __iter__(self) -> Iterator[Progress]:
                for progress in iterate():
                    yield progress
                    if progress.stage == engine.stage and type(engine).failures > 0:
                        type(engine).failures -= 1
                        raise engine.error

        run.__class__ = Failing
        return run


@pytest.mark.parametrize("failures", [1, 2])
def test_decoding_that_fails_is_tried_again_without_the_steps(
    service: Service, finished: str, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(Undecodable, "failures", failures)
    job_id = service.submit()
    assert service.steps(make=Undecodable) == 6
    assert service.shown(job_id) == finished


def test_a_run_whose_decoding_failed_is_abandoned_before_the_next_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    class Recording(Undecodable):
        def start(self, request: Request, state: State | None = None) -> TestcardRun:
            calls.append("start")
            run = super().start(request, state)
            run.abandon = lambda: calls.append("abandon")  # type: ignore[attr-defined]
            return run

    monkeypatch.setattr(Undecodable, "failures", 1)
    service.submit()
    service.steps(make=Recording)
    assert calls == ["start", "abandon", "start"]


@pytest.mark.parametrize(
    ("error", "stage", "code", "says"),
    [
        (RuntimeError("0xdeadbeef in /srv/secret"), "decode", "processing_error", "something broke"),
        (MemoryError(), "sample", "processing_error", "something broke"),
        (EngineError("the model drew nothing", "try another seed"), "sample", "engine", "another seed"),
        (ModelError("/srv/secret is damaged"), "load", "model", "this server could not"),
        (BadInput("the source is upside down", "turn it", field="video"), "load", "bad_input", "turn it"),
        (OSError(errno.EINVAL, "/srv/secret"), "load", "processing_error", "something broke"),
    ],
)
def test_a_failure_is_told_in_a_sentence_that_gives_nothing_away(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    stage: str,
    code: str,
    says: str,
) -> None:
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "error", error)
    monkeypatch.setattr(Undecodable, "stage", stage)
    job_id = service.submit()
    worker = service.worker(make=Undecodable)
    with caplog.at_level(logging.INFO):
        assert worker.run_one()
    job = service.job(job_id)
    assert (job.status, job.error_code) == (Status.FAILED, code)
    assert says in (job.error_message or "")
    assert "secret" not in (job.error_message or "")
    assert "\n" not in (job.error_message or "")
    if code == "processing_error":
        assert any(record.exc_info for record in caplog.records)
        assert worker.unexpected_errors == 1
    if code != "bad_input" and not isinstance(error, (EngineError, MemoryError)):
        assert "secret" in caplog.text


def test_another_machine_may_try_what_failed_here_unless_the_request_is_at_fault(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.store.register_worker("other", 1)
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "error", EngineError("the model drew nothing"))
    job_id = service.submit()
    service.worker(make=Undecodable).run_one()
    assert service.job(job_id).status is Status.QUEUED
    assert not service.worker(make=Undecodable).run_one()  # not here again
    monkeypatch.setattr(Undecodable, "error", BadInput("the source is upside down", field="video"))
    job_id = service.submit()
    service.worker(make=Undecodable).run_one()
    assert service.job(job_id).status is Status.FAILED


def test_an_odd_size_fails_before_any_work(service: Service) -> None:
    job_id = service.submit(width=63)
    assert service.steps() == 0
    assert "even" in (service.job(job_id).error_message or "")


def test_a_worker_that_breaks_again_and_again_ends(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "stage", "sample")
    jobs = [service.submit() for _ in range(4)]
    worker = service.worker(make=Undecodable)
    worker.run(threading.Event())
    assert [service.job(job).status for job in jobs] == [Status.FAILED] * 3 + [Status.QUEUED]
    assert worker.unexpected_errors == 3


def test_a_worker_whose_accelerator_failed_ends_after_that_job(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "stage", "sample")
    monkeypatch.setattr(Undecodable, "error", DeviceError("the accelerator failed", "look at its driver"))
    jobs = [service.submit() for _ in range(2)]
    worker = service.worker(make=Undecodable)
    worker.run(threading.Event())
    assert [service.job(job).status for job in jobs] == [Status.FAILED, Status.QUEUED]
    assert service.job(jobs[0]).error_code == "device"


@pytest.mark.parametrize("harm", ["gone", "damaged", "foreign"])
def test_a_state_that_cannot_be_used_means_a_new_start(service: Service, finished: str, harm: str) -> None:
    job_id = service.submit()

    def die(number: int) -> None:
        if number == 4:
            raise Killed

    dead = service.worker(die)
    with pytest.raises(Killed):
        dead.run_one()
    saved = service.objects.path(service.job(job_id).checkpoint or "")
    if harm == "gone":
        saved.unlink()
    else:
        saved.write_bytes(
            b"\0\1\2" if harm == "damaged" else saved.read_bytes().replace(b"balloon", b"bassoon")
        )
    service.store.lost(dead.id)
    assert service.steps() == 6
    assert service.shown(job_id) == finished


def test_a_full_disk_does_not_stop_the_steps(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, put = service.submit(), service.objects.put

    def full(source: Any) -> tuple[str, int]:
        if isinstance(source, bytes):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(source)

    monkeypatch.setattr(service.objects, "put", full)
    monkeypatch.setattr(service.objects, "put_preview", lambda job_id, picture: full(picture))
    service.worker().run_one()
    assert service.job(job_id).status is Status.COMPLETED
    assert "could not be saved" in caplog.text


def test_jobs_wait_for_a_disk_that_is_full(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, stop, pauses = [service.submit(), service.submit(seed=4)], threading.Event(), []
    worker, healthy = service.worker(), shutil.disk_usage
    failing = monkeypatch.context()

    def pause(seconds: float | None = None) -> bool:
        """Waits for the worker, and makes room meanwhile."""
        pauses.append({service.job(job).status for job in jobs})
        if len(pauses) == 2:
            patch.undo()
            monkeypatch.setattr(shutil, "disk_usage", lambda path: healthy(path)._replace(free=0))
        if len(pauses) == 4:
            monkeypatch.setattr(shutil, "disk_usage", healthy)
            monkeypatch.setattr(service.store, "clock", lambda: time.time() + 60.0)
        if all(service.job(job).final for job in jobs) or len(pauses) > 9:
            stop.set()
        return stop.is_set()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stop, "wait", pause)
    with failing as patch:
        patch.setattr(os, "fsync", full)
        worker.run(stop)
    assert pauses[:4] == [{Status.QUEUED}] * 4
    assert [service.job(job).status for job in jobs] == [Status.COMPLETED] * 2


def test_a_full_folder_for_temporary_files_is_not_the_fault_of_the_job(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "stage", "load")
    monkeypatch.setattr(Undecodable, "error", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    job_id, worker = service.submit(), service.worker(make=Undecodable)
    assert worker.run_one()
    assert (service.job(job_id).status, worker.unexpected_errors) == (Status.QUEUED, 0)


def test_a_job_whose_inputs_are_on_a_disk_that_is_away_waits(service: Service) -> None:
    digest, size = service.objects.put(b"a picture")
    references = (Reference("first_frame", digest, "image/png"),)
    job_id = service.submit({"first_frame": MediaFile(digest, "image/png", size)}, references=references)
    service.objects.root.rename(service.settings.home / "elsewhere")
    assert service.steps() == 0
    assert service.job(job_id).status is Status.QUEUED


def test_a_job_whose_files_never_fit_fails_in_the_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    monkeypatch.setattr(service.store, "clock", lambda: now[0])
    job_id, worker = service.submit(), service.worker()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(MAX_POSTPONEMENTS):
        assert service.job(job_id).status is Status.QUEUED
        assert worker.run_one()
        now[0] += 60.0
    assert (service.job(job_id).status, service.job(job_id).error_code) == (Status.FAILED, "output")


def test_a_video_can_be_made_from_files_in_the_store(service: Service, finished: str) -> None:
    picture = service.settings.home / "picture.png"
    Image.new("RGB", (64, 48), (250, 120, 10)).save(picture)
    digest, size = service.objects.put(picture)
    references = (Reference("first_frame", digest, "image/png"),)
    job_id = service.submit({"first_frame": MediaFile(digest, "image/png", size)}, references=references)
    service.steps()
    first = read_video(service.objects.path(service.video(job_id))).frames[0]
    assert abs(first.astype(int) - (250, 120, 10)).max() <= 6

    source = Reference("source", service.video(job_id), "video/mp4")
    longer = service.submit(operation="extend", seconds=1.5, references=(source,))
    service.steps()
    video = read_video(service.objects.path(service.video(longer)))
    assert (video.seconds, len(video.frames)) == (1.5, 12)
    assert abs(video.frames[0].astype(int) - (250, 120, 10)).max() <= 8


def test_a_file_that_is_gone_is_the_end(service: Service) -> None:
    service.store.register_worker("other", 1)
    service.objects.put(b"another")
    job_id = service.submit(references=(Reference("first_frame", "ab" * 32, "image/png"),))
    assert service.steps() == 0
    job = service.job(job_id)
    assert (job.status, job.error_code) == (Status.FAILED, "bad_input")
    assert "send it again" in (job.error_message or "")


class Unreachable:
    """Raises as a database that is away does, so many times."""

    def __init__(self, times: int, then: Callable[..., Any]) -> None:
        self.times, self.then = times, then

    def __call__(self, *args: Any, **more: Any) -> Any:
        if self.times > 0:
            self.times -= 1
            raise DatabaseError("the database cannot be used")
        return self.then(*args, **more)


@pytest.mark.parametrize("call", ["heartbeat", "checkpoint"])
def test_a_database_that_is_away_for_a_while_costs_nothing(
    service: Service, finished: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(service.store, call, Unreachable(3, getattr(service.store, call)))
    job_id = service.submit()
    assert service.steps() == 6
    assert service.shown(job_id) == finished


def test_a_finished_video_waits_for_the_database(
    service: Service, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "END_PAUSE", 0.0)
    monkeypatch.setattr(service.store, "finish", Unreachable(5, service.store.finish))
    job_id = service.submit()
    service.steps()
    assert service.shown(job_id) == finished
    # Not for ever: the job is done again from its last state.
    monkeypatch.setattr(attempt, "END_SECONDS", 0.0)
    finish = service.store.finish
    monkeypatch.setattr(service.store, "finish", Unreachable(1, finish))
    job_id = service.submit()
    worker = service.worker()
    with pytest.raises(DatabaseError):
        worker.run_one()
    service.store.lost(worker.id)
    assert service.steps() == 0
    assert service.shown(job_id) == finished


def test_a_worker_outlives_a_database_that_is_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from hinode.jobs.worker import worker as module

    monkeypatch.setattr(module, "DATABASE_PAUSE", 0.0)
    job_id, stop = service.submit(), threading.Event()
    worker = service.worker()
    claim = service.store.claim

    def last(*args: Any, **more: Any) -> Any:
        lease = claim(*args, **more)
        if lease is None:
            stop.set()
        return lease

    monkeypatch.setattr(service.store, "claim", Unreachable(3, last))
    worker.run(stop)
    assert service.job(job_id).status is Status.COMPLETED


def test_the_last_engine_stays_in_memory(service: Service) -> None:
    loaded: list[str] = []

    def make(name: str, settings: Settings) -> Engine:
        loaded.append(name)
        return TestcardEngine(settings)

    worker = Worker(
        service.store,
        service.objects,
        service.settings,
        host="here",
        engines=("testcard", "other"),
        engine=make,
    )
    for engine in ("testcard", "testcard", "other", "testcard"):
        service.submit(engine=engine)
        worker.run_one()
    assert loaded == ["testcard", "other", "testcard"]
    service.submit(engine="unheard-of")
    assert not worker.run_one()


@pytest.mark.both_databases
def test_the_lease_is_kept_through_a_long_step(service: Service) -> None:
    store = Store(service.store.database, lease_seconds=0.04)
    beats: list[int] = []
    enough = threading.Event()
    service.submit()
    lease = store.claim("worker_1", host="here")
    assert lease is not None
    beat = store.heartbeat

    def counted(*args: Any, **more: Any) -> HeartbeatReply:
        beats.append(more["progress"])
        if len(beats) == 3:
            enough.set()
        return beat(*args, **more)

    store.heartbeat = counted  # type: ignore[method-assign]
    with Heartbeat(store, lease, slice_seconds=1000.0) as heart:
        heart.check("sample", 40, 2)
        assert enough.wait(20)
    assert beats[-1] == 40
    job = service.job(lease.job.id)
    assert (job.stage, job.progress, job.preview) == ("sample", 40, 2)


def test_a_heartbeat_that_fails_is_not_the_last(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    store, enough, beats = Store(service.store.database, lease_seconds=0.04), threading.Event(), []
    service.submit()
    lease = store.claim("worker_1", host="here")
    assert lease is not None

    def failing(*args: Any, **more: Any) -> HeartbeatReply:
        beats.append(more["stage"])
        if len(beats) == 3:
            enough.set()
        raise ZeroDivisionError("in the heartbeat")

    store.heartbeat = failing  # type: ignore[method-assign]
    with Heartbeat(store, lease, slice_seconds=1000.0):
        assert enough.wait(20)
    assert "ZeroDivisionError" in caplog.text


def test_a_preview_that_cannot_be_removed_does_not_fail_a_finished_job(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    job_id, worker = service.submit(), service.worker()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", read_only)
        assert worker.run_one()
    assert (service.job(job_id).status, worker.unexpected_errors) == (Status.COMPLETED, 0)


def test_loading_does_not_count_as_running(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    now, times = 100.0, []
    service.submit()
    lease = service.store.claim("worker_1", host="here")
    assert lease is not None

    def beat(*args: Any, ran_for: float, **more: Any) -> HeartbeatReply:
        times.append(ran_for)
        return HeartbeatReply()

    monkeypatch.setattr(service.store, "heartbeat", beat)
    heart = Heartbeat(service.store, lease, slice_seconds=15.0, clock=lambda: now)
    for stage in ("load", "text", "sample", "sample", "decode"):
        now += 10.0
        heart.check(stage, 1, 0)
    assert times == [0.0, 0.0, 0.0, 10.0, 20.0]


def test_a_worker_says_which_engines_it_can_run(service: Service) -> None:
    for engines in (None, ["native"]):
        Worker(service.store, service.objects, service.settings, host=f"of {engines}", engines=engines)
    with service.store.database.read() as connection:
        live = live_workers.live(connection, service.store.clock(), service.project)
    assert live == {"of None": frozenset(installed.names()), "of ['native']": frozenset({"native"})}


def test_an_end_is_one_event(service: Service) -> None:
    job_id = service.submit()
    service.steps()
    with service.store.database.read() as connection:
        emitted = connection.execute(sa.select(events)).all()
    assert [(event.type, event.data) for event in emitted] == [("video.completed", {"id": job_id})]
    assert json.dumps(service.job(job_id).provenance)


def test_a_job_for_a_model_that_is_gone_fails_in_one_sentence(service: Service) -> None:
    job = service.submit(engine="native", model="nano", steps=None)
    assert Worker(service.store, service.objects, service.settings, host="here").run_one()
    assert service.job(job).status is Status.FAILED
    assert service.job(job).error_message == "there is no model 'nano'; choose book"
