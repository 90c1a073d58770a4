"""Whether a picture or video from outside may be used: no copy of what was taken down, and no person without
consent.

A guard that sees people refuses what shows one. Without a guard nobody can tell, so the policy of the
server decides: with "attest" somebody confirms the rights once for each project, and with "review" a reviewer
accepts each file first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from hinode.errors import BadInput, quote
from hinode.jobs.rights import copies
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import upload_reviews
from hinode.request import MediaFile
from hinode.rights import attestations, events
from hinode.rights.refusals import (
    PersonShown,
    ReviewPending,
    ReviewRejected,
    RightsNotConfirmed,
    StaysDown,
)

Policy = Literal["attest", "review"]


PersonCheck = Callable[[MediaFile, str], bool | None]
"""Whether a file in a field of a request shows a person who could be recognised; None if nobody can tell."""


@dataclass(frozen=True)
class Review:
    """A file that waits for a reviewer, or was decided about; a row of `records.tables.upload_reviews`."""

    id: str
    project_id: str
    digest: str
    media_type: str
    bytes: int
    created_at: float
    accepted: bool | None
    decided_at: float | None


@dataclass(frozen=True)
class UploadPolicy:
    """Checks uploads for one database. Safe to use from several threads.

    Attributes:
        policy: what happens where no guard can tell.
        person_check: asks the guards of the server.
    """

    database: Database
    policy: Policy = "attest"
    person_check: PersonCheck = lambda file, field: None
    clock: Callable[[], float] = time.time

    def check(self, project_id: str, file: MediaFile, path: Path, field: str) -> None:
        """Check a file from outside, which is in the store, before it is used.

        Args:
            path: of its content on this machine.
            field: of the request, for the error.

        Raises:
            RightsRefusal: it may not be used.
        """
        self.check_staydown(file.digest, path, field)
        has_person = self.person_check(file, field)
        if has_person is not None:
            if has_person:
                message = f"{field}: it shows a person, and a person may be shown with consent only"
                remedy = "make a character of the person, with the consent of that person"
                raise PersonShown(message, remedy, field=field)
        elif self.policy == "review":
            self._check_review(project_id, file, field)
        else:
            self._check_confirmation(project_id, field)

    def check_staydown(self, digest: str, path: Path, field: str) -> None:
        """Raise `StaysDown` if a file is a copy of something that was taken down."""
        takedown_id = copies.staydown_of(self.database, digest, path)
        if takedown_id is not None:
            message = f"{field}: it is a copy of something that was taken down ({takedown_id})"
            raise StaysDown(message, "use another one", field=field)

    # Reviews

    def pending(self, *, after: str | None = None, limit: int = 50) -> tuple[list[Review], bool]:
        """Files that wait for a reviewer, the oldest first, and whether there are more; see `page_of`."""
        owner = upload_reviews.c.id.is_not(None)
        query = sa.select(upload_reviews).where(upload_reviews.c.accepted.is_(None))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "review", after, limit, False)
        return [from_row(Review, row) for row in rows], more

    def review(self, review_id: str) -> Review | None:
        """A file that waits for a reviewer or was decided about, or None."""
        with self.database.read() as connection:
            row = first_row(connection, sa.select(upload_reviews).where(upload_reviews.c.id == review_id))
        return from_row(Review, row) if row else None

    def decide(self, review_id: str, accepted: bool, actor: str) -> Review:
        """Accept a file for its project, or not; a later decision replaces an earlier one.

        Raises:
            BadInput: there is no such review.
        """
        now = self.clock()
        values = {"accepted": accepted, "decided_by": actor, "decided_at": now}
        mine = upload_reviews.c.id == (review_id if ids.is_id(review_id) else "")
        with self.database.write() as connection:
            connection.execute(upload_reviews.update().where(mine).values(**values))
            row = first_row(connection, sa.select(upload_reviews).where(mine))
            if row is None:
                message = f"there is no review {quote(review_id, 80)}"
                raise BadInput(message, "check the id", field="review_id")
            kind = "upload.accepted" if accepted else "upload.rejected"
            events.record(connection, kind, review_id, actor, now)
        return from_row(Review, row)

    def _check_confirmation(self, project_id: str, field: str) -> None:
        with self.database.read() as connection:
            if attestations.confirmed(connection, project_id) is not None:
                return
        message = f"{field}: nobody has confirmed that this project has the rights to what it uploads"
        remedy = (
            "confirm it once: in the studio under Characters, Rights, or with POST /v1/rights/confirmation"
        )
        raise RightsNotConfirmed(message, remedy, field=field)

    def _check_review(self, project_id: str, file: MediaFile, field: str) -> None:
        now = self.clock()
        values = {"project_id": project_id, "digest": file.digest, "media_type": file.media_type}
        row_id = ids.make("review_", now)
        mine = upload_reviews.c.project_id == project_id, upload_reviews.c.digest == file.digest
        with self.database.write() as connection:
            insert = insert_into(connection, upload_reviews)
            row = {**values, "id": row_id, "bytes": file.bytes, "created_at": now}
            connection.execute(insert.values(**row).on_conflict_do_nothing())
            found = connection.execute(
                sa.select(upload_reviews.c.id, upload_reviews.c.accepted).where(*mine)
            ).one()
        if found.accepted is None:
            message = f"{field}: a reviewer has to accept it first ({found.id})"
            raise ReviewPending(message, "send the request again after that", field=field)
        if not found.accepted:
            message = f"{field}: a reviewer has not accepted it ({found.id})"
            raise ReviewRejected(message, "use another one", field=field)
