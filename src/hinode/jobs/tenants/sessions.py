"""Sessions of people who sign in with a browser: by a one-time link, or with an email address and a password.

A session stands for one project. Whose it is, the role, and whether it goes on are read with every request,
so that a change of a member takes effect on what is open.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.jobs.tenants import tokens
from hinode.jobs.tenants.passwords import verify_password
from hinode.jobs.tenants.tenant import ROLE_SCOPES, SESSION_PREFIX, Identity, Role
from hinode.jobs.tenants.tokens import SignInError, digest_of, new_secret
from hinode.jobs.tenants.uses import Uses
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.prepared import Prepared
from hinode.records.rows import first_row, from_row
from hinode.records.tables import instances, jobs, projects, sessions, users

SESSION_SECONDS = 30 * 86_400.0
MAX_AGENT_LENGTH = 200
MAX_ACCOUNTS = 5
"""Projects in which one address and password are tried, if the person names none."""
RETENTION_SECONDS = 30 * 86_400.0  # for which a session that is over stays in the table


@dataclass(frozen=True)
class Session:
    """A session without its token; times are seconds since 1970.

    Attributes:
        user_id: whose it is; None by a one-time link.
        user_name, email: of that person, or None.
        agent: what the browser calls itself.
    """

    id: str
    project_id: str
    user_id: str | None
    user_name: str | None
    email: str | None
    role: Role
    agent: str
    created_at: float
    last_used_at: float | None
    expires_at: float


@dataclass(frozen=True)
class NewSession:
    """A session that has just begun: only now is its token known."""

    session: Session
    token: str = field(repr=False)


class Sessions:
    """The sessions of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock
        self._uses = Uses(database, sessions, clock)
        self._instance: str | None = None

    @property
    def instance(self) -> str:
        """The id of this database, which the names of cookies hold: 8 letters."""
        if self._instance is None:
            with self.database.write() as connection:
                _INSTANCE.run(connection, id=secrets.token_hex(4))
                self._instance = connection.scalars(sa.select(instances.c.id)).one()
        return self._instance

    @property
    def url(self) -> str | None:
        """Where a server on this database was announced last, such as "http://localhost:8000"."""
        with self.database.read() as connection:
            return connection.scalar(sa.select(instances.c.url))

    def announce(self, url: str) -> None:
        """Enter where a server on this database can be reached."""
        assert self.instance  # the row is there
        with self.database.write() as connection:
            connection.execute(instances.update().values(url=url))

    # The beginning

    def create_link(self, project_id: str) -> str:
        """A token with which one person can sign in once, as an owner of the project, within an hour."""
        with self.database.write() as connection:
            return tokens.issue(connection, project_id, "link", self.clock())

    def open_with_token(self, token: str, agent: str) -> NewSession:
        """Sign in with the token of a link.

        Raises:
            SignInError: it is unknown, over, or used up.
        """
        with self.database.write() as connection:
            row = tokens.spend(connection, token, ("link",), self.clock())
            return self.open(connection, row["project_id"], None, agent)

    def open_with_password(
        self, email: str, password: str, agent: str, project: str | None = None
    ) -> NewSession:
        """Sign in with an address and a password.

        Args:
            email: of a member, in any case of its letters.
            password: of that member.
            agent: what the browser calls itself.
            project: id or name of the project; by default the oldest that takes the password.

        Raises:
            SignInError: no member has this address and password.
        """
        query = (
            sa.select(users.c.id, users.c.project_id, users.c.password)
            .join(projects, projects.c.id == users.c.project_id)
            .where(users.c.email == email.lower(), users.c.deleted_at.is_(None))
            .order_by(users.c.id)
            .limit(MAX_ACCOUNTS)
        )
        if project is not None:
            query = query.where((projects.c.id == project) | (projects.c.name == project))
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        if not rows:
            verify_password(None, password)  # takes as long as for an account
        for user_id, project_id, stored in rows:
            if verify_password(stored, password):
                with self.database.write() as connection:
                    unchanged = (
                        users.c.id == user_id,
                        users.c.password == stored,
                        users.c.deleted_at.is_(None),
                    )
                    if connection.scalar(sa.select(users.c.id).where(*unchanged)) is not None:
                        return self.open(connection, project_id, user_id, agent)
        raise SignInError(
            "the email address or the password is wrong", "check both, or ask for a new password"
        )

    def open(self, connection: Connection, project_id: str, user_id: str | None, agent: str) -> NewSession:
        """Begin a session, in the caller's transaction; `user_id` is None for an owner without an account."""
        now, token = self.clock(), new_secret()
        session_id = ids.make(SESSION_PREFIX, now)
        printable = "".join(letter for letter in agent if letter.isprintable())
        values: dict[str, Any] = {
            "id": session_id,
            "project_id": project_id,
            "user_id": user_id,
            "digest": digest_of(token),
        }
        values |= {"agent": printable[:MAX_AGENT_LENGTH], "created_at": now}
        over = sessions.c.expires_at < now - RETENTION_SECONDS
        # A session says who made a video: without it nobody could export or delete what is a person's.
        productive = sa.and_(
            sessions.c.user_id.is_not(None), sa.exists().where(jobs.c.key_id == sessions.c.id)
        )
        connection.execute(sessions.delete().where(over, ~productive))
        connection.execute(sessions.insert().values(**values, expires_at=now + SESSION_SECONDS))
        row = first_row(connection, _SESSIONS.where(sessions.c.id == session_id))
        assert row is not None
        return NewSession(_session(row), token)

    # The time between

    def authenticate(self, token: str) -> tuple[Identity, Session] | None:
        """The identity behind the token of a cookie and its session, or None if it is unknown or over."""
        digest = digest_of(token)
        query = _SESSIONS.where(sessions.c.digest == digest, *_live(self.clock()))
        with self.database.read() as connection:
            row = first_row(connection, query) if digest else None
        if row is None:
            return None
        session = _session(row)
        self._uses.note(session.id)
        scopes = ROLE_SCOPES[session.role]
        identity = Identity(session.id, session.project_id, scopes, None, session.role, session.user_id)
        return identity, session

    def record_uses(self, *, all: bool = False) -> int:
        """Enter when sessions were last used; see `Uses.record`."""
        return self._uses.record(all=all)

    def page(
        self,
        project_id: str,
        user_id: str | None = None,
        *,
        after: str | None,
        limit: int,
        descending: bool = True,
    ) -> tuple[list[Session], bool]:
        """Open sessions of a project, or of one user in it, and whether there are more; see `page_of`."""
        owner = sessions.c.project_id == project_id
        if user_id is not None:
            owner &= sessions.c.user_id == user_id
        query = _SESSIONS.where(owner, *_live(self.clock()))
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "session", after, limit, descending)
        return list(map(_session, rows)), more

    # The end

    def end(self, project_id: str, session_id: str, user_id: str | None = None) -> bool:
        """End an open session of a project, or of one user in it; returns whether there was one."""
        condition = (sessions.c.id == session_id) & (sessions.c.project_id == project_id)
        if user_id is not None:
            condition &= sessions.c.user_id == user_id
        now = self.clock()
        with self.database.write() as connection:
            return end_sessions(connection, condition & sa.and_(sessions.c.expires_at > now), now) > 0


def end_sessions(connection: Connection, condition: sa.ColumnElement[bool], now: float) -> int:
    """End the open sessions that meet a condition, in the caller's transaction; returns how many."""
    update = sessions.update().where(condition, sessions.c.ended_at.is_(None)).values(ended_at=now)
    return len(connection.execute(update.returning(sessions.c.id)).all())


_INSTANCE = Prepared("INSERT INTO instances (number, id) VALUES (1, :id) ON CONFLICT (number) DO NOTHING")
_ROLE = sa.case((sessions.c.user_id.is_(None), "owner"), else_=users.c.role).label("role")
_SESSIONS = sa.select(
    *(column for column in sessions.c if column.key not in ("digest", "ended_at")),
    users.c.name.label("user_name"),
    users.c.email,
    _ROLE,
).select_from(sessions.outerjoin(users, users.c.id == sessions.c.user_id))


def _live(now: float) -> tuple[sa.ColumnElement[bool], ...]:
    return sessions.c.ended_at.is_(None), sessions.c.expires_at > now, users.c.deleted_at.is_(None)


def _session(row: sa.RowMapping) -> Session:
    return from_row(Session, row)
