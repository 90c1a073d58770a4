"""The record of what screening decided, and what reviewers said about it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.errors import BadInput, quote
from hinode.records import ids
from hinode.records.database import Database
from hinode.records.paging import page_of
from hinode.records.rows import first_row, from_row, insert_into
from hinode.records.tables import screening_appeals as appeals
from hinode.records.tables import screening_decisions as decisions
from hinode.records.tables import screening_frames as frames
from hinode.request import MediaFile
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event
from hinode.trust.screening.verdict import Action, Finding, Verdict

PREFIX = "decision_"
MAX_NOTE_LENGTH = 2000


class Outcome(enum.StrEnum):
    """What a reviewer said."""

    APPROVED = "approved"
    REFUSED = "refused"


class UnknownDecision(BadInput):
    """There is no such decision, or it is about a request of another project."""

    code = "not_found"

    def __init__(self, decision_id: str) -> None:
        message = f"there is no decision {quote(decision_id, 80)}"
        super().__init__(message, "see which there are with `hinode review list`", field="id")


@dataclass(frozen=True)
class Decision:
    """A row of `records.tables.screening_decisions`, which says what each column means, with the appeal
    against it and the SHA-256 of the picture of its frames."""

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
    appeal: str | None = None
    appealed_at: float | None = None
    frames: str | None = None

    @property
    def approvable(self) -> bool:
        """Whether a reviewer may let the request pass: its texts are stored only below the gravest
        category."""
        return self.text is not None


STOPPED = decisions.c.action != Action.ALLOW.name.lower()
"""Decisions against requests."""

_JOINED = decisions.outerjoin(appeals, appeals.c.decision_id == decisions.c.id).outerjoin(
    frames, frames.c.decision_id == decisions.c.id
)
SELECT = sa.select(
    decisions,
    appeals.c.note.label("appeal"),
    appeals.c.created_at.label("appealed_at"),
    frames.c.digest.label("frames"),
).select_from(_JOINED)
"""Decisions with their appeals and frames."""


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
    pictures: MediaFile | None = None,
) -> str:
    """Enter a decision in the caller's transaction, for each of some jobs; returns the id of the last.

    `pictures` has frames of a clip, for reviewers.
    """
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
    decision_id = str(rows[-1]["id"])
    if pictures is not None:
        values = {"digest": pictures.digest, "media_type": pictures.media_type}
        connection.execute(frames.insert().values(decision_id=decision_id, project_id=project_id, **values))
    return decision_id


def _values(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"action": finding.action.name.lower(), "stage": finding.stage.value}


def last(connection: Connection, project_id: str, digest: str) -> Decision | None:
    """The last decision against these texts in a project, or None; an approval of a reviewer comes first."""
    query = (
        SELECT.where(decisions.c.project_id == project_id, decisions.c.digest == digest, STOPPED)
        .order_by((decisions.c.outcome == Outcome.APPROVED.value).desc().nulls_last(), decisions.c.id.desc())
        .limit(1)
    )
    row = first_row(connection, query)
    return from_row(Decision, row) if row else None


class Decisions:
    """The decisions of one database, for reviewers and for people who were refused. Safe to use from several
    threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.database = database
        self.clock = clock

    # What reviewers do

    def page(
        self,
        *,
        waiting: bool = True,
        appealed: bool = False,
        after: str | None = None,
        limit: int = 100,
        descending: bool = True,
    ) -> tuple[list[Decision], bool]:
        """Decisions against requests in the order of time, and whether there are more; see `page_of`.

        Args:
            waiting: only those that nobody has reviewed yet.
            appealed: only those against which somebody has appealed.
        """
        query = SELECT.where(STOPPED)
        if waiting:
            query = query.where(decisions.c.outcome.is_(None))
        if appealed:
            query = query.where(appeals.c.note.is_not(None))
        return self._page(query, STOPPED, after, limit, descending)

    def get(self, decision_id: str) -> Decision:
        """A decision; raises UnknownDecision if there is none."""
        with self.database.read() as connection:
            return _find(connection, decision_id)

    def frames(self, decision_id: str) -> MediaFile | None:
        """The picture with frames of a clip that was blocked, while the decision waits for a reviewer."""
        query = sa.select(frames).where(frames.c.decision_id == decision_id)
        with self.database.read() as connection:
            row = first_row(connection, query)
        return None if row is None else MediaFile(row["digest"], row["media_type"], 0)

    def review(self, decision_id: str, outcome: Outcome, reviewer: str, note: str = "") -> Decision:
        """Approve or refuse what was blocked. After an approval the same request of the same project passes.

        Raises:
            BadInput: there is no such decision, or it cannot be approved.
        """
        _check_length(note)
        with self.database.write() as connection:
            decision = _find(connection, decision_id)
            if decision.action == Action.ALLOW.name.lower():
                raise BadInput(f"{decision_id} allowed its request", "name one that did not", field="id")
            if not decision.approvable and outcome is Outcome.APPROVED:
                message = f"{decision_id} is of the gravest category, which nobody can approve"
                raise BadInput(message, "refuse it, or change the rule", field="id")
            values = {
                "outcome": outcome.value,
                "reviewer": reviewer,
                "note": note or None,
                "reviewed_at": self.clock(),
            }
            connection.execute(decisions.update().where(decisions.c.id == decision_id).values(**values))
            connection.execute(frames.delete().where(frames.c.decision_id == decision_id))
            event = Event(f"review.{outcome}", reviewer, decision_id, {"note": note})
            log.record(connection, event, self.clock())
            return _find(connection, decision_id)

    # What people do who were refused

    def of_project(
        self, project_id: str, *, after: str | None = None, limit: int = 100, descending: bool = True
    ) -> tuple[list[Decision], bool]:
        """Decisions against requests of a project, and whether there are more; see `page_of`."""
        mine = sa.and_(STOPPED, decisions.c.project_id == project_id)
        return self._page(SELECT.where(mine), mine, after, limit, descending)

    def appeal(self, project_id: str, decision_id: str, note: str, person: str) -> Decision:
        """Ask for a review; a second note replaces the first one, until a reviewer has decided.

        Args:
            project_id: whose request was refused.
            note: why the request is in order.
            person: id of who appeals.

        Raises:
            UnknownDecision: there is none of this project.
            BadInput: nothing was refused, it was reviewed already, or nobody can approve it.
        """
        _check_length(note)
        if not note.strip():
            raise BadInput("the note is empty", "say why the request is in order", field="note")
        with self.database.write() as connection:
            decision = _find(connection, decision_id)
            if decision.project_id != project_id or decision.action == Action.ALLOW.name.lower():
                raise UnknownDecision(decision_id)
            if decision.outcome is not None:
                message = f"a reviewer has decided already: {decision_id} is {decision.outcome}"
                raise BadInput(message, "ask the operator of this server", field="id")
            if not decision.approvable:
                message = f"{decision_id} is of the gravest category, which nobody can approve"
                raise BadInput(message, "change the request", field="id")
            now = self.clock()
            values = {"note": note, "person": person, "created_at": now}
            start = insert_into(connection, appeals).values(
                decision_id=decision_id, project_id=project_id, **values
            )
            connection.execute(start.on_conflict_do_update(index_elements=["decision_id"], set_=values))
            log.record(
                connection, Event("review.appealed", person, decision_id, {"project": project_id}), now
            )
            return _find(connection, decision_id)

    def _page(
        self,
        query: sa.Select[Any],
        owner: sa.ColumnElement[bool],
        after: str | None,
        limit: int,
        descending: bool,
    ) -> tuple[list[Decision], bool]:
        with self.database.read() as connection:
            rows, more = page_of(connection, query, owner, "decision", after, limit, descending)
        return [from_row(Decision, row) for row in rows], more


def _check_length(note: str) -> None:
    if len(note) > MAX_NOTE_LENGTH:
        message = f"the note has {len(note):,} characters"
        raise BadInput(message, f"give {MAX_NOTE_LENGTH:,} at most", field="note")


def _find(connection: Connection, decision_id: str) -> Decision:
    known = decision_id if ids.is_id(decision_id) else ""
    row = first_row(connection, SELECT.where(decisions.c.id == known))
    if row is None:
        raise UnknownDecision(decision_id)
    return from_row(Decision, row)
