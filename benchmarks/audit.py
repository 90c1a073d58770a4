"""Compares the database and the store of a server that has ended with what it had promised."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from PIL import Image

from hinode.errors import HinodeError
from hinode.jobs.states import FINAL, Outcome, Status
from hinode.media.reading.container import DecodeError
from hinode.media.reading.decode import VideoFile
from hinode.records.database import Database
from hinode.records.tables import artifacts, attempts, events, jobs

FINALS = frozenset(status.value for status in FINAL)


@dataclass
class Promise:
    """A job that the server has accepted.

    Attributes:
        kind: number of its request, or None if there is nothing to compare it with.
        cancelled: whether a client cancelled it; it may have been too late for that.
    """

    kind: int | None
    cancelled: bool = False


@dataclass
class Audit:
    """The result of an audit.

    Attributes:
        ended: number of jobs by final state.
        attempts: number of attempts.
        problems: sentences; empty if nothing is wrong.
    """

    ended: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    problems: list[str] = field(default_factory=list)


def audit(
    database: Database,
    store: Path,
    promises: Mapping[str, Promise],
    expected: Sequence[Mapping[str, str]],
    delivered: Mapping[str, set[tuple[str, str]]],
) -> Audit:
    """Look for jobs that were lost, finished twice or left unfinished.

    Args:
        database: of a server that has ended.
        store: its folder of files.
        promises: the jobs by id.
        expected: for every kind of request the digests of its files by role, from an undisturbed run.
        delivered: the events that the webhook endpoint got, for each job.
    """
    result = Audit()
    sizes, damaged = _files(store)
    result.problems += damaged
    with database.read() as connection:
        if database.sqlite:
            verdict = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            if verdict != "ok":
                result.problems.append(f"SQLite finds its file damaged: {verdict}")
        rows = {row["id"]: row for row in connection.execute(sa.select(jobs)).mappings()}
        files: dict[str, dict[str, sa.RowMapping]] = defaultdict(dict)
        for row in connection.execute(sa.select(artifacts)).mappings():
            files[row["job_id"]][row["role"]] = row
        outcomes: dict[str, Counter[str | None]] = defaultdict(Counter)
        for job_id, outcome in connection.execute(sa.select(attempts.c.job_id, attempts.c.outcome)):
            outcomes[job_id][outcome] += 1
        emitted: dict[str, list[str]] = defaultdict(list)
        for kind, data in connection.execute(sa.select(events.c.type, events.c.data)):
            emitted[data["id"]].append(kind)
    result.attempts = sum(sum(counts.values()) for counts in outcomes.values())
    result.problems += [f"{job} was accepted and is lost" for job in promises if job not in rows]
    result.problems += [f"{job} was made and never requested" for job in rows if job not in promises]
    for job, promise in promises.items():
        if job in rows:
            result.ended[rows[job]["status"]] += 1
            record = _Record(rows[job], promise, outcomes[job], emitted[job], delivered.get(job, set()))
            result.problems += [f"{job} {problem}" for problem in record.problems()]
            result.problems += [f"{job} {problem}" for problem in _damage(files[job], sizes)]
            if promise.kind is not None and rows[job]["status"] == Status.COMPLETED:
                digests = {role: row["digest"] for role, row in files[job].items()}
                if contents(store, digests) != contents(store, expected[promise.kind]):
                    result.problems.append(
                        f"{job}, of kind {promise.kind}, has other files than an undisturbed run:"
                        f" {digests} instead of {expected[promise.kind]}"
                    )
    return result


@dataclass
class _Record:
    """Everything on record about a job."""

    row: sa.RowMapping
    promise: Promise
    outcomes: Counter[str | None]
    emitted: list[str]
    delivered: set[tuple[str, str]]

    def problems(self) -> Iterator[str]:
        status = self.row["status"]
        if status not in FINALS:
            yield f"is left {status}"
            return
        allowed = {Status.COMPLETED.value} | ({Status.CANCELLED.value} if self.promise.cancelled else set())
        if status not in allowed:
            yield f"ended as {status}: {self.row['error_code']}, {self.row['error_message']}"
        completed = status == Status.COMPLETED
        event = "video.completed" if completed else "video.failed"
        if self.emitted != [event]:
            yield f"ended as {status} and has the events {self.emitted}"
        if [kind for kind, _ in self.delivered] != [event]:
            yield f"ended as {status} and its endpoint got {sorted(self.delivered)}"
        if self.outcomes[Outcome.COMPLETED.value] != int(completed):
            yield f"ended as {status} after attempts that ended {dict(self.outcomes)}"
        if None in self.outcomes:
            yield "has an attempt that never ended"
        if self.row["lease_until"] is not None or self.row["worker_id"] is not None:
            yield "has ended and is still leased"


def _files(store: Path) -> tuple[dict[str, int], list[str]]:
    """The sizes of all files of the store by digest, and a problem for each that has another digest."""
    sizes, damaged = {}, []
    for path in store.glob("objects/*/*"):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        sizes[path.name] = path.stat().st_size
        if digest != path.name:
            damaged.append(f"the file {path.name} has the digest {digest}: it is not whole")
    return sizes, damaged


def contents(store: Path, digests: Mapping[str, str]) -> dict[str, str]:
    """What the files show, by role: clips of one request show the same, and have other signatures."""
    return {role: _content(store / "objects" / digest[:2] / digest) for role, digest in digests.items()}


@lru_cache(maxsize=10_000)
def _content(path: Path) -> str:
    """A digest of the pictures of a file; its name if it is gone, or has none."""
    content = hashlib.sha256()
    try:
        with path.open("rb") as file:
            is_video = file.read(8)[4:] == b"ftyp"
        if is_video:
            with VideoFile(path) as video:
                for picture in video:
                    content.update(picture.rgb.tobytes())
        else:
            with Image.open(path) as image:
                content.update(image.convert("RGB").tobytes())
    except (OSError, HinodeError, DecodeError):
        return path.name
    return content.hexdigest()


def _damage(files: Mapping[str, sa.RowMapping], sizes: Mapping[str, int]) -> Iterator[str]:
    for role, row in files.items():
        if row["digest"] not in sizes:
            yield f"has no file for its {role}"
        elif sizes[row["digest"]] != row["bytes"]:
            yield f"has a {role} of {sizes[row['digest']]} bytes that should have {row['bytes']}"
