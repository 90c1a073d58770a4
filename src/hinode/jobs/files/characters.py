"""Characters of a project: a name, and a video, a picture or a description of the subject with that name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs.job import Job
from hinode.jobs.rows import read_job
from hinode.jobs.tenants.tenant import check_count
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import artifacts, characters, jobs
from hinode.request import CHARACTER, MediaFile, Reference
from hinode.rights import consents

MAX_NAME_LENGTH = 80
MAX_DESCRIPTION_LENGTH, MAX_NOTES_LENGTH = 500, 10_000
MAX_CHARACTERS = 1000
MAX_USES = 100

WORDS = "text/plain"
"""Media type of a character that is a description: its file has the description, and says whose it is."""


@dataclass(frozen=True)
class Character:
    """A subject that prompts can name, with its file; a row of `records.tables.characters`."""

    id: str
    project_id: str
    name: str
    digest: str
    media_type: str
    bytes: int
    created_at: float
    description: str = ""
    notes: str = ""
    person: bool = False

    @property
    def in_words(self) -> bool:
        """Whether it is a description and nothing else."""
        return self.media_type == WORDS

    @property
    def kind(self) -> str:
        """ "words", "picture" or "clip"."""
        return "words" if self.in_words else "picture" if self.media_type.startswith("image/") else "clip"

    def reference(self) -> tuple[Reference, MediaFile]:
        """The reference of a request to it, and its file."""
        file = MediaFile(self.digest, self.media_type, self.bytes)
        return file.reference(CHARACTER, name=self.name), file


class Characters:
    """The characters in one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock

    def create(
        self,
        project_id: str,
        name: str,
        file: MediaFile,
        description: str = "",
        notes: str = "",
        *,
        person: bool = False,
    ) -> Character:
        """Add a character with a name of 1 to 80 characters, whose file is in the store already. One that is
        a person can be used after a consent.

        Raises:
            BadInput: the name is wrong, or there are too many characters.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        now = self.clock()
        character = Character(
            ids.make("char_", now),
            project_id,
            name,
            file.digest,
            file.media_type,
            file.bytes,
            now,
            description,
            notes,
            person,
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

    def change(self, project_id: str, character_id: str, **values: Any) -> Character | None:
        """Change the name or the notes of a character, or whether it is a person; None if there is none.

        Raises:
            BadInput: the name is wrong, or a person who has decided about a consent would be none.
        """
        if "name" in values:
            values["name"] = ids.parse_name(values["name"], MAX_NAME_LENGTH)
        with self.database.write() as connection:
            mine = characters.c.id == character_id, *_of(project_id)
            if values.get("person") is False and consents.of_character(connection, character_id):
                message = "the character has a consent, so it is a person"
                raise BadInput(message, "leave person as it is", field="person")
            if values:
                connection.execute(characters.update().where(*mine).values(**values))
            row = first_row(connection, sa.select(characters).where(*mine))
        return from_row(Character, row) if row else None

    def videos(self, character: Character) -> list[Job]:
        """The newest `MAX_USES` videos that were made with a character and still have their files."""
        role = artifacts.c.role.startswith(CHARACTER, autoescape=True)
        query = sa.select(jobs).join(artifacts, artifacts.c.job_id == jobs.c.id)
        query = query.where(
            artifacts.c.digest == character.digest,
            role,
            jobs.c.project_id == character.project_id,
            jobs.c.deleted_at.is_(None),
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(jobs.c.id.desc()).limit(MAX_USES)).mappings()
            return [read_job(row) for row in rows]

    def delete(self, project_id: str, character_id: str) -> bool:
        """Delete a character, and return whether it was there; the videos that show it stay."""
        with self.database.write() as connection:
            update = characters.update().where(characters.c.id == character_id, *_of(project_id))
            return connection.execute(update.values(deleted_at=self.clock())).rowcount > 0


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return characters.c.project_id == project_id, characters.c.deleted_at.is_(None)
