"""Batches: a file of up to 50,000 requests that may take a day, and one or two files of what became of them.

    validating ──► in_progress ──► finalizing ──► completed, expired
        │  └───────────┴──► cancelling ─────────► cancelled
        └──► failed

What moves a batch on is `advance`, in small steps, each a transaction that first sees that the batch still is
where the step begins. So steps may be cut off anywhere, be repeated, or be tried by two processes at once: a
line never becomes two videos, and a batch never ends twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, HinodeError, shown
from hinode.jobs import ids, lines, outbox, results
from hinode.jobs.admit import Draft
from hinode.jobs.batch import Batch, Overtaken, counts_of, moved, one
from hinode.jobs.job import Job, OverQuota
from hinode.jobs.lines import ENDPOINT, Line
from hinode.jobs.objects import Objects
from hinode.jobs.states import FINAL, Priority, Status
from hinode.jobs.store import Store
from hinode.jobs.uploads import BATCH, BATCH_SECONDS, UNFINISHED, Uploads, check_expiry
from hinode.records.database import Database, DatabaseError
from hinode.records.tables import batch_lines, batches, jobs, uploads

log = logging.getLogger(__name__)

WINDOW = "24h"
WINDOW_SECONDS = 24 * 3600.0
CHUNK = 100  # lines that become jobs in one transaction
CHUNK_SECONDS = 5.0  # for reading and checking the lines of a chunk, pictures on the web included
MOST_PAIRS = 16
MOST_KEY_CHARACTERS = 64
MOST_VALUE_CHARACTERS = 512


class Wire(Protocol):
    """The wire format, which this room does not know."""

    def draft(self, project_id: str, key_id: str | None, body: Mapping[str, Any]) -> Draft:
        """Read the body of a request for a video.

        Raises:
            HinodeError: it is not right.
        """
        ...

    def video(self, job: Job) -> dict[str, Any]:
        """A job as people see it."""
        ...

    def refusal(self, error: HinodeError) -> tuple[int, dict[str, Any]]:
        """Status code and body of the answer to a request that raised `error`."""
        ...


Looked = tuple[Line, Draft | None, dict[str, Any] | None]
"""A line, and either the draft that it gave or the answer that refuses it."""


class Batches:
    """The batches in one database. Any number of processes may move them on side by side."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        uploads: Uploads,
        wire: Wire,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database: Database = store.database
        self.store = store
        self.objects = objects
        self.uploads = uploads
        self.wire = wire
        self.clock = clock
        # Where the first line that is no job yet begins: number of the line and place in the file.
        self._places: dict[str, tuple[int, int]] = {}

    # What people ask for

    def create(
        self,
        project_id: str,
        key_id: str | None,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None = None,
        output_seconds: float | None = None,
    ) -> Batch:
        """Accept a batch; its lines are looked at later.

        Args:
            project_id: whose.
            key_id: API key that it came with, or None.
            input_file_id: a file put in for "batch".
            endpoint: only "/v1/videos".
            completion_window: only "24h".
            metadata: up to 16 pairs that are given back as they are.
            output_seconds: how long the files of results are kept, an hour to 30 days.

        Raises:
            BadInput: a field is not right.
        """
        if endpoint != ENDPOINT:
            raise BadInput(
                f"batches for {shown(endpoint)} are not made here", f"give {ENDPOINT}", field="endpoint"
            )
        if completion_window != WINDOW:
            raise BadInput(
                f"the completion window {shown(completion_window)} is not possible",
                f"give {WINDOW}",
                field="completion_window",
            )
        _check_metadata(metadata)
        if output_seconds is not None:
            check_expiry(output_seconds, "output_expires_after")
        now = self.clock()
        row = {
            "id": ids.make("batch_", now),
            "project_id": project_id,
            "key_id": key_id,
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": completion_window,
            "status": "validating",
            "metadata": dict(metadata) if metadata is not None else sa.null(),
            "output_seconds": output_seconds,
            "created_at": now,
            "expires_at": now + WINDOW_SECONDS,
        }
        upload = self.uploads.get(project_id, input_file_id)
        if upload is None:
            raise BadInput(
                f"there is no file {shown(input_file_id)}", "upload it first", field="input_file_id"
            )
        if upload.purpose != BATCH:
            raise BadInput(
                f"file {input_file_id} was uploaded for {shown(upload.purpose)}",
                f"upload it for {BATCH!r}",
                field="input_file_id",
            )
        with self.database.write() as connection:
            # Locked, so that it is not deleted in this instant.
            there = connection.scalar(
                sa.select(uploads.c.id)
                .where(uploads.c.id == input_file_id, uploads.c.deleted_at.is_(None))
                .with_for_update()
            )
            if there is None:
                raise BadInput(
                    f"there is no file {shown(input_file_id)}", "upload it first", field="input_file_id"
                )
            made = connection.execute(batches.insert().values(**row).returning(batches)).mappings().one()
            return Batch.of(made, {})

    def get(self, project_id: str, batch_id: str) -> Batch | None:
        """A batch of a project, or None if there is no such one."""
        with self.database.read() as connection:
            return one(connection, project_id, batch_id)

    def page(self, project_id: str, *, after: str | None, limit: int) -> tuple[list[Batch], bool]:
        """Batches of a project, the newest first, and whether there are more.

        Raises:
            BadInput: there is no batch `after`.
        """
        query = sa.select(batches).where(batches.c.project_id == project_id)
        with self.database.read() as connection:
            if after is not None:
                if one(connection, project_id, after) is None:
                    raise BadInput(
                        f"there is no batch {shown(after)}", "give the id of one of this list", field="after"
                    )
                query = query.where(batches.c.id < after)
            rows = connection.execute(query.order_by(batches.c.id.desc()).limit(limit + 1)).mappings().all()
            counts = counts_of(connection, [row["id"] for row in rows[:limit]])
        return [Batch.of(row, counts.get(row["id"], {})) for row in rows[:limit]], len(rows) > limit

    def cancel(self, project_id: str, batch_id: str) -> Batch | None:
        """Stop a batch: what waits is cancelled, what runs is asked to stop, what is finished stays.

        Returns: the batch afterwards, or None if there is no such one.

        Raises:
            BadInput: it has ended.
        """
        now = self.clock()
        with self.database.write() as connection:
            row = (
                connection.execute(
                    batches.update()
                    .where(
                        batches.c.id == batch_id,
                        batches.c.project_id == project_id,
                        batches.c.status.in_(("validating", "in_progress")),
                    )
                    .values(status="cancelling", cancelling_at=now)
                    .returning(batches.c.id)
                )
            ).first()
            batch = one(connection, project_id, batch_id)
        if row is not None:
            self.store.close_batch(batch_id, Status.CANCELLED)  # the first of them; `advance` ends the rest
            return self.get(project_id, batch_id)
        if batch is not None and batch.status in ("completed", "failed", "expired"):
            raise BadInput(
                f"batch {batch_id} has {batch.status} already",
                "it cannot be cancelled any more",
                field="batch_id",
            )
        return batch

    # What the house does by itself

    def advance(self, now: float) -> int:
        """Move every batch on by a step, as often as there is one to take, but for about half a second only.

        Args:
            now: seconds since 1970.

        Returns: number of steps taken.
        """
        self.uploads.expire(now)
        steps, until = 0, time.monotonic() + 0.5
        with self.database.read() as connection:
            waiting = list(
                connection.scalars(
                    sa.select(batches.c.id).where(batches.c.status.in_(UNFINISHED)).order_by(batches.c.id)
                )
            )
        while waiting and (steps == 0 or time.monotonic() < until):
            waiting = [batch_id for batch_id in waiting if self._step_safely(batch_id, now)]
            steps += len(waiting)
        return steps

    def _step_safely(self, batch_id: str, now: float) -> bool:
        """One step of one batch, whose fault must not keep the others waiting; returns whether it got on."""
        try:
            return self.step(batch_id, now)
        except Overtaken:
            return False  # another process is at it
        except HinodeError as fault:
            log.error("batch %s could not be moved on: %s", batch_id, fault)
        except Exception:
            log.exception("batch %s could not be moved on", batch_id)
        return False

    def step(self, batch_id: str, now: float) -> bool:
        """Take the next step of a batch.

        Args:
            batch_id: which.
            now: seconds since 1970.

        Returns: False if there is nothing to do for it at present.

        Raises:
            Overtaken: someone else has moved it on in the meantime.
        """
        with self.database.read() as connection:
            row = connection.execute(sa.select(batches).where(batches.c.id == batch_id)).mappings().one()
            batch = Batch.of(row, {})
            open_jobs = connection.scalar(
                sa.select(sa.func.count())
                .select_from(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.status.not_in([status.value for status in FINAL]))
            )
        over = batch.expires_at is not None and now >= batch.expires_at
        if batch.status == "validating":
            self._validate(batch, now)
        elif batch.status == "in_progress" and over:
            self._move(batch, "finalizing", finalizing_at=now)
        elif batch.status == "in_progress" and batch.admitted < batch.lines:
            return self._admit(batch)
        elif batch.status == "in_progress" and not open_jobs:
            self._move(batch, "finalizing", finalizing_at=now)
        elif batch.status in ("finalizing", "cancelling") and open_jobs:
            # A job that was running may have come back to its queue; one that still runs is waited for.
            closing = Status.EXPIRED if batch.status == "finalizing" else Status.CANCELLED
            return self.store.close_batch(batch_id, closing) > 0
        elif batch.status in ("finalizing", "cancelling"):
            self._finalize(batch, now)
        else:
            return False
        return True

    def _validate(self, batch: Batch, now: float) -> None:
        try:
            count, errors = lines.check(self._source(batch))
        except FileNotFoundError:
            count, errors = 0, [lines.fault("missing_file", "the input file is gone", None, "input_file_id")]
        if errors:
            with self.database.write() as connection:
                self._tell(connection, batch, "batch.failed", now)
                moved(connection, batch, status="failed", failed_at=now, errors=errors, lines=count)
        else:
            self._move(batch, "in_progress", in_progress_at=now, lines=count)

    def _source(self, batch: Batch) -> Path:
        """The input of a batch.

        Raises:
            FileNotFoundError: it is gone, which takes someone who removes files by hand.
        """
        upload = self.uploads.held(batch.input_file_id)
        if upload is None or not self.objects.has(upload.digest):
            raise FileNotFoundError(batch.input_file_id)
        return self.objects.path(upload.digest)

    def _admit(self, batch: Batch) -> bool:
        """Turn the next lines into jobs, with the note of how far it has come, in one transaction."""
        number, place = self._places.get(batch.id, (0, 0))
        if number != batch.admitted:
            number, place = 0, 0
        until = time.monotonic() + CHUNK_SECONDS
        chunk: list[Looked] = []
        for line in lines.read(self._source(batch), number, place):
            if line.number < batch.admitted:
                continue
            try:
                looked = self._drafted(batch, line)
            except OverQuota:
                break  # too much is being fetched from elsewhere at present
            # Without the body, which may have a picture of many megabytes in it.
            chunk.append((replace(line, body={}), *looked))
            if len(chunk) == CHUNK or time.monotonic() > until:
                break
        taken = self._submitted(batch, chunk)
        if not taken:
            return False  # for the present
        self._places[batch.id] = (batch.admitted + taken, chunk[taken - 1][0].end)
        return True

    def _submitted(self, batch: Batch, chunk: Sequence[Looked]) -> int:
        """Submit a chunk, or as much of its beginning as the project's quota allows; returns how much."""
        while chunk:
            drafts = [draft for _, draft, _ in chunk if draft is not None]
            try:
                if drafts:
                    self.store.submit(drafts, also=partial(_admitted, batch, chunk))
                else:
                    with self.database.write() as connection:
                        _admitted(batch, chunk, connection, ())
                return len(chunk)
            except OverQuota:
                chunk = chunk[: len(chunk) // 2]
        return 0

    def _drafted(self, batch: Batch, line: Line) -> tuple[Draft | None, dict[str, Any] | None]:
        """The draft of a line, or why there is none."""
        try:
            draft = self.wire.draft(batch.project_id, batch.key_id, line.body)
        except (DatabaseError, OverQuota):
            raise  # not the line's fault: it is looked at again
        except HinodeError as error:
            return None, self._refused(error)
        except Exception:
            log.exception("line %d of batch %s could not be read", line.number, batch.id)
            return None, self._refused(HinodeError("the request met a fault inside this server"))
        return replace(draft, priority=Priority.BATCH, batch_id=batch.id, key_id=batch.key_id), None

    def _refused(self, error: HinodeError) -> dict[str, Any]:
        status, content = self.wire.refusal(error)
        return {"status_code": status, "body": content}

    def _finalize(self, batch: Batch, now: float) -> None:
        """Write the files of results and end the batch; until the last transaction nobody sees them."""
        self._places.pop(batch.id, None)
        made = results.write(
            self.database, self.objects, self.wire.video, batch, partial(self._source, batch)
        )
        completed = "expired" if made.expired else "completed"
        end = "cancelled" if batch.status == "cancelling" else completed
        keep = batch.output_seconds if batch.output_seconds is not None else BATCH_SECONDS
        with self.database.write() as connection:
            self._tell(connection, batch, f"batch.{end}", now)
            files = {
                column: results.enter(connection, batch, name, file, now, keep)
                for column, name, file in (
                    ("output_file_id", "output", made.output),
                    ("error_file_id", "error", made.errors),
                )
                if file is not None
            }
            moved(connection, batch, **{"status": end, f"{end}_at": now, **files})

    def _tell(self, connection: Connection, batch: Batch, type: str, now: float) -> None:
        # Before the batch's row is locked: whoever submits its lines locks the project first, too.
        outbox.emit(
            connection,
            project_id=batch.project_id,
            type=type,
            data={"id": batch.id},
            once=f"{batch.id}:ended",
            now=now,
        )

    def _move(self, batch: Batch, status: str, **values: Any) -> None:
        with self.database.write() as connection:
            moved(connection, batch, status=status, **values)


def _admitted(batch: Batch, chunk: Sequence[Looked], connection: Connection, names: Sequence[str]) -> None:
    """Note what the lines of a chunk became, in the transaction that makes their jobs."""
    moved(connection, batch, admitted=batch.admitted + len(chunk))
    fresh = iter(names)
    made, refused = [], []
    for line, draft, refusal in chunk:
        row = {"batch_id": batch.id, "line": line.number, "custom_id": line.custom_id}
        if draft is not None:
            made.append({**row, "job_id": next(fresh)})
        else:
            refused.append({**row, "error": refusal})
    for rows in (made, refused):
        if rows:
            connection.execute(batch_lines.insert(), rows)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value)


def _check_metadata(metadata: Mapping[str, str] | None) -> None:
    if metadata is None:
        return
    if len(metadata) > MOST_PAIRS or not all(
        len(key) <= MOST_KEY_CHARACTERS and len(value) <= MOST_VALUE_CHARACTERS and _is_text(key + value)
        for key, value in metadata.items()
    ):
        raise BadInput(
            "the metadata cannot be kept",
            f"give at most {MOST_PAIRS} pairs, keys of {MOST_KEY_CHARACTERS} and values of "
            f"{MOST_VALUE_CHARACTERS} characters",
            field="metadata",
        )
