"""Values of the tenants: identities, keys, projects and their limits."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.records.rows import count_rows, from_row, only_row
from hinode.records.tables import projects

SCOPES = ("read", "write")
"""What a key allows: to look at videos, files and batches; and to make, change or delete them."""
MANAGE = "manage"
"""The scope for members, keys and the settings of the project, which a key has only if it is named."""
ALL_SCOPES = (*SCOPES, MANAGE)
REVIEW = "review"
"""The scope of the role of reviewers, which no key has."""

Role = Literal["owner", "editor", "viewer", "reviewer"]
ROLES: tuple[Role, ...] = get_args(Role)
ROLE_SCOPES: dict[Role, frozenset[str]] = {
    "owner": frozenset(ALL_SCOPES),
    "editor": frozenset(SCOPES),
    "viewer": frozenset({"read"}),
    "reviewer": frozenset({"read", REVIEW}),
}
"""What a person may do who is signed in."""

Expiry = Literal["never", "week"]
SESSION_PREFIX = "session_"

MAX_NAME_LENGTH = 100
MAX_REQUESTS_PER_MINUTE = 1_000_000
MAX_LIMIT = 1_000_000_000
MAX_WEIGHT = 1000.0


@dataclass(frozen=True)
class Identity:
    """Who sent a request, by an API key or in a session, and what that allows.

    Attributes:
        key_id: of the key or of the session.
        project_id: the project that all it does belongs to.
        scopes: of `ALL_SCOPES`, or "review".
        requests_per_minute: limit of requests, or None.
        role: of the person in a session; None with a key.
        user_id: the account of the person; None with a key, or by a one-time link.
    """

    key_id: str
    project_id: str
    scopes: frozenset[str]
    requests_per_minute: int | None
    role: Role | None = None
    user_id: str | None = None


@dataclass(frozen=True)
class Limits:
    """What a project may use. None is no limit, 0 stops it.

    Attributes:
        weight: its share when there are more jobs than workers; 2 gets twice as much as 1.
        max_running: jobs at once.
        max_queued: jobs waiting or running.
        daily_seconds: seconds of video that are accepted in any 24 hours.
    """

    weight: float = 1.0
    max_running: int | None = None
    max_queued: int | None = None
    daily_seconds: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and 0 < self.weight <= MAX_WEIGHT):
            remedy = f"give more than 0 and at most {MAX_WEIGHT:g}"
            raise BadInput(f"weight {self.weight:g} is out of range", remedy, field="weight")
        for name in ("max_running", "max_queued", "daily_seconds"):
            limit = getattr(self, name)
            if limit is not None and not (math.isfinite(limit) and 0 <= limit <= MAX_LIMIT):
                message = f"{name.replace('_', ' ')} {limit:g} is out of range"
                raise BadInput(message, f"give 0 to {MAX_LIMIT:,}", field=name)


@dataclass(frozen=True)
class Project:
    """A project with its limits and settings; `created_at` is in seconds since 1970.

    Attributes:
        expiry: "never": the files of jobs of signed-in people are kept; "week": no longer than those of keys.
        storage_limit_bytes: how much its files may take, or None for no limit.
        feed_enabled: whether it has a feed.
        local_only: whether its jobs stay with own workers, and never go to a provider.
        billing: whether its clips are paid for from its credit.
    """

    id: str
    organisation_id: str
    name: str
    created_at: float
    limits: Limits
    expiry: Expiry = "never"
    storage_limit_bytes: int | None = None
    feed_enabled: bool = False
    local_only: bool = False
    billing: bool = False

    @classmethod
    def of(cls, row: sa.RowMapping) -> Project:
        """The project in a row of the table."""
        return from_row(cls, row, limits=from_row(Limits, row))


@dataclass(frozen=True)
class Key:
    """An API key without its secret, a row of `records.tables.api_keys`; `hint` is its first and last
    letters."""

    id: str
    project_id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    requests_per_minute: int | None
    created_at: float
    last_used_at: float | None
    revoked_at: float | None

    @classmethod
    def of(cls, row: sa.RowMapping) -> Key:
        """The key in a row of the table."""
        return from_row(cls, row, scopes=tuple(row["scopes"].split()))


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: only now is `key` itself known."""

    id: str
    key: str = field(repr=False)


def lock_project(connection: Connection, project_id: str) -> sa.RowMapping:
    """The row of a project, locked against others that add something to it until the transaction ends.

    Rows of jobs or of a batch are locked after it, and rows that refer to it may still be written.
    """
    query = sa.select(projects).where(projects.c.id == project_id).with_for_update(key_share=True)
    return only_row(connection, query)


def check_count(
    connection: Connection,
    project_id: str,
    maximum: int,
    kind: str,
    field: str,
    *conditions: sa.ColumnElement[bool],
) -> None:
    """Check that a project can have one more of a kind, and lock it, so that two requests do not both add it.

    Raises:
        BadInput: it has the maximum already.
    """
    lock_project(connection, project_id)
    if (count := count_rows(connection, *conditions)) >= maximum:
        message = f"the project has {count} {kind}, and more are not possible"
        raise BadInput(message, "delete one first", field=field)


def is_session(key_id: str | None) -> bool:
    """Whether the `key_id` of a job is that of a session: a signed-in person made it."""
    return key_id is not None and key_id.startswith(SESSION_PREFIX)


def parse_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """The scopes in the order of `ALL_SCOPES`, each once.

    Raises:
        BadInput: there are none, or one that does not exist.
    """
    if not scopes or not set(scopes) <= set(ALL_SCOPES):
        unknown = sorted(set(scopes) - set(ALL_SCOPES))
        raise BadInput(
            f"there is no scope {quote(unknown[0])}" if unknown else "a key without a scope allows nothing",
            f"give {join_names(ALL_SCOPES)}, or some of them",
            field="scopes",
        )
    return tuple(scope for scope in ALL_SCOPES if scope in scopes)


def check_rate(requests_per_minute: int | None) -> None:
    """Raise BadInput if a limit of requests is out of range."""
    if requests_per_minute is not None and not 1 <= requests_per_minute <= MAX_REQUESTS_PER_MINUTE:
        message = f"{requests_per_minute} requests a minute is out of range"
        raise BadInput(message, f"give 1 to {MAX_REQUESTS_PER_MINUTE:,}", field="requests_per_minute")
