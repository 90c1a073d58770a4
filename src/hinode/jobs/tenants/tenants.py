"""Who may ask for what: organisations, their projects, and the API keys of those.

A project is what jobs belong to and what limits hold for; an organisation is a group of projects. Of a key
only its SHA-256 is kept. That is enough because a key is 256 random bits: there is nothing to guess, so a
slow hash would make every request slower and no attack harder.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import string
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs import ids
from hinode.jobs.tenants.tenant import (
    MAX_NAME_LENGTH,
    SCOPES,
    Identity,
    Key,
    Limits,
    NewKey,
    Project,
    key_of,
    parse_rate,
    parse_scopes,
    project_of,
)
from hinode.records.database import Database
from hinode.records.tables import api_keys, organisations, projects

__all__ = ["SCOPES", "Identity", "Key", "Limits", "NewKey", "Project", "Tenants"]

FIRST_NAME = "default"
"""Name of the organisation, the project and the key that the first start makes."""

KEY_START = "sk-hinode-"
LETTERS = string.ascii_letters + string.digits
KEY_LETTERS = 43  # of 62 each: 256 bits
MAX_KEY_LENGTH = 200

USE_SECONDS = 60.0  # how often at most the last use of a key is written down


class Tenants:
    """The organisations, projects and keys of one database, for several threads and processes at once."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """
        Args:
            database: up to date (`Database.upgrade`).
            clock: seconds since 1970.
        """
        self.database = database
        self.clock = clock
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}  # last uses that are not written down yet
        self._written: dict[str, float] = {}  # when that was last done for a key

    # Who is asking

    def authenticate(self, key: str) -> Identity | None:
        """Whom `key` stands for, or None if it is unknown or revoked. It reads one row and writes nothing."""
        if not key.isascii() or len(key) > MAX_KEY_LENGTH:
            return None
        with self.database.read() as connection:
            row = connection.execute(_BY_DIGEST, {"sought": _digest(key)}).first()
        if row is None:
            return None
        with self._lock:
            self._used[row.id] = self.clock()
        return Identity(row.id, row.project_id, frozenset(row.scopes.split()), row.requests_per_minute)

    def record_uses(self, *, all: bool = False) -> int:
        """Write down when keys were last used: each at most once a minute, so that reading stays reading.

        Args:
            all: write what there is, however recent; for the end of the process.

        Returns: how many keys that were.
        """
        now = self.clock()
        with self._lock:
            due = {
                key_id: used
                for key_id, used in self._used.items()
                if all or abs(now - self._written.get(key_id, -math.inf)) >= USE_SECONDS
            }
            for key_id in due:
                del self._used[key_id]
                self._written[key_id] = now
        if due:
            with self.database.write() as connection:
                connection.execute(_USE, [{"which": key_id, "used": used} for key_id, used in due.items()])
        return len(due)

    # Keys

    def create_key(
        self,
        name: str,
        *,
        project: str | None = None,
        scopes: Collection[str] = SCOPES,
        requests_per_minute: int | None = None,
    ) -> NewKey:
        """Make a key; it cannot be had again later.

        Args:
            name: what a person calls it, 1 to 100 characters.
            project: identity or name of the project; by default the oldest one, which is made if need be.
            scopes: what it is good for, of `SCOPES`.
            requests_per_minute: most requests in a minute, or None for no limit.

        Raises:
            BadInput: one of these cannot be so, or there is no such project.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        wanted = parse_scopes(scopes)
        rate = parse_rate(requests_per_minute)
        with self.database.write() as connection:
            if project is None:
                self._alone(connection)
                owner = self._oldest(connection) or self._first(connection)
            else:
                owner = self._named(connection, project).id
            return self._insert_key(connection, name, owner, wanted, rate)

    def all_keys(self) -> list[Key]:
        """Every key there ever was, the oldest first."""
        with self.database.read() as connection:
            return [key_of(row) for row in connection.execute(sa.select(api_keys).order_by(api_keys.c.id))]

    def revoke(self, key_id: str) -> Key:
        """Make a key good for nothing, at once and for ever; doing it again changes nothing.

        Raises:
            BadInput: there is no such key.
        """
        with self.database.write() as connection:
            row = connection.execute(
                sa.update(api_keys)
                .where(api_keys.c.id == key_id)
                .values(revoked_at=sa.func.coalesce(api_keys.c.revoked_at, self.clock()))
                .returning(api_keys)
            ).first()
        if row is None:
            raise BadInput(
                f"there is no key {quote(key_id)}",
                "give an id that `hinode keys list` shows, not the key itself",
                field="id",
            )
        return key_of(row)

    # Projects and organisations

    def create_organisation(self, name: str) -> str:
        """Make an organisation and return its identity.

        Raises:
            BadInput: the name is empty or too long.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        with self.database.write() as connection:
            return self._insert_organisation(connection, name)

    def create_project(
        self, name: str, limits: Limits | None = None, *, organisation_id: str | None = None
    ) -> Project:
        """Make a project.

        Args:
            name: 1 to 100 characters, which no other project has.
            limits: what it may have of the machines; by default as much as any other.
            organisation_id: whose it is; by default the oldest one's, which is made if need be.

        Raises:
            BadInput: the name cannot be used, or there is no such organisation.
        """
        name = ids.parse_name(name, MAX_NAME_LENGTH)
        with self.database.write() as connection:
            self._alone(connection)
            if connection.scalar(sa.select(projects.c.id).where(projects.c.name == name)) is not None:
                raise BadInput(
                    f"there is a project {quote(name)} already", "choose another name", field="name"
                )
            known = list(connection.scalars(sa.select(organisations.c.id).order_by(organisations.c.id)))
            if organisation_id is not None and organisation_id not in known:
                raise BadInput(
                    f"there is no organisation {quote(organisation_id)}",
                    "leave it out for the first one",
                    field="organisation",
                )
            owner = organisation_id or (
                known[0] if known else self._insert_organisation(connection, FIRST_NAME)
            )
            return self._insert_project(connection, name, owner, limits or Limits())

    def projects(self) -> list[Project]:
        """Every project, the oldest first."""
        with self.database.read() as connection:
            return [
                project_of(row) for row in connection.execute(sa.select(projects).order_by(projects.c.id))
            ]

    def change_limits(self, project: str, change: Callable[[Limits], Limits]) -> Project:
        """Give a project other limits; they hold from the next job on.

        Args:
            project: its identity or name.
            change: from the limits it has to those it shall have.

        Raises:
            BadInput: there is no such project, or `change` raised it.
        """
        with self.database.write() as connection:
            found = self._named(connection, project)
            row = connection.execute(
                sa.update(projects)
                .where(projects.c.id == found.id)
                .values(**asdict(change(found.limits)))
                .returning(projects)
            ).one()
        return project_of(row)

    def first_start(self) -> str | None:
        """Where there is no organisation yet, make one with a project and a key, and return the key.

        However many processes do this at once, one of them gets a key and the others None.
        """
        with self.database.read() as connection:
            if connection.scalar(sa.select(organisations.c.id).limit(1)) is not None:
                return None
        with self.database.write() as connection:
            self._alone(connection)
            if connection.scalar(sa.select(organisations.c.id).limit(1)) is not None:
                return None
            project_id = self._first(connection)
            return self._insert_key(connection, FIRST_NAME, project_id, SCOPES, None).key

    # Inside a transaction

    def _alone(self, connection: Connection) -> None:
        """Let no other process make tenants until the transaction ends; in SQLite every writer is alone."""
        if not self.database.sqlite:
            connection.exec_driver_sql("LOCK TABLE organisations IN SHARE ROW EXCLUSIVE MODE")

    def _oldest(self, connection: Connection) -> str | None:
        return connection.scalar(sa.select(projects.c.id).order_by(projects.c.id).limit(1))

    def _first(self, connection: Connection) -> str:
        """Make the project that is there when nobody has asked for any; its identity."""
        owner = connection.scalar(sa.select(organisations.c.id).order_by(organisations.c.id).limit(1))
        owner = owner or self._insert_organisation(connection, FIRST_NAME)
        return self._insert_project(connection, FIRST_NAME, owner, Limits()).id

    def _named(self, connection: Connection, project: str) -> Project:
        row = connection.execute(
            sa.select(projects)
            .where((projects.c.id == project) | (projects.c.name == project))
            .order_by(projects.c.id != project, projects.c.id)  # an identity goes before a name
            .limit(1)
        ).first()
        if row is None:
            raise BadInput(
                f"there is no project {quote(project)}",
                "see which there are with `hinode projects list`",
                field="project",
            )
        return project_of(row)

    def _insert_organisation(self, connection: Connection, name: str) -> str:
        now = self.clock()
        organisation_id = ids.make("org_", now)
        connection.execute(organisations.insert().values(id=organisation_id, name=name, created_at=now))
        return organisation_id

    def _insert_project(self, connection: Connection, name: str, owner: str, limits: Limits) -> Project:
        now = self.clock()
        project = Project(ids.make("proj_", now), owner, name, now, limits)
        connection.execute(
            projects.insert().values(
                id=project.id, organisation_id=owner, name=name, created_at=now, **asdict(limits)
            )
        )
        return project

    def _insert_key(
        self,
        connection: Connection,
        name: str,
        project_id: str,
        scopes: tuple[str, ...],
        requests_per_minute: int | None,
    ) -> NewKey:
        now = self.clock()
        key = KEY_START + "".join(secrets.choice(LETTERS) for _ in range(KEY_LETTERS))
        made = NewKey(ids.make("key_", now), key)
        connection.execute(
            api_keys.insert().values(
                id=made.id,
                project_id=project_id,
                name=name,
                hint=f"{key[: len(KEY_START) + 2]}…{key[-4:]}",
                digest=_digest(key),
                scopes=" ".join(scopes),
                requests_per_minute=requests_per_minute,
                created_at=now,
            )
        )
        return made


_BY_DIGEST = sa.select(
    api_keys.c.id, api_keys.c.project_id, api_keys.c.scopes, api_keys.c.requests_per_minute
).where(api_keys.c.digest == sa.bindparam("sought"), api_keys.c.revoked_at.is_(None))

# Another process may have written down a later use.
_USE = (
    sa.update(api_keys)
    .where(
        api_keys.c.id == sa.bindparam("which"),
        sa.func.coalesce(api_keys.c.last_used_at, 0.0) < sa.bindparam("used"),
    )
    .values(last_used_at=sa.bindparam("used"))
)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("ascii")).hexdigest()
