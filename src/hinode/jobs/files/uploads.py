"""Files of a project: lines of batches, images and videos to start from, and what batches put out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.jobs import ids
from hinode.jobs.files.objects import Objects
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.tables import batches, uploads

BATCH = "batch"
BATCH_OUTPUT = "batch_output"
PURPOSES = ("assistants", BATCH, "evals", "fine-tune", "user_data", "vision")
"""What a file may be put in for. Hinode itself tells `batch` from the others and no more."""
MAX_BATCH_BYTES = 200_000_000
MAX_BYTES = 512_000_000
MAX_NAME_LENGTH = 255
DAY = 86_400.0
BATCH_SECONDS = 30 * DAY
"""How long files of batches are kept unless it is said otherwise; all others are kept until deleted."""
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,48}/[\w.+-]{1,48}", re.ASCII)
EXPIRY = (3600.0, 30 * DAY)
UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
"""Statuses of batches that still need their input."""


@dataclass(frozen=True)
class Upload:
    """A file of a project.

    Attributes:
        id: `file-…`.
        project_id: whose.
        purpose: one of `PURPOSES`, or "batch_output".
        filename: as it was called; never the name of a file here.
        digest: its name in the store.
        media_type: as the client called it; not to be trusted.
        bytes: its size.
        created_at: seconds since 1970.
        expires_at: when it goes by itself, or None.
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
        """Keep a file.

        Args:
            project_id: whose it is to be.
            purpose: one of `PURPOSES`.
            filename: as the client called it.
            media_type: as the client called it.
            path: where it is; a path from `Objects.temporary` is moved, any other is copied.
            expires_after: seconds after which it goes by itself, from an hour to 30 days.

        Raises:
            BadInput: it is too large, or another field is not right.
        """
        check_purpose(purpose)
        size = path.stat().st_size
        most = max_bytes(purpose)
        if size > most:
            raise BadInput(f"the file has {size:,} bytes", f"give one of {most:,} or fewer", field="file")
        if expires_after is None and purpose == BATCH:
            expires_after = BATCH_SECONDS
        elif expires_after is not None:
            check_expiry(expires_after, "expires_after")
        now = self.clock()
        digest, size = self.objects.put(path)
        row = new_row(project_id, purpose, filename, digest, media_type, size, now, expires_after)
        with self.database.write() as connection:
            connection.execute(uploads.insert().values(**row))
        return Upload(**row)

    def get(self, project_id: str, upload_id: str) -> Upload | None:
        """A file of a project, or None if there is no such one, or not any more."""
        with self.database.read() as connection:
            row = (
                connection.execute(sa.select(uploads).where(uploads.c.id == upload_id, *self._of(project_id)))
                .mappings()
                .first()
            )
        return _upload(row) if row else None

    def locked(self, connection: Connection, project_id: str, upload_id: str) -> str | None:
        """What a file of a project was put in for, or None if there is no such one; it cannot be deleted
        before the caller's transaction is over."""
        query = sa.select(uploads.c.purpose).where(uploads.c.id == upload_id, *self._of(project_id))
        return connection.scalar(query.with_for_update())

    def held(self, upload_id: str) -> Upload | None:
        """A file that is kept, whosever it is and even if its time is over; None if it was deleted."""
        with self.database.read() as connection:
            row = (
                connection.execute(
                    sa.select(uploads).where(uploads.c.id == upload_id, uploads.c.deleted_at.is_(None))
                )
                .mappings()
                .first()
            )
        return _upload(row) if row else None

    def page(
        self,
        project_id: str,
        *,
        after: str | None,
        limit: int,
        descending: bool = True,
        purpose: str | None = None,
    ) -> tuple[list[Upload], bool]:
        """Files of a project in the order in which they came, and whether there are more.

        Args:
            project_id: whose.
            after: start behind this file, or None for the beginning.
            limit: at most so many.
            descending: newest first.
            purpose: only those put in for this.

        Raises:
            BadInput: there is no file `after`.
        """
        owner = uploads.c.project_id == project_id
        query = sa.select(uploads).where(*self._of(project_id))
        if purpose is not None:
            query = query.where(uploads.c.purpose == purpose)
        with self.database.read() as connection:
            rows, more = page_of(
                connection,
                query,
                uploads.c.id,
                owner,
                "file",
                after=after,
                limit=limit,
                descending=descending,
            )
        return [_upload(row) for row in rows], more

    def delete(self, project_id: str, upload_id: str) -> bool:
        """Forget a file.

        Returns: whether it was there.

        Raises:
            BadInput: a batch still needs it.
        """
        with self.database.write() as connection:
            if self.locked(connection, project_id, upload_id) is None:
                return False
            batch = connection.scalar(
                sa.select(batches.c.id)
                .where(batches.c.input_file_id == upload_id, batches.c.status.in_(UNFINISHED))
                .limit(1)
            )
            if batch is not None:
                raise BadInput(
                    f"batch {batch} is made from file {upload_id} and is not finished",
                    "cancel the batch first, or wait until it is finished",
                    field="file_id",
                )
            connection.execute(
                uploads.update().where(uploads.c.id == upload_id).values(deleted_at=self.clock())
            )
            return True

    def expire(self, now: float) -> int:
        """Forget the files whose time is over and that no batch needs.

        Args:
            now: seconds since 1970.

        Returns: how many there were.
        """
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


def check_purpose(purpose: str) -> None:
    """See that files may be put in for this.

    Raises:
        BadInput: they may not.
    """
    if purpose not in PURPOSES:
        raise BadInput(
            f"a file cannot be put in for {quote(purpose)}",
            f"choose from {join_names(PURPOSES, last='or')}",
            field="purpose",
        )


def check_expiry(seconds: float, field: str) -> None:
    """See that a file may expire after so many seconds.

    Raises:
        BadInput: it may not.
    """
    least, most = EXPIRY
    if not least <= seconds <= most:
        raise BadInput(
            f"a file cannot expire after {seconds:g} seconds",
            f"give {least:.0f} to {most:.0f}",
            field=f"{field}.seconds",
        )


def max_bytes(purpose: str) -> int:
    """The largest file that may be put in for a purpose."""
    return MAX_BATCH_BYTES if purpose == BATCH else MAX_BYTES


def new_row(
    project_id: str,
    purpose: str,
    filename: str,
    digest: str,
    media_type: str,
    size: int,
    now: float,
    expires_after: float | None,
) -> dict[str, Any]:
    """The row of a file that is in the store already; for `add` and `create`."""
    return {
        "id": ids.make("file-", now),
        "project_id": project_id,
        "purpose": purpose,
        "filename": _filename(filename),
        "digest": digest,
        "media_type": media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream",
        "bytes": size,
        "created_at": now,
        "expires_at": None if expires_after is None else now + expires_after,
    }


def add(connection: Connection, row: dict[str, Any]) -> str:
    """Enter a file in the caller's transaction; returns its id."""
    connection.execute(uploads.insert().values(**row))
    return str(row["id"])


def _filename(name: str) -> str:
    """The last part of a path, in letters that can be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:MAX_NAME_LENGTH] or "file"


def _upload(row: sa.RowMapping) -> Upload:
    return Upload(**{name: row[name] for name in Upload.__dataclass_fields__})
