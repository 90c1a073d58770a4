"""Characters of a project: a name, and a short video of the subject that goes by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.tables import characters, projects
from hinode.request import MediaFile

MAX_NAME_LENGTH = 80
MAX_CHARACTERS = 1000


@dataclass(frozen=True)
class Character:
    """A subject that prompts can name.

    Attributes:
        id: `char_…`.
        project_id: whose it is.
        name: what prompts call it.
        digest: of its video.
        media_type: of its video.
        bytes: of its video.
        created_at: seconds since 1970.
    """

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
        """Add a character.

        Args:
            project_id: whose it is to be.
            name: what prompts will call it, 1 to 80 characters.
            video: of the subject, in the store already.

        Raises:
            BadInput: the name is not right, or there are too many characters.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        now = self.clock()
        row = {
            "id": ids.make("char_", now),
            "project_id": project_id,
            "name": name,
            "digest": video.digest,
            "media_type": video.media_type,
            "bytes": video.bytes,
            "created_at": now,
        }
        with self.database.write() as connection:
            # Locking the project keeps two requests from both taking the last place.
            connection.execute(sa.select(projects.c.id).where(projects.c.id == project_id).with_for_update())
            count = connection.scalar(
                sa.select(sa.func.count()).select_from(characters).where(*_of(project_id))
            )
            if (count or 0) >= MAX_CHARACTERS:
                raise BadInput(
                    f"the project has {count} characters, and more are not possible",
                    "delete one first",
                    field="name",
                )
            connection.execute(characters.insert().values(**row))
        return Character(**row)  # type: ignore[arg-type]

    def get(self, project_id: str, character_id: str) -> Character | None:
        """A character of a project, or None if there is no such one."""
        with self.database.read() as connection:
            row = (
                connection.execute(
                    sa.select(characters).where(characters.c.id == character_id, *_of(project_id))
                )
                .mappings()
                .first()
            )
        return _character(row) if row else None

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Character], bool]:
        """Characters of a project in the order in which they came, and whether there are more.

        Args:
            project_id: whose.
            after: start behind this one, or None for the beginning.
            limit: at most so many.
            descending: newest first.

        Raises:
            BadInput: there is no character `after`.
        """
        owner, query = characters.c.project_id == project_id, sa.select(characters).where(*_of(project_id))
        with self.database.read() as connection:
            rows, more = page_of(
                connection,
                query,
                characters.c.id,
                owner,
                "character",
                after=after,
                limit=limit,
                descending=descending,
            )
        return [_character(row) for row in rows], more

    def delete(self, project_id: str, character_id: str) -> bool:
        """Forget a character; videos that were made with it stay.

        Returns: whether it was there.
        """
        with self.database.write() as connection:
            gone = connection.execute(
                characters.update()
                .where(characters.c.id == character_id, *_of(project_id))
                .values(deleted_at=self.clock())
            )
        return gone.rowcount > 0


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return characters.c.project_id == project_id, characters.c.deleted_at.is_(None)


def _character(row: sa.RowMapping) -> Character:
    return Character(**{field.name: row[field.name] for field in fields(Character)})
