"""What the files of a project take, and its storage limit. A file that several things share counts once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import OverQuota
from hinode.records.rows import count_rows
from hinode.records.tables import artifacts, characters, jobs, projects, uploads

KINDS = ("clips", "stills", "files", "characters", "inputs")
"""What files are, the first one counting: videos, thumbnails and sheets, uploads, characters, references."""
OUTPUTS = ("video", "thumbnail", "spritesheet")
"""Roles of the files that a job makes."""
UNSIGNED = "unsigned."
"""Before the role, that of a file which is served no more, since a signed copy has taken its place."""
VIDEOS = ("video", f"{UNSIGNED}video")
LATER = 3600.0


class StorageFull(OverQuota):
    """The files of the project take as much as its limit allows."""

    code = "storage_limit"


@dataclass(frozen=True)
class Share:
    """The files of one kind, of `KINDS`: how many, and their bytes."""

    kind: str
    bytes: int
    files: int


@dataclass(frozen=True)
class Usage:
    """What a project takes.

    Attributes:
        bytes: of all files, without those of the trash.
        limit_bytes: from which on no job is accepted, or None.
        trash_bytes: of the files of videos in the trash.
        clips: number of videos with a file.
        by_kind: the parts of `bytes`.
    """

    bytes: int
    limit_bytes: int | None
    trash_bytes: int
    clips: int
    by_kind: tuple[Share, ...]


def check(connection: Connection, project_id: str, limit: int | None) -> None:
    """Check that a project may have another job.

    Raises:
        StorageFull: its files take `limit` bytes or more.
    """
    if limit is None or _bound(connection, project_id) < limit:
        return
    used = sum(share.bytes for share in _shares(connection, project_id))
    if used >= limit:
        free = used - limit + 1
        raise StorageFull(
            f"the files of the project take {used:,} of the {limit:,} bytes that it may have",
            f"free {free:,} {'byte' if free == 1 else 'bytes'} or more in the library",
            retry_after=LATER,
        )


def usage(connection: Connection, project_id: str) -> Usage:
    """What a project takes."""
    shares = _shares(connection, project_id)
    limit = connection.scalar(sa.select(projects.c.storage_limit_bytes).where(projects.c.id == project_id))
    of_trash = sa.select(artifacts.c.digest, sa.func.max(artifacts.c.bytes).label("bytes"))
    of_trash = of_trash.join(jobs, jobs.c.id == artifacts.c.job_id)
    of_trash = of_trash.where(jobs.c.project_id == project_id, jobs.c.trashed_at.is_not(None))
    trash = of_trash.group_by(artifacts.c.digest).subquery()
    return Usage(
        bytes=sum(share.bytes for share in shares),
        limit_bytes=limit,
        trash_bytes=int(connection.scalar(sa.select(sa.func.sum(trash.c.bytes))) or 0),
        clips=count_rows(
            connection, *_in_library(project_id), artifacts.c.job_id == jobs.c.id, artifacts.c.role == "video"
        ),
        by_kind=shares,
    )


def rank_videos(connection: Connection, project_id: str, limit: int) -> list[str]:
    """Ids of the videos of a project that take the most bytes, the largest first."""
    total = sa.func.sum(artifacts.c.bytes)
    query = sa.select(jobs.c.id).join(artifacts, artifacts.c.job_id == jobs.c.id)
    query = query.where(*_in_library(project_id), artifacts.c.role.in_(OUTPUTS)).group_by(jobs.c.id)
    return list(connection.scalars(query.order_by(total.desc(), jobs.c.id).limit(limit)))


def _bound(connection: Connection, project_id: str) -> int:
    """The bytes of a project if no two things shared a file: quicker than the truth, and never below it."""
    every = _files(project_id).subquery()
    return int(connection.scalar(sa.select(sa.func.sum(every.c.bytes))) or 0)


def _shares(connection: Connection, project_id: str) -> tuple[Share, ...]:
    every = _files(project_id).subquery()
    kind, size = sa.func.min(every.c.kind).label("kind"), sa.func.max(every.c.bytes).label("bytes")
    files = sa.select(kind, size).group_by(every.c.digest).subquery()
    query = sa.select(files.c.kind, sa.func.sum(files.c.bytes), sa.func.count()).group_by(files.c.kind)
    rows = connection.execute(query.order_by(files.c.kind))
    return tuple(Share(KINDS[kind], int(size), files) for kind, size, files in rows)


def _files(project_id: str) -> sa.CompoundSelect[Any]:
    """Digest, kind and bytes of every file that something of a project refers to."""
    role = sa.case(
        (artifacts.c.role == "video", KINDS.index("clips")),
        (artifacts.c.role.in_(OUTPUTS), KINDS.index("stills")),
        else_=KINDS.index("inputs"),
    ).label("kind")
    of_jobs = sa.select(artifacts.c.digest, role, artifacts.c.bytes)
    # The project did not ask for the copies.
    counted = sa.not_(artifacts.c.role.startswith(UNSIGNED, autoescape=True))
    of_jobs = of_jobs.join(jobs, jobs.c.id == artifacts.c.job_id).where(counted, *_in_library(project_id))
    others = (
        sa.select(table.c.digest, sa.literal(KINDS.index(kind)).label("kind"), table.c.bytes).where(
            table.c.project_id == project_id, table.c.deleted_at.is_(None)
        )
        for table, kind in ((uploads, "files"), (characters, "characters"))
    )
    return sa.union_all(of_jobs, *others)


def _in_library(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return jobs.c.project_id == project_id, jobs.c.deleted_at.is_(None), jobs.c.trashed_at.is_(None)
