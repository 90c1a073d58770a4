"""Files of a project: input of batches, images and videos to start from, and results of batches."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.jobs.files.objects import Objects
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import batches, uploads

BATCH = "batch"
BATCH_OUTPUT = "batch_output"
PURPOSES = ("assistants", BATCH, "evals", "fine-tune", "user_data", "vision")
"""What a file can be uploaded for. Hinode treats only `batch` differently from the others."""
MAX_BATCH_BYTES = 200_000_000
MAX_BYTES = 512_000_000
MAX_NAME_LENGTH = 255
DAY = 86_400.0
BATCH_SECONDS = 30 * DAY
"""How long files of batches are kept by default; all others are kept until they are deleted."""
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,48}/[\w.+-]{1,48}", re.ASCII)
EXPIRY = (3600.0, 30 * DAY)
UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
"""Statuses of batches that still need their input."""


@dataclass(frozen=True)
class Upload:
    """A file of a project, a row of `records.tables.uploads`.

    Attributes:
        purpose: one of `PURPOSES`, or "batch_output".
        filename: as the client called it; never used as a path.
        digest: its name in the store.
        media_type: as the client called it; not checked.
        expires_at: when it is deleted, in seconds since 1970, or None.
    """

    id: str
    project_id: str
    purpose: str
    filename: str
    digest: str
    media_type: str
    bytes: int
    created_at: float
    expires_at: float | None


class Uploads:
    """The files in one database and one store. Safe to use from several threads."""

    def __init__(self, database: Database, objects: Objects, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.objects = objects
        self.clock = clock

    def create(
        self,
        project_id: str,
        *,
        purpose: str,
        filename: str,
        media_type: str,
        path: Path,
        expires_after: float | None = None,
    ) -> Upload:
        """Add a file. A path from `Objects.temporary` is moved into the store, any other is copied.

        It is deleted after `expires_after` seconds, from an hour to 30 days, by default as for its purpose.

        Raises:
            BadInput: it is too large, or another field is wrong.
        """
        if purpose not in PURPOSES:
            remedy = f"use {join_names(PURPOSES, last='or')}"
            raise BadInput(f"the purpose {quote(purpose)} is not supported", remedy, field="purpose")
        size = path.stat().st_size
        maximum = MAX_BATCH_BYTES if purpose == BATCH else MAX_BYTES
        if size > maximum:
            raise BadInput(f"the file has {size:,} bytes", f"give one of {maximum:,} or fewer", field="file")
        if expires_after is None and purpose == BATCH:
            expires_after = BATCH_SECONDS
        elif expires_after is not None:
            check_expiry(expires_after, "expires_after")
        now = self.clock()
        file = self.objects.put(path)
        with self.database.write() as connection:
            return insert(connection, project_id, purpose, filename, media_type, file, now, expires_after)

    def get(self, project_id: str, upload_id: str) -> Upload | None:
        """A file of a project, or None if there is none or its time is over."""
        return self._first(uploads.c.id == upload_id, *self._of(project_id))

    def lock(self, connection: Connection, project_id: str, upload_id: str) -> str | None:
        """The purpose of a file of a project, or None if there is no such file; it cannot be deleted before
        the caller's transaction is over."""
        query = sa.select(uploads.c.purpose).where(uploads.c.id == upload_id, *self._of(project_id))
        return connection.scalar(query.with_for_update())

    def find(self, upload_id: str) -> Upload | None:
        """A file of any project, even if its time is over; None if it was deleted."""
        return self._first(uploads.c.id == upload_id, uploads.c.deleted_at.is_(None))

    def _first(self, *conditions: sa.ColumnElement[bool]) -> Upload | None:
        with self.database.read() as connection:
            row = first_row(connection, sa.select(uploads).where(*conditions))
        return from_row(Upload, row) if row else None

    def page(
        self,
        project_id: str,
        *,
        after: str | None,
        limit: int,
        descending: bool = True,
        purpose: str | None = None,
    ) -> tuple[list[Upload], bool]:
        """Files of a project, or those with a purpose, in the order in which they came, and whether there are
        more; see `page_of`."""
        owner = uploads.c.project_id == project_id
        query = sa.select(uploads).where(*self._of(project_id))
        if purpose is not None:
            query = query.where(uploads.c.purpose == purpose)
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "file", after, limit, descending)
        return [from_row(Upload, row) for row in rows], more

    def delete(self, project_id: str, upload_id: str) -> bool:
        """Delete a file, and return whether it was there.

        Raises:
            BadInput: a batch still needs it.
        """
        with self.database.write() as connection:
            if self.lock(connection, project_id, upload_id) is None:
                return False
            needs_it = (batches.c.input_file_id == upload_id, batches.c.status.in_(UNFINISHED))
            batch = connection.scalar(sa.select(batches.c.id).where(*needs_it).limit(1))
            if batch is not None:
                message = f"batch {batch} needs file {upload_id} and is not finished"
                remedy = "cancel the batch first, or wait until it is finished"
                raise BadInput(message, remedy, field="file_id")
            connection.execute(
                uploads.update().where(uploads.c.id == upload_id).values(deleted_at=self.clock())
            )
            return True

    def expire(self, now: float) -> int:
        """Delete the files whose time is over at `now` and that no batch needs; returns how many there
        were."""
        needed = sa.select(batches.c.input_file_id).where(batches.c.status.in_(UNFINISHED))
        over = (uploads.c.expires_at <= now, uploads.c.deleted_at.is_(None), uploads.c.id.not_in(needed))
        with self.database.read() as connection:  # nearly always there is nothing to write
            if connection.scalar(sa.select(uploads.c.id).where(*over).limit(1)) is None:
                return 0
        with self.database.write() as connection:
            return connection.execute(uploads.update().where(*over).values(deleted_at=now)).rowcount

    def _of(self, project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            uploads.c.project_id == project_id,
            uploads.c.deleted_at.is_(None),
            sa.or_(uploads.c.expires_at.is_(None), uploads.c.expires_at > self.clock()),
        )


def check_expiry(seconds: float, field: str) -> None:
    """Check that a file can expire after so many seconds.

    Raises:
        BadInput: it cannot.
    """
    minimum, maximum = EXPIRY
    if not minimum <= seconds <= maximum:
        message = f"a file cannot expire after {seconds:g} seconds"
        raise BadInput(message, f"give {minimum:.0f} to {maximum:.0f}", field=f"{field}.seconds")


def insert(
    connection: Connection,
    project_id: str,
    purpose: str,
    path: str,
    media_type: str,
    file: tuple[str, int],
    now: float,
    expires_after: float | None,
) -> Upload:
    """Add a file whose digest and size `Objects.put` returned, in the caller's transaction.

    Its name is the last part of the client's `path`, in printable characters.
    """
    last = path.replace("\\", "/").rpartition("/")[2]
    upload = Upload(
        id=ids.make("file-", now),
        project_id=project_id,
        purpose=purpose,
        filename="".join(letter for letter in last if letter.isprintable())[:MAX_NAME_LENGTH] or "file",
        digest=file[0],
        media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream",
        bytes=file[1],
        created_at=now,
        expires_at=None if expires_after is None else now + expires_after,
    )
    connection.execute(uploads.insert().values(**asdict(upload)))
    return upload
