"""Archives: many videos as one ZIP file, which is written while it is sent and is never on a disk."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from zipstream import ZIP_STORED, ZipStream

from hinode.errors import quote
from hinode.jobs.files.objects import BLOCK, Objects
from hinode.jobs.library.entry import Missing
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.tables import archives, artifacts, jobs, library

ARCHIVE_SECONDS = 86_400.0
"""For which the address of an archive is valid."""
MAX_FILE_NAME_BYTES = 120
_RESERVED = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}
)


@dataclass(frozen=True)
class Archive:
    """Videos to be sent as one file; `bytes` are those of the videos."""

    id: str
    clips: int
    bytes: int


@dataclass(frozen=True)
class Content:
    """A file of an archive."""

    name: str
    digest: str
    bytes: int


class Archives:
    """The archives of the projects in one database. Safe to use from several threads."""

    def __init__(self, database: Database, objects: Objects, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.objects = objects
        self.clock = clock

    def create(self, project_id: str, job_ids: Sequence[str]) -> Archive:
        """An archive of finished videos, in this order; its address is valid for a day.

        Raises:
            Missing: the project has no video with one of the ids, or the video has no file.
        """
        now = self.clock()
        names = list(dict.fromkeys(job_ids))
        with self.database.write() as connection:
            contents = _contents(connection, project_id, names)
            archive_id = ids.make("archive_", now)
            values = {"id": archive_id, "project_id": project_id, "job_ids": names, "created_at": now}
            connection.execute(archives.insert().values(**values))
        return Archive(archive_id, len(contents), sum(content.bytes for content in contents))

    def open(self, project_id: str, archive_id: str) -> ZipStream | None:
        """The ZIP file as an iterable of bytes with a known length; None if there is no such archive.

        Raises:
            Missing: a video was deleted meanwhile.
        """
        query = sa.select(archives.c.job_ids).where(
            archives.c.id == archive_id,
            archives.c.project_id == project_id,
            archives.c.created_at >= self.clock() - ARCHIVE_SECONDS,
        )
        with self.database.read() as connection:
            names = connection.scalar(query)
            if names is None:
                return None
            contents = _contents(connection, project_id, names)
        stream = ZipStream(compress_type=ZIP_STORED, sized=True)
        for content in contents:
            if not self.objects.keep(content.digest):  # its age starts again: no sweep removes it meanwhile
                message = f"the file of {quote(content.name, 80)} is not there any more"
                raise Missing(message, "make another archive without it", field="ids")
            stream.add(_blocks(self.objects, content.digest), content.name, size=content.bytes)
        return stream


def _blocks(objects: Objects, digest: str) -> Iterator[bytes]:
    """The content of a file, which a remote store is asked for when its turn comes."""
    with objects.fetch(digest).open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def file_names(titles: Iterable[str], extension: str) -> list[str]:
    """Names of files for some titles, which every file system takes: all different, whatever their case.

    Args:
        titles: in words; a title without any letter that a file name can have is called "video".
        extension: with its point, such as ".mp4".
    """
    used: set[str] = set()
    result = []
    for title in titles:
        stem = _stem(title)
        name, number = stem, 1
        while name.casefold() in used:
            number += 1
            name = f"{stem} ({number})"
        used.add(name.casefold())
        result.append(name + extension)
    return result


def _stem(title: str) -> str:
    text = unicodedata.normalize("NFC", title)
    text = "".join(letter if letter.isprintable() and letter not in _RESERVED else " " for letter in text)
    text = " ".join(text.split()).encode()[:MAX_FILE_NAME_BYTES].decode(errors="ignore").strip(" .")
    return f"{text}_" if text.casefold().split(".")[0] in _DEVICES else text or "video"


def _contents(connection: Connection, project_id: str, job_ids: Sequence[str]) -> list[Content]:
    """The files of some videos, with names.

    Raises:
        Missing: one of them is not there, or has no file.
    """
    query = sa.select(jobs.c.id, jobs.c.request, library.c.title, artifacts.c.digest, artifacts.c.bytes)
    query = query.select_from(jobs).join(library, library.c.job_id == jobs.c.id, isouter=True)
    video = sa.and_(artifacts.c.job_id == jobs.c.id, artifacts.c.role == "video")
    query = query.join(artifacts, video, isouter=True).where(
        jobs.c.id.in_(job_ids),
        jobs.c.project_id == project_id,
        jobs.c.deleted_at.is_(None),
        jobs.c.trashed_at.is_(None),
    )
    by_id = {row.id: row for row in connection.execute(query)}
    for job_id in job_ids:
        if job_id not in by_id:
            raise Missing(f"there is no video {quote(job_id, 80)}", "leave it out", field="ids")
        if by_id[job_id].digest is None:
            raise Missing(f"video {quote(job_id, 80)} has no file", "leave it out", field="ids")
    rows = [by_id[job_id] for job_id in job_ids]
    names = file_names((row.title or row.request["prompt"] for row in rows), ".mp4")
    return [Content(name, row.digest, row.bytes) for name, row in zip(names, rows, strict=True)]
