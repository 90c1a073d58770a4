"""Finished videos in other formats, made when somebody first asks, and kept as long as the video."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hinode.jobs import transitions
from hinode.jobs.files.objects import Objects
from hinode.jobs.job import Job
from hinode.jobs.rows import read_request
from hinode.media.timeline import Timeline
from hinode.media.writing import convert
from hinode.records.database import Database
from hinode.records.rows import first_row
from hinode.records.tables import artifacts
from hinode.request import MediaFile, Size
from hinode.trust.provenance import marks
from hinode.trust.provenance.marking import Marking
from hinode.trust.provenance.signing import Mark
from hinode.trust.provenance.statement import state_copy

ROLE = "video."
"""Before the format, the role of a converted video."""


@dataclass(frozen=True)
class Conversions:
    """Converts the videos of one database. Safe to use from several threads."""

    database: Database
    objects: Objects
    marking: Marking

    def make(self, job: Job, video: MediaFile, kind: str) -> MediaFile:
        """Convert the file of a completed job; `kind` is one of `media.writing.formats.FORMATS`.

        Raises:
            BadInput: it is too large, or the format cannot hold it.
            EngineError: its file is damaged.
            StoreError: the file cannot be written.
        """
        source, size, timeline = self.objects.fetch(video.digest), size_of(job), timeline_of(job)
        convert.check(kind, size, timeline)
        suffix = ".zip" if kind == "png" else f".{kind}"
        clip = dataclasses.replace(video, path=str(source))
        statement = state_copy("convert", clip, read_request(job.request))
        signed: list[Mark] = []

        def seal(part: Path) -> None:
            signed.append(self.marking.sign(part, statement))

        with self.objects.temporary(suffix) as path:
            convert.convert(source, path, kind, size, timeline, seal)
            digest, count = self.objects.put(path)
        file = MediaFile(digest, convert.MEDIA_TYPES[kind], count)
        self._enter(job, f"{ROLE}{kind}", file, signed[0])
        return file

    def _enter(self, job: Job, role: str, file: MediaFile, mark: Mark) -> None:
        """Let the file belong to the job, unless its files are gone by now or another has done so."""
        roles = sa.select(artifacts.c.role).where(artifacts.c.job_id == job.id)
        with self.database.write() as connection:
            values = {"job": job.id, "project": job.project_id}
            if first_row(connection, transitions.JOB.with_for_update(), **values) is None:
                return
            there = set(connection.scalars(roles))
            if "video" in there and role not in there:
                connection.execute(artifacts.insert(), transitions.artifact_row(job.id, role, file))
                facts = marks.facts_of({role: mark})
                marks.record_job(connection, job.id, {role: file}, facts, "convert", time.time())


def size_of(job: Job) -> Size:
    """Width and height of a job's video."""
    return job.request["width"], job.request["height"]


def timeline_of(job: Job) -> Timeline:
    """When the frames of a completed job's video are shown."""
    facts = job.provenance or {}
    return Timeline.of(
        facts.get("fps") or job.request.get("fps") or 24.0, facts.get("seconds") or job.seconds
    )
