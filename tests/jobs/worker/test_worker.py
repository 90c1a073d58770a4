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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from hinode import engines as installed
from hinode.engines.protocol import Engine, Progress, State
from hinode.engines.testcard.engine import TestcardEngine, TestcardRun
from hinode.errors import BadInput, EngineError, ModelError
from hinode.jobs import live_workers
from hinode.jobs.admit import Draft
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Artifact, HeartbeatReply, Job
from hinode.jobs.states import MAX_CRASHES, Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenants import Tenants
from hinode.jobs.worker import attempt
from hinode.jobs.worker import heartbeat as pulse
from hinode.jobs.worker.heartbeat import Heartbeat
from hinode.jobs.worker.worker import Worker
from hinode.media.video import read_video
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import events
from hinode.request import Reference, Request
from hinode.settings import Settings

REQUEST = Request("a red balloon", 64, 48, seconds=0.5, seed=3, engine="testcard", model="testcard", steps=6)


class Killed(BaseException):
    """Ends a worker as a power cut does: nothing that it does afterwards counts."""


@dataclasses.dataclass
class House:
    """A store, its files, and one project."""

    store: Store
    objects: Objects
    settings: Settings
    project: str

    def submit(self, inputs: tuple[Artifact, ...] = (), **changes: Any) -> str:
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
        taken: list[int] = []
        assert self.worker(taken.append, **changes).run_one()
        return len(taken)

    def video(self, job_id: str) -> str:
        """Digest of the finished video."""
        assert self.job(job_id).status is Status.COMPLETED
        return self.store.artifacts(job_id)["video"].digest


def size_of(path: Path) -> tuple[int, int]:
    """Of a picture."""
    with Image.open(path) as picture:
        return picture.size


def built(database: Database, home: Path) -> House:
    settings = Settings(home=home, checkpoint_seconds=0.0, slice_seconds=1000.0)
    project = Tenants(database, time.time).create_project("films").id
    return House(Store(database), Objects(settings.store), settings, project)


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    """On SQLite: most of what a worker does is the same on every database."""
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'jobs.db')}")
    yield built(database, tmp_path / "home")
    database.close()


@pytest.fixture
def either(database: Database, tmp_path: Path) -> House:
    """On SQLite and on PostgreSQL."""
    return built(database, tmp_path / "home")


def undisturbed(house: House) -> str:
    """Digest of the video that the request gives if nothing goes wrong."""
    job = house.submit()
    house.steps()
    return house.video(job)


@pytest.fixture
def finished(house: House) -> str:
    return undisturbed(house)


