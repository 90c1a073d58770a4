"""Batches: from a file of requests to files of results, cut off and repeated anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput, HinodeError
from hinode.jobs.admit import Draft
from hinode.jobs.batches import batches as module
from hinode.jobs.batches import lines, results
from hinode.jobs.batches.batch import Batch, ConcurrentUpdate
from hinode.jobs.batches.batches import Batches
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import Uploads
from hinode.jobs.idempotency import RETRY_WINDOW
from hinode.jobs.job import Idempotency, Job, Lease
from hinode.jobs.states import Priority, Status
from hinode.jobs.store import Store
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import events, jobs, organisations, projects
from hinode.request import MediaFile, Request

START = 1_800_000_000.0
DAY = 86_400.0
FILES = {role: MediaFile(f"{role:x<64}", "video/mp4", 7) for role in ("video", "thumbnail", "spritesheet")}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Wire:
    """A wire format as small as it can be: {"prompt": …}, where some prompts mean trouble."""

    def __init__(self) -> None:
        self.trouble: dict[str, Exception] = {
            "bad": BadInput("this prompt is bad", "write another", field="prompt"),
            "bug": ZeroDivisionError("in the reading"),
        }

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        prompt = body["prompt"]
        if prompt in self.trouble:
            raise self.trouble[prompt]
        request = Request(prompt, engine="testcard", model="testcard", seconds=4.0)
        return Draft(project_id, key_id, request, "sora-2", request_hash=prompt)

    def video(self, job: Job) -> dict[str, Any]:
        error = {"code": job.error_code, "message": job.error_message} if job.error_code else None
        return {"id": job.id, "status": job.status.value, "prompt": job.request["prompt"], "error": error}

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        return (400 if isinstance(error, BadInput) else 500), {"error": {"message": str(error)}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def here(database: Database, clock: Clock, wire: Wire, tmp_path: Path) -> Batches:
    with database.write() as connection:
        connection.execute(organisations.insert(), {"id": "org_1", "name": "o", "created_at": START})
        for name in ("proj_1", "proj_2"):
            connection.execute(
                projects.insert(), {"id": name, "organisation_id": "org_1", "name": name, "created_at": START}
            )
    objects = Objects(tmp_path / "store")
    return Batches(Store(database, clock), objects, Uploads(database, objects, clock), wire, clock)


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    for name in ("LINE_SECONDS", "CHUNK_SECONDS", "ROUND_SECONDS"):
        monkeypatch.setattr(module, name, 60.0)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)


def line(number: int, prompt: str | None = None, **values: Any) -> str:
    body = {"prompt": f"prompt {number}" if prompt is None else prompt}
    request = {"custom_id": f"line {number}", "method": "POST", "url": "/v1/videos", "body": body}
    return json.dumps(request | values)


def put(
    here: Batches, text: str | bytes, purpose: str = "batch", project: str = "proj_1", **values: Any
) -> str:
    with here.objects.temporary() as path:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        upload = here.uploads.create(
            project, purpose=purpose, filename="in.jsonl", media_type="text/plain", path=path, **values
        )
    return upload.id


def begun(here: Batches, *rows: str, project: str = "proj_1", **values: Any) -> Batch:
    asked = {"endpoint": "/v1/videos", "completion_window": "24h", **values}
    if "input_file_id" not in asked:
        asked["input_file_id"] = put(here, "\n".join(rows), project=project)
    return here.create(project, "key_1", **asked)[0]


def now(here: Batches, batch: Batch) -> Batch:
    found = here.get(batch.project_id, batch.id)
    assert found is not None
    return found


def advanced(here: Batches, batch: Batch) -> Batch:
    here.advance(here.clock())
    return now(here, batch)


def claimed(here: Batches) -> Lease:
    lease = here.store.claim(here.store.enrol("host", 1), host="host")
    assert lease is not None
    return lease


def work(here: Batches) -> int:
    """Make every video that waits; prompts that begin with "fail" fail."""
    count = 0
    worker = here.store.enrol("host", 1)
    while lease := here.store.claim(worker, host="host"):
        if lease.job.request["prompt"].startswith("fail"):
            here.store.fail(lease, "processing_error", "it did not work", final=True)
        else:
            here.store.finish(lease, FILES, {}, 100.0)
        count += 1
    return count


def said(here: Batches, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    upload = here.uploads.get("proj_1", file_id)
    assert upload is not None
    assert upload.purpose == "batch_output"
    text = here.objects.path(upload.digest).read_text()
    assert upload.bytes == len(text.encode())
    assert text.endswith("\n")
    return [json.loads(row) for row in text.splitlines()]


def told(here: Batches) -> list[str]:
    with here.database.read() as connection:
        rows = connection.execute(sa.select(events).where(events.c.type.like("batch.%")))
        return [f"{row.type} {row.data['id']}" for row in rows]


def jobs_of(here: Batches, batch: Batch) -> list[Job]:
    with here.database.read() as connection:
        rows = connection.execute(sa.select(jobs).where(jobs.c.batch_id == batch.id).order_by(jobs.c.id))
        return [Job.of(row) for row in rows.mappings()]


# The whole way


def test_a_batch_from_file_to_files(here: Batches, clock: Clock) -> None:
    batch = begun(here, line(0), line(1, "bad"), "", line(2, "fail"), line(3), metadata={"a": "b"})
    assert (batch.status, batch.lines, batch.metadata) == ("validating", 0, {"a": "b"})
    assert batch.expires_at == START + DAY
    clock.now += 1
    batch = advanced(here, batch)
    assert (batch.status, batch.lines, batch.admitted) == ("in_progress", 4, 4)
    assert (batch.completed, batch.failed) == (0, 1)
    made = jobs_of(here, batch)
    assert [job.request["prompt"] for job in made] == ["prompt 0", "fail", "prompt 3"]
    assert {(job.priority, job.key_id, job.status) for job in made} == {
        (Priority.BATCH, "key_1", Status.QUEUED)
    }
    assert here.advance(clock.now) == 0
    clock.now += 1
    assert work(here) == 3
    clock.now += 1
    batch = advanced(here, batch)
    assert (batch.status, batch.completed, batch.failed) == ("completed", 2, 2)
    assert (batch.in_progress_at, batch.finalizing_at, batch.completed_at) == (
        START + 1,
        START + 3,
        START + 3,
    )
    good = said(here, batch.output_file_id)
    assert [row["custom_id"] for row in good] == ["line 0", "line 2", "line 3"]
    assert [row["response"]["body"]["status"] for row in good] == ["completed", "failed", "completed"]
    assert {row["response"]["status_code"] for row in good} == {200}
    assert good[0]["response"]["body"]["id"] == made[0].id
    assert good[1]["response"]["body"]["error"]["code"] == "processing_error"
    (bad,) = said(here, batch.error_file_id)
    assert bad["custom_id"] == "line 1"
    assert bad["response"]["status_code"] == 400
    assert bad["response"]["body"]["error"]["message"] == "this prompt is bad; write another"
    assert len({row["id"] for row in [*good, bad]}) == 4
    assert told(here) == [f"batch.completed {batch.id}"]
    assert here.advance(clock.now) == 0


def test_there_is_no_file_without_lines(here: Batches) -> None:
    batch = advanced(here, begun(here, line(0, "bad")))
    assert (batch.status, batch.output_file_id, batch.failed) == ("completed", None, 1)
    assert batch.error_file_id is not None


def test_a_fault_in_the_reading_is_the_lines_answer(here: Batches) -> None:
    batch = advanced(here, begun(here, line(0, "bug")))
    assert said(here, batch.error_file_id)[0]["response"]["status_code"] == 500


def test_trouble_with_the_database_is_nobodys_answer(here: Batches, wire: Wire) -> None:
    wire.trouble["away"] = DatabaseError("it is away", "wait")
    batch = advanced(here, begun(here, line(0, "away")))
    assert (batch.status, batch.admitted) == ("in_progress", 0)
    del wire.trouble["away"]
    assert advanced(here, batch).admitted == 1


def test_results_are_kept_as_long_as_asked(here: Batches, clock: Clock) -> None:
    batch = advanced(here, begun(here, line(0, "bad"), output_seconds=3600.0))
    assert batch.error_file_id is not None
    clock.now += 3599
    assert here.uploads.get("proj_1", batch.error_file_id)
    clock.now += 1
    assert here.uploads.get("proj_1", batch.error_file_id) is None
    here.advance(clock.now)
    assert here.uploads.held(batch.error_file_id) is None


@pytest.mark.usefixtures("small_chunks")
def test_long_files_are_admitted_and_written_in_pieces(
    here: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PAGE", 3)
    batch = advanced(here, begun(here, *(line(number) for number in range(7))))
    assert batch.admitted == 7
    work(here)
    batch = advanced(here, batch)
    assert [row["custom_id"] for row in said(here, batch.output_file_id)] == [f"line {n}" for n in range(7)]


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
    here: Batches, text: str | bytes, code: str, row: int | None, param: str | None
) -> None:
    file = put(here, text)
    batch = begun(here, input_file_id=file)
    batch = advanced(here, batch)
    assert (batch.status, batch.failed_at) == ("failed", START)
    (error,) = batch.errors or ()
    assert (error["code"], error["line"], error["param"]) == (code, row, param)
    assert not jobs_of(here, batch)
    assert told(here) == [f"batch.failed {batch.id}"]
    assert here.advance(START) == 0
    with pytest.raises(BadInput, match="failed already"):
        here.cancel("proj_1", batch.id)


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


def test_a_file_that_was_removed_by_hand(here: Batches) -> None:
    batch = begun(here, line(0))
    upload = here.uploads.held(batch.input_file_id)
    assert upload is not None
    here.objects.path(upload.digest).unlink()
    batch = advanced(here, batch)
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
def test_wrong_fields_are_named(here: Batches, values: dict[str, Any], field: str) -> None:
    right: dict[str, Any] = {
        "input_file_id": put(here, line(0)),
        "endpoint": "/v1/videos",
        "completion_window": "24h",
    }
    with pytest.raises(BadInput) as caught:
        here.create("proj_1", None, **(right | values))
    assert caught.value.field == field


def test_the_file_must_be_for_a_batch_and_the_projects_own(here: Batches) -> None:
    right = {"endpoint": "/v1/videos", "completion_window": "24h"}
    with pytest.raises(BadInput, match="was uploaded for"):
        here.create("proj_1", None, input_file_id=put(here, line(0), "vision"), **right)
    with pytest.raises(BadInput, match="there is no file"):
        here.create("proj_2", None, input_file_id=put(here, line(0)), **right)


def test_the_input_of_an_unfinished_batch_stays(here: Batches, clock: Clock) -> None:
    batch = begun(here, line(0))
    with pytest.raises(BadInput, match="is not finished"):
        here.uploads.delete("proj_1", batch.input_file_id)
    clock.now += 40 * DAY
    assert here.uploads.expire(clock.now) == 0
    advanced(here, batch)
    assert now(here, batch).status == "expired"
    assert here.uploads.expire(clock.now) == 1


# Ending early


@pytest.mark.usefixtures("small_chunks")
def test_cancelling(here: Batches, clock: Clock) -> None:
    batch = advanced(here, begun(here, *(line(number) for number in range(4))))
    done, running = claimed(here), claimed(here)
    here.store.finish(done, FILES, {}, 100.0)
    clock.now += 1
    stopping = here.cancel("proj_1", batch.id)
    assert stopping is not None
    assert (stopping.status, stopping.cancelling_at, stopping.completed) == ("cancelling", START + 1, 1)
    assert here.cancel("proj_1", batch.id) == stopping
    assert advanced(here, batch).status == "cancelling"  # one is still running
    here.store.cancelled(running)
    batch = advanced(here, batch)
    assert (batch.status, batch.completed, batch.failed) == ("cancelled", 1, 3)
    assert sorted(row["response"]["body"]["status"] for row in said(here, batch.output_file_id)) == [
        "cancelled",
        "cancelled",
        "cancelled",
        "completed",
    ]
    assert told(here) == [f"batch.cancelled {batch.id}"]
    assert here.cancel("proj_1", batch.id) == batch


def test_many_lines_are_cancelled_in_pieces(here: Batches) -> None:
    batch = advanced(here, begun(here, *(line(number) for number in range(300))))
    here.cancel("proj_1", batch.id)
    assert sum(job.status is Status.QUEUED for job in jobs_of(here, batch)) == 50
    batch = advanced(here, batch)
    assert (batch.status, batch.failed) == ("cancelled", 300)


def test_cancelling_before_the_lines_were_looked_at(here: Batches) -> None:
    batch = begun(here, line(0))
    assert here.cancel("proj_2", batch.id) is None
    here.cancel("proj_1", batch.id)
    batch = advanced(here, batch)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("cancelled", None, None)


def test_cancelling_between_chunks(here: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = begun(here, *(line(number) for number in range(3)))
    monkeypatch.setattr(module, "CHUNK", 2)
    assert [here.step(batch.id, START) for _ in range(2)] == [True, True]
    here.cancel("proj_1", batch.id)
    batch = advanced(here, batch)
    assert (batch.status, batch.admitted, batch.lines, batch.failed) == ("cancelled", 2, 3, 3)
    (never,) = said(here, batch.error_file_id)
    assert (never["custom_id"], never["response"], never["error"]["code"]) == (
        "line 2",
        None,
        "batch_cancelled",
    )


def test_a_batch_that_is_cancelled_while_a_chunk_is_read_gets_no_more_jobs(
    here: Batches, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = begun(here, line(0), line(1))
    here.step(batch.id, START)
    read = Wire.draft

    def draft(self: Wire, *rest: Any) -> Draft:
        here.cancel("proj_1", batch.id)
        return read(self, *rest)

    monkeypatch.setattr(Wire, "draft", draft)
    with pytest.raises(ConcurrentUpdate):
        here.step(batch.id, START)
    assert not jobs_of(here, batch)
    assert advanced(here, batch).status == "cancelled"


@pytest.mark.usefixtures("small_chunks")
def test_a_window_that_closes(here: Batches, clock: Clock) -> None:
    with here.database.write() as connection:  # room for three of the five
        connection.execute(projects.update().values(daily_seconds=12.0))
    batch = advanced(here, begun(here, *(line(number) for number in range(5))))
    assert (batch.status, batch.admitted) == ("in_progress", 3)
    done, running = claimed(here), claimed(here)
    here.store.finish(done, FILES, {}, 100.0)
    clock.now = START + DAY - 1
    assert advanced(here, batch).status == "in_progress"
    clock.now += 1
    batch = advanced(here, batch)
    assert (batch.status, batch.finalizing_at) == ("finalizing", START + DAY)
    here.store.give_back(running, digest=None, step=0)
    batch = advanced(here, batch)
    assert (batch.status, batch.expired_at) == ("expired", START + DAY)
    assert (batch.completed, batch.failed) == (1, 4)
    assert sorted(row["response"]["body"]["status"] for row in said(here, batch.output_file_id)) == [
        "cancelled",
        "completed",
        "expired",
    ]
    never = said(here, batch.error_file_id)
    assert [row["custom_id"] for row in never] == ["line 3", "line 4"]
    assert {row["error"]["code"] for row in never} == {"batch_expired"}
    assert told(here) == [f"batch.expired {batch.id}"]


def test_a_batch_that_is_done_in_time_is_completed_even_if_nobody_looked(here: Batches, clock: Clock) -> None:
    batch = advanced(here, begun(here, line(0)))
    work(here)
    clock.now += 2 * DAY
    assert advanced(here, batch).status == "completed"


def test_a_quota_that_frees_up_lets_the_rest_in(here: Batches, clock: Clock) -> None:
    with here.database.write() as connection:
        connection.execute(projects.update().values(daily_seconds=12.0))
    batch = advanced(here, begun(here, *(line(number) for number in range(5))))
    assert batch.admitted == 3
    with here.database.write() as connection:
        connection.execute(projects.update().values(daily_seconds=None))
    assert advanced(here, batch).admitted == 5


# Crashes and company


class Crash(BaseException):
    """Stands for the death of the process at some point."""


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("until_end", [False, True])
def test_a_crash_at_any_transaction_loses_and_doubles_nothing(
    here: Batches, monkeypatch: pytest.MonkeyPatch, until_end: bool
) -> None:
    """The process dies before or after its nth commit, for every n; the next one goes on from there."""
    write = Database.write
    batch = begun(here, line(0), line(1, "bad"), line(2), line(3, "fail"), line(4))
    left = [0]

    def dying(self: Database) -> Any:
        from contextlib import contextmanager

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
                here.advance(START)
            except Crash:
                here._places.clear()  # a new process knows nothing
        work(here)
    batch = now(here, batch)
    assert (batch.status, batch.completed, batch.failed) == ("completed", 3, 2)
    assert sorted(job.request["prompt"] for job in jobs_of(here, batch)) == [
        "fail",
        "prompt 0",
        "prompt 2",
        "prompt 4",
    ]
    assert [row["custom_id"] for row in said(here, batch.output_file_id)] == [
        f"line {number}" for number in (0, 2, 3, 4)
    ]
    assert told(here) == [f"batch.completed {batch.id}"]
    outputs, _ = here.uploads.page("proj_1", after=None, limit=10, purpose="batch_output")
    assert len(outputs) == 2


@pytest.mark.usefixtures("small_chunks")
def test_processes_side_by_side(here: Batches, wire: Wire, clock: Clock) -> None:
    batches = [begun(here, *(line(number) for number in range(9))) for _ in range(3)]
    others = [Batches(here.store, here.objects, here.uploads, wire, clock) for _ in range(3)]

    def together() -> None:
        threads = [threading.Thread(target=other.advance, args=(START,)) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    while any(now(here, batch).admitted < 9 for batch in batches):
        together()
    assert work(here) == 27
    while any(now(here, batch).status != "completed" for batch in batches):
        together()
    assert sorted(told(here)) == sorted(f"batch.completed {batch.id}" for batch in batches)
    outputs, _ = here.uploads.page("proj_1", after=None, limit=10, purpose="batch_output")
    assert len(outputs) == 3
    assert all(len(said(here, output.id)) == 9 for output in outputs)


def test_one_broken_batch_does_not_hold_up_the_others(here: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, fine = begun(here, line(0)), begun(here, line(0))
    validate = Batches._validate

    def failing(self: Batches, batch: Batch, now: float) -> None:
        if batch.id == broken.id:
            raise OSError("the disk")
        validate(self, batch, now)

    monkeypatch.setattr(Batches, "_validate", failing)
    assert advanced(here, fine).admitted == 1
    assert now(here, broken).status == "validating"


# Being asked twice


def test_a_line_is_no_answer_to_a_request_that_is_tried_again(here: Batches, wire: Wire) -> None:
    batch = advanced(here, begun(here, line(0, "a kite")))
    (job,) = jobs_of(here, batch)
    draft = wire.draft("proj_1", "key_1", {"prompt": "a kite"})
    retry = here.store.submit([draft], retry_count=1)
    assert not retry.replayed
    assert retry.jobs[0].id != job.id


def test_the_same_key_gives_the_same_batch(here: Batches, clock: Clock) -> None:
    file_id = put(here, line(0))
    promise = Idempotency("POST /v1/batches", "k", "hash")
    asked = {"input_file_id": file_id, "endpoint": "/v1/videos", "completion_window": "24h"}
    first, replayed = here.create("proj_1", "key_1", **asked, idempotency=promise)
    assert not replayed
    assert work(here) == 0
    batch = advanced(here, first)
    work(here)
    assert advanced(here, batch).status == "completed"
    assert here.uploads.delete("proj_1", file_id)
    again, replayed = here.create("proj_1", "key_1", **asked, idempotency=promise)
    assert (replayed, again) == (True, now(here, first))
    with pytest.raises(BadInput, match="another request"):
        here.create("proj_1", "key_1", **asked, idempotency=replace(promise, request_hash="other"))
    videos = Idempotency("POST /v1/videos", "k", "hash")
    assert not here.store.submit([Wire().draft("proj_1", None, {"prompt": "a"})], idempotency=videos).replayed


def test_a_clients_retry_finds_the_batch_of_its_first_try(here: Batches, clock: Clock) -> None:
    asked = {"input_file_id": put(here, line(0)), "request_hash": "h"}
    first = begun(here, **asked)
    clock.now += 1
    second = begun(here, **asked)
    assert first.id != second.id, "two equal requests are two batches"
    assert begun(here, **asked, retry_count=1).id == first.id
    clock.now += 1
    new = begun(here, **asked, retry_count=2, since=clock.now)
    assert new.id not in (first.id, second.id), "they were there before the first try"
    assert begun(here, **{**asked, "request_hash": "other"}, retry_count=3).id != first.id
    clock.now += RETRY_WINDOW
    assert begun(here, **asked, retry_count=3).id not in (first.id, second.id, new.id)


# Lines that take long


@pytest.fixture
def slow(wire: Wire) -> Iterator[threading.Event]:
    """Lines of which the prompt is "slow" are not read before this is set."""
    go_on = threading.Event()
    read = wire.draft

    def draft(project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        if body["prompt"] == "slow":
            assert go_on.wait(60)
        return read(project_id, key_id, body)

    wire.draft = draft  # type: ignore[method-assign]
    yield go_on
    go_on.set()


def test_a_line_that_takes_long_holds_up_nobody_else(
    here: Batches, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = begun(here, line(0), line(1, "slow"), line(2))
    theirs = begun(here, line(0), line(1), project="proj_2")
    wait_for = here._errands.done

    def patient(project_id: str, name: str, number: int, work: Any, seconds: float) -> Any:
        # A line that is held is not waited for, the others for as long as it takes.
        return wait_for(project_id, name, number, work, 0.0 if (name, number) == (held.id, 1) else 60.0)

    monkeypatch.setattr(here._errands, "done", patient)
    assert advanced(here, held).admitted == 1
    assert now(here, theirs).admitted == 2
    assert here.advance(START) == 0
    others = [begun(here, line(0), project="proj_2") for _ in range(3)]
    assert [advanced(here, one).admitted for one in others] == [1, 1, 1]
    slow.set()
    while now(here, held).admitted < 3:
        here.advance(START)
    assert {job.request["prompt"] for job in jobs_of(here, held)} == {"prompt 0", "slow", "prompt 2"}
    assert here._errands.names() == set()


def test_a_batch_that_ends_while_a_line_takes_long_leaves_nothing(
    here: Batches, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    batch = advanced(here, begun(here, line(0, "slow")))
    assert (batch.admitted, here._errands.names()) == (0, {batch.id})
    here.cancel("proj_1", batch.id)
    assert advanced(here, batch).status == "cancelled"
    slow.set()
    while here._errands.names():
        here.advance(START)
    assert jobs_of(here, batch) == []


def test_projects_take_turns(here: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = sorted(begun(here, line(0)).id for _ in range(3))
    theirs = begun(here, line(0), project="proj_2").id
    turns: list[str] = []

    def step(self: Batches, batch_id: str, now: float) -> bool:
        turns.append(batch_id)
        return False

    monkeypatch.setattr(Batches, "step", step)
    here.advance(START)
    assert turns == [mine[0], theirs, mine[1], mine[2]]
    monkeypatch.setattr(module, "CHUNK_SECONDS", 1e-9)  # one step takes all that a project gets
    turns.clear()
    for _ in range(3):
        here.advance(START)
    assert turns == [mine[0], theirs, mine[1], theirs, mine[2], theirs]


def test_batches_of_a_project_page_by_page(here: Batches) -> None:
    made = [begun(here, line(0)).id for _ in range(5)]
    first, more = here.page("proj_1", after=None, limit=3)
    rest, no_more = here.page("proj_1", after=first[-1].id, limit=3)
    assert [batch.id for batch in first + rest] == sorted(made, reverse=True)
    assert (more, no_more) == (True, False)
    assert here.page("proj_2", after=None, limit=3) == ([], False)
    with pytest.raises(BadInput):
        here.page("proj_2", after=made[0], limit=3)
    assert here.get("proj_2", made[0]) is None
