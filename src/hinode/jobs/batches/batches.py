"""Batches: a file of up to 50,000 requests that may take a day, and one or two files of their results.

validating ──► in_progress ──► finalizing ──► completed, expired
    │  └───────────┴──► cancelling ─────────► cancelled
    └──► failed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.admission import idempotency as replay
from hinode.jobs.batches.batch import Batch, check_metadata, counts_of, end_jobs, fetch
from hinode.jobs.batches.lines import ENDPOINT
from hinode.jobs.batches.processor import BatchProcessor, Wire
from hinode.jobs.files.objects import Objects
from hinode.jobs.files.uploads import BATCH, Uploads, check_expiry
from hinode.jobs.job import Idempotency
from hinode.jobs.states import Status
from hinode.jobs.store import Store
from hinode.jobs.tenants.tenant import lock_project
from hinode.records import ids
from hinode.records.paging import page_of
from hinode.records.tables import batches

WINDOW = "24h"
WINDOW_SECONDS = 24 * 3600.0


class Batches:
    """The batches in one database. Safe to use from several threads."""

    def __init__(
        self, store: Store, objects: Objects, uploads: Uploads, wire: Wire, clock: Callable[[], float]
    ) -> None:
        self.database = store.database
        self.uploads = uploads
        self.clock = clock
        self.processor = BatchProcessor(store, objects, uploads, wire)

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
        request_hash: str | None = None,
        idempotency: Idempotency | None = None,
        retry_count: int = 0,
        since: float = 0.0,
    ) -> tuple[Batch, bool]:
        """Accept a batch; its lines are read later.

        Args:
            project_id: the project.
            key_id: API key that it came with, or None.
            input_file_id: a file with the purpose "batch".
            endpoint: only "/v1/videos".
            completion_window: only "24h".
            metadata: up to 16 pairs that are returned as they are.
            output_seconds: how long the files of results are kept, an hour to 30 days.
            request_hash: digest of the request in normal form, by which a retried one is recognised.
            idempotency: what makes a repeated request the same request.
            retry_count: how often the client says that it has tried before; see `Store.submit`.
            since: batches from before this time, in seconds since 1970, are no answer to a retry.

        Returns: the batch, and whether it had been there before.

        Raises:
            BadInput: a field is not right, or the idempotency key was used for another request.
        """
        if endpoint != ENDPOINT:
            message = f"batches for {quote(endpoint)} are not supported"
            raise BadInput(message, f"give {ENDPOINT}", field="endpoint")
        if completion_window != WINDOW:
            message = f"the completion window {quote(completion_window)} is not supported"
            raise BadInput(message, f"give {WINDOW}", field="completion_window")
        check_metadata(metadata)
        if output_seconds is not None:
            check_expiry(output_seconds, "output_expires_after")
        now = self.clock()
        row: dict[str, Any] = {
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
            "request_hash": request_hash,
            "retry_count": retry_count,
        }
        with self.database.write() as connection:
            lock_project(connection, project_id)
            request = {key: row[key] for key in ("project_id", "key_id", "request_hash", "retry_count")}
            before = replay.find_result(
                connection, batches, **request, promise=idempotency, since=since, now=now
            )
            if before and (batch := fetch(connection, project_id, before[0])):
                return batch, True
            self._check_input(connection, project_id, input_file_id)
            connection.execute(batches.insert().values(**row))
            if idempotency:
                replay.keep(connection, project_id, idempotency, [row["id"]], now)
            batch = fetch(connection, project_id, row["id"])
            assert batch is not None, "it was inserted above"
            return batch, False

    def _check_input(self, connection: Connection, project_id: str, upload_id: str) -> None:
        """Check that a file can be the input of a batch, and lock it, so that it is not deleted now."""
        purpose = self.uploads.lock(connection, project_id, upload_id)
        if purpose is None:
            raise BadInput(f"there is no file {quote(upload_id)}", "upload it first", field="input_file_id")
        if purpose != BATCH:
            message = f"file {upload_id} was uploaded for {quote(purpose)}"
            raise BadInput(message, f"upload it for {BATCH!r}", field="input_file_id")

    def get(self, project_id: str, batch_id: str) -> Batch | None:
        """A batch of a project, or None if there is none."""
        with self.database.read() as connection:
            return fetch(connection, project_id, batch_id)

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Batch], bool]:
        """Batches of a project in the order of creation, and whether there are more; see `page_of`."""
        owner = batches.c.project_id == project_id
        query = sa.select(batches).where(owner)
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "batch", after, limit, descending)
            counts = counts_of(connection, [row["id"] for row in rows])
        return [Batch.of(row, counts[row["id"]]) for row in rows], more

    def cancel(self, project_id: str, batch_id: str) -> Batch | None:
        """Stop a batch: waiting jobs are cancelled, running ones are asked to stop, finished ones stay.

        Returns: the batch afterwards, or None if there is none.

        Raises:
            BadInput: it has ended.
        """
        now = self.clock()
        with self.database.write() as connection:
            cancelled = connection.execute(
                batches.update()
                .where(
                    batches.c.id == batch_id,
                    batches.c.project_id == project_id,
                    batches.c.status.in_(("validating", "in_progress")),
                )
                .values(status="cancelling", cancelling_at=now)
            ).rowcount
            batch = fetch(connection, project_id, batch_id)
        if cancelled:
            with self.database.write() as connection:  # the first of its jobs; `advance` ends the others
                end_jobs(connection, batch_id, Status.CANCELLED, now)
            return self.get(project_id, batch_id)
        if batch is not None and batch.status in ("completed", "failed", "expired"):
            message = f"batch {batch_id} has {batch.status} already"
            raise BadInput(message, "it cannot be cancelled any more", field="batch_id")
        return batch

    def advance(self, now: float) -> int:
        """Move the batches on; see `BatchProcessor.advance`."""
        return self.processor.advance(now)