@pytest.fixture(autouse=True)
def _every_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every step took longer than the pause between heartbeats."""
    monkeypatch.setattr(pulse, "SOON", 0.0)


def test_a_job_becomes_a_video_and_its_pictures(house: House) -> None:
    assert not house.worker().run_one()
    job_id = house.submit(width=1280, height=720)
    assert house.steps() == 6
    job = house.job(job_id)
    assert (job.status, job.progress, job.error_code) == (Status.COMPLETED, 100, None)
    assert job.preview >= 1  # one a second
    assert job.expires_at is not None
    assert job.expires_at - (job.completed_at or 0) == house.settings.retention_seconds
    files = house.store.artifacts(job_id)
    assert {role: file.media_type for role, file in files.items()} == {
        "video": "video/mp4",
        "thumbnail": "image/webp",
        "spritesheet": "image/jpeg",
    }
    for file in files.values():
        content = house.objects.path(file.digest).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.digest)
    footage = read_video(house.objects.path(files["video"].digest))
    assert footage.frames.shape == (4, 720, 1280, 3)
    assert size_of(house.objects.path(files["thumbnail"].digest)) == (512, 288)
    assert job.making is not None
    assert (job.making["seed"], job.making["native_size"], job.making["steps"]) == (3, "1280x720", 6)
    assert "path" not in job.making
    assert not house.objects.preview(job_id).exists()
    assert list((house.settings.store / "temporary").iterdir()) == []


def test_people_are_told_how_far_it_is_and_shown_previews(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "PREVIEW_SECONDS", 0.0)
    job_id, told = house.submit(), []

    def look(number: int) -> None:
        job = house.job(job_id)
        told.append((job.status, job.stage, job.progress, job.preview))
        if number > 1:
            assert size_of(house.objects.preview(job_id)) == (64, 48)

    house.worker(look).run_one()
    assert told[1:3] == [(Status.RUNNING, "sample", 16, 1), (Status.RUNNING, "sample", 31, 2)]
    assert [progress for _, _, progress, _ in told] == sorted(progress for _, _, progress, _ in told)
    assert house.job(job_id).preview == 6


def test_the_same_request_gives_the_same_file(house: House, finished: str) -> None:
    job_id = house.submit()
    house.steps()
    assert house.video(job_id) == finished


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_killed_worker_costs_one_step_and_no_bit(either: House, step: int) -> None:
    house, finished = either, undisturbed(either)
    job_id = house.submit()

    def die(number: int) -> None:
        if number == step:
            raise Killed

    dead = house.worker(die)
    with pytest.raises(Killed):
        dead.run_one()
    assert house.job(job_id).status is Status.RUNNING
    assert house.store.lost(dead.id) == 1
    assert house.steps() == 6 - (step - 1)
    assert house.video(job_id) == finished


def test_a_worker_killed_while_it_writes_the_file_costs_no_step(
    house: House, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode import pipeline

    job_id = house.submit()
    write = pipeline.write_stills

    def die(*args: Any) -> None:
        raise Killed

    monkeypatch.setattr(pipeline, "write_stills", die)
    dead = house.worker()
    with pytest.raises(Killed):
        dead.run_one()
    monkeypatch.setattr(pipeline, "write_stills", write)
    house.store.lost(dead.id)
    assert house.steps() == 0
    assert house.video(job_id) == finished


def test_states_are_saved_as_often_as_it_is_told_and_before_decoding(house: House) -> None:
    job_id, seen = house.submit(), []
    house.worker(
        lambda number: seen.append(house.job(job_id).checkpoint_step), checkpoint_seconds=1e6
    ).run_one()
    assert seen == [0] * 6
    assert house.job(job_id).checkpoint_step == 6
    job_id, seen = house.submit(), []
    house.worker(lambda number: seen.append(house.job(job_id).checkpoint_step)).run_one()
    assert seen == [0, 1, 2, 3, 4, 5]


def test_after_a_crash_every_step_is_saved(house: House, finished: str) -> None:
    job_id = house.submit()

    def die(number: int) -> None:
        if number == 4:
            raise Killed

    for crashes, step in ((1, 0), (1, 3), (1, 6)):
        dead = house.worker(die, checkpoint_seconds=1e6)
        if step == 6:
            assert dead.run_one()  # three steps were left
            continue
        with pytest.raises(Killed):
            dead.run_one()
        house.store.lost(dead.id)
        job = house.job(job_id)
        assert (job.checkpoint_step, job.crashes) == (step, crashes)
    assert house.video(job_id) == finished


def test_a_step_that_takes_every_worker_down_is_found_out(house: House) -> None:
    job_id, taken = house.submit(), []

    class Deadly(TestcardEngine):
        def start(self, request: Request, state: State | None = None) -> TestcardRun:
            run = super().start(request, state)
            run.wait = lambda: deadly(run.step)
            return run

    def deadly(step: int) -> None:
        taken.append(step)
        if step == 4:
            raise Killed

    for attempts in itertools.count(1):
        if house.job(job_id).final:
            break
        dead = house.worker(make=Deadly, checkpoint_seconds=1e6)
        house.store.clock = lambda later=100.0 * attempts: time.time() + later  # it waits between two crashes
        with pytest.raises(Killed):
            dead.run_one()
        house.store.lost(dead.id)
    assert house.job(job_id).error_code == "quarantined"
    # From the beginning twice, and then only the step itself.
    assert taken == [0, 1, 2, 3, 4] * 2 + [4] * (MAX_CRASHES - 1)


@pytest.mark.parametrize("step", [1, 3, 6])
def test_cancelling_is_heard_after_the_step(house: House, step: int) -> None:
    job_id, taken = house.submit(), []

    def cancel(number: int) -> None:
        taken.append(number)
        if number == step:
            house.store.cancel(house.project, job_id)

    assert house.worker(cancel).run_one()
    job = house.job(job_id)
    assert (job.status, job.error_code, len(taken)) == (Status.CANCELLED, "cancelled", step)
    assert house.store.artifacts(job_id) == {}
    assert not house.objects.preview(job_id).exists()


def test_cancelling_is_heard_while_the_file_is_written(house: House) -> None:
    job_id = house.submit()

    class Engine(TestcardEngine):
        def start(self, request: Request, state: State | None = None) -> TestcardRun:
            run = super().start(request, state)
            clip = run.clip

            def late() -> Any:
                house.store.cancel(house.project, job_id)
                return clip()

            run.clip = late  # type: ignore[method-assign]
            return run

    house.worker(make=Engine).run_one()
    assert house.job(job_id).status is Status.CANCELLED
    assert list((house.settings.store / "temporary").iterdir()) == []


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e6])
def test_a_job_that_gives_way_goes_on_later_to_the_same_bits(
    house: House, finished: str, monkeypatch: pytest.MonkeyPatch, checkpoint_seconds: float
) -> None:
    job_id, beat = house.submit(), house.store.heartbeat
    ordered = [True]

    def give_way(*args: Any, **more: Any) -> HeartbeatReply:
        beat(*args, **more)
        return HeartbeatReply(give_way=ordered[0])

    monkeypatch.setattr(house.store, "heartbeat", give_way)
    # It is always one step further, so that two jobs cannot push each other aside for ever.
    for done in range(1, 6):
        assert house.steps(checkpoint_seconds=checkpoint_seconds) == 1
        job = house.job(job_id)
        assert (job.status, job.checkpoint_step, job.crashes) == (Status.QUEUED, done, 0)
    assert house.steps() == 1  # and with all steps taken it does not give way any more
    assert house.video(job_id) == finished


def test_a_worker_that_is_asked_to_stop_gives_its_job_back(house: House, finished: str) -> None:
    job_id, stop = house.submit(), threading.Event()
    worker = house.worker(lambda number: stop.set() if number == 3 else None, checkpoint_seconds=1e6)
    worker.run(stop)
    job = house.job(job_id)
    assert (job.status, job.checkpoint_step, job.worker_id) == (Status.QUEUED, 3, None)
    assert house.steps() == 3
    assert house.video(job_id) == finished


def test_work_on_a_job_that_was_taken_away_is_dropped(either: House) -> None:
    house, finished = either, undisturbed(either)
    job_id = house.submit()
    other: list[int] = []

    def lose(number: int) -> None:
        if number == 3:  # it seems dead to everybody else, and another worker finishes its job
            house.store.lost(slow.id)
            other.append(house.steps())

    slow = house.worker(lose)
    assert slow.run_one()
    assert other == [4]
    assert house.video(job_id) == finished
    assert house.job(job_id).epoch == 2


class Undecodable(TestcardEngine):
    """Fails at decoding as often as it is told."""

    failures = 0
    error: Exception = RuntimeError("out of memory at 0xdeadbeef in /srv/secret")
    stage = "decode"

    def start(self, request: Request, state: State | None = None) -> TestcardRun:
        run = super().start(request, state)
        engine, plain = self, run.__iter__

        class Failing(type(run)):  # type: ignore[misc]
            def __iter__(self) -> Iterator[Progress]:
                for progress in plain():
                    yield progress
                    if progress.stage == engine.stage and type(engine).failures > 0:
                        type(engine).failures -= 1
                        raise engine.error

        run.__class__ = Failing
        return run


@pytest.mark.parametrize("failures", [1, 2])
def test_decoding_that_fails_is_tried_again_without_the_steps(
    house: House, finished: str, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(Undecodable, "failures", failures)
    job_id = house.submit()
    assert house.steps(make=Undecodable) == 6
    assert house.video(job_id) == finished


@pytest.mark.parametrize(
    ("error", "stage", "code", "says"),
    [
        (RuntimeError("0xdeadbeef in /srv/secret"), "decode", "processing_error", "something broke"),
        (MemoryError(), "sample", "processing_error", "something broke"),
        (EngineError("the model drew nothing", "try another seed"), "sample", "engine", "another seed"),
        (ModelError("/srv/secret is damaged"), "load", "model", "this server could not"),
        (BadInput("the source is upside down", "turn it", field="video"), "load", "bad_input", "turn it"),
        (OSError(errno.ENOSPC, "/srv/secret"), "load", "processing_error", "something broke"),
    ],
)
def test_a_failure_is_told_in_a_sentence_that_gives_nothing_away(
    house: House,
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
    job_id = house.submit()
    worker = house.worker(make=Undecodable)
    with caplog.at_level(logging.INFO):
        assert worker.run_one()
    job = house.job(job_id)
    assert (job.status, job.error_code) == (Status.FAILED, code)
    assert says in (job.error_message or "")
    assert "secret" not in (job.error_message or "")
    assert "\n" not in (job.error_message or "")
    if code == "processing_error":
        assert any(record.exc_info for record in caplog.records)
        assert worker.faults == 1
    if code != "bad_input" and not isinstance(error, (EngineError, MemoryError)):
        assert "secret" in caplog.text


def test_another_machine_may_try_what_failed_here_unless_the_request_is_at_fault(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.store.enrol("elsewhere", 1)
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "error", EngineError("the model drew nothing"))
    job_id = house.submit()
    house.worker(make=Undecodable).run_one()
    assert house.job(job_id).status is Status.QUEUED
    assert not house.worker(make=Undecodable).run_one()  # not here again
    monkeypatch.setattr(Undecodable, "error", BadInput("the source is upside down", field="video"))
    job_id = house.submit()
    house.worker(make=Undecodable).run_one()
    assert house.job(job_id).status is Status.FAILED


def test_an_odd_size_fails_before_any_work(house: House) -> None:
    job_id = house.submit(width=63)
    assert house.steps() == 0
    assert "even" in (house.job(job_id).error_message or "")


def test_a_worker_that_breaks_again_and_again_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Undecodable, "failures", 99)
    monkeypatch.setattr(Undecodable, "stage", "sample")
    jobs = [house.submit() for _ in range(4)]
    worker = house.worker(make=Undecodable)
    worker.run(threading.Event())
    assert [house.job(job).status for job in jobs] == [Status.FAILED] * 3 + [Status.QUEUED]
    assert worker.faults == 3


@pytest.mark.parametrize("harm", ["gone", "damaged", "foreign"])
def test_a_state_that_cannot_be_used_means_a_new_start(house: House, finished: str, harm: str) -> None:
    job_id = house.submit()

    def die(number: int) -> None:
        if number == 4:
            raise Killed

    dead = house.worker(die)
    with pytest.raises(Killed):
        dead.run_one()
    saved = house.objects.path(house.job(job_id).checkpoint or "")
    if harm == "gone":
        saved.unlink()
    else:
        saved.write_bytes(
            b"\0\1\2" if harm == "damaged" else saved.read_bytes().replace(b"balloon", b"bassoon")
        )
    house.store.lost(dead.id)
    assert house.steps() == 6
    assert house.video(job_id) == finished


def test_a_full_disk_does_not_stop_the_steps(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, put = house.submit(), house.objects.put

    def full(source: Any) -> tuple[str, int]:
        if isinstance(source, bytes):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(source)

    monkeypatch.setattr(house.objects, "put", full)
    monkeypatch.setattr(house.objects, "show", lambda job_id, picture: full(picture))
    house.worker().run_one()
    assert house.job(job_id).status is Status.COMPLETED
    assert "could not be saved" in caplog.text
    # ... but without its files there is no video.
    job_id = house.submit()
    monkeypatch.setattr(house.objects, "put", lambda source: full(b""))
    house.worker().run_one()
    assert (house.job(job_id).status, house.job(job_id).error_code) == (Status.FAILED, "output")


def test_a_video_can_be_made_from_files_in_the_store(house: House, finished: str) -> None:
    picture = house.settings.home / "picture.png"
    Image.new("RGB", (64, 48), (250, 120, 10)).save(picture)
    digest, size = house.objects.put(picture)
    references = (Reference("first_frame", digest, "image/png"),)
    job_id = house.submit((Artifact("first_frame", digest, "image/png", size),), references=references)
    house.steps()
    first = read_video(house.objects.path(house.video(job_id))).frames[0]
    assert abs(first.astype(int) - (250, 120, 10)).max() <= 6

    source = Reference("source", house.video(job_id), "video/mp4")
    longer = house.submit(operation="extend", seconds=1.5, references=(source,))
    house.steps()
    footage = read_video(house.objects.path(house.video(longer)))
    assert (footage.seconds, len(footage.frames)) == (1.5, 12)
    assert abs(footage.frames[0].astype(int) - (250, 120, 10)).max() <= 8


def test_a_file_that_is_gone_is_the_end(house: House) -> None:
    house.store.enrol("elsewhere", 1)
    job_id = house.submit(references=(Reference("first_frame", "ab" * 32, "image/png"),))
    assert house.steps() == 0
    job = house.job(job_id)
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
    house: House, finished: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(house.store, call, Unreachable(3, getattr(house.store, call)))
    job_id = house.submit()
    assert house.steps() == 6
    assert house.video(job_id) == finished


def test_a_finished_video_waits_for_the_database(
    house: House, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "INSIST_PAUSE", 0.0)
    monkeypatch.setattr(house.store, "finish", Unreachable(5, house.store.finish))
    job_id = house.submit()
    house.steps()
    assert house.video(job_id) == finished
    # Not for ever: the job is done again from its last state.
    monkeypatch.setattr(attempt, "INSIST_SECONDS", 0.0)
    finish = house.store.finish
    monkeypatch.setattr(house.store, "finish", Unreachable(1, finish))
    job_id = house.submit()
    worker = house.worker()
    with pytest.raises(DatabaseError):
        worker.run_one()
    house.store.lost(worker.id)
    assert house.steps() == 0
    assert house.video(job_id) == finished


def test_a_worker_outlives_a_database_that_is_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from hinode.jobs.worker import worker as module

    monkeypatch.setattr(module, "DATABASE_PAUSE", 0.0)
    job_id, stop = house.submit(), threading.Event()
    worker = house.worker()
    claim = house.store.claim

    def last(*args: Any, **more: Any) -> Any:
        lease = claim(*args, **more)
        if lease is None:
            stop.set()
        return lease

    monkeypatch.setattr(house.store, "claim", Unreachable(3, last))
    worker.run(stop)
    assert house.job(job_id).status is Status.COMPLETED


def test_the_last_engine_stays_in_memory(house: House) -> None:
    made: list[str] = []

    def make(name: str, settings: Settings) -> Engine:
        made.append(name)
        return TestcardEngine(settings)

    worker = Worker(
        house.store, house.objects, house.settings, host="here", engines=("testcard", "other"), engine=make
    )
    for engine in ("testcard", "testcard", "other", "testcard"):
        house.submit(engine=engine)
        worker.run_one()
    assert made == ["testcard", "other", "testcard"]
    house.submit(engine="unheard-of")
    assert not worker.run_one()


def test_the_lease_is_kept_through_a_long_step(either: House) -> None:
    house, store = either, Store(either.store.database, lease_seconds=0.04)
    beats: list[int] = []
    enough = threading.Event()
    house.submit()
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
    job = house.job(lease.job.id)
    assert (job.stage, job.progress, job.preview) == ("sample", 40, 2)


def test_loading_does_not_count_as_running(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = 100.0, []
    house.submit()
    lease = house.store.claim("worker_1", host="here")
    assert lease is not None

    def heartbeat(*args: Any, ran_for: float, **more: Any) -> HeartbeatReply:
        told.append(ran_for)
        return HeartbeatReply()

    monkeypatch.setattr(house.store, "heartbeat", heartbeat)
    heart = Heartbeat(house.store, lease, slice_seconds=15.0, clock=lambda: now)
    for stage in ("load", "text", "sample", "sample", "decode"):
        now += 10.0
        heart.check(stage, 1, 0)
    assert told == [0.0, 0.0, 0.0, 10.0, 20.0]


def test_a_worker_says_which_engines_it_can_run(house: House) -> None:
    for engines in (None, ["native"]):
        Worker(house.store, house.objects, house.settings, host=f"of {engines}", engines=engines)
    with house.store.database.read() as connection:
        there = live_workers.live(connection, house.store.clock())
    assert there == {"of None": frozenset(installed.names()), "of ['native']": frozenset({"native"})}


def test_an_end_is_told_once(house: House) -> None:
    job_id = house.submit()
    house.steps()
    with house.store.database.read() as connection:
        told = connection.execute(sa.select(events)).all()
    assert [(event.type, event.data) for event in told] == [("video.completed", {"id": job_id})]
    assert json.dumps(house.job(job_id).making)
