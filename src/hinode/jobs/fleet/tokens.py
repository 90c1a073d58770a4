"""Tokens with which workers on other machines act, and nobody else; and who uses them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs import transitions
from hinode.jobs.job import Job
from hinode.jobs.scheduling import live_workers
from hinode.jobs.states import Outcome, Status
from hinode.jobs.tenants.tenant import MAX_NAME_LENGTH
from hinode.jobs.tenants.tokens import digest_of, new_secret
from hinode.jobs.upkeep import take_back
from hinode.records.database import Database
from hinode.records.ids import make as make_id
from hinode.records.ids import parse_name
from hinode.records.rows import first_row, from_row
from hinode.records.tables import jobs, worker_tokens, workers

PREFIX = "wk-hinode-"


@dataclass(frozen=True)
class WorkerToken:
    """A token without its secret, a row of `records.tables.worker_tokens`.

    Attributes:
        engines: names of the engines that its workers may run, or None for all.
        projects: ids of the projects whose jobs they may have, or None for all.
    """

    id: str
    name: str
    hint: str
    engines: tuple[str, ...] | None
    projects: tuple[str, ...] | None
    created_at: float
    revoked_at: float | None

    @classmethod
    def of(cls, row: sa.RowMapping) -> WorkerToken:
        """The token in a row of the table."""
        engines, projects = (
            None if row[name] is None else tuple(row[name]) for name in ("engines", "projects")
        )
        return from_row(cls, row, engines=engines, projects=projects)


@dataclass(frozen=True)
class NewWorkerToken:
    """A token that was just made: only now is `token` itself known."""

    id: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class FleetEntry:
    """A worker, or a token that no worker has used yet.

    Attributes:
        token: its token; None for a worker that works on the database itself.
        worker_id: None if the token was not used yet.
        job_id: the job that it works on.
        resident: models in its memory, "engine/model".
        live: whether it was seen lately and has not ended.
        seen_at: when it was last heard of, in seconds since 1970.
    """

    token: WorkerToken | None
    worker_id: str | None = None
    host: str | None = None
    job_id: str | None = None
    resident: tuple[str, ...] = ()
    live: bool = False
    seen_at: float | None = None

    @property
    def state(self) -> str:
        """In a word: "removed", "never seen", "away", "working" or "idle"."""
        if self.token is not None and self.token.revoked_at is not None:
            return "removed"
        if self.worker_id is None:
            return "never seen"
        if not self.live:
            return "away"
        return "idle" if self.job_id is None else "working"


class WorkerTokens:
    """The tokens of one database. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`database` is up to date (`Database.upgrade`), and `clock` gives seconds since 1970."""
        self.database = database
        self.clock = clock

    def create(
        self,
        name: str,
        *,
        engines: Collection[str] | None = None,
        projects: Collection[str] | None = None,
    ) -> NewWorkerToken:
        """Make a token; its secret cannot be read later.

        Args:
            name: what a person calls the machine, 1 to 100 characters, and no other token that is in use.
            engines: names of the engines that its workers may run, or None for all.
            projects: ids of the projects whose jobs they may have, or None for all; they exist.

        Raises:
            BadInput: the name cannot be used.
        """
        name, now = parse_name(name, MAX_NAME_LENGTH), self.clock()
        token, token_id = new_secret(PREFIX), make_id("wtoken_", now)
        values = {"engines": engines, "projects": projects}
        limits = {key: sa.null() if value is None else sorted(value) for key, value in values.items()}
        with self.database.write() as connection:
            used = worker_tokens.c.name == name, worker_tokens.c.revoked_at.is_(None)
            if first_row(connection, sa.select(worker_tokens).where(*used)) is not None:
                message = f"there is a worker {quote(name)} already"
                raise BadInput(message, "choose another name, or remove that one first", field="name")
            connection.execute(
                worker_tokens.insert().values(
                    id=token_id,
                    name=name,
                    hint=f"{token[: len(PREFIX) + 2]}…{token[-4:]}",
                    digest=digest_of(token),
                    created_at=now,
                    **limits,
                )
            )
        return NewWorkerToken(token_id, token)

    def authenticate(self, token: str) -> WorkerToken | None:
        """The token with this secret, or None if it is unknown or was removed."""
        digest = digest_of(token)
        if digest is None:
            return None
        active = worker_tokens.c.digest == digest, worker_tokens.c.revoked_at.is_(None)
        with self.database.read() as connection:
            row = first_row(connection, sa.select(worker_tokens).where(*active))
        return WorkerToken.of(row) if row else None

    def remove(self, name: str) -> tuple[WorkerToken, int]:
        """Revoke a token for ever, and give the jobs of its workers back to their queues, in one transaction.

        Args:
            name: id or name of the token.

        Returns: the token, and how many jobs were given back.

        Raises:
            BadInput: there is no such token in use.
        """
        now = self.clock()
        with self.database.write() as connection:
            either = sa.or_(worker_tokens.c.id == name, worker_tokens.c.name == name)
            active = either, worker_tokens.c.revoked_at.is_(None)
            revoke = worker_tokens.update().where(*active).values(revoked_at=now).returning(worker_tokens)
            row = first_row(connection, revoke)
            if row is None:
                remedy = "see which there are with `hinode workers list`"
                raise BadInput(f"there is no worker {quote(name)}", remedy, field="worker")
            token = WorkerToken.of(row)
            own = workers.c.token_id == token.id
            connection.execute(
                workers.update().where(own, workers.c.stopped_at.is_(None)).values(stopped_at=now)
            )
            theirs = jobs.c.worker_id.in_(sa.select(workers.c.id).where(own))
            return token, take_back(connection, theirs, now, _give_back)

    def fleet(self) -> list[FleetEntry]:
        """Every live worker and every token, the oldest first.

        Of a token's workers that are away, the last one is there if none is live.
        """
        now = self.clock()
        is_live = sa.and_(*live_workers.is_live(now))
        with self.database.read() as connection:
            query = sa.select(worker_tokens).order_by(worker_tokens.c.id)
            tokens = [WorkerToken.of(row) for row in connection.execute(query).mappings()]
            listed = sa.or_(workers.c.token_id.is_not(None), is_live)
            listing = sa.select(workers, is_live.label("live")).where(listed).order_by(workers.c.last_seen_at)
            rows = list(connection.execute(listing).mappings())
            query = sa.select(jobs.c.worker_id, jobs.c.id, jobs.c.engine, jobs.c.model)
            running = query.where(jobs.c.status == Status.RUNNING.value)
            current = {row.worker_id: row for row in connection.execute(running)}
        entries = []
        for token in (None, *tokens):
            own = [row for row in rows if row["token_id"] == (token.id if token else None)]
            shown = [row for row in own if row["live"]] or own[-1:]
            if token is not None and not shown:
                entries.append(FleetEntry(token))
            for row in shown:
                job = current.get(row["id"])
                # A worker enters what is in its memory when it is idle.
                resident = row["resident"] if job is None else [f"{job.engine}/{job.model}"]
                entries.append(
                    FleetEntry(
                        token,
                        worker_id=row["id"],
                        host=row["host"],
                        job_id=job.id if job else None,
                        resident=tuple(resident),
                        live=bool(row["live"]),
                        seen_at=row["last_seen_at"],
                    )
                )
        return entries


def _give_back(connection: Connection, job: Job, now: float) -> None:
    """The worker was sent away, so the job is not counted as one that takes workers down."""
    transitions.give_back(connection, job, Outcome.YIELDED, now)
