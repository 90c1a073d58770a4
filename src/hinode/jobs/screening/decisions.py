"""The record of what screening decided, and what reviewers said about it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.jobs import ids
from hinode.jobs.audit import log
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row
from hinode.records.tables import jobs
from hinode.records.tables import screening_decisions as decisions
from hinode.trust.audit.chain import Event
from hinode.trust.screening.verdict import Action, Finding, Verdict

PREFIX = "decision_"
MAX_NOTE_LENGTH = 2000


class Outcome(enum.StrEnum):
    """What a reviewer said."""

    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """A row of `records.tables.screening_decisions`, which says what each column means."""

    id: str
    project_id: str
    job_id: str | None
    digest: str
    text: str | None
    action: str
    category: str | None
    findings: Sequence[Mapping[str, Any]]
    policy: str
    created_at: float
    outcome: str | None
    reviewer: str | None
    note: str | None
    reviewed_at: float | None


def insert(
    connection: Connection,
    verdict: Verdict,
    now: float,
    *,
    project_id: str,
    key_id: str | None,
    digest: str,
    text: str | None,
    job_ids: Iterable[str | None] = (None,),
) -> str:
    """Enter a decision in the caller's transaction, for each of some jobs; returns the id of the last."""
    rows = [
        {
            "id": ids.make(PREFIX, now),
            "project_id": project_id,
            "key_id": key_id,
            "job_id": job_id,
            "digest": digest,
            "text": text,
            "action": verdict.action.name.lower(),
            "category": verdict.first.category if verdict.findings else None,
            "findings": [_values(finding) for finding in verdict.findings],
            "policy": verdict.policy,
            "created_at": now,
        }
        for job_id in job_ids
    ]
    connection.execute(decisions.insert(), rows)
    return str(rows[-1]["id"])


def _values(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"action": finding.action.name.lower(), "stage": finding.stage.value}


def last(connection: Connection, project_id: str, digest: str) -> Decision | None:
    """The last decision against these texts in a project, or None; an approval of a reviewer comes first."""
    query = (
        sa.select(decisions)
        .where(
            decisions.c.project_id == project_id,
            decisions.c.digest == digest,
            decisions.c.action != Action.ALLOW.name.lower(),
        )
        .order_by((decisions.c.outcome == Outcome.APPROVED.value).desc().nulls_last(), decisions.c.id.desc())
        .limit(1)
    )
    row = first_row(connection, query)
    return from_row(Decision, row) if row else None


class Decisions:
    """The decisions of one database, for reviewers. Safe to use from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.database = database
        self.clock = clock

    def list(
        self, *, waiting: bool = True, after: str | None = None, limit: int = 100, descending: bool = True
    ) -> tuple[list[Decision], bool]:
        """Decisions against requests in the order of time, and whether there are more; see `page_of`.

        With `waiting` only those that nobody has reviewed yet.
        """
        chosen = decisions.c.action != Action.ALLOW.name.lower()
        if waiting:
            chosen = sa.and_(chosen, decisions.c.outcome.is_(None))
        with self.database.read() as connection:
            query = sa.select(decisions).where(chosen)
            rows, more = page_of(connection, query, chosen, "decision", after, limit, descending)
        return [from_row(Decision, row) for row in rows], more

    def get(self, decision_id: str) -> Decision:
        """A decision; raises BadInput if there is none."""
        with self.database.read() as connection:
            return _find(connection, decision_id)

    def review(self, decision_id: str, outcome: Outcome, reviewer: str, note: str = "") -> Decision:
        """Approve or refuse what was blocked. After an approval the same request of the same project passes.

        Raises:
            BadInput: there is no such decision, or it cannot be approved.
        """
        if len(note) > MAX_NOTE_LENGTH:
            message = f"the note has {len(note):,} characters"
            raise BadInput(message, f"give {MAX_NOTE_LENGTH:,} at most", field="note")
        with self.database.write() as connection:
            decision = _find(connection, decision_id)
            if decision.action == Action.ALLOW.name.lower():
                raise BadInput(f"{decision_id} allowed its request", "name one that did not", field="id")
            if decision.text is None and outcome is Outcome.APPROVED:
                message = f"{decision_id} is of the gravest category, which nobody can approve"
                raise BadInput(message, "refuse it, or change the rule", field="id")
            values = {
                "outcome": outcome.value,
                "reviewer": reviewer,
                "note": note or None,
                "reviewed_at": self.clock(),
            }
            connection.execute(decisions.update().where(decisions.c.id == decision_id).values(**values))
            event = Event(f"review.{outcome}", reviewer, decision_id, {"note": note})
            log.record(connection, event, self.clock())
            return _find(connection, decision_id)


def past_prompts(database: Database, count: int) -> list[str]:
    """The prompts of the last jobs of all projects, the newest first."""
    query = sa.select(jobs.c.request).order_by(jobs.c.id.desc()).limit(count)
    with database.read() as connection:
        return [row.request["prompt"] for row in connection.execute(query)]


def _find(connection: Connection, decision_id: str) -> Decision:
    row = first_row(connection, sa.select(decisions).where(decisions.c.id == decision_id))
    if row is None:
        message = f"there is no decision {quote(decision_id)}"
        raise BadInput(message, "see which there are with `hinode review list`", field="id")
    return from_row(Decision, row)
