"""Published videos: posts with likes and reports, in projects whose feed is on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput
from hinode.jobs.feed.credits import Credit, credits_of, title_of
from hinode.jobs.job import Job
from hinode.jobs.library import rows as entries
from hinode.jobs.rows import read_job
from hinode.jobs.tenants.tenant import lock_project
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import jobs, likes, posts, projects, reports
from hinode.rights import consents
from hinode.rights.people import named

MAX_CAPTION_LENGTH, MAX_REASON_LENGTH = 2000, 1000


@dataclass(frozen=True)
class Post:
    """A published video; a row of `records.tables.posts`.

    Attributes:
        author: as the person, or else the project, was called then.
        credits: the posts that the video came from, nearest first.
        likes, reports: how many people like it, and have reported it.
        liked: whether the person who asks does.
        video: its job, or None if that was deleted.
    """

    id: str
    project_id: str
    video_id: str
    caption: str
    author: str
    credits: tuple[Credit, ...]
    created_at: float
    likes: int
    liked: bool
    reports: int
    video: Job | None

    @property
    def title(self) -> str:
        """The first line of the caption, or else of the prompt."""
        return title_of(self.caption, self.video.request["prompt"] if self.video else "")


class Feed:
    """The posts in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def enabled(self, project_id: str) -> bool:
        """Whether the feed of a project is on; it is off until someone turns it on."""
        with self.database.read() as connection:
            return bool(
                connection.scalar(sa.select(projects.c.feed_enabled).where(projects.c.id == project_id))
            )

    def title(self, project_id: str) -> str:
        """What the feed is called: the name of its project."""
        with self.database.read() as connection:
            name = connection.scalar(sa.select(projects.c.name).where(projects.c.id == project_id))
            return str(name)

    def publish(self, video: Job, caption: str, author: str | None, person: str) -> Post:
        """Publish a finished video, once; the author is by default the project.

        Raises:
            BadInput: it is published already.
            ConsentRefused: a person who is shown does not allow it.
        """
        now = self.clock()
        post_id = ids.make("post_", now)
        with self.database.write() as connection:
            project = lock_project(connection, video.project_id)
            query = sa.select(posts.c.id).where(posts.c.video_id == video.id, *_of(video.project_id))
            for consent in consents.used_by(connection, video.id, lock=True):
                consent.check(named(connection, video.project_id, person), "publish", now, "video_id")
            before = connection.scalar(query)
            if before is not None:
                message = f"the video is in the feed already, as {before}"
                raise BadInput(message, "remove that post first", field="video_id")
            values = {
                "id": post_id,
                "project_id": video.project_id,
                "video_id": video.id,
                "caption": caption,
                "author": author or project["name"],
                "credits": [credit.to_values() for credit in credits_of(connection, video)],
                "created_at": now,
            }
            connection.execute(posts.insert().values(**values))
            entries.ensure(connection, [video.id], now)
            entries.touch(connection, [video.id], now, published=True)
            post = _read(connection, video.project_id, post_id, person)
        assert post is not None, "it was just written"
        return post

    def get(self, project_id: str, post_id: str, person: str) -> Post | None:
        """A post of a project, or None if there is none; `person` is who asks."""
        with self.database.read() as connection:
            return _read(connection, project_id, post_id, person)

    def page(
        self, project_id: str, person: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Post], bool]:
        """Posts of a project in the order of publication, and whether there are more; see `page_of`."""
        owner = posts.c.project_id == project_id
        with self.database.read() as connection:
            query = _posts(person).where(*_of(project_id))
            rows, more = page_of(connection, query, owner, "post", after, limit, descending)
            return _with_videos(connection, rows), more

    def unpublish(self, project_id: str, post_id: str) -> bool:
        """Remove a post, and return whether it was there; the video stays, and so does the credit to it."""
        now, this = self.clock(), (posts.c.id == post_id, *_of(project_id))
        with self.database.write() as connection:
            video_id = connection.scalar(sa.select(posts.c.video_id).where(*this).with_for_update())
            if video_id is None:
                return False
            connection.execute(posts.update().where(*this).values(deleted_at=now))
            entries.touch(connection, [video_id], now, published=False)
            return True

    def like(self, project_id: str, post_id: str, person: str, liked: bool) -> Post | None:
        """Let a person like a post, or not any more; None if there is no such post."""
        with self.database.write() as connection:
            if not _lock(connection, project_id, post_id):
                return None
            mine = likes.c.post_id == post_id, likes.c.person == person
            connection.execute(likes.delete().where(*mine))
            if liked:
                values = {"post_id": post_id, "person": person, "created_at": self.clock()}
                connection.execute(likes.insert().values(**values))
            return _read(connection, project_id, post_id, person)

    def report(self, project_id: str, post_id: str, person: str, reason: str) -> Post | None:
        """Note why a person objects to a post, in place of what the person said before; None if there is no
        such post."""
        with self.database.write() as connection:
            if not _lock(connection, project_id, post_id):
                return None
            connection.execute(
                reports.delete().where(reports.c.post_id == post_id, reports.c.person == person)
            )
            values = {"post_id": post_id, "person": person, "reason": reason, "created_at": self.clock()}
            connection.execute(reports.insert().values(**values))
            return _read(connection, project_id, post_id, person)

    def reports(self, project_id: str, post_id: str) -> list[tuple[str, float]] | None:
        """The reasons of those who object to a post, with their times, newest first; None if there is no such
        post."""
        with self.database.read() as connection:
            if (
                connection.scalar(sa.select(posts.c.id).where(posts.c.id == post_id, *_of(project_id)))
                is None
            ):
                return None
            query = sa.select(reports.c.reason, reports.c.created_at).where(reports.c.post_id == post_id)
            rows = connection.execute(query.order_by(reports.c.created_at.desc(), reports.c.person))
            return [(str(row.reason), float(row.created_at)) for row in rows]


def _posts(person: str) -> sa.Select[Any]:
    """The posts, with the numbers of their likes and reports."""

    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        query = sa.select(sa.func.count()).select_from(table)
        return query.where(table.c.post_id == posts.c.id, *conditions).correlate(posts).scalar_subquery()

    return sa.select(
        posts,
        count(likes).label("likes"),
        count(likes, likes.c.person == person).label("liked"),
        count(reports).label("reports"),
    )


def _read(connection: Connection, project_id: str, post_id: str, person: str) -> Post | None:
    row = first_row(connection, _posts(person).where(posts.c.id == post_id, *_of(project_id)))
    return _with_videos(connection, [row])[0] if row else None


def _with_videos(connection: Connection, rows: Any) -> list[Post]:
    names = {row["video_id"] for row in rows}
    query = sa.select(jobs).where(jobs.c.id.in_(names), jobs.c.deleted_at.is_(None))
    videos = {row["id"]: read_job(row) for row in connection.execute(query).mappings()}
    return [_post(row, videos.get(row["video_id"])) for row in rows]


def _post(row: Mapping[str, Any] | sa.RowMapping, video: Job | None) -> Post:
    credits = tuple(Credit(**credit) for credit in row["credits"])
    return from_row(Post, row, credits=credits, liked=bool(row["liked"]), video=video)


def _lock(connection: Connection, project_id: str, post_id: str) -> bool:
    query = sa.select(posts.c.id).where(posts.c.id == post_id, *_of(project_id)).with_for_update()
    return connection.scalar(query) is not None


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return posts.c.project_id == project_id, posts.c.deleted_at.is_(None)
