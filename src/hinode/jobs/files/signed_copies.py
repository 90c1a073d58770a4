"""Signed copies of the files of videos that were made before files were signed.

A copy takes the place of its file, which stays in the store under another role. Each file is a transaction
of its own, so an interruption costs one file, and another run goes on where the first one ended.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.clip import Provenance
from hinode.jobs import transitions
from hinode.jobs.files.conversions import ROLE as CONVERTED
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.job import Job
from hinode.jobs.library.storage import OUTPUTS, UNSIGNED
from hinode.jobs.rows import read_job, read_request
from hinode.jobs.states import Status
from hinode.records import hints
from hinode.records.database import Database
from hinode.records.rows import first_row, insert_into
from hinode.records.tables import artifacts, fingerprints, jobs
from hinode.records.tables import marks as mark_rows
from hinode.request import MediaFile, Request
from hinode.trust.provenance import marks
from hinode.trust.provenance.ingredients import Inspected, State, inspect
from hinode.trust.provenance.marking import Marking
from hinode.trust.provenance.signing import Mark, SigningError, read_mark
from hinode.trust.provenance.statement import (
    Extent,
    Ingredient,
    Relation,
    Statement,
    extent_of,
    source_type,
    state_clip,
)

log = logging.getLogger(__name__)

PAGE = 100
SUFFIXES = {"video/mp4": ".mp4", "image/webp": ".webp", "image/jpeg": ".jpg"}


@dataclass(frozen=True)
class UnsignedFile:
    """A file of a finished video without an entry in the registry of signed files."""

    job: Job
    role: str
    file: MediaFile


@dataclass(frozen=True)
class Count:
    """How many files have no entry, their bytes, and how many videos they belong to."""

    files: int
    bytes: int
    videos: int


@dataclass
class Summary:
    """What a run did.

    Attributes:
        signed: files that have a signed copy now.
        entered: files that were signed already and were missing in the registry.
        gone: files that were changed or deleted while the run went on.
        missing: digests of files that the store does not have.
        failed: digest and reason of each file that could not be signed.
    """

    signed: int = 0
    entered: int = 0
    gone: int = 0
    missing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SignedCopies:
    """Signs the files of one database."""

    database: Database
    objects: Objects
    marking: Marking
    clock: Callable[[], float] = time.time

    def count(self) -> Count:
        """What a run would sign."""
        files = _unsigned().subquery()
        query = sa.select(
            sa.func.count(), sa.func.sum(files.c.bytes), sa.func.count(sa.distinct(files.c.job_id))
        )
        with self.database.read() as connection:
            ((number, size, videos),) = connection.execute(query)
        return Count(number, int(size or 0), videos)

    def sign_all(self, watch: Callable[[UnsignedFile], object] = lambda file: None) -> Summary:
        """Sign copies of all files that have no entry; `watch` is called after each.

        Raises:
            AuthorityError: the authority cannot sign.
            StoreError: the store is full, or away.
        """
        summary = Summary()
        for unsigned in self._all():
            digest = unsigned.file.digest
            try:
                with self.objects.held(digest) as path:
                    self._sign(unsigned, path, summary)
            except FileNotFoundError:
                summary.missing.append(digest)
            except SigningError as error:
                summary.failed[digest] = str(error)
            watch(unsigned)
        return summary

    def _all(self) -> Iterator[UnsignedFile]:
        """The files in the order of their videos, read page by page, as they are signed meanwhile."""
        job_id, role = "", ""
        while True:
            after = sa.tuple_(artifacts.c.job_id, artifacts.c.role) > (job_id, role)
            query = _unsigned().where(after).order_by(artifacts.c.job_id, artifacts.c.role).limit(PAGE)
            with self.database.read() as connection:
                rows = connection.execute(query).all()
                names = [row.job_id for row in rows]
                job_rows = connection.execute(sa.select(jobs).where(jobs.c.id.in_(names))).mappings()
                owners = {job.id: job for job in map(read_job, job_rows)}
            for row in rows:
                if row.job_id in owners:
                    yield UnsignedFile(
                        owners[row.job_id], row.role, MediaFile(row.digest, row.media_type, row.bytes)
                    )
            if len(rows) < PAGE:
                return
            job_id, role = rows[-1].job_id, rows[-1].role

    def _sign(self, unsigned: UnsignedFile, path: Path, summary: Summary) -> None:
        digest, media_type = unsigned.file.digest, unsigned.file.media_type
        item = Ingredient("clip", digest, media_type, Relation.PARENT, path, is_kept=True)
        before = inspect(item, 0, self.marking.authority.anchors())
        if before.state in (State.TRUSTED, State.UNCHECKED):
            self._enter(unsigned, read_mark(path, before.label))
            summary.entered += 1
            return
        with self.objects.temporary(SUFFIXES.get(media_type, "")) as part:
            shutil.copyfile(path, part)
            mark = self.marking.sign(part, self._state(unsigned, before))
            copy, size = self.objects.put(part)
        if self._enter(unsigned, mark, MediaFile(copy, media_type, size)):
            summary.signed += 1
        else:
            summary.gone += 1

    def _state(self, unsigned: UnsignedFile, before: Inspected) -> Statement:
        """What the manifest of a copy says: what was done when the file was made."""
        job, facts = unsigned.job, unsigned.job.provenance or {}
        request = self._with_paths(read_request(job.request))
        if before.state is not State.NONE:  # somebody else's manifest is kept, and never replaced
            kind = source_type(extent_of(request), [None])
            parent = dataclasses.replace(before.item, source_type=kind)
            statement = Statement(Extent.NOTHING, job.operation, ingredients=(parent,))
        else:
            statement = self._state_clip(unsigned, request, facts)
        return dataclasses.replace(statement, copy_of=unsigned.file.digest, created_at=job.completed_at)

    def _state_clip(self, unsigned: UnsignedFile, request: Request, facts: Mapping[str, Any]) -> Statement:
        job = unsigned.job
        provenance = Provenance(
            job.engine, job.model, int(facts.get("seed") or 0), int(facts.get("steps") or 0), request.size
        )
        watermark = facts.get("watermark_id") if unsigned.role == "video" else None
        statement = state_clip(request, provenance, watermark_id=watermark)
        return statement if unsigned.role == "video" else self.marking.shorten(statement)

    def _with_paths(self, request: Request) -> Request:
        """The request with the paths of the references that the store still has."""
        references = []
        for reference in request.references:
            try:
                path = str(self.objects.fetch(reference.digest))
            except (FileNotFoundError, StoreError):
                path = ""
            references.append(dataclasses.replace(reference, path=path))
        return dataclasses.replace(request, references=tuple(references))

    def _enter(self, unsigned: UnsignedFile, mark: Mark, copy: MediaFile | None = None) -> bool:
        """Enter a mark, and let a copy take the place of its file, unless that is gone by now; conversions of
        a video that was not signed are made anew when somebody asks for them."""
        job, role, file, now = unsigned.job, unsigned.role, unsigned.file, self.clock()
        mine = artifacts.c.job_id == job.id
        with self.database.write() as connection:
            values = {"job": job.id, "project": job.project_id}
            if first_row(connection, transitions.JOB.with_for_update(), **values) is None:
                return False
            there = mine, artifacts.c.role == role, artifacts.c.digest == file.digest
            if first_row(connection, sa.select(artifacts.c.role).where(*there)) is None:
                return False
            if copy is not None:
                changed = {"digest": copy.digest, "bytes": copy.bytes}
                connection.execute(artifacts.update().where(*there).values(**changed))
                original = transitions.artifact_row(job.id, f"{UNSIGNED}{role}", file)
                connection.execute(
                    insert_into(connection, artifacts).values(original).on_conflict_do_nothing()
                )
                _copy_fingerprint(connection, file.digest, copy.digest)
            if role == "video":
                old = mine, artifacts.c.role.startswith(CONVERTED, autoescape=True), _without_mark()
                connection.execute(artifacts.delete().where(*old))
            facts: Mapping[str, Any] = {**marks.facts_of({role: mark}), "watermark_id": mark.watermark_id}
            marks.record_job(connection, job.id, {role: copy or file}, facts, job.operation, now)
            hints.note(connection, job.project_id)
            return True


def _without_mark() -> sa.ColumnElement[bool]:
    return ~sa.exists().where(mark_rows.c.digest == artifacts.c.digest)


def _unsigned() -> sa.Select[Any]:
    """The files of finished videos that have no entry in the registry."""
    query = sa.select(artifacts).join(jobs, jobs.c.id == artifacts.c.job_id)
    finished = jobs.c.status == Status.COMPLETED.value, jobs.c.deleted_at.is_(None)
    return query.where(*finished, artifacts.c.role.in_(OUTPUTS), _without_mark())


def _copy_fingerprint(connection: Connection, digest: str, copy: str) -> None:
    """A copy shows what its original shows."""
    row = first_row(connection, sa.select(fingerprints).where(fingerprints.c.digest == digest))
    if row is not None:
        values = {**row, "digest": copy}
        connection.execute(insert_into(connection, fingerprints).values(values).on_conflict_do_nothing())
