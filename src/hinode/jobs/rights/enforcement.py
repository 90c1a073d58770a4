"""The one function by which decisions about rights reach jobs, videos, files and characters.

What is withheld counts as deleted, so everything that passes over deleted entries passes over it: every
address, list, feed and archive. Its files move to `withheld_files`, which nothing that serves files reads,
and stay there until it is restored or erased. An entry may be withheld for several causes; it is restored
when the last of them is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import HinodeError
from hinode.jobs import transitions
from hinode.jobs.library import rows, trash
from hinode.jobs.rows import read_job
from hinode.jobs.states import FINAL, Outcome, Status
from hinode.records.rows import insert_into
from hinode.records.tables import (
    artifacts,
    characters,
    jobs,
    posts,
    uploads,
    withheld,
    withheld_entries,
    withheld_files,
)

VIDEO, FILE, CHARACTER = "video_", "file-", "char_"
"""Prefixes of the ids of what can be withheld."""
CODES = {
    "consent": "consent_revoked",
    "takedown": "taken_down",
    "proj": "project_deleted",
    "user": "user_deleted",
}
MESSAGES = {
    "consent": "a person who is shown has withdrawn the consent, or it has expired",
    "takedown": "the video was taken down after a notice",
    "proj": "its project was deleted",
    "user": "the account of its maker was deleted",
}


class Action(StrEnum):
    """What is done about entries."""

    STOP = "stop"  # unfinished jobs fail at once, whatever their worker does
    HIDE = "hide"  # that, and nobody reaches the entry any more
    RESTORE = "restore"  # it is there again as it was
    ERASE = "erase"  # what was withheld is gone for good
    DELETE = "delete"  # the person shown deletes it: it stops, and is gone for good


class Withheld(HinodeError):
    """A video was there and is withheld: `code` says why."""

    code = "taken_down"

    def __init__(self, entry_id: str, cause_id: str) -> None:
        self.cause_id = cause_id
        kind = cause_id.partition("_")[0]
        remedy = "answer the notice with a counter-notice" if kind == "takedown" else "ask the person"
        super().__init__(f"{entry_id} is withheld because of {cause_id}: {MESSAGES[kind]}", remedy)


def act(
    connection: Connection, action: Action, entry_ids: Sequence[str], cause_id: str, now: float
) -> list[str]:
    """Carry out a decision, in the transaction of the caller; doing it again changes nothing.

    Args:
        entry_ids: ids of videos, uploaded files and characters.
        cause_id: the consent or the notice that the decision is about.
        now: seconds since 1970.

    Returns: the ids of those that changed. The caller then removes the previews of videos.
    """
    names = sorted(set(entry_ids))
    videos = [name for name in names if name.startswith(VIDEO)]
    if action in (Action.STOP, Action.HIDE):
        stopped = _stop(connection, videos, cause_id, now)
        return stopped if action is Action.STOP else _hide(connection, names, cause_id, now)
    if action is Action.DELETE:
        _stop(connection, videos, cause_id, now)
        trash.forget(connection, videos, now)
        return videos
    ours = sa.select(withheld.c.entry_id).where(
        withheld.c.cause_id == cause_id, withheld.c.entry_id.in_(names)
    )
    mine = list(connection.scalars(ours.order_by(withheld.c.entry_id).with_for_update()))
    # What was erased cannot come back, and stays known as withheld.
    there = sa.select(withheld_entries.c.entry_id).where(withheld_entries.c.entry_id.in_(mine))
    mine = sorted(connection.scalars(there))
    if action is Action.ERASE:
        _erase(connection, mine, now)
        return mine
    return _restore(connection, mine, cause_id, now)


def cause_of(connection: Connection, entry_id: str, project_id: str) -> str | None:
    """The id of the consent or notice because of which an entry of a project is withheld, or None."""
    mine = withheld.c.entry_id == entry_id, withheld.c.project_id == project_id
    query = sa.select(withheld.c.cause_id).where(*mine).order_by(withheld.c.at)
    cause: str | None = connection.scalar(query.limit(1))
    return cause


def _stop(connection: Connection, job_ids: Sequence[str], cause_id: str, now: float) -> list[str]:
    """Fail unfinished jobs. The lease of a worker is lost with that, so nothing it makes is entered."""
    open_jobs = jobs.c.id.in_(job_ids), jobs.c.status.not_in(FINAL)
    owners = connection.scalars(sa.select(jobs.c.project_id).distinct().where(*open_jobs))
    for owner in sorted(owners):
        transitions.lock_account(connection, owner)
    query = sa.select(jobs).where(*open_jobs).order_by(jobs.c.id).with_for_update()
    kind = cause_id.partition("_")[0]
    stopped = [read_job(row) for row in connection.execute(query).mappings()]
    for job in stopped:
        if job.status is Status.RUNNING:
            job = transitions.release(connection, job, Outcome.CANCELLED, now)
        transitions.end(connection, job, Status.FAILED, now, CODES[kind], MESSAGES[kind])
    return [job.id for job in stopped]


def _hide(connection: Connection, names: Sequence[str], cause_id: str, now: float) -> list[str]:
    changed = []
    for name in names:
        project_id = _withdraw(connection, name, now)
        if project_id is None:
            continue
        values = {"entry_id": name, "cause_id": cause_id, "project_id": project_id, "at": now}
        insert = insert_into(connection, withheld).values(**values).on_conflict_do_nothing()
        if connection.execute(insert).rowcount:
            changed.append(name)
    return changed


def _withdraw(connection: Connection, name: str, now: float) -> str | None:
    """Let an entry count as deleted, and keep what it was; returns its project, None if it is not there."""
    table = _table(name)
    if table is None:
        return None
    query = sa.select(table).where(table.c.id == name).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    is_withheld = connection.scalar(sa.select(sa.exists().where(withheld_entries.c.entry_id == name)))
    if not is_withheld:
        if row["deleted_at"] is not None:
            return None
        state: dict[str, object] = {"at": now}
        changes: dict[str, object] = {"deleted_at": now}
        if table is jobs:
            state |= _withdraw_video(connection, name, now)
            state["trashed"] = row["trashed_at"] is not None
            changes["trashed_at"] = None  # the trash would delete it after a day
        else:
            file = {column: row[column] for column in ("digest", "media_type", "bytes")}
            connection.execute(withheld_files.insert().values(entry_id=name, role="file", **file))
        connection.execute(withheld_entries.insert().values(entry_id=name, state=state))
        connection.execute(table.update().where(table.c.id == name).values(**changes))
    return str(row["project_id"])


def _withdraw_video(connection: Connection, name: str, now: float) -> dict[str, object]:
    """Move the files of a video aside, and remove its posts; returns what was there."""
    columns = ("role", "digest", "media_type", "bytes")
    files = sa.select(artifacts.c.job_id, *(artifacts.c[column] for column in columns))
    files = files.where(artifacts.c.job_id == name)
    connection.execute(withheld_files.insert().from_select(["entry_id", *columns], files))
    connection.execute(artifacts.delete().where(artifacts.c.job_id == name))
    published = posts.c.video_id == name, posts.c.deleted_at.is_(None)
    post_ids = list(connection.scalars(sa.select(posts.c.id).where(*published)))
    connection.execute(posts.update().where(*published).values(deleted_at=now))
    rows.ensure(connection, [name], now)
    rows.touch(connection, [name], now, published=False)
    return {"posts": post_ids}


def _restore(connection: Connection, names: Sequence[str], cause_id: str, now: float) -> list[str]:
    connection.execute(
        withheld.delete().where(withheld.c.entry_id.in_(names), withheld.c.cause_id == cause_id)
    )
    others = set(connection.scalars(sa.select(withheld.c.entry_id).where(withheld.c.entry_id.in_(names))))
    restored = [name for name in names if name not in others]
    for name in restored:
        mine = withheld_entries.c.entry_id == name
        state = connection.scalar(sa.select(withheld_entries.c.state).where(mine))
        table = _table(name)
        if state is None or table is None:
            continue
        changes: dict[str, object] = {"deleted_at": None}
        if table is jobs:
            # Time does not pass for it while it is withheld.
            changes["expires_at"] = jobs.c.expires_at + (now - state["at"])
            changes["trashed_at"] = now if state["trashed"] else None
            _put_back_files(connection, name)
            connection.execute(posts.update().where(posts.c.id.in_(state["posts"])).values(deleted_at=None))
            rows.touch(connection, [name], now, published=bool(state["posts"]))
        connection.execute(table.update().where(table.c.id == name).values(**changes))
        connection.execute(withheld_entries.delete().where(mine))
        connection.execute(withheld_files.delete().where(withheld_files.c.entry_id == name))
    return restored


def _put_back_files(connection: Connection, name: str) -> None:
    columns = ("role", "digest", "media_type", "bytes")
    files = sa.select(withheld_files.c.entry_id, *(withheld_files.c[column] for column in columns))
    files = files.where(withheld_files.c.entry_id == name)
    connection.execute(artifacts.insert().from_select(["job_id", *columns], files))


def _erase(connection: Connection, names: Sequence[str], now: float) -> None:
    """Forget the files and what people said; the rows of `withheld` say that it was taken down."""
    for table in (withheld_files, withheld_entries):
        connection.execute(table.delete().where(table.c.entry_id.in_(names)))
    trash.forget(connection, [name for name in names if name.startswith(VIDEO)], now)


def _table(name: str) -> sa.Table | None:
    tables = {VIDEO: jobs, FILE: uploads, CHARACTER: characters}
    return next((table for prefix, table in tables.items() if name.startswith(prefix)), None)
