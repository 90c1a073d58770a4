"""Batches: from a file of requests to files of results, cut off and repeated anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput, HinodeError
from hinode.jobs.admission.idempotency import RETRY_WINDOW
from hinode.jobs.batches import lines, processor, results
from hinode.jobs.batches.batch import Batch, ConcurrentUpdate
from hinode.jobs.batches.batches import Batches
from hinode.jobs.batches.processor import BatchProcessor
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.job import Draft, Idempotency, Job, Lease
from hinode.jobs.rows import read_job
from hinode.jobs.states import Priority, Status
from hinode.jobs.store import Store
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import events, jobs, projects
from tests.jobs.service import DAY, FILES, START, Clock, add_projects, draft


class Wire:
    """A small wire format: {"prompt": …}, where some prompts raise an error."""

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {
            "bad": BadInput("this prompt is bad", "write another", field="prompt"),
            "bug": ZeroDivisionError("in the reading"),
        }

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        prompt = body["prompt"]
        if prompt in self.errors:
            raise self.errors[prompt]
        return replace(draft(project_id, prompt), key_id=key_id, request_hash=prompt)

    def video(self, job: Job) -> dict[str, Any]:
        error = {"code": job.error_code, "message": job.error_message} if job.error_code else None
        return {"id": job.id, "status": job.status.value, "prompt": job.request["prompt"], "error": error}

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        return (400 if isinstance(error, BadInput) else 500), {"error": {"message": str(error)}}


class Service:
    """Batches of two projects, with their clients and a worker."""

    def __init__(self, database: Database, folder: Path) -> None:
        add_projects(database)
        self.database = database
        self.clock = Clock()
        self.wire = Wire()
        self.store = Store(database, self.clock)
        self.objects = Objects(folder)
        self.uploads = Uploads(database, self.objects, self.clock)
        self.batches = self.another_process()
        self.processor = self.batches.processor

    def another_process(self) -> Batches:
        return Batches(self.store, self.objects, self.uploads, self.wire, self.clock)

    def upload(
        self, text: str | bytes, purpose: str = "batch", project: str = "proj_1", **values: Any
    ) -> str:
        with self.objects.temporary() as path:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            upload = self.uploads.create(
                project, purpose=purpose, filename="in.jsonl", media_type="text/plain", path=path, **values
            )
        return upload.id

    def create(self, *rows: str, project: str = "proj_1", **values: Any) -> Batch:
        request = {"endpoint": "/v1/videos", "completion_window": "24h", **values}
        if "input_file_id" not in request:
            request["input_file_id"] = self.upload("\n".join(rows), project=project)
        return self.batches.create(project, "key_1", **request)[0]

    def current(self, batch: Batch) -> Batch:
        current = self.batches.get(batch.project_id, batch.id)
        assert current is not None
        return current

    def advance(self, batch: Batch) -> Batch:
        self.batches.advance(self.clock())
        return self.current(batch)

    def cancel(self, batch: Batch) -> Batch:
        cancelled = self.batches.cancel("proj_1", batch.id)
        assert cancelled is not None
        return cancelled

    def claim(self) -> Lease:
        lease = self.store.claim(self.store.register_worker("host", 1), host="host")
        assert lease is not None
        return lease

    def work(self) -> int:
        """Carry out every waiting job; those whose prompt begins with "fail" fail."""
        count = 0
        worker = self.store.register_worker("host", 1)
        while lease := self.store.claim(worker, host="host"):
            if lease.job.request["prompt"].startswith("fail"):
                self.store.fail(lease, "processing_error", "it did not work", final=True)
            else:
                self.store.finish(lease, FILES, {}, 100.0)
            count += 1
        return count

    def results(self, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        upload = self.uploads.get("proj_1", file_id)
        assert upload is not None
        assert upload.purpose == "batch_output"
        text = self.objects.path(upload.digest).read_text()
        assert upload.bytes == len(text.encode())
        assert text.endswith("\n")
        return [json.loads(row) for row in text.splitlines()]

    def events(self) -> list[str]:
        with self.database.read() as connection:
            rows = connection.execute(sa.select(events).where(events.c.type.like("batch.%")))
            return [f"{row.type} {row.data['id']}" for row in rows]

    def jobs(self, batch: Batch) -> list[Job]:
        query = sa.select(jobs).where(jobs.c.batch_id == batch.id).order_by(jobs.c.id)
        with self.database.read() as connection:
            return [read_job(row) for row in connection.execute(query).mappings()]

    def limit(self, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(projects.update().values(**values))


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Service:
    return Service(database, tmp_path / "store")


@pytest.fixture
def clock(service: Service) -> Clock:
    return service.clock


@pytest.fixture(autouse=True)
def _enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    for name in ("LINE_SECONDS", "CHUNK_SECONDS", "ROUND_SECONDS"):
        monkeypatch.setattr(processor, name, 60.0)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CHUNK", 2)


def line(number: int, prompt: str | None = None, **values: Any) -> str:
    body = {"prompt": f"prompt {number}" if prompt is None else prompt}
    request = {"custom_id": f"line {number}", "method": "POST", "url": "/v1/videos", "body": body}
    return json.dumps(request | values)


def lines_of(count: int) -> list[str]:
    return [line(number) for number in range(count)]


# The whole way


@pytest.mark.both_databases
def test_a_batch_from_file_to_files(service: Service, clock: Clock) -> None:
    batch = service.create(line(0), line(1, "bad"), "", line(2, "fail"), line(3), metadata={"a": "b"})
    assert (batch.status, batch.lines, batch.metadata) == ("validating", 0, {"a": "b"})
    assert batch.expires_at == START + DAY
    clock.now += 1
    batch = service.advance(batch)
    assert (batch.status, batch.lines, batch.admitted) == ("in_progress", 4, 4)
    assert (batch.completed, batch.failed) == (0, 1)
    admitted = service.jobs(batch)
    assert [job.request["prompt"] for job in admitted] == ["prompt 0", "fail", "prompt 3"]
    assert {(job.priority, job.key_id, job.status) for job in admitted} == {
        (Priority.BATCH, "key_1", Status.QUEUED)
    }
    assert service.batches.advance(clock.now) == 0
    clock.now += 1
    assert service.work() == 3
    clock.now += 1
    batch = service.advance(batch)
    assert (batch.status, batch.completed, batch.failed) == ("completed", 2, 2)
    assert (batch.in_progress_at, batch.finalizing_at, batch.completed_at) == (
        START + 1,
        START + 3,
        START + 3,
    )
    good = service.results(batch.output_file_id)
    assert [row["custom_id"] for row in good] == ["line 0", "line 2", "line 3"]
    assert [row["response"]["body"]["status"] for row in good] == ["completed", "failed", "completed"]
    assert {row["response"]["status_code"] for row in good} == {200}
    assert good[0]["response"]["body"]["id"] == admitted[0].id
    assert good[1]["response"]["body"]["error"]["code"] == "processing_error"
    (bad,) = service.results(batch.error_file_id)
    assert bad["custom_id"] == "line 1"
    assert bad["response"]["status_code"] == 400
    assert bad["response"]["body"]["error"]["message"] == "this prompt is bad; write another"
    assert len({row["id"] for row in [*good, bad]}) == 4
    assert service.events() == [f"batch.completed {batch.id}"]
    assert service.batches.advance(clock.now) == 0


def test_there_is_no_file_without_lines(service: Service) -> None:
    batch = service.advance(service.create(line(0, "bad")))
    assert (batch.status, batch.output_file_id, batch.failed) == ("completed", None, 1)
    assert batch.error_file_id is not None


def test_a_fault_in_the_reading_is_the_lines_answer(service: Service) -> None:
    batch = service.advance(service.create(line(0, "bug")))
    assert service.results(batch.error_file_id)[0]["response"]["status_code"] == 500


def test_trouble_with_the_database_is_nobodys_answer(service: Service) -> None:
    service.wire.errors["away"] = DatabaseError("it is away", "wait")
    batch = service.advance(service.create(line(0, "away")))
    assert (batch.status, batch.admitted) == ("in_progress", 0)
    del service.wire.errors["away"]
    assert service.advance(batch).admitted == 1


def test_results_are_kept_as_long_as_asked(service: Service, clock: Clock) -> None:
    batch = service.advance(service.create(line(0, "bad"), output_seconds=3600.0))
    assert batch.error_file_id is not None
    clock.now += 3599
    assert service.uploads.get("proj_1", batch.error_file_id)
    clock.now += 1
    assert service.uploads.get("proj_1", batch.error_file_id) is None
    service.batches.advance(clock.now)
    assert service.uploads.find(batch.error_file_id) is None


@pytest.mark.both_databases
@pytest.mark.usefixtures("small_chunks")
def test_long_files_are_admitted_and_written_in_pieces(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PAGE", 3)
    batch = service.advance(service.create(*lines_of(7)))
    assert batch.admitted == 7
    service.work()
    batch = service.advance(batch)
    assert [row["custom_id"] for row in service.results(batch.output_file_id)] == [
        f"line {n}" for n in range(7)
    ]


# Wrong files


@pytest.mark.parametrize(
    ("text", "code", "row", "param"),
    [
        ("", "empty_file", None, None),
        ("\n \n", "empty_file", None, None),
        ("nonsense", "invalid_json_line", 1, None),
        ("[]", "invalid_json_line", 1, None),
        ('{"custom_id": NaN}', "invalid_json_line", 1, None),
        ("[" * 100_000, "invalid_json_line", 1, None),
        ('{"a":' * 250_000, "line_too_long", 1, None),
        (b"\xff\xfe\x00", "invalid_json_line", 1, None),
        (line(0, custom_id=""), "invalid_custom_id", 1, "custom_id"),
        (line(0, custom_id=7), "invalid_custom_id", 1, "custom_id"),
        (line(0, custom_id="\ud800"), "invalid_custom_id", 1, "custom_id"),
        (line(0, method="GET"), "invalid_method", 1, "method"),
        (line(0, url="/v1/responses"), "invalid_url", 1, "url"),
        (line(0, body=[]), "invalid_request", 1, "body"),
        (f"{line(0)}\n\n{line(1)}\n{line(0)}", "duplicate_custom_id", 4, "custom_id"),
    ],
)
def test_a_wrong_file_fails_the_batch(
    service: Service, text: str | bytes, code: str, row: int | None, param: str | None
) -> None:
    file = service.upload(text)
    batch = service.create(input_file_id=file)
    batch = service.advance(batch)
    assert (batch.status, batch.failed_at) == ("failed", START)
    (error,) = batch.errors or ()
    assert (error["code"], error["line"], error["param"]) == (code, row, param)
    assert not service.jobs(batch)
    assert service.events() == [f"batch.failed {batch.id}"]
    assert service.batches.advance(START) == 0
    with pytest.raises(BadInput, match="failed already"):
        service.batches.cancel("proj_1", batch.id)


def test_bounds_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINES", 3)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 200)
    path = tmp_path / "file"
    path.write_text("\n".join(line(number) for number in range(4)))
    assert [error["code"] for error in lines.check(path)[1]] == ["too_many_requests"]
    path.write_text(line(0, "x" * 200) + "\n" + line(1))
    assert [error["code"] for error in lines.check(path)[1]] == ["line_too_long"]
    monkeypatch.setattr(lines, "MAX_LINES", 300)
    path.write_text("x\n" * 200)
    assert len(lines.check(path)[1]) == lines.MAX_ERRORS


def test_a_file_that_was_removed_by_hand(service: Service) -> None:
    batch = service.create(line(0))
    upload = service.uploads.find(batch.input_file_id)
    assert upload is not None
    service.objects.path(upload.digest).unlink()
    batch = service.advance(batch)
    assert batch.status == "failed"
    assert (batch.errors or ())[0]["code"] == "missing_file"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": "file-none"}, "input_file_id"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"output_seconds": 60.0}, "output_expires_after.seconds"),
    ],
)
def test_wrong_fields_are_named(service: Service, values: dict[str, Any], field: str) -> None:
    right: dict[str, Any] = {
        "input_file_id": service.upload(line(0)),
        "endpoint": "/v1/videos",
        "completion_window": "24h",
    }
    with pytest.raises(BadInput) as caught:
        service.batches.create("proj_1", None, **(right | values))
    assert caught.value.field == field


def test_the_file_must_be_for_a_batch_and_the_projects_own(service: Service) -> None:
    right = {"endpoint": "/v1/videos", "completion_window": "24h"}
    with pytest.raises(BadInput, match="was uploaded for"):
        service.batches.create("proj_1", None, input_file_id=service.upload(line(0), "vision"), **right)
    with pytest.raises(BadInput, match="there is no file"):
        service.batches.create("proj_2", None, input_file_id=service.upload(line(0)), **right)


@pytest.mark.both_databases
def test_the_input_of_an_unfinished_batch_stays(service: Service, clock: Clock) -> None:
    batch = service.create(line(0))
    with pytest.raises(BadInput, match="is not finished"):
        service.uploads.delete("proj_1", batch.input_file_id)
    clock.now += 40 * DAY
    assert service.uploads.expire(clock.now) == 0
    service.advance(batch)
    assert service.current(batch).status == "expired"
    assert service.uploads.expire(clock.now) == 1


# Ending early


@pytest.mark.both_databases
@pytest.mark.usefixtures("small_chunks")
def test_cancelling(service: Service, clock: Clock) -> None:
    batch = service.advance(service.create(*lines_of(4)))
    done, running = service.claim(), service.claim()
    service.store.finish(done, FILES, {}, 100.0)
    clock.now += 1
    stopping = service.batches.cancel("proj_1", batch.id)
    assert stopping is not None
    assert (stopping.status, stopping.cancelling_at, stopping.completed) == ("cancelling", START + 1, 1)
    assert service.batches.cancel("proj_1", batch.id) == stopping
    assert service.advance(batch).status == "cancelling"  # one is still running
    service.store.acknowledge_cancel(running)
    batch = service.advance(batch)
    assert (batch.status, batch.completed, batch.failed) == ("cancelled", 1, 3)
    assert sorted(row["response"]["body"]["status"] for row in service.results(batch.output_file_id)) == [
        "cancelled",
        "cancelled",
        "cancelled",
        "completed",
    ]
    assert service.events() == [f"batch.cancelled {batch.id}"]
    assert service.batches.cancel("proj_1", batch.id) == batch


@pytest.mark.both_databases
def test_many_lines_are_cancelled_in_pieces(service: Service) -> None:
    batch = service.advance(service.create(*lines_of(300)))
    service.batches.cancel("proj_1", batch.id)
    assert sum(job.status is Status.QUEUED for job in service.jobs(batch)) == 50
    batch = service.advance(batch)
    assert (batch.status, batch.failed) == ("cancelled", 300)


def test_cancelling_before_the_lines_were_looked_at(service: Service) -> None:
    batch = service.create(line(0))
    assert service.batches.cancel("proj_2", batch.id) is None
    service.batches.cancel("proj_1", batch.id)
    batch = service.advance(batch)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("cancelled", None, None)


def test_cancelling_between_chunks(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = service.create(*lines_of(3))
    monkeypatch.setattr(processor, "CHUNK", 2)
    assert [service.processor.step(batch.id, START) for _ in range(2)] == [True, True]
    service.batches.cancel("proj_1", batch.id)
    batch = service.advance(batch)
    assert (batch.status, batch.admitted, batch.lines, batch.failed) == ("cancelled", 2, 3, 3)
    (never,) = service.results(batch.error_file_id)
    assert (never["custom_id"], never["response"], never["error"]["code"]) == (
        "line 2",
        None,
        "batch_cancelled",
    )


def test_a_batch_that_is_cancelled_while_a_chunk_is_read_gets_no_more_jobs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = service.create(line(0), line(1))
    service.processor.step(batch.id, START)
    read = Wire.draft

    def draft(self: Wire, *rest: Any) -> Draft:
        service.batches.cancel("proj_1", batch.id)
        return read(self, *rest)

    monkeypatch.setattr(Wire, "draft", draft)
    with pytest.raises(ConcurrentUpdate):
        service.processor.step(batch.id, START)
    assert not service.jobs(batch)
    assert service.advance(batch).status == "cancelled"


@pytest.mark.both_databases
@pytest.mark.usefixtures("small_chunks")
def test_a_window_that_closes(service: Service, clock: Clock) -> None:
    service.limit(daily_seconds=12.0)  # three of the five
    batch = service.advance(service.create(*lines_of(5)))
    assert (batch.status, batch.admitted) == ("in_progress", 3)
    done, running = service.claim(), service.claim()
    service.store.finish(done, FILES, {}, 100.0)
    clock.now = START + DAY - 1
    assert service.advance(batch).status == "in_progress"
    clock.now += 1
    batch = service.advance(batch)
    assert (batch.status, batch.finalizing_at) == ("finalizing", START + DAY)
    service.store.give_back(running)
    batch = service.advance(batch)
    assert (batch.status, batch.expired_at) == ("expired", START + DAY)
    assert (batch.completed, batch.failed) == (1, 4)
    assert sorted(row["response"]["body"]["status"] for row in service.results(batch.output_file_id)) == [
        "cancelled",
        "completed",
        "expired",
    ]
    never = service.results(batch.error_file_id)
    assert [row["custom_id"] for row in never] == ["line 3", "line 4"]
    assert {row["error"]["code"] for row in never} == {"batch_expired"}
    assert service.events() == [f"batch.expired {batch.id}"]


def test_a_batch_that_is_done_in_time_is_completed_even_if_nobody_looked(
    service: Service, clock: Clock
) -> None:
    batch = service.advance(service.create(line(0)))
    service.work()
    clock.now += 2 * DAY
    assert service.advance(batch).status == "completed"


@pytest.mark.both_databases
def test_a_quota_that_frees_up_lets_the_rest_in(service: Service, clock: Clock) -> None:
    service.limit(daily_seconds=12.0)
    batch = service.advance(service.create(*lines_of(5)))
    assert batch.admitted == 3
    service.limit(daily_seconds=None)
    assert service.advance(batch).admitted == 5


# Crashes and company


class Crash(BaseException):
    """Stands for the death of the process at some point."""


@pytest.mark.both_databases
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("until_end", [False, True])
def test_a_crash_at_any_transaction_loses_and_doubles_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, until_end: bool
) -> None:
    """The process dies before or after its nth commit, for every n; the next one goes on from there."""
    write = Database.write
    batch = service.create(line(0), line(1, "bad"), line(2), line(3, "fail"), line(4))
    left = [0]

    def dying(self: Database) -> Any:

        @contextmanager
        def transaction() -> Iterator[Any]:
            with write(self) as connection:
                yield connection
                left[0] -= 1
                if left[0] == 0 and not until_end:
                    raise Crash
            if left[0] == 0:
                raise Crash

        return transaction()

    for crash in range(1, 30):
        left[0] = crash % 3 + 1
        with monkeypatch.context() as patch:
            patch.setattr(Database, "write", dying)
            try:
                service.batches.advance(START)
            except Crash:
                service.processor._places.clear()  # a new process knows nothing
        service.work()
    batch = service.current(batch)
    assert (batch.status, batch.completed, batch.failed) == ("completed", 3, 2)
    assert sorted(job.request["prompt"] for job in service.jobs(batch)) == [
        "fail",
        "prompt 0",
        "prompt 2",
        "prompt 4",
    ]
    assert [row["custom_id"] for row in service.results(batch.output_file_id)] == [
        f"line {number}" for number in (0, 2, 3, 4)
    ]
    assert service.events() == [f"batch.completed {batch.id}"]
    outputs, _ = service.uploads.page("proj_1", after=None, limit=10, purpose="batch_output")
    assert len(outputs) == 2


@pytest.mark.both_databases
@pytest.mark.usefixtures("small_chunks")
def test_processes_side_by_side(service: Service, clock: Clock) -> None:
    batches = [service.create(*lines_of(9)) for _ in range(3)]
    others = [service.another_process() for _ in range(3)]

    def together() -> None:
        threads = [threading.Thread(target=other.advance, args=(START,)) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    while any(service.current(batch).admitted < 9 for batch in batches):
        together()
    assert service.work() == 27
    while any(service.current(batch).status != "completed" for batch in batches):
        together()
    assert sorted(service.events()) == sorted(f"batch.completed {batch.id}" for batch in batches)
    outputs, _ = service.uploads.page("proj_1", after=None, limit=10, purpose="batch_output")
    assert len(outputs) == 3
    assert all(len(service.results(output.id)) == 9 for output in outputs)


def test_one_broken_batch_does_not_hold_up_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = service.create(line(0)), service.create(line(0))
    validate = BatchProcessor._validate

    def failing(self: BatchProcessor, batch: Batch, now: float) -> None:
        if batch.id == broken.id:
            raise OSError("the disk")
        validate(self, batch, now)

    monkeypatch.setattr(BatchProcessor, "_validate", failing)
    assert service.advance(fine).admitted == 1
    assert service.current(broken).status == "validating"


def test_a_batch_waits_for_a_disk_that_is_full_or_away(service: Service) -> None:
    batch = service.create(line(0), line(1, "with a picture"))
    elsewhere = service.objects.root.with_name("elsewhere")
    service.objects.root.rename(elsewhere)
    assert service.advance(batch).status == "validating"
    elsewhere.rename(service.objects.root)
    service.wire.errors["with a picture"] = StoreError("the disk is full", full=True)
    assert (service.advance(batch).status, service.current(batch).admitted) == ("in_progress", 0)
    del service.wire.errors["with a picture"]
    assert service.advance(batch).admitted == 2


# Repeated requests


def test_a_line_is_no_answer_to_a_request_that_is_tried_again(service: Service) -> None:
    batch = service.advance(service.create(line(0, "a kite")))
    (job,) = service.jobs(batch)
    request = service.wire.draft("proj_1", "key_1", {"prompt": "a kite"})
    retry = service.store.submit([request], retry_count=1)
    assert not retry.replayed
    assert retry.jobs[0].id != job.id


@pytest.mark.both_databases
def test_the_same_key_gives_the_same_batch(service: Service, clock: Clock) -> None:
    file_id = service.upload(line(0))
    promise = Idempotency("POST /v1/batches", "k", "hash")
    request = {"input_file_id": file_id, "endpoint": "/v1/videos", "completion_window": "24h"}
    first, replayed = service.batches.create("proj_1", "key_1", **request, idempotency=promise)
    assert not replayed
    assert service.work() == 0
    batch = service.advance(first)
    service.work()
    assert service.advance(batch).status == "completed"
    assert service.uploads.delete("proj_1", file_id)
    again, replayed = service.batches.create("proj_1", "key_1", **request, idempotency=promise)
    assert (replayed, again) == (True, service.current(first))
    with pytest.raises(BadInput, match="another request"):
        service.batches.create(
            "proj_1", "key_1", **request, idempotency=replace(promise, request_hash="other")
        )
    videos = Idempotency("POST /v1/videos", "k", "hash")
    assert not service.store.submit([draft()], idempotency=videos).replayed


@pytest.mark.both_databases
def test_a_clients_retry_finds_the_batch_of_its_first_try(service: Service, clock: Clock) -> None:
    request = {"input_file_id": service.upload(line(0)), "request_hash": "h"}
    first = service.create(**request)
    clock.now += 1
    second = service.create(**request)
    assert first.id != second.id, "two equal requests are two batches"
    assert service.create(**request, retry_count=1).id == first.id
    clock.now += 1
    new = service.create(**request, retry_count=2, since=clock.now)
    assert new.id not in (first.id, second.id), "they were there before the first try"
    assert service.create(**{**request, "request_hash": "other"}, retry_count=3).id != first.id
    clock.now += RETRY_WINDOW
    assert service.create(**request, retry_count=3).id not in (first.id, second.id, new.id)


# Lines that take long


@pytest.fixture
def slow(service: Service) -> Iterator[threading.Event]:
    """Lines of which the prompt is "slow" are not read before this is set."""
    released = threading.Event()
    read = service.wire.draft

    def draft(project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        if body["prompt"] == "slow":
            assert released.wait(60)
        return read(project_id, key_id, body)

    service.wire.draft = draft  # type: ignore[method-assign]
    yield released
    released.set()


def test_a_line_that_takes_long_holds_up_nobody_else(
    service: Service, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = service.create(line(0), line(1, "slow"), line(2))
    theirs = service.create(line(0), line(1), project="proj_2")
    wait_for = service.processor._calls.result

    def patient(project_id: str, name: str, number: int, work: Any, seconds: float) -> Any:
        # A blocked line is not waited for, the others for as long as it takes.
        return wait_for(project_id, name, number, work, 0.0 if (name, number) == (blocked.id, 1) else 60.0)

    monkeypatch.setattr(service.processor._calls, "result", patient)
    assert service.advance(blocked).admitted == 1
    assert service.current(theirs).admitted == 2
    assert service.batches.advance(START) == 0
    others = [service.create(line(0), project="proj_2") for _ in range(3)]
    assert [service.advance(batch).admitted for batch in others] == [1, 1, 1]
    slow.set()
    while service.current(blocked).admitted < 3:
        service.batches.advance(START)
    assert {job.request["prompt"] for job in service.jobs(blocked)} == {"prompt 0", "slow", "prompt 2"}
    assert service.processor._calls.owners() == set()


def test_a_batch_that_ends_while_a_line_takes_long_leaves_nothing(
    service: Service, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "LINE_SECONDS", 0.0)
    batch = service.advance(service.create(line(0, "slow")))
    assert (batch.admitted, service.processor._calls.owners()) == (0, {batch.id})
    service.batches.cancel("proj_1", batch.id)
    assert service.advance(batch).status == "cancelled"
    slow.set()
    while service.processor._calls.owners():
        service.batches.advance(START)
    assert service.jobs(batch) == []


def test_projects_take_turns(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = sorted(service.create(line(0)).id for _ in range(3))
    theirs = service.create(line(0), project="proj_2").id
    turns: list[str] = []

    def step(self: BatchProcessor, batch_id: str, now: float) -> bool:
        turns.append(batch_id)
        return False

    monkeypatch.setattr(BatchProcessor, "step", step)
    service.batches.advance(START)
    assert turns == [mine[0], theirs, mine[1], mine[2]]
    monkeypatch.setattr(processor, "CHUNK_SECONDS", 1e-9)  # one step takes all that a project gets
    turns.clear()
    for _ in range(3):
        service.batches.advance(START)
    assert turns == [mine[0], theirs, mine[1], theirs, mine[2], theirs]


@pytest.mark.both_databases
def test_batches_of_a_project_page_by_page(service: Service) -> None:
    ids = [service.create(line(0)).id for _ in range(5)]
    first, more = service.batches.page("proj_1", after=None, limit=3)
    rest, no_more = service.batches.page("proj_1", after=first[-1].id, limit=3)
    assert [batch.id for batch in first + rest] == sorted(ids, reverse=True)
    assert (more, no_more) == (True, False)
    assert service.batches.page("proj_2", after=None, limit=3) == ([], False)
    with pytest.raises(BadInput):
        service.batches.page("proj_2", after=ids[0], limit=3)
    assert service.batches.get("proj_2", ids[0]) is None
