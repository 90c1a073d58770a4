"""Copies of pictures and videos: fingerprints of the files in the store, and what they match."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.files.characters import WORDS
from hinode.jobs.files.objects import Objects, StoreError
from hinode.jobs.library.storage import OUTPUTS, VIDEOS
from hinode.jobs.rights.enforcement import Action, act
from hinode.records.database import Database
from hinode.records.rows import insert_into
from hinode.records.tables import (
    artifacts,
    characters,
    fingerprints,
    jobs,
    parents,
    staydowns,
    takedown_matches,
    uploads,
)
from hinode.request import MediaFile
from hinode.rights import events, fingerprint
from hinode.rights.fingerprint import Fingerprint
from hinode.rights.people import CLOCK

VIDEO = "video"
BLOCKED = "moderation_blocked"
BLOCKED_ERROR = BLOCKED, "the video matches one that was taken down after a notice; change the prompt"
BATCH_SIZE = 20
"""Files whose fingerprints are made in one turn."""
NAMED, IDENTICAL, NEAR, DERIVED = "named", "identical", "near", "derived"


@dataclass(frozen=True)
class Match:
    """An entry that a notice is about.

    Attributes:
        entry_id: of a video, a file or a character.
        kind: named in the notice, with the same file, with a fingerprint that matches, or made from one of
            those.
        similarity: share of the frames that match, 0 to 1.
    """

    entry_id: str
    kind: str
    similarity: float


class Copies:
    """Makes the fingerprints of the files of one database. Safe to use from several threads."""

    def __init__(self, database: Database, objects: Objects, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.objects = objects
        self.clock = clock

    def of_finished(self, video: MediaFile | None) -> Fingerprint | None:
        """The fingerprint of a video that a worker over HTTP has sent; None if nothing is to stay down, since
        then it has time until `enter_new`."""
        with self.database.read() as connection:
            if video is None or not _has_staydowns(connection):
                return None
        return fingerprint.of_file(self.objects.fetch(video.digest))

    def enter_new(self) -> int:
        """Make the fingerprints of some files that have none, `BATCH_SIZE` at most, and withhold what matches
        something that was taken down; returns how many there were."""
        with self.database.read() as connection:
            new = list(connection.scalars(_without_fingerprint().limit(BATCH_SIZE)))
        for digest in new:
            try:
                print_ = fingerprint.of_file(self.objects.fetch(digest))
            except (FileNotFoundError, StoreError):
                continue
            now = self.clock()
            with self.database.write() as connection:
                enter(connection, digest, print_, now)
                takedown_id = matching_staydown(connection, digest, print_)
                if takedown_id is not None:
                    withhold(connection, digest, takedown_id, now)
        return len(new)


def enter(connection: Connection, digest: str, print_: Fingerprint, now: float) -> None:
    """Enter the fingerprint of a file; one that is there stays."""
    values = {"digest": digest, "hashes": print_.to_bytes(), "created_at": now}
    connection.execute(insert_into(connection, fingerprints).values(**values).on_conflict_do_nothing())


def withhold(connection: Connection, digest: str, takedown_id: str, now: float) -> None:
    """Withhold everything with a file that is a copy of something that was taken down."""
    found = [Match(name, NEAR, 1.0) for name in _entries(connection, {digest})]
    enter_matches(connection, takedown_id, found)
    hidden = act(connection, Action.HIDE, [match.entry_id for match in found], takedown_id, now)
    for name in hidden:
        events.record(connection, "takedown.copy_withheld", takedown_id, CLOCK, now, {"entry": name})


def staydown_of(database: Database, digest: str, path: Path) -> str | None:
    """The notice after which copies of a file stay down, or None. The file is only read if any do."""
    with database.read() as connection:
        if not _has_staydowns(connection):
            return None
    print_ = fingerprint.of_file(path)
    with database.read() as connection:
        return matching_staydown(connection, digest, print_)


def matching_staydown(connection: Connection, digest: str, print_: Fingerprint) -> str | None:
    """The notice after which copies of a file stay down, or None."""
    query = sa.select(staydowns).where(staydowns.c.lifted.is_(sa.false())).order_by(staydowns.c.takedown_id)
    for row in connection.execute(query):
        if row.digest == digest or print_.matches(Fingerprint.from_bytes(row.hashes)):
            return str(row.takedown_id)
    return None


def _has_staydowns(connection: Connection) -> bool:
    active = staydowns.c.lifted.is_(sa.false())
    return connection.scalar(sa.select(staydowns.c.takedown_id).where(active).limit(1)) is not None


def find(connection: Connection, entry_ids: list[str]) -> list[Match]:
    """What the entries that a notice names lead to: they themselves, everything with the same files, with
    files that match, and everything that was made from any of those videos."""
    named = [name for name in dict.fromkeys(entry_ids) if _is_there(connection, name)]
    result = {name: Match(name, NAMED, 1.0) for name in named}
    digests = set(connection.scalars(_digests_of(named)))
    for name in _entries(connection, digests):
        result.setdefault(name, Match(name, IDENTICAL, 1.0))
    for digest, similarity in _near(connection, digests).items():
        for name in _entries(connection, {digest}):
            result.setdefault(name, Match(name, NEAR, similarity))
    for name in _derived(connection, list(result), digests):
        result.setdefault(name, Match(name, DERIVED, 0.0))
    return list(result.values())


def enter_matches(connection: Connection, takedown_id: str, found: list[Match]) -> None:
    """Enter what a notice is about; what is there already stays."""
    if not found:
        return
    rows = [
        {
            "takedown_id": takedown_id,
            "entry_id": match.entry_id,
            "match": match.kind,
            "similarity": match.similarity,
        }
        for match in found
    ]
    connection.execute(insert_into(connection, takedown_matches).on_conflict_do_nothing(), rows)


def matches_of(connection: Connection, takedown_id: str) -> list[Match]:
    """What a notice is about, in the order of ids."""
    query = sa.select(takedown_matches).where(takedown_matches.c.takedown_id == takedown_id)
    rows = connection.execute(query.order_by(takedown_matches.c.entry_id))
    return [Match(row.entry_id, row.match, row.similarity) for row in rows]


def files_of(connection: Connection, entry_id: str) -> dict[str, MediaFile]:
    """The files of an entry that is there, by role: those of a video, or the file of an upload or character
    as "file"."""
    outputs = artifacts.c.role.in_(OUTPUTS)
    of_job = sa.select(artifacts.c.role, artifacts.c.digest, artifacts.c.media_type, artifacts.c.bytes)
    others = (
        sa.select(sa.literal("file"), table.c.digest, table.c.media_type, table.c.bytes).where(
            table.c.id == entry_id, table.c.deleted_at.is_(None)
        )
        for table in (uploads, characters)
    )
    query = sa.union_all(of_job.where(artifacts.c.job_id == entry_id, outputs), *others)
    return {row[0]: MediaFile(row[1], row[2], row[3]) for row in connection.execute(query)}


def keep_down(connection: Connection, takedown_id: str, entry_ids: list[str], now: float) -> None:
    """Let copies of the files of some entries be refused from now on."""
    query = sa.select(fingerprints.c.digest, fingerprints.c.hashes)
    digests = set(connection.scalars(_digests_of(entry_ids)))
    hashes = {
        row.digest: row.hashes for row in connection.execute(query.where(fingerprints.c.digest.in_(digests)))
    }
    rows = [
        {
            "takedown_id": takedown_id,
            "digest": digest,
            "hashes": hashes.get(digest, b""),
            "created_at": now,
            "lifted": False,
        }
        for digest in sorted(digests)
    ]
    if rows:
        connection.execute(insert_into(connection, staydowns).on_conflict_do_nothing(), rows)


def lift(connection: Connection, takedown_id: str) -> None:
    """Let copies of what a notice was about be used again."""
    mine = staydowns.c.takedown_id == takedown_id
    connection.execute(staydowns.update().where(mine).values(lifted=True))


def _without_fingerprint() -> sa.Select[Any]:
    """The files of finished videos and of characters that have no fingerprint."""
    videos = sa.select(artifacts.c.digest).where(artifacts.c.role == VIDEO)
    subjects = sa.select(characters.c.digest).where(
        characters.c.deleted_at.is_(None), characters.c.media_type != WORDS
    )
    files = sa.union(videos, subjects).subquery()
    known = sa.exists().where(fingerprints.c.digest == files.c.digest)
    return sa.select(files.c.digest).where(~known)


def _is_there(connection: Connection, name: str) -> bool:
    queries = (
        sa.select(table.c.id).where(table.c.id == name, table.c.deleted_at.is_(None))
        for table in (jobs, uploads, characters)
    )
    return connection.scalar(sa.union_all(*queries)) is not None


def _digests_of(entry_ids: list[str]) -> sa.Select[Any]:
    """The files by which entries are compared: the video of a job, the file of an upload or a character."""
    parts = [
        sa.select(artifacts.c.digest).where(artifacts.c.role.in_(VIDEOS), artifacts.c.job_id.in_(entry_ids)),
        sa.select(uploads.c.digest).where(uploads.c.id.in_(entry_ids)),
        sa.select(characters.c.digest).where(
            characters.c.id.in_(entry_ids), characters.c.media_type != WORDS
        ),
    ]
    return sa.select(sa.union(*parts).subquery().c.digest)


def _entries(connection: Connection, digests: set[str]) -> list[str]:
    """The entries with one of some files."""
    parts = [
        sa.select(artifacts.c.job_id.label("id"))
        .join(jobs, jobs.c.id == artifacts.c.job_id)
        .where(artifacts.c.role.in_(VIDEOS), artifacts.c.digest.in_(digests), jobs.c.deleted_at.is_(None)),
        *(
            sa.select(table.c.id).where(table.c.digest.in_(digests), table.c.deleted_at.is_(None))
            for table in (uploads, characters)
        ),
    ]
    return sorted(connection.scalars(sa.union(*parts))) if digests else []


def _near(connection: Connection, digests: set[str]) -> dict[str, float]:
    """The files whose fingerprints match that of one of some files, with their similarity."""
    query = sa.select(fingerprints.c.digest, fingerprints.c.hashes)
    named = connection.execute(query.where(fingerprints.c.digest.in_(digests)))
    prints = [Fingerprint.from_bytes(row.hashes) for row in named if row.hashes]
    result = {}
    for digest, other in _all_prints(connection) if prints else ():
        similarity = max(print_.similarity(other) for print_ in prints)
        if digest not in digests and similarity >= fingerprint.MIN_SHARE:
            result[digest] = similarity
    return result


def _all_prints(connection: Connection) -> Iterator[tuple[str, Fingerprint]]:
    # Row by row: a library of 100,000 videos has 200 MB of hashes.
    options = {"stream_results": True, "yield_per": 1000}
    query = sa.select(fingerprints.c.digest, fingerprints.c.hashes).where(
        sa.func.length(fingerprints.c.hashes) > 0
    )
    for row in connection.execution_options(**options).execute(query):
        yield row.digest, Fingerprint.from_bytes(row.hashes)


def _derived(connection: Connection, entry_ids: list[str], digests: set[str]) -> list[str]:
    """Videos that were made from some videos or files, through all generations, deleted ones left out."""
    inputs = sa.select(artifacts.c.job_id).where(
        artifacts.c.role.not_in(VIDEOS), artifacts.c.digest.in_(digests)
    )
    children = sa.select(parents.c.job_id).where(parents.c.parent_id.in_(entry_ids))
    first = sa.select(jobs.c.id).where(sa.or_(jobs.c.id.in_(inputs), jobs.c.id.in_(children)))
    below = first.cte("below", recursive=True)
    below = below.union(sa.select(parents.c.job_id).join(below, parents.c.parent_id == below.c.id))
    query = sa.select(jobs.c.id).where(jobs.c.id.in_(sa.select(below.c.id)), jobs.c.deleted_at.is_(None))
    return list(connection.scalars(query.order_by(jobs.c.id)))
