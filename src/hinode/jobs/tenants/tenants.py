"""Organisations, their projects, and the API keys of the projects.

Jobs belong to a project, and limits hold for it; an organisation is a group of projects. Only the SHA-256 of
a key is stored (`tokens`)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs.tenants.tenant import (
    MAX_NAME_LENGTH,
    SCOPES,
    Identity,
    Key,
    Limits,
    NewKey,
    Project,
    check_rate,
    parse_scopes,
)
from hinode.jobs.tenants.tokens import digest_of, new_secret
from hinode.jobs.tenants.uses import Uses
from hinode.records.database import Database
from hinode.records.ids import make as make_id
from hinode.records.ids import parse_name
from hinode.records.paging import page_of
from hinode.records.rows import count_rows, first_row
from hinode.records.tables import api_keys, organisations, projects
from hinode.rights import attestations
from hinode.rights.people import OPERATOR
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event

FIRST_NAME = "default"
"""Name of the first organisation, project and key."""

KEY_PREFIX = "sk-hinode-"
MAX_STORAGE_LIMIT = 1 << 60


class Tenants:
    """The organisations, projects and keys of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`database` is up to date (`Database.upgrade`), and `clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock
        self._uses = Uses(database, api_keys, clock)

    def authenticate(self, key: str) -> Identity | None:
        """The identity of `key`, or None if it is unknown or revoked. It reads one row and writes nothing."""
        digest = digest_of(key)
        if digest is None:
            return None
        with self.database.read() as connection:
            row = connection.execute(_BY_DIGEST, {"key_digest": digest}).first()
        if row is None:
            return None
        self._uses.note(row.id)
        return Identity(row.id, row.project_id, frozenset(row.scopes.split()), row.requests_per_minute)

    def record_uses(self, *, all: bool = False) -> int:
        """Enter when keys were last used; see `Uses.record`."""
        return self._uses.record(all=all)

    # Keys

    def create_key(
        self,
        name: str,
        *,
        project: str | None = None,
        scopes: Collection[str] = SCOPES,
        requests_per_minute: int | None = None,
    ) -> NewKey:
        """Make a key; its secret cannot be read later.

        Args:
            name: what a person calls it, 1 to 100 characters.
            project: id or name of the project; by default the oldest one, which is made if there is none.
            scopes: what it allows, of `ALL_SCOPES`.
            requests_per_minute: limit of requests, or None for none.

        Raises:
            BadInput: a value is out of range, or there is no such project.
        """
        name = parse_name(name, MAX_NAME_LENGTH)
        checked = parse_scopes(scopes)
        check_rate(requests_per_minute)
        with self.database.write() as connection:
            if project is None:
                self._lock_tenants(connection)
                project_id = self._first_project(connection)
            else:
                project_id = self._find_project(connection, project).id
            key = self._insert_key(connection, name, project_id, checked, requests_per_minute)
            facts = {"name": name, "project": project_id, "scopes": sorted(checked)}
            self._record(connection, "key.created", key.id, facts)
            return key

    def all_keys(self) -> list[Key]:
        """Every key, revoked ones too, the oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.id)).mappings()
            return [Key.of(row) for row in rows]

    def keys(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Key], bool]:
        """Keys of a project in the order of creation, and whether there are more; see `page_of`."""
        owner = api_keys.c.project_id == project_id
        with self.database.read() as connection:
            query = sa.select(api_keys).where(owner)
            rows, more = page_of(connection, query, owner, "key", after, limit, descending)
        return [Key.of(row) for row in rows], more

    def key(self, project_id: str, key_id: str) -> Key | None:
        """A key of a project, or None if there is none."""
        query = sa.select(api_keys).where(api_keys.c.id == key_id, api_keys.c.project_id == project_id)
        with self.database.read() as connection:
            row = first_row(connection, query)
        return Key.of(row) if row else None

    def revoke(self, key_id: str) -> Key:
        """Revoke a key for ever; doing it again changes nothing.

        Raises:
            BadInput: there is no such key.
        """
        revoke = (
            sa.update(api_keys)
            .where(api_keys.c.id == key_id)
            .values(revoked_at=sa.func.coalesce(api_keys.c.revoked_at, self.clock()))
            .returning(api_keys)
        )
        with self.database.write() as connection:
            row = first_row(connection, revoke)
            if row is not None:
                self._record(connection, "key.revoked", key_id, {"project": row["project_id"]})
        if row is None:
            message = f"there is no key {quote(key_id)}"
            remedy = "give an id that `hinode keys list` shows, not the key itself"
            raise BadInput(message, remedy, field="id")
        return Key.of(row)

    # Projects and organisations

    def create_organisation(self, name: str) -> str:
        """Make an organisation and return its id.

        Raises:
            BadInput: the name is empty or too long.
        """
        name = parse_name(name, MAX_NAME_LENGTH)
        with self.database.write() as connection:
            return self._insert_organisation(connection, name)

    def create_project(
        self,
        name: str,
        limits: Limits | None = None,
        *,
        organisation_id: str | None = None,
        local_only: bool = False,
    ) -> Project:
        """Make a project.

        Args:
            name: 1 to 100 characters, which no other project has.
            limits: by default weight 1 and no others.
            organisation_id: by default the oldest one, which is made if there is none.
            local_only: see `Project`.

        Raises:
            BadInput: the name cannot be used, or there is no such organisation.
        """
        name = parse_name(name, MAX_NAME_LENGTH)
        with self.database.write() as connection:
            self._lock_tenants(connection)
            self._check_name(connection, name)
            if organisation_id is None:
                organisation_id = self._first_organisation(connection)
            elif not count_rows(connection, organisations.c.id == organisation_id):
                message = f"there is no organisation {quote(organisation_id)}"
                raise BadInput(message, "leave it out for the first one", field="organisation")
            project = self._insert_project(connection, name, organisation_id, limits or Limits(), local_only)
            self._record(connection, "project.created", project.id, {"name": name})
            return project

    def projects(self) -> list[Project]:
        """Every project that was not deleted, the oldest first."""
        query = sa.select(projects).where(projects.c.deleted_at.is_(None)).order_by(projects.c.id)
        with self.database.read() as connection:
            rows = connection.execute(query).mappings()
            return [Project.of(row) for row in rows]

    def change_limits(self, project: str, change: Callable[[Limits], Limits]) -> Project:
        """Change the limits of a project; they hold from the next job on.

        Args:
            project: its id or name.
            change: from the present limits to the new ones.

        Raises:
            BadInput: there is no such project, or `change` raised it.
        """
        with self.database.write() as connection:
            before = self._find_project(connection, project)
            after = replace(before, limits=change(before.limits))
            update = sa.update(projects).where(projects.c.id == before.id)
            connection.execute(update.values(**asdict(after.limits)))
            # As text, since numbers with fractions have no single form in JSON.
            limits = {name: str(value) for name, value in asdict(after.limits).items()}
            self._record(connection, "project.limits_changed", before.id, limits)
        return after

    def project(self, project: str | None) -> Project:
        """The project with this id or name; the oldest one, which is made if there is none, for None.

        Raises:
            BadInput: there is no such project.
        """
        with self.database.read() as connection:
            if project is None:
                row = first_row(connection, sa.select(projects).order_by(projects.c.id).limit(1))
            else:
                return self._find_project(connection, project)
        if row is not None:
            return Project.of(row)
        with self.database.write() as connection:
            self._lock_tenants(connection)
            return self._find_project(connection, self._first_project(connection))

    def change_project(self, project_id: str, **changes: Any) -> Project:
        """Change settings of a project.

        Args:
            project_id: it exists.
            changes: of `name`, `expiry`, `storage_limit_bytes`, `feed_enabled`, `local_only` and
                `billing`, those to change.

        Raises:
            BadInput: another project has the name, or a value is out of range.
        """
        if "name" in changes:
            changes["name"] = parse_name(changes["name"], MAX_NAME_LENGTH)
        limit = changes.get("storage_limit_bytes")
        if limit is not None and not 0 <= limit <= MAX_STORAGE_LIMIT:
            message = f"storage_limit_bytes {limit} is out of range"
            raise BadInput(message, f"give 0 to {MAX_STORAGE_LIMIT}", field="storage_limit_bytes")
        with self.database.write() as connection:
            self._lock_tenants(connection)
            if "name" in changes:
                self._check_name(connection, changes["name"], projects.c.id != project_id)
            if changes:
                update = projects.update().where(projects.c.id == project_id)
                connection.execute(update.values(**changes))
                facts = {name: str(value) for name, value in changes.items()}
                self._record(connection, "project.changed", project_id, facts)
            return self._find_project(connection, project_id)

    def first_start(self) -> str | None:
        """If there is no organisation yet, make one with a project and a key, and return the key.

        The operator, who starts the server, confirms the rights to uploads for this project.

        If several processes do this at once, one of them gets a key and the others None.
        """
        with self.database.read() as connection:
            first = connection.scalar(sa.select(projects.c.id).order_by(projects.c.id).limit(1))
            # An installation of an earlier version has no confirmation yet.
            if first is not None and attestations.confirmed(connection, first) is not None:
                return None
        with self.database.write() as connection:
            self._lock_tenants(connection)
            is_first = connection.scalar(_FIRST_ORGANISATION) is None
            project_id = self._first_project(connection)
            attestations.confirm(connection, project_id, OPERATOR, self.clock())
            if not is_first:
                return None
            return self._insert_key(connection, FIRST_NAME, project_id, SCOPES, None).key

    # Inside a transaction

    def _record(self, connection: Connection, kind: str, subject: str, facts: dict[str, Any]) -> None:
        log.record(connection, Event(kind, "operator", subject, facts), self.clock())

    def _lock_tenants(self, connection: Connection) -> None:
        """Keep other processes from making tenants until the end; SQLite has one writer anyway."""
        if not self.database.sqlite:
            connection.exec_driver_sql("LOCK TABLE organisations IN SHARE ROW EXCLUSIVE MODE")

    def _check_name(self, connection: Connection, name: str, *others: sa.ColumnElement[bool]) -> None:
        if count_rows(connection, projects.c.name == name, *others):
            message = f"there is a project {quote(name)} already"
            raise BadInput(message, "choose another name", field="name")

    def _first_organisation(self, connection: Connection) -> str:
        """The oldest organisation, which is made if there is none."""
        return connection.scalar(_FIRST_ORGANISATION) or self._insert_organisation(connection, FIRST_NAME)

    def _first_project(self, connection: Connection) -> str:
        """The oldest project, which is made if there is none."""
        first = connection.scalar(sa.select(projects.c.id).order_by(projects.c.id).limit(1))
        if first is None:
            owner = self._first_organisation(connection)
            first = self._insert_project(connection, FIRST_NAME, owner, Limits()).id
        return first

    def _find_project(self, connection: Connection, project: str) -> Project:
        query = (
            sa.select(projects)
            .where((projects.c.id == project) | (projects.c.name == project))
            .order_by(projects.c.id != project, projects.c.id)  # an id goes before a name
            .limit(1)
        )
        row = first_row(connection, query)
        if row is None:
            message = f"there is no project {quote(project)}"
            raise BadInput(message, "see which there are with `hinode projects list`", field="project")
        return Project.of(row)

    def _insert_organisation(self, connection: Connection, name: str) -> str:
        now = self.clock()
        organisation_id = make_id("org_", now)
        connection.execute(organisations.insert().values(id=organisation_id, name=name, created_at=now))
        return organisation_id

    def _insert_project(
        self, connection: Connection, name: str, owner: str, limits: Limits, local_only: bool = False
    ) -> Project:
        now = self.clock()
        project = Project(make_id("proj_", now), owner, name, now, limits, local_only=local_only)
        values = {"id": project.id, "organisation_id": owner, "name": name, "created_at": now}
        values["local_only"] = local_only
        connection.execute(projects.insert().values(**values, **asdict(limits)))
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
        key = new_secret(KEY_PREFIX)
        key_id = make_id("key_", now)
        connection.execute(
            api_keys.insert().values(
                id=key_id,
                project_id=project_id,
                name=name,
                hint=f"{key[: len(KEY_PREFIX) + 2]}…{key[-4:]}",
                digest=digest_of(key),
                scopes=" ".join(scopes),
                requests_per_minute=requests_per_minute,
                created_at=now,
            )
        )
        return NewKey(key_id, key)


_FIRST_ORGANISATION = sa.select(organisations.c.id).order_by(organisations.c.id).limit(1)
_BY_DIGEST = sa.select(
    api_keys.c.id, api_keys.c.project_id, api_keys.c.scopes, api_keys.c.requests_per_minute
).where(api_keys.c.digest == sa.bindparam("key_digest"), api_keys.c.revoked_at.is_(None))
