"""Characters of a project: a name, and a short video of the subject with that name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from hinode.jobs import ids
from hinode.jobs.tenants.tenant import check_count
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import characters
from hinode.request import MediaFile

MAX_NAME_LENGTH = 80
MAX_CHARACTERS = 1000


@dataclass(frozen=True)
class Character:
    """A subject that prompts can name, with its video; a row of `records.tables.characters`."""

    id: str
    project_id: str
    name: str
    digest: str
    media_type: str
    bytes: int
    created_at: float


class Characters:
    """The characters in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def create(self, project_id: str, name: str, video: MediaFile) -> Character:
        """Add a character with a name of 1 to 80 characters, whose video is in the store already.

        Raises:
            BadInput: the name is wrong, or there are too many characters.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        now = self.clock()
        character = Character(
            ids.make("char_", now), project_id, name, video.digest, video.media_type, video.bytes, now
        )
        with self.database.write() as connection:
            check_count(connection, project_id, MAX_CHARACTERS, "characters", "name", *_of(project_id))
            connection.execute(characters.insert().values(**asdict(character)))
        return character

    def get(self, project_id: str, character_id: str) -> Character | None:
        """A character of a project, or None if there is none."""
        query = sa.select(characters).where(characters.c.id == character_id, *_of(project_id))
        with self.database.read() as connection:
            row = first_row(connection, query)
        return from_row(Character, row) if row else None

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Character], bool]:
        """Characters of a project in the order of creation, and whether there are more; see `page_of`."""
        owner, query = characters.c.project_id == project_id, sa.select(characters).where(*_of(project_id))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "character", after, limit, descending)
        return [from_row(Character, row) for row in rows], more

    def delete(self, project_id: str, character_id: str) -> bool:
        """Delete a character, and return whether it was there; the videos that show it stay."""
        with self.database.write() as connection:
            update = characters.update().where(characters.c.id == character_id, *_of(project_id))
            return connection.execute(update.values(deleted_at=self.clock())).rowcount > 0


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return characters.c.project_id == project_id, characters.c.deleted_at.is_(None)
