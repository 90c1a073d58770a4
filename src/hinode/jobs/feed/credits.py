"""Credit to the posts that a video came from, through all generations.

It is written down when a video is published, with the credit of those posts, so that it stays when one of
them, or a video between them, is deleted.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.job import Job
from hinode.jobs.library.storage import VIDEOS
from hinode.jobs.rows import read_job
from hinode.records.tables import artifacts, jobs, posts

MAX_TITLE_LENGTH = 100
MAX_CREDITS = 100
MAX_VIDEOS = 200
"""Videos that are looked at between a video and the posts that it came from."""


@dataclass(frozen=True)
class Credit:
    """A post that a video came from, as it was called then, and the operation that led away from it."""

    post_id: str
    title: str
    author: str
    operation: str

    def to_values(self) -> dict[str, str]:
        """The credit in JSON values."""
        return dataclasses.asdict(self)


def credits_of(connection: Connection, video: Job) -> list[Credit]:
    """The posts that a video came from, nearest first; a post that was removed counts."""
    credits: dict[str, Credit] = {}
    ids, waiting = {video.id}, deque([video])
    while waiting and len(ids) < MAX_VIDEOS and len(credits) < MAX_CREDITS:
        child = waiting.popleft()
        for parent in _parents(connection, child):
            if parent.id in ids:
                continue
            ids.add(parent.id)
            post = _post(connection, parent)
            if post is None:
                waiting.append(parent)
                continue
            own = Credit(
                post["id"],
                title_of(post["caption"], parent.request["prompt"]),
                post["author"],
                child.operation,
            )
            for credit in (own, *(Credit(**values) for values in post["credits"])):
                credits.setdefault(credit.post_id, credit)
    return list(credits.values())[:MAX_CREDITS]


def title_of(caption: str, prompt: str) -> str:
    """What a post is called: the first line of its caption, or else of the prompt of its video."""
    lines = (line.strip() for text in (caption, prompt) for line in text.splitlines())
    line = next(filter(None, lines), "Untitled")
    return line if len(line) <= MAX_TITLE_LENGTH else line[: MAX_TITLE_LENGTH - 1] + "…"


def _parents(connection: Connection, video: Job) -> Iterator[Job]:
    """The videos of the project that a video was made from, deleted ones too."""
    digests = {reference["digest"] for reference in video.request.get("references", ())}
    files = artifacts.c.role.in_(VIDEOS)
    # The source is known by its id; another video may have the same file.
    own = sa.select(artifacts.c.digest).where(files, artifacts.c.job_id == video.source_id)
    digests -= set(connection.scalars(own))
    made_from = sa.select(artifacts.c.job_id).where(files, artifacts.c.digest.in_(digests))
    query = sa.select(jobs).where(
        jobs.c.project_id == video.project_id,
        jobs.c.created_at <= video.created_at,
        jobs.c.id != video.id,
        sa.or_(jobs.c.id == video.source_id, jobs.c.id.in_(made_from)),
    )
    for row in connection.execute(query.order_by(jobs.c.id)).mappings():
        yield read_job(row)


def _post(connection: Connection, video: Job) -> sa.RowMapping | None:
    """The last post of a video."""
    query: sa.Select[Any] = sa.select(posts).where(posts.c.video_id == video.id)
    return connection.execute(query.order_by(posts.c.id.desc()).limit(1)).mappings().first()
