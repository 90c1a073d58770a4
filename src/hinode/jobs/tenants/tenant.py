"""Values of the tenants: identities, keys, projects and their limits."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, join_names, quote
from hinode.records.rows import count_rows, from_row, only_row
from hinode.records.tables import projects

SCOPES = ("read", "write")
"""What a key allows: to look at videos, files and batches; and to make, change or delete them."""

MAX_NAME_LENGTH = 100
MAX_REQUESTS_PER_MINUTE = 1_000_000
MAX_LIMIT = 1_000_000_000
MAX_WEIGHT = 1000.0


@dataclass(frozen=True)
class Identity:
    """The key that a request came with, and what it allows: the scopes, of `SCOPES`, and the rate or None."""

    key_id: str
    project_id: str
    scopes: frozenset[str]
    requests_per_minute: int | None


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
    """A project and its limits; `created_at` is in seconds since 1970."""

    id: str
    organisation_id: str
    name: str
    created_at: float
    limits: Limits

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


def parse_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """The scopes in the order of `SCOPES`, each once.

    Raises:
        BadInput: there are none, or one that does not exist.
    """
    if not scopes or not set(scopes) <= set(SCOPES):
        unknown = sorted(set(scopes) - set(SCOPES))
        raise BadInput(
            f"there is no scope {quote(unknown[0])}" if unknown else "a key without a scope allows nothing",
            f"give {join_names(SCOPES)}, or one of them",
            field="scopes",
        )
    return tuple(scope for scope in SCOPES if scope in scopes)


def check_rate(requests_per_minute: int | None) -> None:
    """Raise BadInput if a limit of requests is out of range."""
    if requests_per_minute is not None and not 1 <= requests_per_minute <= MAX_REQUESTS_PER_MINUTE:
        message = f"{requests_per_minute} requests a minute is out of range"
        raise BadInput(message, f"give 1 to {MAX_REQUESTS_PER_MINUTE:,}", field="requests_per_minute")
