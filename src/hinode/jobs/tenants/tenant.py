"""The values that `tenants` hands about: who is asking, keys, projects and their limits."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from hinode.errors import BadInput, join_names, quote

SCOPES = ("read", "write")
"""What a key can be good for: looking at videos, files and batches; and making, changing or deleting them."""

MAX_NAME_LENGTH = 100
MAX_REQUESTS_PER_MINUTE = 1_000_000
MAX_LIMIT = 1_000_000_000
HEAVIEST = 1000.0


@dataclass(frozen=True)
class Identity:
    """Whom a request comes from.

    Attributes:
        key_id: key that it came with.
        project_id: whose jobs it may see and make.
        scopes: what the key is good for, of `SCOPES`.
        requests_per_minute: most requests in a minute, or None for no limit.
    """

    key_id: str
    project_id: str
    scopes: frozenset[str]
    requests_per_minute: int | None


@dataclass(frozen=True)
class Limits:
    """What a project may have of the machines. None is no limit, 0 stops it.

    Attributes:
        weight: its share when there is more work than the machines can do; 2 gets twice as much as 1.
        most_running: jobs at once.
        most_queued: jobs waiting or running.
        daily_seconds: seconds of video that are accepted in any 24 hours.
    """

    weight: float = 1.0
    most_running: int | None = None
    most_queued: int | None = None
    daily_seconds: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and 0 < self.weight <= HEAVIEST):
            raise BadInput(
                f"weight {self.weight:g} is out of range",
                f"give more than 0 and at most {HEAVIEST:g}",
                field="weight",
            )
        for name in ("most_running", "most_queued", "daily_seconds"):
            limit = getattr(self, name)
            if limit is not None and not (math.isfinite(limit) and 0 <= limit <= MAX_LIMIT):
                raise BadInput(
                    f"a limit of {limit:g} for {name.replace('_', ' ')} is out of range",
                    f"give 0 to {MAX_LIMIT:,}",
                    field=name,
                )


@dataclass(frozen=True)
class Project:
    """A project and its limits; `created_at` is in seconds since 1970."""

    id: str
    organisation_id: str
    name: str
    created_at: float
    limits: Limits


@dataclass(frozen=True)
class Key:
    """What is known about a key; times are seconds since 1970.

    Attributes:
        id: key_…, which is no secret.
        project_id: whose it is.
        name: what a person calls it.
        hint: its first and last letters.
        scopes: what it is good for, of `SCOPES`.
        requests_per_minute: most requests in a minute, or None for no limit.
        created_at: when it was made.
        last_used_at: when it was last used, to the minute, or None.
        revoked_at: since when it is good for nothing, or None.
    """

    id: str
    project_id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    requests_per_minute: int | None
    created_at: float
    last_used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: the only time that `key` itself is to be had."""

    id: str
    key: str = field(repr=False)


def parse_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """The scopes in their usual order, each once.

    Raises:
        BadInput: there are none, or one that does not exist.
    """
    if not scopes or not set(scopes) <= set(SCOPES):
        unknown = sorted(set(scopes) - set(SCOPES))
        raise BadInput(
            f"there is no scope {quote(unknown[0])}" if unknown else "a key without a scope opens nothing",
            f"give {join_names(SCOPES)}, or one of them",
            field="scopes",
        )
    return tuple(scope for scope in SCOPES if scope in scopes)


def parse_rate(requests_per_minute: int | None) -> int | None:
    """The same number.

    Raises:
        BadInput: it is out of range.
    """
    if requests_per_minute is not None and not 1 <= requests_per_minute <= MAX_REQUESTS_PER_MINUTE:
        raise BadInput(
            f"{requests_per_minute} requests a minute is out of range",
            f"give 1 to {MAX_REQUESTS_PER_MINUTE:,}",
            field="requests_per_minute",
        )
    return requests_per_minute


def key_of(row: sa.Row[tuple[object, ...]]) -> Key:
    """The key in a row of the table."""
    values = row._mapping
    return Key(
        id=values["id"],
        project_id=values["project_id"],
        name=values["name"],
        hint=values["hint"],
        scopes=tuple(values["scopes"].split()),
        requests_per_minute=values["requests_per_minute"],
        created_at=values["created_at"],
        last_used_at=values["last_used_at"],
        revoked_at=values["revoked_at"],
    )


def project_of(row: sa.Row[tuple[object, ...]]) -> Project:
    """The project in a row of the table."""
    values = row._mapping
    limits = Limits(values["weight"], values["most_running"], values["most_queued"], values["daily_seconds"])
    return Project(values["id"], values["organisation_id"], values["name"], values["created_at"], limits)
