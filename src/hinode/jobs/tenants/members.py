"""Members of projects: their roles, invitations and passwords.

A person who is a member of two projects has two accounts: nothing that an owner of one does reaches the
other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.jobs.tenants import tokens
from hinode.jobs.tenants.passwords import hash_password, verify_password
from hinode.jobs.tenants.sessions import MAX_ACCOUNTS, NewSession, Sessions, end_sessions
from hinode.jobs.tenants.tenant import MAX_NAME_LENGTH, ROLES, Role, check_count
from hinode.jobs.webhooks import outbox
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import sessions, users

MAX_MEMBERS = 1000
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>,;:\"()\[\]\\]{1,64}@[^@\s\x00-\x1f\x7f<>,;:\"()\[\]\\]{1,189}")


@dataclass(frozen=True)
class Member:
    """A person with an account in a project.

    Attributes:
        email: in lower case.
        accepted: whether the person has set a password.
        created_at: of the invitation, in seconds since 1970.
    """

    id: str
    project_id: str
    email: str
    name: str
    role: Role
    accepted: bool
    created_at: float


class Members:
    """The members of the projects of one database. Safe to use from several threads."""

    def __init__(self, database: Database, sessions: Sessions, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since 1970."""
        self.database = database
        self.sessions = sessions
        self.clock = clock

    def invite(self, project_id: str, email: str, name: str, role: str) -> tuple[Member, str]:
        """Add a member, who sets a password with the token of the invitation.

        Returns: the member and the token, which works once within a week.

        Raises:
            BadInput: a value cannot be used, or the project has such a member.
        """
        now = self.clock()
        email = parse_email(email)
        values = {"id": ids.make("user_", now), "project_id": project_id, "email": email, "created_at": now}
        values |= {"name": ids.parse_name(name or email.partition("@")[0], MAX_NAME_LENGTH)}
        values |= {"role": parse_role(role)}
        with self.database.write() as connection:
            check_count(connection, project_id, MAX_MEMBERS, "members", "email", *_of(project_id))
            if first_row(connection, _members(project_id).where(users.c.email == email)):
                message = f"{email} is a member already"
                raise BadInput(message, "change the role instead", field="email")
            connection.execute(users.insert().values(**values))
            member = self._member(connection, project_id, str(values["id"]))
            assert member is not None
            return member, self._issue(connection, member, now)

    def get(self, project_id: str, user_id: str) -> Member | None:
        """A member of a project, or None if there is none."""
        with self.database.read() as connection:
            return self._member(connection, project_id, user_id)

    def page(
        self, project_id: str, *, after: str | None, limit: int, descending: bool = True
    ) -> tuple[list[Member], bool]:
        """Members of a project in the order of invitation, and whether there are more; see `page_of`."""
        owner = users.c.project_id == project_id
        with self.database.read() as connection:
            query = _members(project_id)
            rows, more = page_of(connection, query, owner, "member", after, limit, descending)
        return list(map(_member, rows)), more

    def all(self) -> list[Member]:
        """The members of all projects, the oldest first."""
        with self.database.read() as connection:
            query = _MEMBERS.where(users.c.deleted_at.is_(None)).order_by(users.c.id)
            return list(map(_member, connection.execute(query).mappings()))

    def change_role(self, project_id: str, user_id: str, role: str) -> Member | None:
        """Give a member another role, from now on; returns the member, or None if there is none.

        Raises:
            BadInput: there is no such role.
        """
        role = parse_role(role)
        with self.database.write() as connection:
            condition = (users.c.id == user_id, *_of(project_id))
            connection.execute(users.update().where(*condition).values(role=role))
            return self._member(connection, project_id, user_id)

    def remove(self, project_id: str, user_id: str) -> bool:
        """Remove a member and end the sessions of the person; returns whether there was one."""
        now = self.clock()
        with self.database.write() as connection:
            condition = (users.c.id == user_id, *_of(project_id))
            gone = users.update().where(*condition).values(deleted_at=now, password=None)
            if not connection.execute(gone.returning(users.c.id)).all():
                return False
            tokens.revoke(connection, user_id)
            end_sessions(connection, sessions.c.user_id == user_id, now)
            return True

    def invitation(self, project_id: str, user_id: str) -> tuple[Member, str] | None:
        """A member and another token for a new password; None if there is no such member."""
        with self.database.write() as connection:
            member = self._member(connection, project_id, user_id)
            return None if member is None else (member, self._issue(connection, member, self.clock()))

    # Passwords

    def request_reset(self, email: str, notify: bool) -> list[tuple[Member, str]]:
        """The members with an address, each with a token for a new password.

        Args:
            email: in any case of its letters; an unknown one gives nothing.
            notify: whether the webhooks of their projects are told.
        """
        now = self.clock()
        query = _MEMBERS.where(users.c.email == email.lower(), users.c.deleted_at.is_(None))
        with self.database.write() as connection:
            rows = connection.execute(query.order_by(users.c.id).limit(MAX_ACCOUNTS)).mappings().all()
            members = list(map(_member, rows))
            if notify:
                for member in members:
                    self._notify(connection, member, "member.password_reset", now)
                return []
            return [
                (member, tokens.issue(connection, member.project_id, "reset", now, member.id))
                for member in members
            ]

    def notify_invitation(self, member: Member) -> None:
        """Tell the webhooks of the project that a member was invited and no mail was sent."""
        with self.database.write() as connection:
            self._notify(connection, member, "member.invited", self.clock())

    def set_password(self, token: str, password: str, agent: str) -> NewSession:
        """Set the password of the member whose token it is, end the sessions before, and begin one.

        Raises:
            SignInError: the token is unknown, over, or used up.
            BadInput: the password cannot be used; the token stays good.
        """
        now = self.clock()
        hashed = hash_password(password)
        with self.database.write() as connection:
            row = tokens.spend(connection, token, ("invitation", "reset"), now)
            user_id = row["user_id"]
            email = connection.scalar(sa.select(users.c.email).where(users.c.id == user_id))
            if password.lower() == email:
                hash_password(password, email)  # raises, and the token is not spent
            self._enter_password(connection, user_id, hashed, now)
            return self.sessions.open(connection, row["project_id"], user_id, agent)

    def change_password(self, user_id: str, session_id: str, current: str, password: str) -> bool:
        """Set another password and end the other sessions of the member; False if `current` is wrong.

        Raises:
            BadInput: the new password cannot be used.
        """
        query = sa.select(users.c.password, users.c.email).where(users.c.id == user_id)
        with self.database.read() as connection:
            row = first_row(connection, query)
        if row is None or not verify_password(row["password"], current):
            return False
        hashed = hash_password(password, row["email"])
        with self.database.write() as connection:
            self._enter_password(connection, user_id, hashed, self.clock(), session_id)
        return True

    # Inside a transaction

    def _member(self, connection: Connection, project_id: str, user_id: str) -> Member | None:
        row = first_row(connection, _members(project_id).where(users.c.id == user_id))
        return _member(row) if row else None

    def _issue(self, connection: Connection, member: Member, now: float) -> str:
        return tokens.issue(connection, member.project_id, "invitation", now, member.id)

    def _enter_password(
        self, connection: Connection, user_id: str, hashed: str, now: float, except_session: str = ""
    ) -> None:
        connection.execute(users.update().where(users.c.id == user_id).values(password=hashed))
        tokens.revoke(connection, user_id)
        others = (sessions.c.user_id == user_id) & (sessions.c.id != except_session)
        end_sessions(connection, others, now)

    def _notify(self, connection: Connection, member: Member, event: str, now: float) -> None:
        """An event with the id alone: the log of deliveries holds no token."""
        once = f"{member.id}:{event}:{int(now * 1000)}"
        outbox.emit(connection, member.project_id, event, {"id": member.id}, once=once, now=now)


def parse_email(email: str) -> str:
    """An email address in lower case.

    Raises:
        BadInput: it is none.
    """
    email = email.strip().lower()
    if not (_EMAIL.fullmatch(email) and email.isprintable()):
        message = f"{quote(email)} is no email address"
        raise BadInput(message, "write it like name@example.com", field="email")
    return email


def parse_role(role: str) -> Role:
    """One of `ROLES`.

    Raises:
        BadInput: there is no such role.
    """
    for name in ROLES:
        if role == name:
            return name
    message = f"there is no role {quote(role)}"
    raise BadInput(message, f"choose {join_names(ROLES, 'or')}", field="role")


_MEMBERS = sa.select(
    *(column for column in users.c if column.key not in ("password", "deleted_at")),
    users.c.password.is_not(None).label("accepted"),
)


def _of(project_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return users.c.project_id == project_id, users.c.deleted_at.is_(None)


def _members(project_id: str) -> sa.Select[tuple[object, ...]]:
    return _MEMBERS.where(*_of(project_id))


def _member(row: sa.RowMapping) -> Member:
    return from_row(Member, row, accepted=bool(row["accepted"]))
